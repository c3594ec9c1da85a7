//! Questions to a host.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Address, Payload, Purpose, Token};
use crate::hash::Blake3;
use crate::id::TakeId;

/// A question for something that everybody may know, which changes nothing there: a checkpoint.
#[derive(Debug, Clone)]
pub struct Get<'a> {
    pub(super) address: &'a Address,
    pub(super) purpose: Purpose,
    pub(super) is_head: bool,
    pub(super) range: Option<(u64, u64)>,
    pub(super) token: Option<&'a Token>,
}

impl<'a> Get<'a> {
    /// Asks for what is at an address.
    pub fn new(address: &'a Address, purpose: Purpose) -> Self {
        Self { address, purpose, is_head: false, range: None, token: None }
    }

    /// Asks for the headers only. [`Egress::get`](super::Egress::get) then stays with the host: a redirect elsewhere is the
    /// answer.
    #[must_use]
    pub fn head(mut self) -> Self {
        self.is_head = true;
        self
    }

    /// Asks for the bytes from `first` up to and including `last`.
    #[must_use]
    pub fn range(mut self, first: u64, last: u64) -> Self {
        self.range = Some((first, last));
        self
    }

    /// Says who asks, to the host of the address and to no host it redirects to.
    #[must_use]
    pub fn token(mut self, token: Option<&'a Token>) -> Self {
        self.token = token;
        self
    }
}

/// What a host is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Say what is there.
    Get,
    /// Take this.
    Post,
    /// Put this there.
    Put,
    /// Remove it.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// Who asks, and the one origin that may know.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// The header it stands in: `authorization`, `x-goog-api-key`.
    pub header: &'static str,
    /// What stands before it: `Bearer `, `Key `, nothing.
    pub prefix: &'static str,
    /// The secret.
    pub token: &'a Token,
    /// Any address of the origin (scheme, host and port) that it is for.
    pub origin: &'a Address,
}

/// One field of a form.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The name and type of the file that it holds; none for a plain text.
    pub file: Option<(String, String)>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// What a question brings.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(Vec<u8>),
    /// A form with fields and files.
    Multipart(Vec<Field>),
    /// Bytes of this type.
    Bytes {
        /// The type, such as `image/png`.
        mime: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(bytes) => write!(f, "Json({} bytes)", bytes.len()),
            Self::Multipart(fields) => f.debug_tuple("Multipart").field(fields).finish(),
            Self::Bytes { mime, bytes } => write!(f, "Bytes({mime}, {} bytes)", bytes.len()),
        }
    }
}

impl Body {
    /// BLAKE3 of its bytes as they are sent, which is what the log says of it.
    pub fn hash(&self) -> Blake3 {
        self.encode().map_or_else(|| Blake3::of(&[]), |(_, bytes)| Blake3::of(&bytes))
    }

    /// Its type and its bytes as they are sent; none where there is nothing to send.
    pub(super) fn encode(&self) -> Option<(String, Cow<'_, [u8]>)> {
        match self {
            Self::Empty => None,
            Self::Json(bytes) => Some(("application/json".to_owned(), bytes.into())),
            Self::Bytes { mime, bytes } => Some((mime.clone(), bytes.into())),
            Self::Multipart(fields) => {
                let (boundary, form) = form(fields);
                Some((format!("multipart/form-data; boundary={boundary}"), form.into()))
            }
        }
    }
}

/// The line between the fields, and the form as it is sent.
fn form(fields: &[Field]) -> (String, Vec<u8>) {
    let mut hasher = blake3::Hasher::new();
    for field in fields {
        hasher.update(&field.bytes);
    }
    // It cannot occur in what it is a hash of.
    let boundary = format!("kinora-{}", Blake3::from(hasher.finalize()));
    let mut form = Vec::new();
    for Field { name, file, bytes } in fields {
        let mut head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(name));
        if let Some((file, mime)) = file {
            let (file, mime) = (quoted(file), quoted(mime));
            head.push_str(&format!("; filename=\"{file}\"\r\nContent-Type: {mime}"));
        }
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (boundary, form)
}

/// As browsers write a name into a form.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// How long a host is waited for, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest silence: while connecting, before the answer begins, between two of its bytes.
    pub patience: Duration,
    /// The largest answer.
    pub most_bytes: u64,
}

impl Default for Limits {
    /// 30 seconds and 64 MiB.
    fn default() -> Self {
        Self { patience: Duration::from_secs(30), most_bytes: 64 << 20 }
    }
}

/// A question that takes something of a production out, or is about something of it.
#[derive(Debug, Clone)]
pub struct Send<'a> {
    /// What to do.
    pub method: Method,
    /// Where.
    pub address: &'a Address,
    /// What for.
    pub purpose: Purpose,
    /// Headers, none of them secret.
    pub headers: Vec<(&'static str, String)>,
    /// Who asks.
    pub credential: Option<Credential<'a>>,
    /// What it brings.
    pub body: Body,
    /// What is in it, and who may see that.
    pub payload: &'a Payload,
    /// The take that it belongs to.
    pub take: Option<TakeId>,
    /// How patient and how open it is.
    pub limits: Limits,
}

impl<'a> Send<'a> {
    /// A question without a body.
    pub fn new(
        method: Method,
        address: &'a Address,
        purpose: Purpose,
        payload: &'a Payload,
    ) -> Self {
        Self {
            method,
            address,
            purpose,
            headers: Vec::new(),
            credential: None,
            body: Body::Empty,
            payload,
            take: None,
            limits: Limits::default(),
        }
    }

    /// Asks for something.
    pub fn get(address: &'a Address, purpose: Purpose, payload: &'a Payload) -> Self {
        Self::new(Method::Get, address, purpose, payload)
    }

    /// Hands something over.
    pub fn post(address: &'a Address, purpose: Purpose, payload: &'a Payload) -> Self {
        Self::new(Method::Post, address, purpose, payload)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// With a header, which is not secret.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Saying who asks.
    #[must_use]
    pub fn credential(mut self, credential: Option<Credential<'a>>) -> Self {
        self.credential = credential;
        self
    }

    /// For a take.
    #[must_use]
    pub fn take(mut self, take: TakeId) -> Self {
        self.take = Some(take);
        self
    }

    /// Within limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
