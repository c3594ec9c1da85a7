//! The door itself: the only file that opens a connection.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use ureq::http::Uri;
use ureq::http::{self, HeaderValue};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use super::address::is_public;
use super::ask::Credential;
use super::error::MAX_HOPS;
use super::log::{self, Ask, Entry, Receipt};
use super::policy::{self, Case};
use super::{
    Address, Answer, Body, Consent, Error, Get, Limits, Method, Payload, Purpose, Result, Send,
    redact,
};
use crate::hash::Blake3;
use crate::id::TakeId;

/// The door. Shut until a [`Consent`] opens it for one host and purpose.
pub struct Egress {
    is_offline: bool,
    consents: Vec<Consent>,
    log: Option<PathBuf>,
    patience: Duration,
    /// For hosts that somebody named.
    named: ureq::Agent,
    /// For hosts that only fit a pattern: those must lie outside.
    outside: ureq::Agent,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("is_offline", &self.is_offline)
            .field("consents", &self.consents)
            .field("log", &self.log)
            .finish()
    }
}

/// One question as it goes over the wire, hop by hop.
struct Wire<'a> {
    method: http::Method,
    purpose: Purpose,
    headers: Vec<(&'static str, HeaderValue)>,
    credential: Option<Credential<'a>>,
    body: Option<(HeaderValue, &'a [u8])>,
    hash: Option<Blake3>,
    payload: Option<&'a Payload>,
    take: Option<TakeId>,
    limits: Limits,
}

impl Egress {
    /// Makes a door that nobody has opened yet; one that is offline stays shut whatever anybody consents to.
    pub fn new(is_offline: bool) -> Self {
        Self::with_patience(is_offline, Limits::default().patience)
    }

    /// Makes a door that gives up on a host which sends nothing for so long. [`Send`] brings a patience of its own.
    pub fn with_patience(is_offline: bool, patience: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("kinora/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        let agent = |resolver: Names| {
            let connector = DefaultConnector::default().chain(Mark);
            ureq::Agent::with_parts(config.clone(), connector, resolver)
        };
        let (named, outside) = (agent(Names { inside: true }), agent(Names { inside: false }));
        Self { is_offline, consents: Vec::new(), log: None, patience, named, outside }
    }

    /// Writes everything into the log of this folder, which must be there, before it happens. Without a log nothing is asked.
    #[must_use]
    pub fn log_in(mut self, folder: &std::path::Path) -> Self {
        self.log = Some(folder.join(log::NAME));
        self
    }

    /// Opens the door for what the user consented to.
    pub fn allow(&mut self, consent: Consent) {
        self.consents.push(consent);
    }

    /// Asks a host for what everybody may know, following its redirects as far as the consent goes. Any status is an answer.
    ///
    /// A [`Get::head`] follows redirects only while they stay with the host.
    ///
    /// # Errors
    /// What denies it, and a log that cannot be written, before a socket is opened; [`Error::Connection`] where the host
    /// cannot be reached or stalls.
    pub fn get(&self, ask: &Get<'_>) -> Result<Answer> {
        let mut headers = Vec::new();
        if let Some((first, last)) = ask.range {
            headers.push(("range", header("range", &format!("bytes={first}-{last}"))?));
        }
        let credential = ask.token.map(|token| Credential {
            header: "authorization",
            prefix: "Bearer ",
            token,
            origin: ask.address,
        });
        let wire = Wire {
            method: if ask.is_head { http::Method::HEAD } else { http::Method::GET },
            purpose: ask.purpose,
            headers,
            credential,
            body: None,
            hash: None,
            payload: None,
            take: None,
            limits: Limits { patience: self.patience, most_bytes: u64::MAX },
        };
        self.pass(&wire, ask.address)
    }

    /// Asks a host something that takes out what is in its payload, or is about it. Any status is an answer.
    ///
    /// Only [`Method::Get`] without a body follows redirects, as far as consent and label go; everything else gets the
    /// redirect as its answer, so that nothing is done twice.
    ///
    /// # Errors
    /// What denies it, and a log that cannot be written, before a socket is opened; [`Error::Connection`] where the host
    /// cannot be reached or stalls, which says whether it may have heard the question.
    pub fn send(&self, ask: &Send<'_>) -> Result<Answer> {
        let encoded = ask.body.encode();
        let body = match &encoded {
            None => None,
            Some((mime, bytes)) => Some((header("content-type", mime)?, bytes.as_ref())),
        };
        let headers = ask.headers.iter().map(|(name, value)| Ok((*name, header(name, value)?)));
        let wire = Wire {
            method: match ask.method {
                Method::Get => http::Method::GET,
                Method::Post => http::Method::POST,
                Method::Put => http::Method::PUT,
                Method::Delete => http::Method::DELETE,
            },
            purpose: ask.purpose,
            headers: headers.collect::<Result<_>>()?,
            credential: ask.credential,
            hash: body.as_ref().map(|(_, bytes)| Blake3::of(bytes)),
            body,
            payload: Some(ask.payload),
            take: ask.take,
            limits: ask.limits,
        };
        self.pass(&wire, ask.address)
    }

    /// Says whether [`Egress::send`] would be let through, without a word to anybody and without an entry in the log.
    ///
    /// # Errors
    /// What would deny it.
    pub fn check(&self, ask: &Send<'_>) -> Result<()> {
        let is_fetch = ask.method == Method::Get && ask.body == Body::Empty;
        let takes_out = ask.body != Body::Empty;
        let case = Case {
            host: ask.address.host(),
            purpose: ask.purpose,
            is_fetch,
            takes_out,
            payload: Some(ask.payload),
        };
        self.decide(&case, ask.address, ask.credential.as_ref()).map(|_| ())
    }

    /// Decides, before anything is written or opened.
    fn decide(
        &self,
        case: &Case<'_>,
        address: &Address,
        credential: Option<&Credential<'_>>,
    ) -> Result<&Consent> {
        let consent = policy::decide(self.is_offline, &self.consents, case)?;
        let host = || case.host.to_owned();
        if self.log.is_none() {
            return Err(Error::NoLog { host: host() });
        }
        match credential {
            Some(Credential { origin, .. }) if !origin.is_same_origin(address) => {
                Err(Error::Credential { host: host(), origin: origin.host().to_owned() })
            }
            _ => Ok(consent),
        }
    }

    /// Decides, writes it down and asks, hop by hop.
    fn pass(&self, wire: &Wire<'_>, address: &Address) -> Result<Answer> {
        let is_fetch = matches!(wire.method, http::Method::GET | http::Method::HEAD);
        let is_fetch = is_fetch && wire.body.is_none();
        let case = Case {
            host: address.host(),
            purpose: wire.purpose,
            is_fetch,
            takes_out: wire.body.is_some(),
            payload: wire.payload,
        };
        let consent = self.decide(&case, address, wire.credential.as_ref());
        let consent = self.noted(wire, address, consent)?;
        let mut address = address.clone();
        for _ in 0..=MAX_HOPS {
            let answer = self.hop(wire, &address, consent)?;
            let location = match answer.status {
                301 | 302 | 303 | 307 | 308 if is_fetch => {
                    answer.header("location").map(ToOwned::to_owned)
                }
                _ => None,
            };
            let Some(location) = location else { return Ok(answer) };
            let next = address.follow(&location)?;
            if wire.method == http::Method::HEAD && next.host() != address.host() {
                return Ok(answer);
            }
            let goes = if consent.leads_to(next.host()) {
                policy::label(&Case { host: next.host(), ..case })
            } else {
                let (from, to) = (address.host().to_owned(), wire.clean(next.host()));
                Err(Error::Redirect { from, to })
            };
            self.noted(wire, &next, goes)?;
            address = next;
        }
        Err(Error::Hops { host: address.host().to_owned() })
    }

    /// Writes down what was denied. It stays denied where that fails.
    fn noted<T>(&self, wire: &Wire<'_>, address: &Address, decided: Result<T>) -> Result<T> {
        decided.inspect_err(|error| {
            if let Some(path) = &self.log {
                let entry = wire.entry(address, Some(wire.clean(&error.to_string())));
                let _ = log::append(path, entry);
            }
        })
    }

    /// Opens one connection, or uses one that is open.
    fn hop(&self, wire: &Wire<'_>, address: &Address, consent: &Consent) -> Result<Answer> {
        let host = || address.host().to_owned();
        let is_named = consent.names(address.host());
        if !is_named && address.number().is_some_and(|number| !is_public(number)) {
            return self.noted(wire, address, Err(Error::Inside { host: host() }));
        }
        let question = wire.question(address)?;
        let wrong = |_| Error::Address { what: address.to_string() };
        let log = self.log.as_deref();
        let line = log.map(|path| {
            let written = log::append(path, wire.entry(address, None));
            written.map_err(|source| Error::Log { host: host(), source })
        });
        let mut receipt = Receipt::new(log.zip(line.transpose()?));
        let agent = if is_named { &self.named } else { &self.outside };
        SENT.set(false);
        let brings =
            !matches!(wire.method, http::Method::GET | http::Method::HEAD | http::Method::DELETE);
        let answer = match &wire.body {
            Some((_, bytes)) => run(agent, &wire.limits, question.body(*bytes).map_err(wrong)?),
            // What is to take something is told that it is nothing.
            None if brings => run(agent, &wire.limits, question.body(&[][..]).map_err(wrong)?),
            None => run(agent, &wire.limits, question.body(()).map_err(wrong)?),
        };
        let answer = answer.map_err(|error| {
            let is_sent = SENT.get();
            let source = match plain(error) {
                Ok(source) => source,
                Err(Inside) => return Error::Inside { host: host() },
            };
            Error::Connection { host: host(), source, is_sent }
        });
        let (parts, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                receipt.fails(&wire.clean(&error.to_string()));
                return Err(error);
            }
        };
        receipt.status(parts.status.as_u16());
        let text = |value: &HeaderValue| value.to_str().ok().map(ToOwned::to_owned);
        let headers = parts.headers.iter();
        let answer = Answer {
            host: host(),
            status: parts.status.as_u16(),
            headers: headers
                .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
                .collect(),
            body: Box::new(body.into_reader()),
            left_bytes: wire.limits.most_bytes,
            most_bytes: wire.limits.most_bytes,
            patience: wire.limits.patience,
            waited: Duration::ZERO,
            token: wire.credential.map(|credential| credential.token.clone()),
            receipt,
        };
        let is_whole = wire.method != http::Method::HEAD;
        match answer.number("content-length") {
            Some(bytes) if is_whole && bytes > answer.most_bytes => {
                Err(Error::TooLarge { host: host(), most_bytes: answer.most_bytes })
            }
            _ => Ok(answer),
        }
    }
}

impl Wire<'_> {
    /// The question for one hop, but for its body. The credential stays behind where it has no business.
    fn question(&self, address: &Address) -> Result<http::request::Builder> {
        let mut builder = http::Request::builder().method(self.method.clone()).uri(address.whole());
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        let at_home = self.credential.filter(|one| one.origin.is_same_origin(address));
        if let Some(Credential { header: name, prefix, token, .. }) = at_home {
            let mut value = header(name, &format!("{prefix}{}", token.text()))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if let Some((mime, _)) = &self.body {
            builder = builder.header("content-type", mime);
        }
        Ok(builder)
    }

    /// What the log is told.
    fn entry(&self, address: &Address, denied: Option<String>) -> Entry {
        Entry::Ask(Box::new(Ask {
            host: self.clean(address.host()),
            method: self.method.to_string(),
            purpose: self.purpose,
            path: self.clean(address.path()),
            bytes: self.body.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64),
            body: self.hash,
            parts: self.payload.map_or_else(Vec::new, |payload| payload.parts().to_vec()),
            label: self.payload.map(|payload| payload.label().clone()),
            take: self.take,
            denied,
        }))
    }

    /// A text without the key that is sent.
    fn clean(&self, text: &str) -> String {
        match self.credential {
            Some(credential) => redact(text, std::slice::from_ref(credential.token)),
            None => text.to_owned(),
        }
    }
}

/// Asks, and waits for the beginning of the answer.
fn run(
    agent: &ureq::Agent,
    limits: &Limits,
    question: http::Request<impl ureq::AsSendBody>,
) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let changes = !matches!(*question.method(), http::Method::GET | http::Method::HEAD);
    let patience = Some(limits.patience);
    let mut question = agent
        .configure_request(question)
        .timeout_resolve(patience)
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .timeout_per_write(patience);
    if changes {
        // A connection that waited may be closed over there: whether what was said into it was heard, nobody knows.
        question = question.max_idle_age(Duration::ZERO);
    }
    agent.run(question.build())
}

fn header(name: &'static str, value: &str) -> Result<HeaderValue> {
    value.parse().map_err(|_| Error::Header { name })
}

/// Looks names up, and keeps out those that lead inside unless they may.
#[derive(Debug)]
struct Names {
    inside: bool,
}

/// A name led inside.
#[derive(Debug, thiserror::Error)]
#[error("an address inside")]
struct Inside;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        // One that does not fit is enough: which of them is connected to is not decided here.
        if !self.inside && found.iter().any(|address| !is_public(address.ip())) {
            return Err(ureq::Error::Io(io::Error::other(Inside)));
        }
        Ok(found)
    }
}

thread_local! {
    /// Whether any byte of the question that this thread asks was handed to a connection.
    static SENT: Cell<bool> = const { Cell::new(false) };
}

/// Marks the moment when a question begins to leave, behind all that connecting itself sends.
#[derive(Debug)]
struct Mark;

impl<In: Transport> Connector<In> for Mark {
    type Out = Marked<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Marked<In>>, ureq::Error> {
        Ok(chained.map(Marked))
    }
}

#[derive(Debug)]
struct Marked<In>(In);

impl<In: Transport> Transport for Marked<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        SENT.set(true);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// Keeps of the client's error what carries no address.
fn plain(error: ureq::Error) -> Result<io::Error, Inside> {
    Ok(match error {
        ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Inside>()) => {
            return Err(Inside);
        }
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) => io::ErrorKind::TimedOut.into(),
        ureq::Error::HostNotFound => io::Error::new(io::ErrorKind::NotFound, "no such host"),
        ureq::Error::Rustls(error) => io::Error::other(error),
        ureq::Error::Protocol(_) => io::Error::other("the answer is not HTTP"),
        _ => io::Error::other("the connection failed"),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::Token;
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
    fn secrets_are_not_printed() {
        let token = Token::new(" hf_secret\n").expect("right");
        let address = Address::parse("https://cdn.test/x?Signature=s3cret").expect("right");
        let wrong = Address::parse("https://name:s3cret@hub.test/").expect_err("wrong");
        let broken = Address::parse("https://name:s3cret@hu b.test/").expect_err("wrong");
        let request = Get::new(&address, Purpose::Checkpoint).token(Some(&token));
        let text = format!("{request:?} {address} {wrong} {wrong:?} {broken}");
        assert!(!text.contains("secret") && !text.contains("s3cret"), "{text}");
    }
}
