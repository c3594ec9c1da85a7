//! The embedded cartoon model's world, and the judge of what its clips show.

mod judge;
mod model;
mod parity;
mod world;
