//! From latents to frames.

use candle_core::Tensor;
use kinora_kernels::ops::conv3d::Conv3dSpec;

use super::blocks::{Head, Loader, MidBlock, ResidualBlock};
use super::config::Config;
use super::shortcut::DupUp;
use crate::Result;
use crate::nn::{CausalConv3d, History};

/// The decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    conv_in: CausalConv3d,
    mid: MidBlock,
    levels: Vec<Level>,
    head: Head,
}

/// One level, and what leads to the next finer one.
#[derive(Debug)]
struct Level {
    blocks: Vec<ResidualBlock>,
    upsample: Option<Upsample>,
}

/// Doubles height and width, and time where it has a convolution for it.
#[derive(Debug)]
struct Upsample {
    time_conv: Option<CausalConv3d>,
    resample: CausalConv3d,
    /// Around the whole level.
    shortcut: Option<DupUp>,
}

/// Frames held at once: what a convolution looks back on, so that its input is its history without a copy.
pub(super) const FRAMES_AT_ONCE: usize = 2;

impl Decoder {
    pub(super) fn load(loader: &Loader, config: &Config) -> Result<Self> {
        let conv_in = loader.cube("conv_in")?;
        let mid = MidBlock::load(&loader.at("mid_block"))?;
        let doubles = config.temporal_upsample();
        let mut levels = Vec::new();
        let dims = config.decoder_dims();
        let mut inputs = dims[0];
        for (level, &dim) in dims.iter().enumerate() {
            let name = |block| format!("up_blocks.{level}.resnets.{block}");
            let blocks = (0..=config.num_res_blocks)
                .map(|block| ResidualBlock::load(&loader.at(&name(block))))
                .collect::<Result<_>>()?;
            let upsample = doubles.get(level).map(|&doubles_time| {
                let around = config.is_residual.then_some([inputs, dim]);
                Upsample::load(&loader.at(&config.upsampler(level)), doubles_time, around)
            });
            levels.push(Level { blocks, upsample: upsample.transpose()? });
            inputs = dim;
        }
        Ok(Self { conv_in, mid, levels, head: Head::load(loader)? })
    }

    /// Decodes the next latent frame of a clip and hands over the frames it makes, in order, a few at a time.
    ///
    /// # Shapes
    /// `latents: (1, h, w, z_dim)`; frames `(t, h', w', 3)`, one in all for the first latent frame of a clip.
    pub(super) fn forward(
        &self,
        latents: &Tensor,
        history: &mut History,
        frames: &mut dyn FnMut(Tensor) -> Result<()>,
    ) -> Result<()> {
        let x = self.conv_in.forward(latents, history)?;
        let x = self.mid.forward(x, history)?;
        self.rise(&self.levels, x, history, frames)?;
        history.advance();
        Ok(())
    }

    /// Takes frames up the levels, never more than [`FRAMES_AT_ONCE`]: what doubling time adds waits at its level.
    fn rise(
        &self,
        levels: &[Level],
        x: Tensor,
        history: &mut History,
        frames: &mut dyn FnMut(Tensor) -> Result<()>,
    ) -> Result<()> {
        let Some((level, finer)) = levels.split_first() else {
            return frames(self.head.forward(&x, history)?);
        };
        let shortcut = level.upsample.as_ref().and_then(|upsample| upsample.shortcut.as_ref());
        let around = shortcut.map(|shortcut| (shortcut, x.clone()));
        let x = level.blocks.iter().try_fold(x, |x, block| block.forward(x, history))?;
        let Some(upsample) = &level.upsample else {
            return self.rise(finer, x, history, frames);
        };
        let before = x.dims()[0];
        let x = upsample.double_time(x, history)?;
        let t = x.dims()[0];
        for start in (0..t).step_by(FRAMES_AT_ONCE) {
            let count = FRAMES_AT_ONCE.min(t - start);
            let part = upsample.resample.forward(&x.narrow(0, start, count)?, history)?;
            let part = match &around {
                Some((shortcut, input)) => {
                    // The frames that this part was made of.
                    let input =
                        input.narrow(0, start * before / t, (count * before).div_ceil(t))?;
                    (part + shortcut.forward(&input, history.is_first())?)?
                }
                None => part,
            };
            self.rise(finer, part, history, frames)?;
        }
        Ok(())
    }
}

impl Upsample {
    /// `around`: the channels into the level and out of it, where its input goes around it.
    fn load(loader: &Loader, doubles_time: bool, around: Option<[usize; 2]>) -> Result<Self> {
        let alone = Conv3dSpec::same(0);
        let time_conv = doubles_time.then(|| loader.conv("time_conv", alone, 2)).transpose()?;
        let double = Conv3dSpec { upsample: true, ..Conv3dSpec::same(1) };
        let resample = loader.conv("resample.1", double, 0)?;
        let shortcut = around
            .map(|[inputs, channels]| DupUp::new(inputs, channels, doubles_time, loader.device()));
        Ok(Self { time_conv, resample, shortcut: shortcut.transpose()? })
    }

    /// `(t, h, w, c) -> (2t, h, w, c)`; the first frame of a clip stays one frame, which later ones do not look back on.
    fn double_time(&self, x: Tensor, history: &mut History) -> Result<Tensor> {
        match &self.time_conv {
            Some(time_conv) if !history.is_first() => {
                let (t, h, w, c) = x.dims4()?;
                let pairs = time_conv.forward(&x, history)?.reshape((t, h, w, 2, c))?;
                Ok(pairs.permute((0, 3, 1, 2, 4))?.contiguous()?.reshape((2 * t, h, w, c))?)
            }
            _ => Ok(x),
        }
    }
}
