//! What an operation can refuse.

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument has a shape that the operation cannot take.
    #[error("{op}: {what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Operation.
        op: &'static str,
        /// Argument.
        what: &'static str,
        /// Shape it has.
        found: Vec<usize>,
        /// Shape it should have, in letters.
        expected: &'static str,
    },
    /// An argument has a dtype that the operation cannot take.
    #[error("{op}: dtype {found:?} is not supported")]
    DType {
        /// Operation.
        op: &'static str,
        /// Dtype it has.
        found: candle_core::DType,
    },
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
