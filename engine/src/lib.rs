//! Generation from request to file: local runtime, store, media and the one door to the network.

mod error;
pub mod local;

pub use error::{Error, Hint, Kind, Result};
