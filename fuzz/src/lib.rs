//! What is asked of the readers of files and of answers, whatever is in them: no panic, no hang, and errors that say where.
//!
//! Each target is a function over bytes. `./x fuzz TARGET` looks for bytes that it does not bear; `tests/fuzz` holds it to
//! those that were found before.

pub mod ledger;
pub mod manifest;
pub mod production;
pub mod replies;
