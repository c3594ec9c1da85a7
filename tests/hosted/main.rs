//! Hosted jobs against providers on this machine that speak as the real ones do: every provider, everything that can go wrong.

mod aborted;
mod conformance;
mod payloads;
mod scene;
mod stopped;
