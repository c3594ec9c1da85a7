//! What can be wrong with a checkpoint.

use std::path::PathBuf;

use super::{FormatFault, KeyMapFault, PlanError, ShardFault, StoredDtype};

/// What can be wrong with a checkpoint or a file of one. Each error names the file, and the tensor where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system could not open, read or map a file.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder or device stands where a file should be.
    #[error("{file}: not a regular file")]
    NotAFile {
        /// The path.
        file: PathBuf,
    },
    /// The file has no bytes.
    #[error("{file}: the file is empty")]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A text file is larger than any real one.
    #[error("{file}: larger than {limit_bytes} bytes")]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// A file is not the JSON that it should be.
    #[error("{file}, line {}: {source}", source.line())]
    Json {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A component of a checkpoint folder is not there.
    #[error("{root}: component {component} is missing: expected {expected}")]
    Missing {
        /// The folder.
        root: PathBuf,
        /// The component.
        component: &'static str,
        /// What should be in the folder.
        expected: String,
    },
    /// Content that is known, but not read yet.
    #[error("{file}: {found} is not yet supported")]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// What it is or names.
        found: String,
    },
    /// Content that is not known.
    #[error("{path}: not a checkpoint that is known: expected {expected}")]
    Unrecognised {
        /// The file or folder.
        path: PathBuf,
        /// What would make it one.
        expected: &'static str,
    },
    /// The content of a file of tensors is wrong.
    #[error("{file}: {fault}")]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        fault: Box<FormatFault>,
    },
    /// An index of shards and its shards disagree.
    #[error("{file}: {fault}")]
    Shards {
        /// The index.
        file: PathBuf,
        /// What is wrong.
        fault: ShardFault,
    },
    /// The text of a key map is wrong.
    #[error("key map: {0}")]
    KeyMap(#[from] KeyMapFault),
    /// Two tensors have one canonical name.
    #[error("{file}: tensors {tensor} and {other} have one canonical name")]
    SameName {
        /// The file of the second.
        file: PathBuf,
        /// The second.
        tensor: String,
        /// The first.
        other: String,
    },
    /// The files hold other tensors than the model has.
    #[error(transparent)]
    Plan(#[from] Box<PlanError>),
    /// A tensor was asked for that the plan does not hold.
    #[error("tensor {tensor} is not part of the load plan")]
    Unplanned {
        /// The name asked for.
        tensor: String,
    },
    /// A tensor holds an infinity or a NaN.
    #[error("{file}: tensor {tensor}: expected finite values, found {found} at index {index}")]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor, as the file names it.
        tensor: String,
        /// The position of the first such element, in row order.
        index: usize,
        /// Its value.
        found: f64,
    },
    /// A value is too large for the type that the weights are read as.
    #[error("{file}: tensor {tensor}: {found} does not fit f16")]
    Overflow {
        /// The file.
        file: PathBuf,
        /// The tensor, as the file names it.
        tensor: String,
        /// The largest magnitude of the tensor.
        found: f32,
    },
    /// A tensor of one element was expected.
    #[error("{file}: tensor {tensor}: expected one element, found shape {found:?}")]
    NotScalar {
        /// The file.
        file: PathBuf,
        /// The tensor, as the file names it.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// The elements are of a type that cannot be read here.
    #[error("{file}: tensor {tensor}: {found} is not yet supported")]
    Dtype {
        /// The file.
        file: PathBuf,
        /// The tensor, as the file names it.
        tensor: String,
        /// Its type.
        found: StoredDtype,
    },
}
