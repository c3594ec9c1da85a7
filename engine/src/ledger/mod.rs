//! Every take that was ever made, and what people decided: nothing in it is lost, and nothing in it changes in silence.
//!
//! A production's hidden folder `.kinora` holds
//!
//! - `objects/ab/cdef…`: clips and manifests, by the BLAKE3 of what is in them, read-only;
//! - `events.jsonl`: what happened, line by line, each with the hash of the line before;
//! - `ledger.sqlite`: an index over these, which may be deleted at any time;
//! - `work/`: clips that are being made.
//!
//! Objects and events are the truth. The files in `renders/`, for people, and the index are made from them: by
//! [`Ledger::open`] where something is missing at the end, by [`Ledger::rebuild`] from nothing.
//!
//! A finished take gets in by steps of which each is on the disk before the next begins: clip, manifest, event, index, and
//! the name in `renders/`. It is in the ledger when its event is. A process that ends between two steps leaves at most an
//! object that no event names, which [`Ledger::gc`] removes.
//!
//! Several processes may use a ledger at once. They append by turns, and what one of them decides (whether a number is free,
//! whether there is money left) it decides in its turn, on all that happened before. Only one of them renders.

mod apply;
mod choices;
mod compare;
mod error;
mod event;
mod export;
mod gc;
mod index;
mod jobs;
mod lock;
mod objects;
mod open;
mod queries;
mod rebuild;
mod record;
mod renders;
mod rows;
#[cfg(test)]
mod sample;
pub mod steps;
mod take;
mod verify;

pub use error::{Cap, Error, Result};
pub use event::{Event, Failure, Recorded};
pub use gc::{Collect, Collected};
pub use jobs::{Caps, Spent};
pub use lock::RenderLock;
pub use open::Ledger;
pub use queries::{CutSummary, Filter, KeepRate, Moment};
pub use rebuild::Rebuilt;
pub use rows::{Failed, Job, JobState, Note, State, TakeRow};
pub use take::{Media, Place, SCHEMA, TakeRecord};
pub use verify::{Finding, Report};
