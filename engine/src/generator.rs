//! What makes a take: a local model, or a hosted one.

use kinora_cards::{FrameRule, Task};

use crate::Result;
use crate::manifest::Manifest;
use crate::media::{Fps, Frames};
use crate::observe::Observer;
use crate::request::{Recipe, Request};

/// What a generator can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Capabilities {
    /// Its name: a card's, or a folder's.
    pub name: String,
    /// Tasks it takes.
    pub tasks: Vec<Task>,
    /// Numbers of frames it makes.
    pub frames: FrameRule,
    /// What width and height are multiples of.
    pub multiple_of: u32,
    /// Whether it takes adapters.
    pub adapters: bool,
}

/// Memory that one stage needs at its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageMemory {
    /// The stage.
    pub stage: crate::observe::Stage,
    /// Bytes of weights.
    pub weights_bytes: u64,
    /// Bytes beside them.
    pub working_bytes: u64,
}

impl StageMemory {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.weights_bytes.saturating_add(self.working_bytes)
    }
}

/// What a request would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// What it resolves to.
    pub recipe: Recipe,
    /// Tokens the denoiser would see.
    pub tokens: usize,
    /// Memory of each stage.
    pub memory: Vec<StageMemory>,
}

impl Estimate {
    /// What memory it takes at its height.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.iter().map(StageMemory::bytes).max().unwrap_or_default()
    }
}

/// A clip and everything needed to make it again.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Its frames.
    pub frames: Frames,
    /// Its rate.
    pub fps: Fps,
    /// How it was made.
    pub manifest: Manifest,
}

/// Makes clips from requests.
pub trait Generator {
    /// What it can be asked for.
    fn capabilities(&self) -> Capabilities;

    /// What a request would take; nothing is loaded.
    ///
    /// # Errors
    /// A request it cannot fulfil.
    fn estimate(&self, request: &Request) -> Result<Estimate>;

    /// Makes a clip.
    ///
    /// # Errors
    /// A request it cannot fulfil, weights it cannot read, [`crate::Error::Cancelled`].
    fn generate(&self, request: &Request, observer: &dyn Observer) -> Result<Generated>;
}
