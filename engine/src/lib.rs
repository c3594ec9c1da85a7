//! Generation from request to file: local runtime, store, media and the one door to the network.
//!
//! Everything with a side effect lives here; nothing here knows a terminal. Without the feature `local` the crate
//! compiles with no tensor library in its tree.

pub mod chain;
pub mod durable;
pub mod egress;
mod error;
#[doc(hidden)]
pub mod faults;
pub mod generator;
pub mod hash;
pub mod hosted;
pub mod id;
pub mod job;
pub mod ledger;
pub mod local;
pub mod manifest;
pub mod media;
pub mod money;
pub mod observe;
pub mod privacy;
pub mod production;
pub mod request;
pub mod router;
mod steps;
pub mod store;
mod take;

pub use error::{Error, Hint, Kind, Result};
pub use kinora_cards as cards;
pub use take::{Replay, Take, read_manifest, replay_request, write_take};
