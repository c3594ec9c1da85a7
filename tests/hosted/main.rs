//! Hosted jobs against providers on this machine that speak as the real ones do: every provider, everything that can go wrong;
//! and what providers make of answers that somebody damaged.

mod aborted;
mod conformance;
mod forgotten;
#[path = "../../fuzz/src/replies.rs"]
#[expect(unreachable_pub, reason = "it is public where it is a library")]
mod hostile;
mod kept;
mod payloads;
mod replies;
mod scene;
mod stopped;
mod unwritten;
