//! Why nothing came through the door.

use std::io;

use super::{Purpose, keyring, secret};
use crate::privacy::Privacy;
use crate::{Hint, Kind, chain};

/// How many hops a redirected request may take.
pub(super) const MAX_HOPS: usize = 5;

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
    /// The label of something forbids that this host sees it.
    #[error("{what} may not go to {host}: its label is {}", named(label))]
    Label {
        /// The host.
        host: String,
        /// What forbids it.
        what: String,
        /// The label of everything together.
        label: Privacy,
    },
    /// Something is taken out that nobody labelled.
    #[error("connection to {host} for {purpose}: nothing says who may see what it takes there")]
    Unlabelled {
        /// The host.
        host: String,
        /// What for.
        purpose: Purpose,
    },
    /// There is no log that it could stand in.
    #[error("connection to {host}: there is no log to write it into first")]
    NoLog {
        /// The host.
        host: String,
    },
    /// The log cannot be written.
    #[error("connection to {host}: not made, because the log failed: {source}")]
    Log {
        /// The host.
        host: String,
        /// What is wrong with it.
        source: chain::Error,
    },
    /// A credential would go to another origin than its own.
    #[error("the key for {origin} may not go to {host}")]
    Credential {
        /// The host.
        host: String,
        /// Where it belongs.
        origin: String,
    },
    /// A host redirected to one that it may not.
    #[error("{from} redirects to {to}, which nobody allowed")]
    Redirect {
        /// The host that redirects.
        from: String,
        /// The host it redirects to.
        to: String,
    },
    /// A host out there leads inside.
    #[error("{host} is an address inside: this machine, a private network or a link")]
    Inside {
        /// The host.
        host: String,
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
    /// A header that cannot be sent.
    #[error("header {name} holds what no header can")]
    Header {
        /// Its name.
        name: &'static str,
    },
    /// Plain http leaves this machine.
    #[error("plain http to {host}: only https leaves this machine")]
    Insecure {
        /// The host.
        host: String,
    },
    /// A place that should hold a key does not, or not for us alone.
    #[error("key: {place} {why}")]
    Key {
        /// The file, the variable or the keyring.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host cannot be reached, or stopped answering.
    #[error("connection to {host}: {source}")]
    Connection {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
        /// Whether any of the question may have arrived: then what it asks for may have been done.
        is_sent: bool,
    },
    /// The answer broke off.
    #[error("answer of {host}: {source}")]
    Broken {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The answer is larger than it may be.
    #[error("answer of {host}: more than {most_bytes} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// What it may have.
        most_bytes: u64,
    },
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn named(label: &Privacy) -> String {
    match label {
        Privacy::Studio(hosts) if hosts.is_empty() => {
            "studio, and no host is left of it".to_owned()
        }
        Privacy::Studio(hosts) => {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            format!("studio ({})", hosts.join(", "))
        }
        label => label.to_string(),
    }
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Offline { .. }
            | Self::Refused { .. }
            | Self::Label { .. }
            | Self::Unlabelled { .. }
            | Self::NoLog { .. }
            | Self::Credential { .. }
            | Self::Redirect { .. }
            | Self::Inside { .. }
            | Self::Insecure { .. } => Kind::Policy,
            Self::Log { source, .. } => source.kind(),
            Self::Address { .. } | Self::Header { .. } | Self::Key { .. } => Kind::Config,
            Self::Hops { .. }
            | Self::Connection { .. }
            | Self::Broken { .. }
            | Self::TooLarge { .. } => Kind::Provider,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline { .. } => Some("unset HF_HUB_OFFLINE to go online".to_owned()),
            Self::Refused { host, purpose: Purpose::Generation } => Some(format!(
                "name {host} among the hosts that the settings of the production allow"
            )),
            Self::Label { host, .. } => Some(format!(
                "make it locally, or let {host} see it: project, scene, cut, characters and references must all be labelled `any`, or `studio` with that host"
            )),
            Self::Insecure { .. } => Some("use an https:// address".to_owned()),
            Self::Key { why: secret::OPEN, place } => Some(format!("chmod 600 {place}")),
            Self::Key { why: keyring::LOCKED | keyring::SILENT | keyring::REFUSES, .. } => Some(
                "unlock the keyring; `kinora keys set NAME --file` keeps a key without it"
                    .to_owned(),
            ),
            Self::Log { source, .. } => source.hint(),
            _ => None,
        }
    }
}
