//! Decoding in tiles that overlap, blended by linear ramps.
//!
//! Where squares of pixels lie in the channels of one (Wan 2.2), that one is what is blended here: the pixels of a square
//! fade alike.

use candle_core::{Device, Tensor};

use super::config::Config;
use super::patch::unpatchify;
use crate::parts::Tiling;
use crate::{Error, Result};

/// Tiles over a picture of latents. A picture no larger than one tile is decoded whole.
#[derive(Debug)]
pub(super) struct Grid {
    /// Rows and columns of the picture, in latents.
    size: [usize; 2],
    /// Side of a tile and distance of neighbours, in latents.
    tile: usize,
    stride: usize,
    /// The same distance, and how far neighbours are blended, in pixels of the decoder.
    stride_px: usize,
    blend_px: usize,
    /// Pixels of the decoder that a latent covers.
    scale: usize,
    /// Pixels of the picture that one of them is.
    patch: usize,
}

impl Grid {
    /// Lays tiles over `size` rows and columns of latents.
    ///
    /// # Errors
    /// [`Error::Input`] for tiles that are not multiples of a latent, or a distance larger than a tile.
    pub(super) fn new(tiling: Tiling, config: &Config, size: [usize; 2]) -> Result<Self> {
        let Tiling { tile_px, stride_px } = tiling;
        let (latent_px, patch) = (config.spatial_factor(), config.patch_size);
        let is_whole = |px: usize| px > 0 && px.is_multiple_of(latent_px);
        if !is_whole(tile_px) || !is_whole(stride_px) || stride_px > tile_px {
            return Err(Error::Input {
                what: "tile and stride",
                expected: format!("multiples of {latent_px} pixels, the stride at most the tile"),
                found: vec![tile_px, stride_px],
            });
        }
        let [tile, stride] = [tile_px / latent_px, stride_px / latent_px];
        // Nothing to cut: one tile that holds the picture.
        let is_small = size.iter().all(|side| *side <= tile);
        let stride = if is_small { tile } else { stride };
        let scale = latent_px / patch;
        let [stride_px, blend_px] = [stride * scale, (tile - stride) * scale];
        Ok(Self { size, tile, stride, stride_px, blend_px, scale, patch })
    }

    /// Number of tiles.
    pub(super) fn tiles(&self) -> usize {
        self.size.iter().map(|side| side.div_ceil(self.stride)).product()
    }

    /// Decodes every tile and puts the picture together, clamped to `[-1, 1]`.
    ///
    /// A tile fades in over the end of the one above, then over the end of the one to its left, both as they are after
    /// their own blending.
    ///
    /// `latents: (c, t, h, w)`, tiles as the decoder gives them, result `(3, t', h', w')`.
    pub(super) fn blend(
        &self,
        latents: &Tensor,
        mut decode: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let [height, width] = self.size;
        let latent_px = self.scale * self.patch;
        let mut above: Vec<Tensor> = Vec::new();
        let mut picture: Option<Tensor> = None;
        for top in (0..height).step_by(self.stride) {
            let mut ends = Vec::new();
            let mut left: Option<Tensor> = None;
            let mut band: Option<Tensor> = None;
            for (column, start) in (0..width).step_by(self.stride).enumerate() {
                let tile = latents.narrow(2, top, self.tile.min(height - top))?.narrow(
                    3,
                    start,
                    self.tile.min(width - start),
                )?;
                let mut tile = decode(&tile)?;
                if let Some(above) = above.get(column) {
                    tile = fade(above, &tile, 2, self.blend_px)?;
                }
                if let Some(left) = &left {
                    tile = fade(left, &tile, 3, self.blend_px)?;
                }
                ends.push(end(&tile, 2, self.blend_px)?);
                left = Some(end(&tile, 3, self.blend_px)?);

                let (_, _, rows, columns) = tile.dims4()?;
                let seen = tile.narrow(2, 0, rows.min(self.stride_px))?;
                let seen = seen.narrow(3, 0, columns.min(self.stride_px))?;
                let seen = unpatchify(&seen, self.patch)?.clamp(-1f32, 1f32)?;
                let (channels, frames, rows, _) = seen.dims4()?;
                let shape = [channels, frames, rows, width * latent_px];
                put(&mut band, shape, &seen, 3, start * latent_px)?;
            }
            if let Some(band) = band {
                let (channels, frames, _, columns) = band.dims4()?;
                let shape = [channels, frames, height * latent_px, columns];
                put(&mut picture, shape, &band, 2, top * latent_px)?;
            }
            above = ends;
        }
        Ok(picture.expect("because a picture has at least one tile"))
    }
}

/// Writes a part into a picture that is made when its first part comes.
pub(super) fn put(
    picture: &mut Option<Tensor>,
    shape: [usize; 4],
    part: &Tensor,
    axis: usize,
    at: usize,
) -> Result<()> {
    let picture = match picture {
        Some(picture) => picture,
        none => none.insert(Tensor::zeros(shape.to_vec(), part.dtype(), part.device())?),
    };
    Ok(picture.slice_set(&part.contiguous()?, axis, at)?)
}

/// The last `most` rows or columns of a tile, without the rest.
fn end(tile: &Tensor, axis: usize, most: usize) -> Result<Tensor> {
    let side = tile.dims()[axis];
    let kept = most.min(side);
    Ok(tile.narrow(axis, side - kept, kept)?.force_contiguous()?)
}

/// `tile` with its first rows or columns faded in over the last ones of `before`.
fn fade(before: &Tensor, tile: &Tensor, axis: usize, most: usize) -> Result<Tensor> {
    let (old, side) = (before.dims()[axis], tile.dims()[axis]);
    let over = most.min(old).min(side);
    if over == 0 {
        return Ok(tile.clone());
    }
    let weights = |of: &dyn Fn(f64) -> f64| ramp(over, axis, tile.device(), of);
    let out = before.narrow(axis, old - over, over)?.broadcast_mul(&weights(&|x| 1.0 - x)?)?;
    let into = tile.narrow(axis, 0, over)?.broadcast_mul(&weights(&|x| x)?)?;
    let mixed = (out + into)?;
    Ok(Tensor::cat(&[&mixed, &tile.narrow(axis, over, side - over)?], axis)?)
}

/// `of(i / length)` along one axis.
fn ramp(length: usize, axis: usize, device: &Device, of: &dyn Fn(f64) -> f64) -> Result<Tensor> {
    let values: Vec<f32> = (0..length).map(|i| of(i as f64 / length as f64) as f32).collect();
    let mut shape = [1; 4];
    shape[axis] = length;
    Ok(Tensor::from_vec(values, shape.to_vec(), device)?)
}
