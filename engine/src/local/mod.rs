//! Generation on this machine. One of the two places where a feature is switched.

#[cfg(feature = "local")]
pub mod guidance;
#[cfg(feature = "local")]
pub mod noise;
#[cfg(feature = "local")]
pub mod sampler;
#[cfg(feature = "local")]
pub mod sigmas;
