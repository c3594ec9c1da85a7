//! Families, checkpoints and tokenizers of open-weight video diffusion models.
//!
//! Knows families, checkpoints and tokenizers, and declares ports that others fill. Opens files only to map weights;
//! knows no network, clock or random number: noise is an argument.

mod error;
#[doc(hidden)]
pub mod faults;
pub mod nn;
pub mod parts;
pub mod weights;

pub use error::{Error, Result};
pub use kinora_cards as cards;
