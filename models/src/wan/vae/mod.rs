//! The VAEs of Wan 2.1 and 2.2: frames to latents and back, a piece of the clip at a time.
//!
//! Convolutions look back in time, never ahead. Each remembers the two frames before the piece under way, so memory
//! does not grow with the length of a clip and any number of `4n + 1` frames gives exactly what one pass over the
//! whole clip would. The first frame is treated apart: time is neither halved nor doubled for it.
//!
//! # Source
//! huggingface/diffusers v0.42.1, `models/autoencoders/autoencoder_kl_wan.py`, class `AutoencoderKLWan`;
//! Wan-Video/Wan2.1, `wan/modules/vae.py`; Wan-Video/Wan2.2, `wan/modules/vae2_2.py`. Paper:
//! <https://arxiv.org/abs/2503.20314>.
//!
//! # Shapes
//! At the published configuration of Wan 2.1, for a clip of `4n + 1` frames of `8h` rows and `8w` columns; a piece is one
//! latent frame, `4` frames after the first.
//!
//! | stage of the decoder | out (frames, rows, columns, channels) |
//! |---|---|
//! | latents | `1, h, w, 16` |
//! | `conv_in`, `mid_block`, `up_blocks.0` | `1, h, w, 384` |
//! | its upsampler | `2, 2h, 2w, 192` |
//! | `up_blocks.1` | `2, 2h, 2w, 384` |
//! | its upsampler | `4, 4h, 4w, 192` |
//! | `up_blocks.2` | `4, 4h, 4w, 192` |
//! | its upsampler, `up_blocks.3` | `4, 8h, 8w, 96` |
//! | `norm_out`, `conv_out` | `4, 8h, 8w, 3` |
//!
//! The encoder is the mirror image with one residual block fewer a level; its last convolution gives 32 channels, mean
//! and log variance.
//!
//! Wan 2.2 (`is_residual`, `patch_size`) is the same with three differences: squares of pixels lie in the channels of the
//! finest level, a level hands on all of its channels, and its input goes around all of its blocks. Its frames are `16h`
//! rows of `16w` columns:
//!
//! | stage of the decoder | out (frames, rows, columns, channels) |
//! |---|---|
//! | latents | `1, h, w, 48` |
//! | `conv_in`, `mid_block` | `1, h, w, 1024` |
//! | `up_blocks.0` with its upsampler | `2, 2h, 2w, 1024` |
//! | `up_blocks.1` with its upsampler | `4, 4h, 4w, 1024` |
//! | `up_blocks.2` with its upsampler | `4, 8h, 8w, 512` |
//! | `up_blocks.3` | `4, 8h, 8w, 256` |
//! | `norm_out`, `conv_out` | `4, 8h, 8w, 12` |
//! | the squares laid out | `4, 16h, 16w, 3` |

mod blocks;
mod config;
mod decoder;
mod detect;
mod encoder;
mod memory;
mod patch;
mod shortcut;
mod statistics;
mod tensors;
mod tiling;

use std::cell::Cell;
use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

pub use config::Config;

use crate::nn::{History, Linear};
use crate::parts::{Placement, Tiling, VideoVae};
use crate::weights::Weights;
use crate::{Error, Result};

use blocks::Loader;
use decoder::Decoder;
use encoder::Encoder;
use patch::{patchify, unpatchify};

/// A VAE of Wan 2.1 or 2.2, loaded.
#[derive(Debug)]
pub struct WanVae {
    config: Config,
    placement: Placement,
    encoder: Encoder,
    quant_conv: Linear,
    post_quant_conv: Linear,
    decoder: Decoder,
    encoder_slots: usize,
    decoder_slots: usize,
}

impl WanVae {
    /// Packs the weights that the plan of [`Config::expected`] accounts for, and lets go of their mapped pages.
    ///
    /// # Errors
    /// A weight that is not finite, or what the tensor library fails with.
    pub fn load(config: &Config, weights: &Weights, placement: &Placement) -> Result<Self> {
        let [encoder_slots, decoder_slots] = [Cell::new(0), Cell::new(0)];
        let encoding = Loader::new(weights, placement, &encoder_slots);
        let decoding = Loader::new(weights, placement, &decoder_slots);
        Ok(Self {
            config: config.clone(),
            placement: placement.clone(),
            encoder: Encoder::load(&encoding.at("encoder"), config)?,
            quant_conv: encoding.pointwise("quant_conv")?,
            post_quant_conv: decoding.pointwise("post_quant_conv")?,
            decoder: Decoder::load(&decoding.at("decoder"), config)?,
            encoder_slots: encoder_slots.get(),
            decoder_slots: decoder_slots.get(),
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `(c, t, h, w)` in `f32` to a piece `(t, h, w, c)` in the dtype of activations.
    fn piece(&self, clip: &Tensor, start: usize, frames: usize) -> Result<Tensor> {
        let piece = clip.narrow(1, start, frames)?.permute((1, 2, 3, 0))?.contiguous()?;
        Ok(piece.to_dtype(self.placement.activations())?)
    }

    /// Decodes whole pictures and puts together what `finish` makes of each few frames.
    ///
    /// `latents: (z_dim, t, h, w)`, frames `(c, t', h', w')` in `f32` as the decoder gives them, result as `finish` does.
    fn decode_whole(
        &self,
        latents: &Tensor,
        finish: impl Fn(Tensor) -> Result<Tensor>,
        tick: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Tensor> {
        let t = latents.dims()[1];
        let total = 1 + (t - 1) * self.config.temporal_factor();
        let (mut clip, mut done) = (None, 0);
        let mut put = |frames: Tensor| -> Result<()> {
            let frames = frames.permute((3, 0, 1, 2))?.contiguous()?.to_dtype(DType::F32)?;
            let frames = finish(frames)?;
            let (channels, count, rows, columns) = frames.dims4()?;
            tiling::put(&mut clip, [channels, total, rows, columns], &frames, 1, done)?;
            done += count;
            Ok(())
        };
        let mut history = History::new(self.decoder_slots);
        for frame in 0..t {
            let x = self.post_quant_conv.forward(&self.piece(latents, frame, 1)?)?; // (1, h, w, z_dim)
            self.decoder.forward(&x, &mut history, &mut put)?;
            if tick().is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(clip.expect("because a clip has at least one frame"))
    }
}

impl VideoVae for WanVae {
    fn latent_channels(&self) -> usize {
        self.config.z_dim
    }

    fn compression(&self) -> [usize; 3] {
        let pixels = self.config.spatial_factor();
        [self.config.temporal_factor(), pixels, pixels]
    }

    fn statistics(&self) -> (&[f32], &[f32]) {
        (&self.config.latents_mean, &self.config.latents_std)
    }

    fn encode(&self, frames: &Tensor) -> Result<Tensor> {
        let [per_latent, pixels, _] = self.compression();
        let channels = config::PICTURE_CHANNELS;
        let fits = |t: usize, side: usize| {
            t % per_latent == 1 % per_latent && t > 0 && side > 0 && side.is_multiple_of(pixels)
        };
        let t = match frames.dims() {
            &[c, t, h, w] if c == channels && fits(t, h) && fits(t, w) => t,
            found => {
                return Err(Error::Input {
                    what: "frames",
                    expected: format!(
                        "({channels}, {per_latent}n + 1, multiple of {pixels}, multiple of {pixels})"
                    ),
                    found: found.to_vec(),
                });
            }
        };
        let mut history = History::new(self.encoder_slots);
        let mut moments = Vec::with_capacity(1 + t / per_latent);
        let mut start = 0;
        while start < t {
            let piece = self.piece(frames, start, if start == 0 { 1 } else { per_latent })?;
            start += piece.dims()[0];
            let piece = patchify(&piece, self.config.patch_size)?;
            moments.push(self.encoder.forward(&piece, &mut history)?);
        }
        let moments = self.quant_conv.forward(&Tensor::cat(&moments, 0)?)?; // (t', h', w', 2 z_dim)
        let mean = moments.narrow(3, 0, self.config.z_dim)?.permute((3, 0, 1, 2))?;
        Ok(mean.contiguous()?.to_dtype(DType::F32)?)
    }

    fn decode(
        &self,
        latents: &Tensor,
        tiling: Option<Tiling>,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Tensor> {
        let z_dim = self.config.z_dim;
        let (t, h, w) = match latents.dims() {
            &[c, t, h, w] if c == z_dim && t * h * w > 0 => (t, h, w),
            found => {
                return Err(Error::Input {
                    what: "latents",
                    expected: format!("({z_dim}, frames, rows, columns)"),
                    found: found.to_vec(),
                });
            }
        };
        let mut done = 0;
        let mut tick = |total| {
            done += 1;
            progress(done, total)
        };
        match tiling {
            None => {
                let patch = self.config.patch_size;
                let finish = |frames| Ok(unpatchify(&frames, patch)?.clamp(-1f32, 1f32)?);
                self.decode_whole(latents, finish, &mut || tick(t))
            }
            Some(tiling) => {
                let grid = tiling::Grid::new(tiling, &self.config, [h, w])?;
                let total = grid.tiles() * t;
                grid.blend(latents, |tile| self.decode_whole(tile, Ok, &mut || tick(total)))
            }
        }
    }
}
