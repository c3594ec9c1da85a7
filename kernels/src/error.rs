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
    /// An argument lives on a device that the operation does not run on.
    #[error("{op}: a tensor on another device than the operation's")]
    Device {
        /// Operation.
        op: &'static str,
    },
    /// A fast path and its reference disagree (feature `check`).
    #[error(
        "{op}: differs from its reference by {nmse:e} (normalised mean square), allowed {limit:e}"
    )]
    Drift {
        /// Operation.
        op: &'static str,
        /// Difference found.
        nmse: f64,
        /// Difference allowed.
        limit: f64,
    },
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
