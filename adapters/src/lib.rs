//! LoRA and its kin, attached to models at run time.
//!
//! Fills the ports that models declare; knows no production and no network. Base weights are never touched.

mod error;
pub mod lora;

pub use error::{Error, Result};
