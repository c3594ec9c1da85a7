//! Layers that every family shares.

mod causal;
mod linear;

pub use causal::{CausalConv3d, History};
pub use linear::{Delta, Linear};
