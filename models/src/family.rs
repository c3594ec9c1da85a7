//! What a checkpoint of a family is to the engine: its facts, its files accounted for, and its parts on demand.

use std::path::Path;

use kinora_cards::Grid;

use crate::{
    Result,
    parts::{Denoiser, Placement, TextEncoder, Tiling, VideoVae},
    weights::{Checkpoint, KeyMap},
};

/// An architecture that checkpoints are opened with.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Name in cards.
    pub name: &'static str,
    /// Pipeline or model classes that checkpoints of this family name.
    pub classes: &'static [&'static str],
    /// Reads configurations and plans every component; reads no weight.
    pub open: fn(Checkpoint) -> Result<Box<dyn Model>>,
}

/// What the engine needs to know of a checkpoint before any weight is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// How VAE and denoiser divide a clip.
    pub grid: Grid,
    /// Latent channels of the VAE.
    pub latent_channels: usize,
    /// Rows of a padded prompt.
    pub text_length: usize,
    /// Most patches along an axis: frames, rows or columns.
    pub max_patches: u32,
    /// Every token has a timestep of its own, and a first frame can be given as a clean latent.
    pub expand_timesteps: bool,
    /// Bytes of each part's weights, as stored.
    pub weights: Footprint,
}

/// Bytes of the weights of each part, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Text encoder.
    pub text_encoder: u64,
    /// Denoiser.
    pub denoiser: u64,
    /// VAE.
    pub vae: u64,
}

/// A part of a model that holds weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text encoder.
    TextEncoder,
    /// Denoiser.
    Denoiser,
    /// VAE.
    Vae,
}

/// An opened checkpoint: every tensor of every part is accounted for.
pub trait Model: Send + Sync {
    /// What it is.
    fn facts(&self) -> &Facts;

    /// The scheduler's file and its text, where the checkpoint has one.
    fn scheduler(&self) -> Option<(&Path, &str)>;

    /// Files of a part and how long each is in bytes, for the record.
    fn files(&self, part: Part) -> Vec<(&Path, u64)>;

    /// How the original release names the denoiser's weights.
    fn original_names(&self) -> &KeyMap;

    /// Outputs and inputs of the denoiser's module of this canonical name, where a change can be attached to it.
    fn module(&self, name: &str) -> Option<[usize; 2]>;

    /// Bytes that the loaded weights of a part take.
    fn loaded_bytes(&self, part: Part, placement: &Placement) -> u64;

    /// Bytes that a forward pass of the denoiser needs beside its weights.
    fn denoiser_working_bytes(&self, tokens: usize, placement: &Placement) -> u64;

    /// Bytes that decoding needs beside the VAE's weights.
    fn decode_working_bytes(
        &self,
        latent_shape: [usize; 4],
        tiling: Option<Tiling>,
        placement: &Placement,
    ) -> u64;

    /// Loads the text encoder.
    ///
    /// # Errors
    /// Weights that are not finite, files that changed.
    fn text_encoder(&self, placement: &Placement) -> Result<Box<dyn TextEncoder>>;

    /// Loads the denoiser.
    ///
    /// # Errors
    /// Weights that are not finite, files that changed.
    fn denoiser(&self, placement: &Placement) -> Result<Box<dyn Denoiser>>;

    /// Loads the VAE.
    ///
    /// # Errors
    /// Weights that are not finite, files that changed.
    fn vae(&self, placement: &Placement) -> Result<Box<dyn VideoVae>>;

    /// Reads every weight of every part once and checks it: finite, by name.
    ///
    /// # Errors
    /// The first tensor that is not finite.
    fn verify(&self, progress: &mut dyn FnMut(&Path, u64)) -> Result<()>;
}
