//! The one door to the network: no other file of this program opens a connection to another host.
//!
//! The door is shut until somebody opens it: an [`Egress`] refuses every host that no [`Consent`] names, and offline
//! it refuses all of them before a socket exists. A command that the user typed is the consent, for one host and one
//! purpose. Redirects are never followed unseen: each hop passes the same door. A [`Token`] goes to the host it is
//! for and to no other. No proxy is taken from the environment, because a proxy is another host.
//!
//! ```
//! use kinora_engine::egress::{Address, Egress, Get, Purpose};
//!
//! let door = Egress::new(false);
//! let address = Address::parse("https://huggingface.co/api/models/gpt2")?;
//! assert!(door.get(&Get::new(&address, Purpose::Checkpoint)).is_err());
//! # Ok::<(), kinora_engine::egress::Error>(())
//! ```

use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

use kinora_cards::host_fits;
use ureq::http::{self, HeaderMap, Uri};

use crate::{Hint, Kind};

/// How many hops a redirected request may take.
const MAX_HOPS: usize = 6;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Fetching a checkpoint.
    Checkpoint,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "fetching a checkpoint",
        })
    }
}

/// The user's permission to connect to one host for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// What for.
    pub purpose: Purpose,
    /// Hosts that this host may redirect to, as a card writes them.
    pub redirect_hosts: Vec<String>,
}

/// A secret that proves who the user is. Never printed, never sent to another host than the one consented to.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as typed; `None` where it is empty or holds what no header can.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A web address. Printed without what follows a `?`, where signed addresses carry keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    host: String,
    path: String,
}

impl Address {
    /// Reads an address: `https://…`, or `http://…` on this machine.
    ///
    /// # Errors
    /// [`Error::Address`] for text that is no web address, [`Error::Insecure`] for plain http to another machine.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::Address { what: without_secrets(text) };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        // A name and password before an `@` would be sent to the host in clear text by some, by us never.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let usual_port = if secure { 443 } else { 80 };
        let name = authority.host().to_ascii_lowercase();
        let host = match authority.port_u16() {
            Some(port) if port != usual_port => format!("{name}:{port}"),
            _ => name.clone(),
        };
        if !secure && !is_this_machine(&name) {
            return Err(Error::Insecure { host });
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host, path })
    }

    /// Returns the address below this one: `path` is appended, its letters escaped where an address needs it.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let mut joined = self.path.trim_end_matches('/').to_owned();
        for part in path.split('/') {
            joined.push('/');
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    joined.push(char::from(byte));
                } else {
                    joined.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        Self { path: joined, ..self.clone() }
    }

    /// Returns the host, with its port where that is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns where a `Location` header points that was received from this address.
    fn follow(&self, location: &str) -> Result<Self> {
        let scheme = if self.secure { "https" } else { "http" };
        let next = if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))?
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{}{location}", self.host))?
        } else {
            Self::parse(location)?
        };
        if self.secure && !next.secure {
            return Err(Error::Insecure { host: next.host });
        }
        Ok(next)
    }

    fn whole(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.whole()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Leaves out what may be secret: all after `?` or `#`, and everything where a name and password may stand.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    if text.contains('@') { "…@…".to_owned() } else { text.to_owned() }
}

/// Returns whether a host name, without port, is this machine.
fn is_this_machine(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A question to a host that changes nothing there.
#[derive(Debug, Clone)]
pub struct Get<'a> {
    address: &'a Address,
    purpose: Purpose,
    is_head: bool,
    range: Option<(u64, u64)>,
    token: Option<&'a Token>,
}

impl<'a> Get<'a> {
    /// Asks for what is at an address.
    pub fn new(address: &'a Address, purpose: Purpose) -> Self {
        Self { address, purpose, is_head: false, range: None, token: None }
    }

    /// Asks for the headers only. [`Egress::get`] then stays with the host: a redirect elsewhere is the answer.
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

/// What a host answered: status, headers, and a body yet to be read.
pub struct Answer {
    host: String,
    status: u16,
    headers: HeaderMap,
    body: ureq::BodyReader<'static>,
}

impl Answer {
    /// Returns the host that answered.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns a header's text, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns a header's number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name).and_then(|text| text.trim().parse().ok())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("host", &self.host).field("status", &self.status).finish()
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

/// The door. Shut until a [`Consent`] opens it for one host and purpose.
pub struct Egress {
    is_offline: bool,
    consents: Vec<Consent>,
    agent: ureq::Agent,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("is_offline", &self.is_offline)
            .field("consents", &self.consents)
            .finish()
    }
}

impl Egress {
    /// Makes a door that nobody has opened yet; one that is offline stays shut whatever anybody consents to.
    pub fn new(is_offline: bool) -> Self {
        Self::with_patience(is_offline, Duration::from_secs(30))
    }

    /// Makes a door that gives up on a host which sends nothing for so long.
    pub fn with_patience(is_offline: bool, patience: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("kinora/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .build()
            .into();
        Self { is_offline, consents: Vec::new(), agent }
    }

    /// Opens the door for what the user consented to.
    pub fn allow(&mut self, consent: Consent) {
        self.consents.push(consent);
    }

    /// Asks a host, following its redirects as far as the consent goes. Any status is an answer.
    ///
    /// A [`Get::head`] follows redirects only while they stay with the host.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Refused`] and [`Error::Redirect`] before a socket is opened;
    /// [`Error::Connection`] where the host cannot be reached or stalls.
    pub fn get(&self, request: &Get<'_>) -> Result<Answer> {
        let consent = self.consent(request.address, request.purpose)?;
        let mut address = request.address.clone();
        for _ in 0..MAX_HOPS {
            let answer = self.hop(request, &address)?;
            let location = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.header("location").map(ToOwned::to_owned),
                _ => None,
            };
            let Some(location) = location else { return Ok(answer) };
            let next = address.follow(&location)?;
            if request.is_head && next.host != address.host {
                return Ok(answer);
            }
            let goes = |pattern: &String| host_fits(pattern, &next.host);
            if next.host != consent.host && !consent.redirect_hosts.iter().any(goes) {
                return Err(Error::Redirect { from: address.host, to: next.host });
            }
            address = next;
        }
        Err(Error::Hops { host: request.address.host.clone() })
    }

    fn consent(&self, address: &Address, purpose: Purpose) -> Result<&Consent> {
        let host = || address.host.clone();
        if self.is_offline {
            return Err(Error::Offline { host: host(), purpose });
        }
        self.consents
            .iter()
            .find(|consent| consent.host == address.host && consent.purpose == purpose)
            .ok_or_else(|| Error::Refused { host: host(), purpose })
    }

    /// Opens one connection, or uses one that is open.
    fn hop(&self, request: &Get<'_>, address: &Address) -> Result<Answer> {
        let method = if request.is_head { http::Method::HEAD } else { http::Method::GET };
        let mut builder = http::Request::builder().method(method).uri(address.whole());
        if let Some((first, last)) = request.range {
            builder = builder.header("range", format!("bytes={first}-{last}"));
        }
        let is_home =
            address.host == request.address.host && address.secure == request.address.secure;
        if let Some(token) = request.token.filter(|_| is_home) {
            builder = builder.header("authorization", format!("Bearer {}", token.0));
        }
        let host = || address.host.clone();
        let question =
            builder.body(()).map_err(|_| Error::Address { what: address.to_string() })?;
        let answer = self
            .agent
            .run(question)
            .map_err(|error| Error::Connection { host: host(), source: plain(error) })?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            host: host(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.into_reader(),
        })
    }
}

/// Keeps of the client's error what carries no address.
fn plain(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) => io::ErrorKind::TimedOut.into(),
        ureq::Error::HostNotFound => io::Error::new(io::ErrorKind::NotFound, "no such host"),
        ureq::Error::Rustls(error) => io::Error::other(error),
        ureq::Error::Protocol(_) => io::Error::other("the answer is not HTTP"),
        _ => io::Error::other("the connection failed"),
    }
}

/// Why nothing came through the door.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Everything is refused offline.
    #[error("connection to {host} for {purpose}: offline")]
    Offline {
        /// The host.
        host: String,
        /// What for.
        purpose: Purpose,
    },
    /// Nobody consented to this host for this purpose.
    #[error("connection to {host} for {purpose}: nobody consented")]
    Refused {
        /// The host.
        host: String,
        /// What for.
        purpose: Purpose,
    },
    /// A host redirected to one that the card does not name.
    #[error("{from} redirects to {to}, which the card does not allow")]
    Redirect {
        /// The host that redirects.
        from: String,
        /// The host it redirects to.
        to: String,
    },
    /// A host redirects without end.
    #[error("{host} redirects more than {MAX_HOPS} times")]
    Hops {
        /// The host.
        host: String,
    },
    /// The text is no web address.
    #[error("{what:?} is not a web address")]
    Address {
        /// The text, without what may be secret.
        what: String,
    },
    /// Plain http leaves this machine.
    #[error("plain http to {host}: only https leaves this machine")]
    Insecure {
        /// The host.
        host: String,
    },
    /// The host cannot be reached, or stopped answering.
    #[error("connection to {host}: {source}")]
    Connection {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Offline { .. }
            | Self::Refused { .. }
            | Self::Redirect { .. }
            | Self::Insecure { .. } => Kind::Policy,
            Self::Address { .. } => Kind::Config,
            Self::Hops { .. } | Self::Connection { .. } => Kind::Provider,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline { .. } => Some("unset HF_HUB_OFFLINE to go online".to_owned()),
            Self::Insecure { .. } => Some("use an https:// address".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A listener that nobody should reach, and its address.
    fn trap() -> (TcpListener, Address) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("because this machine has itself");
        listener.set_nonblocking(true).expect("because sockets can");
        let port = listener.local_addr().expect("because it is bound").port();
        let address = Address::parse(&format!("http://127.0.0.1:{port}/x"));
        (listener, address.expect("because it is this machine"))
    }

    fn untouched(listener: &TcpListener) -> bool {
        matches!(listener.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn consent(host: &str) -> Consent {
        let host = host.to_owned();
        Consent { host, purpose: Purpose::Checkpoint, redirect_hosts: Vec::new() }
    }

    #[test]
    fn the_door_is_shut() {
        let (listener, address) = trap();
        let mut door = Egress::new(false);
        let refused = door.get(&Get::new(&address, Purpose::Checkpoint));
        assert!(matches!(refused, Err(Error::Refused { .. })));
        door.allow(consent("127.0.0.1"));
        let refused = door.get(&Get::new(&address, Purpose::Checkpoint));
        assert!(matches!(refused, Err(Error::Refused { .. })), "another port is another host");
        assert!(untouched(&listener));
    }

    #[test]
    fn offline_opens_no_socket() {
        let (listener, address) = trap();
        let mut door = Egress::new(true);
        door.allow(consent(address.host()));
        let refused = door.get(&Get::new(&address, Purpose::Checkpoint));
        assert!(matches!(refused, Err(Error::Offline { .. })));
        assert!(untouched(&listener));
    }

    #[test]
    fn addresses() {
        let address = |text: &str| Address::parse(text);
        assert_eq!(address("https://Hub.test:443/a?b=c").expect("right").host(), "hub.test");
        assert_eq!(address("https://hub.test:81").expect("right").host(), "hub.test:81");
        assert!(matches!(address("http://hub.test/"), Err(Error::Insecure { .. })));
        assert!(matches!(address("http://127.0.0.1.hub.test/"), Err(Error::Insecure { .. })));
        for local in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:8080/"] {
            assert!(address(local).is_ok(), "{local}");
        }
        for wrong in ["", "hub.test", "/a", "ftp://hub.test/", "https://", "https:///a"] {
            assert!(matches!(address(wrong), Err(Error::Address { .. })), "{wrong}");
        }
        let below = address("https://hub.test/mirror/").expect("right").below("a b/ü?#%");
        assert_eq!(below.whole(), "https://hub.test/mirror/a%20b/%C3%BC%3F%23%25");
    }

    #[test]
    fn redirects_are_read_as_a_browser_would() {
        let from = Address::parse("https://hub.test/a/b").expect("right");
        for (location, whole) in [
            ("/c?d", "https://hub.test/c?d"),
            ("//cdn.test/c", "https://cdn.test/c"),
            ("https://cdn.test/c", "https://cdn.test/c"),
        ] {
            assert_eq!(from.follow(location).expect("right").whole(), whole);
        }
        assert!(matches!(from.follow("http://127.0.0.1/"), Err(Error::Insecure { .. })));
        assert!(matches!(from.follow("file:///etc/passwd"), Err(Error::Address { .. })));
    }

    #[test]
    fn secrets_are_not_printed() {
        let token = Token::new(" hf_secret\n").expect("right");
        let address = Address::parse("https://cdn.test/x?Signature=s3cret").expect("right");
        let wrong = Address::parse("https://name:s3cret@hub.test/").expect_err("wrong");
        let broken = Address::parse("https://name:s3cret@hu b.test/").expect_err("wrong");
        let request = Get::new(&address, Purpose::Checkpoint).token(Some(&token));
        let text = format!("{request:?} {address} {wrong} {wrong:?} {broken}");
        assert!(!text.contains("secret") && !text.contains("s3cret"), "{text}");
        assert_eq!(Token::new("two words"), None);
        assert_eq!(Token::new("  "), None);
    }
}
