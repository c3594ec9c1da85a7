//! What an adapter can be refused for.

use std::path::PathBuf;

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A strength that is not a number.
    #[error("strength of {} is {scale}, expected a number", file.display())]
    Scale {
        /// The file.
        file: PathBuf,
        /// The strength.
        scale: f64,
    },
    /// Keys in no dialect that is read, or that name nothing of the model.
    #[error("{} has {} that nothing here can use: {}", file.display(), keys(unused.len()), first(unused))]
    Unused {
        /// The file.
        file: PathBuf,
        /// The keys.
        unused: Vec<String>,
    },
    /// A file without a tensor.
    #[error("{} changes nothing: it holds no tensor", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A change of which a part is missing.
    #[error("{} has {found} but no {missing}", file.display())]
    Half {
        /// The file.
        file: PathBuf,
        /// The key there is.
        found: String,
        /// The key there should be.
        missing: String,
    },
    /// A part of a change that does not fit its module, or is of another rank than its other half.
    #[error("tensor {key} in {}: expected {expected}, found {found:?}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What it should be.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// The same module is changed twice within a file, under two names.
    #[error("{} changes {module} twice: {first} and {second}", file.display())]
    Twice {
        /// The file.
        file: PathBuf,
        /// Canonical name.
        module: String,
        /// One key.
        first: String,
        /// The other.
        second: String,
    },
    /// The table of dialects is wrong.
    #[error("dialects: {0}")]
    Dialects(#[from] toml::de::Error),
    /// The file, or a tensor of it, is not what it should be.
    #[error(transparent)]
    Weights(#[from] kinora_models::weights::WeightsError),
    /// The model refused it.
    #[error("{}: {source}", file.display())]
    Model {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Box<kinora_models::Error>,
    },
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How many keys a message names.
const NAMED: usize = 5;

fn keys(n: usize) -> String {
    if n == 1 { "a key".to_owned() } else { format!("{n} keys") }
}

fn first(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text += ", …";
    }
    text
}
