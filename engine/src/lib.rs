//! Generation from request to file: local runtime, store, media and the one door to the network.

mod error;
pub mod local;
pub mod media;

pub use error::{Error, Hint, Kind, Result};
