//! Squares of pixels that lie in the channels of one.

use candle_core::Tensor;

use crate::Result;

/// Lays squares of `patch` by `patch` pixels into channels, in the order of diffusers: picture channel, column, row.
///
/// `(t, h, w, c) -> (t, h / patch, w / patch, c * patch * patch)`
pub(super) fn patchify(frames: &Tensor, patch: usize) -> Result<Tensor> {
    if patch == 1 {
        return Ok(frames.clone());
    }
    let (t, h, w, c) = frames.dims4()?;
    let (rows, columns) = (h / patch, w / patch);
    let squares = frames.reshape((t, rows, patch, columns, patch, c))?;
    let squares = squares.permute((0, 1, 3, 5, 4, 2))?.contiguous()?; // (t, rows, columns, c, x, y)
    Ok(squares.reshape((t, rows, columns, c * patch * patch))?)
}

/// Takes the pixels out of the channels again.
///
/// `(c * patch * patch, t, h, w) -> (c, t, h * patch, w * patch)`
pub(super) fn unpatchify(frames: &Tensor, patch: usize) -> Result<Tensor> {
    if patch == 1 {
        return Ok(frames.clone());
    }
    let (channels, t, h, w) = frames.dims4()?;
    let c = channels / (patch * patch);
    let squares = frames.reshape((c, patch, patch, t, h, w))?; // (c, x, y, t, h, w)
    let squares = squares.permute((0, 3, 4, 2, 5, 1))?.contiguous()?;
    Ok(squares.reshape((c, t, h * patch, w * patch))?)
}
