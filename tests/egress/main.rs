//! The one door: who gets through it, what is written down before, and that nothing goes round it.
#![cfg(unix)]

mod answers;
mod log;
mod model;
mod redirects;
mod rule;
mod scene;
mod silence;
mod tree;
mod upload;
