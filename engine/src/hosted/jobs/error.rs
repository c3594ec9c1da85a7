//! How a job ends, and why one is not begun.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::hosted::Unfit;
use crate::id::TakeId;
use crate::{Hint, Kind, egress, ledger};

/// How a job stands when there is nothing more to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The caller has the clip, and has recorded it.
    Done,
    /// The provider does not make this picture, and will not when asked again.
    Refused {
        /// What it says.
        why: String,
    },
    /// It went wrong over there.
    Failed {
        /// What the provider says.
        why: String,
    },
    /// It was called off.
    Cancelled,
    /// It never came to be, and nothing is owed.
    NotCreated {
        /// What stood against it.
        why: String,
        /// [`Kind::Config`] where the provider makes nothing for us at all: key, money, a model that is gone.
        kind: Kind,
    },
    /// It may be there or not. Its money stays reserved.
    Unknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// It goes on over there; the next process takes it up again. Its money stays reserved.
    Left {
        /// Why nobody waits for it now.
        why: String,
    },
}

/// Why a job was not begun, or stands where it stood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be asked for this.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The door is shut.
    #[error(transparent)]
    Egress(#[from] egress::Error),
    /// The ledger cannot be written, or a cap is reached.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Nobody here speaks with this provider.
    #[error("provider {name}: this program does not know how to ask it")]
    NoProvider {
        /// Its name.
        name: String,
    },
    /// There is no card of this model any more.
    #[error("hosted model {name}: there is no card of it")]
    NoCard {
        /// Its name.
        name: String,
    },
    /// The provider asks for a key, and there is none.
    #[error("provider {provider}: there is no key for it")]
    NoKey {
        /// The provider.
        provider: String,
    },
    /// The place that should hold the key for the provider is not as it should be.
    #[error(transparent)]
    Key(Arc<crate::Error>),
    /// What people say of a job cannot be.
    #[error("job of take {take}: {why}")]
    Verdict {
        /// The take.
        take: TakeId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The provider is somewhere else now, where nobody knows the job.
    #[error(
        "job of take {take}: it was asked for at {asked}, and its provider is now said to be at {now}: set `base` back, or say what became of the job with `kinora jobs resolve {take}`"
    )]
    Moved {
        /// The take.
        take: TakeId,
        /// The host that was asked.
        asked: String,
        /// The host that would be asked now.
        now: String,
    },
    /// There is a job, and its name cannot be written down.
    #[error(
        "write down the job of take {take}: {source}; the provider calls it {remote}: `kinora jobs resolve {take} --made {remote}` fetches it"
    )]
    Unnamed {
        /// The take.
        take: TakeId,
        /// The provider's name of the job.
        remote: String,
        /// Why it cannot be written.
        source: Box<ledger::Error>,
    },
    /// What the ledger keeps of the job cannot be read.
    #[error("job of another version: {source}")]
    Record {
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file that cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The caller could not record the take. The job stays open, and its clip is there.
    #[error(transparent)]
    Keep(Box<crate::Error>),
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unfit(_) | Self::Verdict { .. } => Kind::Usage,
            Self::Egress(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::Unnamed { source, .. } => source.kind(),
            Self::NoProvider { .. }
            | Self::NoCard { .. }
            | Self::NoKey { .. }
            | Self::Moved { .. } => Kind::Config,
            Self::Record { .. } => Kind::Input,
            Self::Write { .. } => Kind::Resources,
            Self::Key(error) => error.kind(),
            Self::Keep(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Egress(error) => error.hint(),
            Self::Ledger(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Unnamed { source, .. } => source.hint(),
            Self::Keep(error) => error.hint(),
            Self::Record { .. } => Some("use the version of kinora that began it".to_owned()),
            _ => None,
        }
    }
}
