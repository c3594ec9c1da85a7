//! Generation on this machine. One of the places where a feature is switched.

mod options;
mod survey;

#[cfg(feature = "local")]
mod built_in;
#[cfg(feature = "local")]
mod decode;
#[cfg(feature = "local")]
mod denoise;
#[cfg(not(feature = "local"))]
mod disabled;
#[cfg(feature = "local")]
mod enabled;
#[cfg(feature = "local")]
mod error;
#[cfg(feature = "local")]
pub mod guidance;
#[cfg(feature = "local")]
mod inspect;
#[cfg(feature = "local")]
mod latents;
#[cfg(feature = "local")]
mod memory;
#[cfg(feature = "local")]
pub mod noise;
#[cfg(feature = "local")]
mod run;
#[cfg(feature = "local")]
pub mod sampler;
#[cfg(feature = "local")]
pub mod sigmas;
#[cfg(feature = "local")]
mod trace;

#[cfg(feature = "local")]
pub use built_in::{built_in_digest, write_built_in_picture};
#[cfg(not(feature = "local"))]
pub use disabled::{
    LocalError, LocalGenerator, built_in_digest, inspect, inspect_built_in, survey,
    write_built_in_picture,
};
#[cfg(feature = "local")]
pub use enabled::{LocalGenerator, survey};
#[cfg(feature = "local")]
pub use error::LocalError;
#[cfg(feature = "local")]
pub use inspect::{inspect, inspect_built_in};
pub use options::{DeviceChoice, LocalOptions, Precision, VaeTile};
pub use survey::{Inspected, Inspection, Survey};
