//! The configuration of a VAE in the original release, which has no file for it.

use super::config::{Config, MOST_LEVELS, PICTURE_CHANNELS, refuse};
use super::statistics::{MEAN_22, STD_22};
use crate::Result;
use crate::weights::Inventory;

/// A level as its tensors show it: channels, and whether the step to the next coarser one halves time too.
type Level = (usize, Option<bool>);

impl Config {
    /// Derives the configuration from the tensors of the original release (`Wan2.1_VAE.pth`, `Wan2.2_VAE.pth`), under
    /// its own names; the statistics of the latents, which are in no file, are the published ones.
    ///
    /// # Errors
    /// [`crate::Error::Config`] with the tensor that is missing or of an impossible shape.
    pub fn detect(inventory: &Inventory) -> Result<Self> {
        let found = Found { inventory };
        let base_dim = found.dim("encoder.conv1.weight", 0)?;
        let is_residual = found.has(&residual("encoder.downsamples", 0, 0));
        let (per_level, levels) =
            if is_residual { found.counted_by_level()? } else { found.counted_in_a_row()? };
        let dim_mult: Vec<_> = levels.iter().map(|(dim, _)| dim / base_dim.max(1)).collect();
        let finest = dim_mult.first().copied().unwrap_or_default().max(1);
        let picture = found.dim("encoder.conv1.weight", 1)?;
        let mut config = Self {
            base_dim,
            decoder_base_dim: found.dim("decoder.head.2.weight", 1)? / finest,
            z_dim: found.dim("conv2.weight", 0)?,
            dim_mult,
            num_res_blocks: per_level,
            temporal_downsample: levels.iter().filter_map(|(_, halves)| *halves).collect(),
            is_residual,
            patch_size: (picture / PICTURE_CHANNELS).isqrt(),
            ..Self::default()
        };
        if is_residual {
            (config.latents_mean, config.latents_std) = (MEAN_22.to_vec(), STD_22.to_vec());
        }
        let published = config.latents_mean.len();
        if config.z_dim != published {
            let expected = format!("{published} channels, whose statistics are known");
            return Err(refuse("conv2.weight", &expected, &config.z_dim.to_string()));
        }
        config.check()?;
        Ok(config)
    }
}

/// The first convolution of a residual block of Wan 2.2.
fn residual(side: &str, level: usize, block: usize) -> String {
    let part = side.rsplit('.').next().unwrap_or(side);
    format!("{side}.{level}.{part}.{block}.residual.2.weight")
}

/// Reads shapes.
struct Found<'a> {
    inventory: &'a Inventory,
}

impl Found<'_> {
    fn has(&self, name: &str) -> bool {
        self.inventory.get(name).is_some()
    }

    fn dim(&self, name: &str, axis: usize) -> Result<usize> {
        let shape = self.inventory.get(name).map(|listed| listed.shape.as_slice());
        let found = || shape.map_or("nothing".to_owned(), |shape| format!("{shape:?}"));
        shape
            .and_then(|shape| shape.get(axis).copied())
            .ok_or_else(|| refuse(name, "a convolution of a VAE of Wan", &found()))
    }

    /// Wan 2.1: the decoder is one row from the coarsest level. Each holds its residual blocks, one more than in the
    /// encoder, and, but for the finest, what comes between.
    fn counted_in_a_row(&self) -> Result<(usize, Vec<Level>)> {
        let up = |i: usize, part: &str| format!("decoder.upsamples.{i}.{part}");
        let is_block = |i: &usize| self.has(&up(*i, "residual.2.weight"));
        let blocks = (0..).take_while(is_block).count();
        let (mut levels, mut halves) = (Vec::new(), None);
        for start in (0..MOST_LEVELS).map(|level| level * (blocks + 1)) {
            levels.insert(0, (self.dim(&up(start, "residual.2.weight"), 0)?, halves));
            let step = start + blocks;
            if !self.has(&up(step, "resample.1.weight")) {
                break;
            }
            halves = Some(self.has(&up(step, "time_conv.weight")));
        }
        Ok((blocks.saturating_sub(1), levels))
    }

    /// Wan 2.2: each level of the encoder, from the finest, counts its own blocks; what halves follows them.
    fn counted_by_level(&self) -> Result<(usize, Vec<Level>)> {
        let side = "encoder.downsamples";
        let blocks = (0..).take_while(|block| self.has(&residual(side, 0, *block))).count();
        let mut levels = Vec::new();
        for level in 0..MOST_LEVELS {
            let step = format!("{side}.{level}.downsamples.{blocks}");
            let halves = self.has(&format!("{step}.time_conv.weight"));
            let is_last = !self.has(&format!("{step}.resample.1.weight"));
            levels.push((self.dim(&residual(side, level, 0), 0)?, (!is_last).then_some(halves)));
            if is_last {
                break;
            }
        }
        Ok((blocks, levels))
    }
}
