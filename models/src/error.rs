//! What a family can refuse.

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration holds a value that no model of its class can have.
    #[error("{class}: {field}: expected {expected}, found {found}")]
    Config {
        /// Class of the model.
        class: &'static str,
        /// Field, as the configuration names it.
        field: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An input has a shape that the model cannot take.
    #[error("{what}: expected {expected}, found {found:?}")]
    Input {
        /// Input.
        what: &'static str,
        /// Shape it should have, in words.
        expected: String,
        /// Shape it has.
        found: Vec<usize>,
    },
    /// A checkpoint of a class that no family reads.
    #[error("class {class} of {} is of no family that is read", folder.display())]
    NoFamily {
        /// The class.
        class: String,
        /// The checkpoint's folder.
        folder: std::path::PathBuf,
    },
    /// A context that another model prepared.
    #[error("the context was prepared by another kind of model")]
    ForeignContext,
    /// A configuration file that is wrong.
    #[error("{}: {source}", file.display())]
    InFile {
        /// The file.
        file: std::path::PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// A key map is wrong.
    #[error(transparent)]
    KeyMap(#[from] crate::weights::KeyMapFault),
    /// A change names a module the model does not have.
    #[error("the model has no module {module}")]
    NoSuchModule {
        /// Canonical name.
        module: String,
    },
    /// A change does not fit the module it names.
    #[error(
        "change to {module}: expected {expected:?} (outputs, inputs), found down {down:?} and up {up:?}"
    )]
    DeltaShape {
        /// Canonical name.
        module: String,
        /// Outputs and inputs of the module.
        expected: [usize; 2],
        /// Shape of the down matrix.
        down: [usize; 2],
        /// Shape of the up matrix.
        up: [usize; 2],
    },
    /// A checkpoint, or a file of one, is not what it should be.
    #[error(transparent)]
    Weights(#[from] crate::weights::WeightsError),
    /// A tokenizer is not what it should be.
    #[error(transparent)]
    Tokenizer(#[from] crate::text::tokenizer::TokenizerError),
    /// A progress receiver asked to stop.
    #[error("stopped before it was finished")]
    Stopped,
    /// An operation failed.
    #[error(transparent)]
    Kernel(#[from] kinora_kernels::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The same error, naming the file it was found in.
    #[must_use]
    pub fn in_file(self, file: &std::path::Path) -> Self {
        Self::InFile { file: file.to_owned(), source: Box::new(self) }
    }
}
