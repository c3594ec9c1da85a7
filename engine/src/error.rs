//! What can go wrong while generating, and what to do about it.

use std::path::PathBuf;

/// The kinds of failure a caller tells apart; each has one exit code on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself makes no sense (exit code 2).
    Usage,
    /// A file or checkpoint is wrong (exit code 3).
    Input,
    /// A setting is wrong (exit code 4).
    Config,
    /// Memory, disk or device is short (exit code 5).
    Resources,
    /// A remote server failed (exit code 6).
    Provider,
    /// A policy forbids it (exit code 7).
    Policy,
    /// The user stopped it (exit code 130).
    Interrupted,
    /// A fault of the program (exit code 70).
    Internal,
}

/// Says which kind an error is of and what the user can do about it.
pub trait Hint {
    /// The kind of failure.
    fn kind(&self) -> Kind;
    /// Advice in one sentence, when there is any.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An observer asked to stop.
    #[error("stopped before it was finished")]
    Cancelled,
    /// A configuration file is not the JSON it should be.
    #[error("parse {}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A configuration file asks for what nothing here computes.
    #[error("{setting} in {}: expected {expected}, found {found}", file.display())]
    Setting {
        /// The file.
        file: PathBuf,
        /// The key in it.
        setting: &'static str,
        /// What would be followed.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Reading or writing pictures failed.
    #[error(transparent)]
    Media(crate::media::MediaError),
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Interrupted,
            Self::Json { .. } | Self::Setting { .. } => Kind::Input,
            Self::Media(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Media(error) => error.hint(),
            _ => None,
        }
    }
}
