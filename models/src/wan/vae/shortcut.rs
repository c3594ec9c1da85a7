//! What carries a level's input around all of its blocks in Wan 2.2: no weights, only means and copies.
//!
//! Channels and the frames, rows and columns that a level takes away or adds are one axis here, channels first: going
//! down, neighbours along it are averaged until the channels of the result are left; going up, each is repeated.

use candle_core::{D, Device, Tensor};

use crate::Result;

/// Halves height and width, and time where its level does.
///
/// # Source
/// diffusers `AvgDown3D`.
#[derive(Debug)]
pub(super) struct AvgDown {
    /// Frames, and pixels a side, of which one is left.
    frames: usize,
    pixels: usize,
    channels: usize,
}

impl AvgDown {
    /// For a level that gives `channels`.
    pub(super) fn new(channels: usize, halves_space: bool, halves_time: bool) -> Self {
        Self { frames: factor(halves_time), pixels: factor(halves_space), channels }
    }

    /// `(t, h, w, c) -> (t / 2, h / 2, w / 2, n)`; zeros stand before the first frame of a clip, which has no neighbour.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &Self { frames, pixels, channels } = self;
        let lacking = x.dims()[0].next_multiple_of(frames) - x.dims()[0];
        let x = x.pad_with_zeros(0, lacking, 0)?;
        let (t, h, w, c) = x.dims4()?;
        let (t, h, w) = (t / frames, h / pixels, w / pixels);
        let group = c * frames * pixels * pixels / channels;
        if group == 1 && pixels == 1 && frames == 1 {
            return Ok(x);
        }
        let x = x.reshape(vec![t, frames, h, pixels, w, pixels, c])?;
        let x = x.permute([0, 2, 4, 6, 1, 3, 5])?.contiguous()?; // (t, h, w, c, frames, rows, columns)
        Ok(x.reshape((t, h, w, channels, group))?.mean(D::Minus1)?)
    }
}

/// Doubles height and width, and time where its level does.
///
/// # Source
/// diffusers `DupUp3D`.
#[derive(Debug)]
pub(super) struct DupUp {
    /// Frames made of one.
    frames: usize,
    channels: usize,
    /// Which input channel each value of a frame's square copies: (frame, row, column, channel).
    sources: Tensor,
}

impl DupUp {
    /// For a level from `inputs` to `channels`, of which the inputs, doubled, are a whole fraction.
    pub(super) fn new(
        inputs: usize,
        channels: usize,
        doubles_time: bool,
        device: &Device,
    ) -> Result<Self> {
        let frames = factor(doubles_time);
        let squares = 4 * frames;
        let repeats = (channels * squares / inputs).max(1);
        let place = |i: usize| (i % channels * squares + i / channels) / repeats;
        let sources = (0..squares * channels).map(|i| place(i) as u32).collect();
        let sources = Tensor::from_vec(sources, squares * channels, device)?;
        Ok(Self { frames, channels, sources })
    }

    /// `(t, h, w, c) -> (2t, 2h, 2w, n)`; of the first frame of a clip only the last copy is left.
    pub(super) fn forward(&self, x: &Tensor, is_first: bool) -> Result<Tensor> {
        let (t, h, w, _) = x.dims4()?;
        let (n, square) = (self.channels, 4 * self.channels);
        let skipped = if is_first { self.frames - 1 } else { 0 };
        let frames = self.frames - skipped;
        let sources = self.sources.narrow(0, skipped * square, frames * square)?;
        let x = x.contiguous()?.index_select(&sources, 3)?;
        let x = x.reshape(vec![t, h, w, frames, 2, 2, n])?;
        let x = x.permute([0, 3, 1, 4, 2, 5, 6])?.contiguous()?; // (t, frames, h, rows, w, columns, n)
        Ok(x.reshape((t * frames, 2 * h, 2 * w, n))?)
    }
}

fn factor(is_two: bool) -> usize {
    if is_two { 2 } else { 1 }
}
