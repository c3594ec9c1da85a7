//! From frames to the moments of the latent distribution.

use candle_core::Tensor;
use kinora_kernels::ops::conv3d::Conv3dSpec;

use super::blocks::{Head, Loader, MidBlock, ResidualBlock};
use super::config::Config;
use super::shortcut::AvgDown;
use crate::Result;
use crate::nn::{CausalConv3d, History};

/// The encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: CausalConv3d,
    /// Down to where time is first halved.
    fine: Vec<Level>,
    /// From there on.
    coarse: Vec<Level>,
    mid: MidBlock,
    head: Head,
}

/// One level, and what leads to the next coarser one.
#[derive(Debug)]
struct Level {
    blocks: Vec<ResidualBlock>,
    downsample: Option<Downsample>,
    /// Around all of it.
    shortcut: Option<AvgDown>,
}

/// Halves height and width, and time where it has a convolution for it.
#[derive(Debug)]
struct Downsample {
    resample: CausalConv3d,
    time_conv: Option<CausalConv3d>,
}

/// Frames of the finest levels held at once.
const FRAMES_AT_ONCE: usize = 2;

impl Encoder {
    pub(super) fn load(loader: &Loader, config: &Config) -> Result<Self> {
        let conv_in = loader.cube("conv_in")?;
        let (mut fine, mut coarse) = (Vec::new(), Vec::new());
        let mut is_fine = true;
        for (level, dim) in config.encoder_dims().into_iter().enumerate() {
            let blocks = (0..config.num_res_blocks)
                .map(|block| ResidualBlock::load(&loader.at(&config.down_block(level, block))))
                .collect::<Result<_>>()?;
            let halves = config.temporal_downsample.get(level).copied();
            let downsample = halves.map(|halves_time| {
                Downsample::load(&loader.at(&config.downsampler(level)), halves_time)
            });
            let halves_time = halves.unwrap_or(false);
            let shortcut = || AvgDown::new(dim, halves.is_some(), halves_time);
            let shortcut = config.is_residual.then(shortcut);
            let levels = if is_fine { &mut fine } else { &mut coarse };
            levels.push(Level { blocks, downsample: downsample.transpose()?, shortcut });
            is_fine &= !halves_time;
        }
        let mid = MidBlock::load(&loader.at("mid_block"))?;
        Ok(Self { conv_in, fine, coarse, mid, head: Head::load(loader)? })
    }

    /// Encodes the next piece of a clip: its first frame, then as many frames at a time as one latent covers.
    ///
    /// # Shapes
    /// `frames: (t, h, w, 3)`, result `(1, h', w', 2 z_dim)`.
    pub(super) fn forward(&self, frames: &Tensor, history: &mut History) -> Result<Tensor> {
        let t = frames.dims()[0];
        let mut parts = Vec::new();
        for start in (0..t).step_by(FRAMES_AT_ONCE) {
            let part = frames.narrow(0, start, FRAMES_AT_ONCE.min(t - start))?;
            let x = self.conv_in.forward(&part, history)?; // (2, h, w, base_dim)
            parts.push(run(&self.fine, x, history)?); // (1, h / 4, w / 4, c)
        }
        let x = if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(&parts, 0)? };
        drop(parts);
        let x = run(&self.coarse, x, history)?; // (1, h', w', c)
        let x = self.mid.forward(x, history)?;
        let moments = self.head.forward(&x, history)?;
        history.advance();
        Ok(moments)
    }
}

fn run(levels: &[Level], x: Tensor, history: &mut History) -> Result<Tensor> {
    levels.iter().try_fold(x, |x, level| level.forward(x, history))
}

impl Level {
    /// `(t, h, w, c) -> (t / 2, h / 2, w / 2, n)`, time and space only where the level halves them.
    fn forward(&self, x: Tensor, history: &mut History) -> Result<Tensor> {
        let around = self.shortcut.as_ref().map(|shortcut| shortcut.forward(&x)).transpose()?;
        let x = self.blocks.iter().try_fold(x, |x, block| block.forward(x, history))?;
        let x = match &self.downsample {
            Some(downsample) => downsample.forward(&x, history)?,
            None => x,
        };
        Ok(match around {
            Some(around) => (x + around)?,
            None => x,
        })
    }
}

impl Downsample {
    fn load(loader: &Loader, halves_time: bool) -> Result<Self> {
        // One row and column of zeros, below and to the right.
        let halve = Conv3dSpec { stride: [1, 2, 2], padding: [0, 1, 0, 1], upsample: false };
        let resample = loader.conv("resample.1", halve, 0)?;
        let pairs = Conv3dSpec { stride: [2, 1, 1], padding: [0; 4], upsample: false };
        let time_conv = halves_time.then(|| loader.conv("time_conv", pairs, 1)).transpose()?;
        Ok(Self { resample, time_conv })
    }

    /// `(t, h, w, c) -> (t / 2, h / 2, w / 2, c)`; the first frame of a clip stays a frame.
    fn forward(&self, x: &Tensor, history: &mut History) -> Result<Tensor> {
        let x = self.resample.forward(x, history)?;
        match &self.time_conv {
            None => Ok(x),
            Some(time_conv) if history.is_first() => {
                time_conv.remember(&x, history)?;
                Ok(x)
            }
            Some(time_conv) => time_conv.forward(&x, history),
        }
    }
}
