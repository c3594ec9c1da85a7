//! Between latents, tensors of pixels and frames.

use candle_core::{DType, Device, Tensor};

use crate::Result;
use crate::media::Frames;

/// Normalised latents from the VAE's: `(x - mean) / std`, channel by channel, `x: (c, t, h, w)`.
pub(super) fn normalise(latents: &Tensor, (mean, std): (&[f32], &[f32])) -> Result<Tensor> {
    let (mean, scale) = columns(mean, std, latents.device())?;
    Ok(latents.broadcast_sub(&mean)?.broadcast_mul(&scale)?)
}

/// The VAE's latents from normalised ones: `x * std + mean`, channel by channel, `x: (c, t, h, w)`.
///
/// Divides by the rounded inverse, as the reference does.
pub(super) fn denormalise(latents: &Tensor, (mean, std): (&[f32], &[f32])) -> Result<Tensor> {
    let (mean, scale) = columns(mean, std, latents.device())?;
    Ok(latents.broadcast_div(&scale)?.broadcast_add(&mean)?)
}

fn columns(mean: &[f32], std: &[f32], device: &Device) -> Result<(Tensor, Tensor)> {
    let column = |values: Vec<f32>| -> Result<Tensor> {
        let n = values.len();
        Ok(Tensor::from_vec(values, (n, 1, 1, 1), device)?)
    };
    Ok((column(mean.to_vec())?, column(std.iter().map(|s| 1.0 / s).collect())?))
}

/// Pixels `(3, t, h, w)` in `[-1, 1]` of 8-bit frames.
pub(super) fn to_tensor(frames: &Frames, device: &Device) -> Result<Tensor> {
    let shape = (frames.count(), frames.height(), frames.width(), 3);
    let bytes = Tensor::from_slice(frames.data(), shape, &Device::Cpu)?;
    let unit = (bytes.to_dtype(DType::F32)? / 255.0)?;
    let pixels = ((unit * 2.0)? - 1.0)?;
    Ok(pixels.permute((3, 0, 1, 2))?.contiguous()?.to_device(device)?)
}

/// Frames `(t, 3, h, w)` in `[0, 1]` of pixels `(3, t, h, w)` in `[-1, 1]`.
pub(super) fn to_unit(pixels: &Tensor) -> Result<Tensor> {
    let unit = ((pixels.to_device(&Device::Cpu)?.to_dtype(DType::F32)? * 0.5)? + 0.5)?;
    Ok(unit.clamp(0f32, 1f32)?.transpose(0, 1)?.contiguous()?)
}

/// 8-bit frames of frames `(t, 3, h, w)` in `[0, 1]`, rounded to the nearest, halves to even.
pub(super) fn to_frames(unit: &Tensor) -> Result<Frames> {
    let (_, _, height, width) = unit.dims4()?;
    let values = unit.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
    let bytes = values.into_iter().map(|v| (v * 255.0).round_ties_even() as u8).collect();
    Ok(Frames::new(width, height, bytes)?)
}
