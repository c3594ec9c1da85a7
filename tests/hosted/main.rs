//! Hosted jobs against providers on this machine that speak as the real ones do: every provider, everything that can go wrong;
//! and what providers make of answers that somebody damaged.

mod aborted;
mod conformance;
mod hostile;
mod payloads;
mod replies;
mod scene;
mod stopped;
