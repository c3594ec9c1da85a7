//! Hosted jobs: from an order to a clip on the disk, in an order of steps that loses nothing that was paid for.
//!
//! Money is reserved and the intent is on the disk before anything is sent; the provider's name of the job is on the disk
//! before anybody waits for it; the clip is whole, on the disk and decodes before the caller gets it; and the job is settled
//! when the caller has recorded the take. A process may end between any two of these, and the next one goes on.
//!
//! **Asking for a clip is never repeated blindly.** It is repeated where nothing can have been made: the answer says so, or the
//! question did not leave. Everything else makes the job *unknown*: its money stays reserved, and it is looked for by our name
//! where the provider keeps one. Only where that name makes two questions one clip ([`Provider::is_once`]) is it asked for
//! again. What is left is for people: `kinora jobs`.
//!
//! [`Desk`] is what callers need: it has the ports and makes a [`Runner`] for each job. The ports are [`Wire`] (the door),
//! [`Journal`] (the ledger), [`Clock`] and [`Check`] (whether a file is a clip). Everything is `Sync`; several jobs run on
//! several threads.
//!
//! [`Provider::is_once`]: super::provider::Provider::is_once

mod clock;
mod desk;
mod door;
mod download;
mod error;
mod journal;
mod people;
mod ports;
mod runner;
pub mod steps;
mod submit;
mod watch;

pub use clock::SystemClock;
pub use desk::{Access, Desk, Directory};
pub use door::Door;
pub use error::{Ended, Error};
pub use journal::LedgerJournal;
pub use people::{Verdict, resolve};
pub use ports::{Ask, Check, Clock, Decodes, Flaw, Journal, Silence, Stream, Wire};
pub use runner::{Keep, Kept, Made, Patience, Runner, Ticket};
