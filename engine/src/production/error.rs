//! What can be wrong with a production.

use std::io;
use std::path::PathBuf;

use kinora_cards::{Frames, Size};

use super::place::{Place, Problem};
use crate::hosted::jobs::Ended;
use crate::id::CutId;
use crate::router::EvidenceError;
use crate::{Hint, Kind};

/// What can be wrong with a production.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is none.
    #[error("no production here: {} and the folders above it have no project.toml", folder.display())]
    None {
        /// The folder that was looked at.
        folder: PathBuf,
    },
    /// There is one already, or something else.
    #[error("{} is there already", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A file of it cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of it cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error("{}{}", problems[0], more(problems))]
    Invalid {
        /// Everything that is wrong, by file and line; never empty.
        problems: Vec<Problem>,
    },
    /// A cut that does not fit into the memory of this machine.
    #[error(transparent)]
    TooLarge(Box<TooLarge>),
    /// A take that a provider did not make.
    #[error("{what}: {why}")]
    Hosted {
        /// What happened.
        what: &'static str,
        /// What the provider says, without keys and addresses.
        why: String,
        /// The kind of failure.
        kind: Kind,
        /// The models that could be named instead, where nobody else is asked for it unless people say so.
        others: Vec<String>,
    },
    /// A picture that is another one than when the take was planned.
    #[error("{} was changed while its take waited for its turn", path.display())]
    Changed {
        /// The picture.
        path: PathBuf,
    },
    /// A thread that waited for a provider met a fault of this program.
    #[error("a fault of this program ended the waiting for a provider")]
    Panicked,
    /// A file of what was kept elsewhere makes no sense.
    #[error("{place}: {source}")]
    Evidence {
        /// Where the file is named.
        place: Place,
        /// What is wrong with it.
        source: Box<EvidenceError>,
    },
    /// Something that a command names is not in it.
    #[error("there is no {what} {found:?} in this production")]
    Unknown {
        /// What it would be.
        what: &'static str,
        /// As it was typed.
        found: String,
        /// What is near, or all there is.
        hint: String,
    },
}

/// What became of a take that a provider did not make.
pub(super) fn outcome(ended: Ended, others: Vec<String>) -> Error {
    let (what, why, kind) = match ended {
        Ended::Refused { why } => ("the provider does not make this picture", why, Kind::Policy),
        Ended::Failed { why } => ("it went wrong at the provider", why, Kind::Provider),
        Ended::NotCreated { why, kind } => ("the provider did not begin it", why, kind),
        Ended::Unknown { why } | Ended::Left { why } => {
            ("nobody waits for it", why, Kind::Provider)
        }
        Ended::Cancelled | Ended::Done => {
            ("it is over", "it was called off".to_owned(), Kind::Provider)
        }
    };
    Error::Hosted { what, why, kind, others }
}

/// A cut that does not fit into the memory of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cut {cut}: {model} needs {} of memory, {} can be used", gib(*needed), gib(*available))]
pub struct TooLarge {
    /// The cut.
    pub cut: CutId,
    /// The model.
    pub model: String,
    /// Bytes it needs.
    pub needed: u64,
    /// Bytes there are.
    pub available: u64,
    /// The largest smaller clip that was found to fit.
    pub fits: Option<(Size, Frames)>,
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

fn more(problems: &[Problem]) -> String {
    match problems.len() {
        1 => String::new(),
        n => format!(" (and {} more: `kinora check` lists them)", n - 1),
    }
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::None { .. } | Self::Exists { .. } | Self::Unknown { .. } => Kind::Usage,
            Self::Write { .. } | Self::TooLarge(_) => Kind::Resources,
            Self::Hosted { kind, .. } => *kind,
            Self::Panicked => Kind::Internal,
            Self::Changed { .. }
            | Self::Read { .. }
            | Self::Invalid { .. }
            | Self::Evidence { .. } => Kind::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::None { .. } => Some("`kinora new FOLDER` begins one".to_owned()),
            Self::Invalid { problems } => problems[0].hint.clone(),
            Self::Unknown { hint, .. } => Some(hint.clone()),
            Self::Changed { .. } => Some(
                "nothing was asked for: the next `kinora render` does, with what it is now"
                    .to_owned(),
            ),
            Self::Hosted { others, .. } if !others.is_empty() => Some(format!(
                "nobody else was shown it: change the words, or name another model: {}",
                others.join(", ")
            )),
            Self::TooLarge(large) => Some(match large.fits {
                Some((size, frames)) => format!(
                    "this would fit: `size = [{}, {}]` and `duration = \"{frames} frames\"`",
                    size.width, size.height
                ),
                None => "no smaller clip was found to fit: name a smaller model".to_owned(),
            }),
            _ => None,
        }
    }
}
