//! Generation on this machine. One of the two places where a feature is switched.

#[cfg(feature = "local")]
pub mod noise;
