//! Layers that every family shares.

mod linear;

pub use linear::{Delta, Linear};
