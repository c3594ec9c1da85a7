//! How much memory a decode needs besides the weights.

use super::config::{Config, PICTURE_CHANNELS};
use super::decoder::FRAMES_AT_ONCE;
use crate::parts::Tiling;

/// Frames at once of the widest tensor alive while a residual block runs: its input, the output of its second
/// convolution and their sum, and one more for what an operation needs inside.
const ALIVE: usize = 4;

impl Config {
    /// Estimates the bytes that decoding a clip takes at its peak, without the weights, when a value between
    /// operations takes `value_bytes`: what the convolutions look back on, the widest residual block, and the frames
    /// themselves in `f32`.
    ///
    /// `frames`, `height_px` and `width_px` are those of the decoded clip.
    pub fn decode_bytes(
        &self,
        [frames, height_px, width_px]: [usize; 3],
        tiling: Option<Tiling>,
        value_bytes: usize,
    ) -> u64 {
        let side = |px: usize| tiling.map_or(px, |tiling| px.min(tiling.tile_px)) as u128;
        let finest = side(height_px) * side(width_px);
        let coarsest = self.spatial_factor() as u128;
        let mut pixels = finest / (coarsest * coarsest).max(1); // of a frame at this level
        let (mut kept, mut widest) = (0u128, 0u128); // values
        let doubles = self.temporal_upsample();
        let dims = self.decoder_dims();
        let mut inputs = dims[0];
        // The first convolution and the two blocks in the middle.
        kept += pixels * (self.z_dim + 4 * dims[0]) as u128;
        for (level, &dim) in dims.iter().enumerate() {
            let convolutions = inputs + dim * (2 * self.num_res_blocks + 1);
            kept += pixels * convolutions as u128;
            widest = widest.max(pixels * dim.max(inputs) as u128);
            if let Some(&doubles_time) = doubles.get(level) {
                // What doubling time adds waits here while half of it goes on.
                kept += if doubles_time { 3 * pixels * dim as u128 } else { 0 };
                // What goes around the level.
                kept += if self.is_residual { pixels * inputs as u128 } else { 0 };
                (inputs, pixels) = (self.handed_on(dim), 4 * pixels);
            } else {
                kept += pixels * dim as u128;
            }
        }
        let at_once = (FRAMES_AT_ONCE as u128) * (kept + ALIVE as u128 * widest);
        // The clip, and the tile that is put into it.
        let clip = PICTURE_CHANNELS as u128 * frames as u128 * height_px as u128 * width_px as u128;
        let tile = PICTURE_CHANNELS as u128 * frames as u128 * tiling.map_or(0, |_| 3 * finest);
        let bytes = at_once * value_bytes as u128 + 4 * (clip + tile);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
