//! What can go wrong with a ledger.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::money::Money;
use crate::{Hint, Kind, chain};

/// Why the ledger did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log of events cannot be followed or written.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// A file or folder that cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder that cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log of events is gone, and what it tells of is not.
    #[error("{} is gone, and clips or its head are still there", path.display())]
    Lost {
        /// The log.
        path: PathBuf,
    },
    /// The index cannot be used.
    #[error("index of the ledger: {source}")]
    Index {
        /// What the database says.
        source: Box<rusqlite::Error>,
    },
    /// The index was made by a later version of this program.
    #[error("index of the ledger: layout {found}, this program knows {known}")]
    Newer {
        /// The layout that is there.
        found: i64,
        /// The latest one known here.
        known: i64,
    },
    /// The index has seen more than the log holds.
    #[error(
        "the log of events ends at line {lines}, and the index has seen line {seen}: its end was cut off or replaced"
    )]
    Ahead {
        /// Lines there are.
        lines: u64,
        /// Lines there were.
        seen: u64,
    },
    /// An event that cannot have happened.
    #[error(".kinora/events.jsonl:{line}: {why}")]
    Event {
        /// Its line in the log.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A take that is not in the ledger.
    #[error("no take {what}")]
    NoTake {
        /// Which.
        what: String,
    },
    /// A take that was recorded before, with another manifest.
    #[error("take {take} is recorded already, and was made otherwise")]
    Recorded {
        /// The take.
        take: TakeId,
    },
    /// A number that another take of the cut has, or a take that has another number.
    #[error(
        "number {number} of cut {cut} belongs to another take, or take {take} to another number"
    )]
    Number {
        /// The cut.
        cut: CutId,
        /// The number.
        number: u32,
        /// The take that was to have it.
        take: TakeId,
    },
    /// A value that no manifest may hold.
    #[error("take {take}: {what} is {found:?}")]
    Record {
        /// The take.
        take: TakeId,
        /// Which value.
        what: &'static str,
        /// What it is.
        found: String,
    },
    /// A manifest that cannot be read or written.
    #[error("manifest of take {take}: {source}")]
    Manifest {
        /// The take.
        take: TakeId,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Something that is not in the store of objects.
    #[error("object {object} is not in the store")]
    Missing {
        /// Its name.
        object: Blake3,
    },
    /// Something in the store of objects that is not what its name says.
    #[error("object {object} was altered")]
    Altered {
        /// Its name.
        object: Blake3,
    },
    /// A file that cannot be a clip in the store.
    #[error("{} is no file with a usual ending", path.display())]
    NotAClip {
        /// The file.
        path: PathBuf,
    },
    /// Stars out of their range.
    #[error("{found} stars, expected 1 to 5")]
    Stars {
        /// How many were given.
        found: u8,
    },
    /// A take whose clip was given up.
    #[error("the clip of take {take} was given up for its room")]
    Collected {
        /// The take.
        take: TakeId,
    },
    /// Another process renders this production.
    #[error("another process{} renders this production", with_pid(*pid))]
    Rendering {
        /// Its id, where it says.
        pid: Option<u32>,
    },
    /// Something that would cost more than is allowed.
    #[error("{asked} USD is asked for, {left} of {allowed} USD are left {cap}")]
    Cap {
        /// Which limit.
        cap: Cap,
        /// How much it is.
        allowed: Money,
        /// How much of it is neither spent nor reserved.
        left: Money,
        /// How much was asked for.
        asked: Money,
    },
    /// An event that does not follow from what is known of a job.
    #[error("job of take {take}: {why}")]
    Job {
        /// The take.
        take: TakeId,
        /// What stands against it.
        why: &'static str,
    },
}

/// The limits of spending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cap {
    /// Of the whole production.
    Production,
    /// Of one day.
    Day,
    /// Of one cut.
    Cut(CutId),
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Production => f.write_str("for the production"),
            Self::Day => f.write_str("for today (UTC)"),
            Self::Cut(cut) => write!(f, "for cut {cut}"),
        }
    }
}

fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Self::Index { source: Box::new(source) }
    }
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Chain(error) => error.kind(),
            Self::Write { .. } | Self::Index { .. } | Self::Rendering { .. } => Kind::Resources,
            Self::Read { .. }
            | Self::Lost { .. }
            | Self::Newer { .. }
            | Self::Ahead { .. }
            | Self::Event { .. }
            | Self::Manifest { .. }
            | Self::Missing { .. }
            | Self::Altered { .. } => Kind::Input,
            Self::NoTake { .. }
            | Self::NotAClip { .. }
            | Self::Stars { .. }
            | Self::Collected { .. } => Kind::Usage,
            Self::Cap { .. } => Kind::Policy,
            Self::Recorded { .. }
            | Self::Number { .. }
            | Self::Record { .. }
            | Self::Job { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chain(chain::Error::NoHead { .. }) | Self::Ahead { .. } => {
                "bring .kinora/events.jsonl and its .head back from a backup, or go on with what is there: `kinora ledger rebuild`"
            }
            Self::Lost { .. } => {
                "bring it and its .head back from a backup; to begin anew, put .kinora somewhere else"
            }
            Self::Chain(error) => return error.hint(),
            Self::Index { .. } => {
                "takes and choices are not lost: `kinora ledger rebuild` makes the index again, once there is room"
            }
            Self::Newer { .. } => "use the version of kinora that was used here last",
            Self::Missing { .. } | Self::Altered { .. } => {
                "bring the file back from a backup; `kinora ledger verify` lists all of them"
            }
            Self::Rendering { .. } => {
                "wait for it, or stop it; picks and notes can be made meanwhile"
            }
            Self::Cap { .. } => {
                "raise the budget, or settle the jobs that nobody knows about: `kinora jobs`"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
