//! What stands in for the local runtime where it is not built in.

use std::path::Path;

use kinora_cards::Card;

use super::{Inspection, LocalOptions, Survey};
use crate::generator::{Capabilities, Estimate, Generated, Generator};
use crate::observe::Observer;
use crate::request::Request;
use crate::{Error, Hint, Kind, Result};

/// The local runtime: not part of this build, and never made.
#[derive(Debug)]
pub enum LocalGenerator {}

impl LocalGenerator {
    /// Says that this build has no local runtime.
    ///
    /// # Errors
    /// Always [`Error::NotBuilt`].
    pub fn open(_: &Path, _: &str, _: Option<&'static Card>, _: LocalOptions) -> Result<Self> {
        Err(Error::NotBuilt { what: "local generation", feature: "local" })
    }

    /// Says that this build carries no model.
    ///
    /// # Errors
    /// Always [`Error::NotBuilt`].
    pub fn built_in(_: LocalOptions) -> Result<Self> {
        Err(Error::NotBuilt { what: "the built-in model", feature: "local" })
    }
}

impl Generator for LocalGenerator {
    fn capabilities(&self) -> Capabilities {
        match *self {}
    }

    fn estimate(&self, _: &Request) -> Result<Estimate> {
        match *self {}
    }

    fn generate(&self, _: &Request, _: &dyn Observer) -> Result<Generated> {
        match *self {}
    }
}

/// What the local runtime can fail with: nothing, as it is not part of this build.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {}

impl Hint for LocalError {
    fn kind(&self) -> Kind {
        match *self {}
    }
}

/// Says that this build reads no checkpoints.
///
/// # Errors
/// Always [`Error::NotBuilt`].
pub fn inspect(_: &Path) -> Result<Inspection> {
    Err(Error::NotBuilt { what: "reading checkpoints", feature: "local" })
}

/// Says that this build carries no model.
///
/// # Errors
/// Always [`Error::NotBuilt`].
pub fn inspect_built_in() -> Result<Inspection> {
    Err(Error::NotBuilt { what: "the built-in model", feature: "local" })
}

/// Nothing: this build carries no model.
pub fn built_in_digest() -> Option<&'static str> {
    None
}

/// Says that this build carries no model.
///
/// # Errors
/// Always [`Error::NotBuilt`].
pub fn write_built_in_picture(_: &Path) -> Result<()> {
    Err(Error::NotBuilt { what: "the built-in model", feature: "local" })
}

/// Looks at what this machine has.
pub fn survey() -> Survey {
    Survey {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        kernels: "not part of this build".to_owned(),
        available_bytes: None,
        devices: Vec::new(),
    }
}
