//! The ports between a family and the engine: text encoder, denoiser, video VAE.
//!
//! A batch is always one: guidance runs the denoiser twice. Latents are `(channels, frames, height, width)` and frames
//! are `(3, frames, height, width)`, both `f32` on the device of the model.

use candle_core::{DType, Device, Tensor};

use crate::{Result, nn::Delta};

/// Where a model lives and how it computes.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// Dtype of the operands of matrix products: `F32`, `BF16` or `F16`.
    pub compute: DType,
}

impl Placement {
    /// Dtype of activations between operations: `f32` on the CPU, else the dtype of products.
    pub fn activations(&self) -> DType {
        if self.device.is_cpu() { DType::F32 } else { self.compute }
    }
}

/// Receives intermediate tensors by name while a model runs; `()` receives nothing.
pub trait Tap {
    /// Whether the tensors inside a forward pass are wanted at all.
    fn wants_blocks(&self) -> bool {
        false
    }

    /// Takes one tensor. `name` is the module's name in the reference implementation; `shape` is the
    /// shape the reference gives it, of as many elements as `value`.
    ///
    /// # Errors
    /// What the receiver fails with.
    fn tensor(&mut self, name: &str, value: &Tensor, shape: &[usize]) -> Result<()> {
        let _ = (name, value, shape);
        Ok(())
    }
}

impl Tap for () {}

/// What a text encoder makes of a prompt.
#[derive(Debug, Clone)]
pub struct PromptEmbeds {
    /// Token ids, padded to the full length.
    pub input_ids: Vec<u32>,
    /// Number of true tokens; the rest is padding.
    pub tokens: usize,
    /// Hidden states of the true tokens `(tokens, text_dim)` in `f32`. The denoiser pads them with zeros to the full
    /// length (`input_ids.len()`).
    pub embeds: Tensor,
}

/// Turns words into embeddings.
pub trait TextEncoder {
    /// Cleans, tokenizes and encodes a prompt.
    ///
    /// # Errors
    /// What the tensor library fails with.
    fn encode(&self, prompt: &str) -> Result<PromptEmbeds>;
}

/// The timestep a denoiser is asked for.
#[derive(Debug, Clone)]
pub enum Timesteps {
    /// One for the whole clip.
    Clip(f32),
    /// One for each token, in the order of the denoiser's tokens: frame, row, column.
    Token(Vec<f32>),
}

/// What a denoiser made of a prompt once, for all steps: opaque to everyone else.
pub trait Context: std::any::Any {
    /// The context as its own type again.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// Predicts noise (or velocity) from noisy latents.
pub trait Denoiser {
    /// Latent channels in.
    fn in_channels(&self) -> usize;

    /// Latent pixels a token covers: frames, rows, columns.
    fn patch_size(&self) -> [usize; 3];

    /// Computes what depends on the prompt alone: keys and values of every cross-attention.
    ///
    /// # Errors
    /// Embeddings of another width.
    fn prepare(&self, prompt: &PromptEmbeds, tap: &mut dyn Tap) -> Result<Box<dyn Context>>;

    /// One forward pass.
    ///
    /// # Shapes
    /// `latents: (in_channels, t, h, w)`, result `(out_channels, t, h, w)` in `f32`.
    ///
    /// # Errors
    /// Latents that do not fit the patch size, a foreign context.
    fn forward(
        &self,
        latents: &Tensor,
        timesteps: &Timesteps,
        context: &dyn Context,
        tap: &mut dyn Tap,
    ) -> Result<Tensor>;

    /// Adds a change to the module of this canonical name (without `.weight`).
    ///
    /// # Errors
    /// [`crate::Error::NoSuchModule`], or a delta whose shape does not fit it.
    fn adapt(&mut self, module: &str, delta: Delta) -> Result<()>;
}

/// Turns frames into latents and back.
pub trait VideoVae {
    /// Latent channels.
    fn latent_channels(&self) -> usize;

    /// Pixels a latent covers: frames (after the first), rows, columns.
    fn compression(&self) -> [usize; 3];

    /// Mean and standard deviation of each latent channel, as the denoiser sees them normalised.
    fn statistics(&self) -> (&[f32], &[f32]);

    /// Encodes frames `(3, t, h, w)` in `[-1, 1]` to the mean of the latent distribution, before normalisation.
    ///
    /// # Errors
    /// A frame count that is not `4n + 1`, or a size off the grid.
    fn encode(&self, frames: &Tensor) -> Result<Tensor>;

    /// Decodes un-normalised latents `(c, t, h, w)` to frames `(3, t', h', w')` clamped to `[-1, 1]`.
    ///
    /// `tiling` of `None` decodes whole pictures. `progress` hears of each latent frame (or tile) done out of the total, and may stop.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] when `progress` breaks.
    fn decode(
        &self,
        latents: &Tensor,
        tiling: Option<Tiling>,
        progress: &mut dyn FnMut(usize, usize) -> std::ops::ControlFlow<()>,
    ) -> Result<Tensor>;
}

/// Spatial tiles of a decode, in pixels: blended where they overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Height and width of a tile.
    pub tile_px: usize,
    /// Distance between the starts of neighbouring tiles.
    pub stride_px: usize,
}

impl Default for Tiling {
    /// The tiles of diffusers: 256 pixels, 192 apart.
    fn default() -> Self {
        Self { tile_px: 256, stride_px: 192 }
    }
}
