//! What can go wrong while generating, and what to do about it.

use std::io;
use std::path::PathBuf;

use kinora_cards::{Frames, Size};
use serde::{Deserialize, Serialize};

/// The kinds of failure a caller tells apart; each has one exit code on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// A size or a number of frames that the model cannot make.
    #[error(transparent)]
    Shape(#[from] kinora_cards::Error),
    /// A number out of range.
    #[error("{name} is {found}, expected {expected}")]
    Value {
        /// Which number.
        name: &'static str,
        /// What it is.
        found: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// A word that is none of those known.
    #[error("unknown {what} {found:?}, known: {known}")]
    Unknown {
        /// What the word names.
        what: &'static str,
        /// The word.
        found: String,
        /// The words there are.
        known: &'static str,
    },
    /// More of something than the model can make.
    #[error("{name} is {found}, this model makes at most {most}")]
    TooMuch {
        /// What there is too much of.
        name: &'static str,
        /// How much was asked for.
        found: u32,
        /// How much there can be.
        most: u64,
    },
    /// Two things that would be written to one file.
    #[error("{} would be written twice: as {first} and as {second}", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Numbers that ran out of their range while a clip was made.
    #[error("{what} are not finite")]
    NotFinite {
        /// Which numbers, and when.
        what: String,
    },
    /// The model takes no picture.
    #[error("model {model} takes no picture to begin with")]
    NoImageInput {
        /// The model.
        model: String,
    },
    /// A plan that does not fit into memory.
    #[error("stage {stage} needs {} of memory ({} of weights), {} can be used", gib(*needed), gib(*weights), gib(*available))]
    Memory {
        /// The stage that needs most.
        stage: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        available: u64,
        /// Bytes of weights among those needed.
        weights: u64,
        /// The largest smaller clip that was found to fit.
        fits: Option<(Size, Frames)>,
    },
    /// A device that cannot be used.
    #[error("device {name}: {source}")]
    Device {
        /// The device.
        name: String,
        /// What the driver says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Threads that cannot be had.
    #[error("start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something this build does not have.
    #[error("{what} is not part of this build (feature {feature})")]
    NotBuilt {
        /// What was asked for.
        what: &'static str,
        /// The feature that has it.
        feature: &'static str,
    },
    /// The bytes of the model that the program carries are not those that were built in.
    #[error("the model that this program carries is damaged")]
    Damaged,
    /// A file of latents that cannot be used or written.
    #[error("latents in {}: {reason}", path.display())]
    Latents {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
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
    /// A manifest that cannot be read.
    #[error("manifest of {}: {source}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file that cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Reading or writing pictures failed.
    #[error(transparent)]
    Media(crate::media::MediaError),
    /// Part of the local runtime failed.
    #[error(transparent)]
    Local(Box<crate::local::LocalError>),
    /// The door to the network stayed shut, or what was behind it failed.
    #[error(transparent)]
    Egress(#[from] crate::egress::Error),
    /// A log cannot be followed, or is not what was written.
    #[error(transparent)]
    Chain(#[from] crate::chain::Error),
    /// A picture cannot be made ready to leave.
    #[error(transparent)]
    Upload(#[from] crate::egress::upload::Error),
    /// A production cannot be read, or what it says is wrong.
    #[error(transparent)]
    Production(#[from] crate::production::Error),
    /// The ledger of a production did not do what it was asked to.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::Error),
    /// A card of a hosted model that makes no sense.
    #[error(transparent)]
    HostedCard(#[from] crate::hosted::CardError),
    /// A hosted job was not begun, or stands where it stood.
    #[error(transparent)]
    Job(#[from] crate::hosted::jobs::Error),
    /// No model was chosen.
    #[error(transparent)]
    Router(#[from] crate::router::Error),
    /// A checkpoint was not found, or could not be fetched.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled => Kind::Interrupted,
            Self::Shape(_)
            | Self::Value { .. }
            | Self::Unknown { .. }
            | Self::TooMuch { .. }
            | Self::SameFile { .. }
            | Self::NoImageInput { .. } => Kind::Usage,
            Self::Memory { .. }
            | Self::Device { .. }
            | Self::Threads { .. }
            | Self::Write { .. } => Kind::Resources,
            Self::NotBuilt { .. } => Kind::Config,
            Self::Damaged => Kind::Internal,
            Self::Json { .. }
            | Self::Setting { .. }
            | Self::Latents { .. }
            | Self::NotFinite { .. }
            | Self::Manifest { .. }
            | Self::Read { .. } => Kind::Input,
            Self::Media(error) => error.kind(),
            Self::Local(error) => error.kind(),
            Self::Egress(error) => error.kind(),
            Self::Chain(error) => error.kind(),
            Self::Upload(error) => error.kind(),
            Self::Production(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::HostedCard(error) => error.kind(),
            Self::Job(error) => error.kind(),
            Self::Router(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Memory { fits: Some((size, frames)), .. } => Some(format!(
                "this would fit: --size {}x{} --frames {}",
                size.width, size.height, frames.0
            )),
            Self::Memory { fits: None, weights, available, .. } if weights > available => {
                Some("the weights alone do not fit: use a smaller model or --dtype bf16".to_owned())
            }
            Self::NoImageInput { .. } => {
                Some("leave out --image, or use a model with image input".to_owned())
            }
            Self::NotFinite { .. } => Some(
                "a wider --dtype or --vae-dtype holds larger numbers (f16 none above 65504); a strong --guidance or adapter makes them"
                    .to_owned(),
            ),
            Self::Damaged => Some("build or install kinora again".to_owned()),
            Self::Device { .. } => Some("`kinora doctor` lists what there is".to_owned()),
            Self::Media(error) => error.hint(),
            Self::Local(error) => error.hint(),
            Self::Egress(error) => error.hint(),
            Self::Chain(error) => error.hint(),
            Self::Upload(error) => error.hint(),
            Self::Production(error) => error.hint(),
            Self::Ledger(error) => error.hint(),
            Self::HostedCard(error) => error.hint(),
            Self::Job(error) => error.hint(),
            Self::Router(error) => error.hint(),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
