//! What the parts of the local runtime can fail with.

use crate::error::{Hint, Kind};

/// A part of the local runtime failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A checkpoint, or a model made of it.
    #[error(transparent)]
    Model(#[from] kinora_models::Error),
    /// An adapter.
    #[error(transparent)]
    Adapter(#[from] kinora_adapters::Error),
    /// The tensor library.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Hint for LocalError {
    fn kind(&self) -> Kind {
        match self {
            Self::Model(kinora_models::Error::Stopped) => Kind::Interrupted,
            Self::Model(kinora_models::Error::Kernel(_) | kinora_models::Error::Tensor(_))
            | Self::Tensor(_) => Kind::Internal,
            Self::Model(_) | Self::Adapter(_) => Kind::Input,
        }
    }
}

macro_rules! through_local {
    ($($source:ty),*) => {$(
        impl From<$source> for crate::Error {
            fn from(source: $source) -> Self {
                Self::Local(Box::new(source.into()))
            }
        }
    )*};
}

through_local!(kinora_models::Error, kinora_adapters::Error, candle_core::Error);
