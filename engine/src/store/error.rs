//! Why a checkpoint was not found, or could not be fetched.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Hint, Kind, egress};

/// A place that was looked at, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The folder.
    pub folder: PathBuf,
    /// What a checkpoint needs and the folder lacks; `None` where there is no folder.
    pub lacks: Option<String>,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.lacks {
            None => write!(f, "{folder} (absent)"),
            Some(lacks) => write!(f, "{folder} (lacks {lacks})"),
        }
    }
}

/// Everything the store can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The callback asked to stop; what was received stays, and the next pull goes on from there.
    #[error("stopped before it was finished")]
    Cancelled,
    /// A card's checkpoint is nowhere.
    #[error("checkpoint {card} not found; looked at {}", list(looked))]
    NotHere {
        /// The card's name.
        card: String,
        /// Everywhere it could have been.
        looked: Vec<Looked>,
    },
    /// There is neither a card nor a path of that name.
    #[error("model {name:?}: neither a card ({}) nor a path; looked at {}", cards.join(", "), list(looked))]
    Unknown {
        /// The name as typed.
        name: String,
        /// The cards there are.
        cards: Vec<String>,
        /// Everywhere it could have been.
        looked: Vec<Looked>,
    },
    /// No folder is configured that could hold the cache.
    #[error(
        "no place for checkpoints: none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set"
    )]
    NoCache,
    /// The door stayed shut, or what was behind it failed.
    #[error(transparent)]
    Egress(#[from] egress::Error),
    /// The hub wants to know who asks, or does not let them in.
    #[error("{host} does not give {what} (status {status})")]
    Gated {
        /// The host.
        host: String,
        /// The repository or file.
        what: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        had_token: bool,
    },
    /// The hub has no such repository, revision or file.
    #[error("{host} has no {what}")]
    Absent {
        /// The host.
        host: String,
        /// The repository, revision or file.
        what: String,
    },
    /// A server answered with a status that makes no sense here, or kept failing.
    #[error("{host} answered {what} with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The file asked for.
        what: String,
        /// The status.
        status: u16,
    },
    /// A server said something that does not hold together.
    #[error("{host} answered {what}: {field} is {found}, expected {expected}")]
    Answer {
        /// The host.
        host: String,
        /// The file asked for.
        what: String,
        /// The part of the answer.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// The transfer of a file kept breaking off.
    #[error("{file}: transfer from {host} broke off: {source}")]
    Transfer {
        /// The host.
        host: String,
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// What arrived is not what was announced; it was thrown away.
    #[error("{file}: expected {algorithm} {expected}, found {found}; thrown away")]
    Hash {
        /// The file.
        file: String,
        /// The hash function.
        algorithm: &'static str,
        /// The hash announced by the card or the hub.
        expected: String,
        /// The hash of what arrived.
        found: String,
    },
    /// The disk has less room than the files need.
    #[error("{}: {needed_bytes} bytes needed, {free_bytes} free", folder.display())]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// What is still to be received.
        needed_bytes: u64,
        /// What there is.
        free_bytes: u64,
    },
    /// A file or folder of the store could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns what turns a system error about `path` into one of the store.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Interrupted,
            Self::NotHere { .. } | Self::Unknown { .. } => Kind::Input,
            Self::NoCache => Kind::Config,
            Self::Egress(error) => error.kind(),
            Self::Gated { .. }
            | Self::Absent { .. }
            | Self::Status { .. }
            | Self::Answer { .. }
            | Self::Transfer { .. }
            | Self::Hash { .. } => Kind::Provider,
            Self::Disk { .. } | Self::Io { .. } => Kind::Resources,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotHere { card, .. } => {
                Some(format!("`kinora models pull {card}` fetches it, or give its path"))
            }
            Self::Unknown { .. } => Some("`kinora models list` shows what there is".to_owned()),
            Self::NoCache => Some("set HF_HOME to a folder with room".to_owned()),
            Self::Egress(error) => error.hint(),
            Self::Gated { had_token: false, .. } => {
                Some("set HF_TOKEN to a token of an account that may read it".to_owned())
            }
            Self::Gated { had_token: true, .. } => {
                Some("accept the model's terms on the hub with the account of HF_TOKEN".to_owned())
            }
            Self::Status { .. } | Self::Transfer { .. } => {
                Some("try again: what was received is kept".to_owned())
            }
            Self::Hash { .. } => {
                Some("try again; if it happens twice, the source is wrong".to_owned())
            }
            Self::Disk { .. } => Some("make room, or set HF_HOME to another disk".to_owned()),
            Self::Cancelled | Self::Absent { .. } | Self::Answer { .. } | Self::Io { .. } => None,
        }
    }
}

fn list(looked: &[Looked]) -> String {
    if looked.is_empty() {
        return "no folder, for none is configured".to_owned();
    }
    looked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
