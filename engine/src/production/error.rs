//! What can be wrong with a production.

use std::io;
use std::path::PathBuf;

use super::place::Problem;
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
            Self::Write { .. } => Kind::Resources,
            Self::Read { .. } | Self::Invalid { .. } => Kind::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::None { .. } => Some("`kinora new FOLDER` begins one".to_owned()),
            Self::Invalid { problems } => problems[0].hint.clone(),
            Self::Unknown { hint, .. } => Some(hint.clone()),
            _ => None,
        }
    }
}
