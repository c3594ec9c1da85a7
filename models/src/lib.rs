//! Families, checkpoints and tokenizers of open-weight video diffusion models.
//!
//! Knows families, checkpoints and tokenizers, and declares ports that others fill. Opens files only to map weights;
//! knows no network, clock or random number: noise is an argument.

mod error;
pub mod family;
#[doc(hidden)]
pub mod faults;
mod fields;
pub mod nn;
pub mod parts;
pub mod text;
pub mod wan;
pub mod weights;

pub use error::{Error, Result};
pub use kinora_cards as cards;

use std::path::Path;

/// Every family, one line each.
pub const FAMILIES: &[family::Family] = &[wan::FAMILY];

/// Opens the checkpoint in a folder with the family it names: reads configurations and accounts for every tensor.
///
/// # Errors
/// A folder that is no checkpoint, a class of no family, a component that is missing or does not fit.
pub fn open(folder: &Path) -> Result<Box<dyn family::Model>> {
    with_family(weights::Checkpoint::open(folder)?)
}

/// Opens a checkpoint that the program carries, under the name that errors call it by.
///
/// # Errors
/// Those of [`open`].
pub fn open_carried(
    name: &str,
    files: &'static [weights::Carried],
) -> Result<Box<dyn family::Model>> {
    with_family(weights::Checkpoint::of(&weights::Folder::carried(name, files))?)
}

fn with_family(checkpoint: weights::Checkpoint) -> Result<Box<dyn family::Model>> {
    match FAMILIES.iter().find(|family| family.classes.contains(&checkpoint.class.as_str())) {
        Some(family) => (family.open)(checkpoint),
        None => Err(Error::NoFamily { class: checkpoint.class, folder: checkpoint.root }),
    }
}
