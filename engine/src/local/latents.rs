//! Latents in files: read to begin from, written to go on from.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensorError;

use crate::durable::replace_file;
use crate::{Error, Result};

/// Names under which initial latents are looked for, in order.
const NAMES: [&str; 2] = ["latents", "noise"];

/// Reads latents `(c, t, h, w)`, with or without a batch of one before it, as `f32`.
///
/// # Errors
/// A file that is not safetensors, holds no `latents` or `noise`, or latents of another shape.
pub(super) fn read(path: &Path, shape: [usize; 4]) -> Result<Tensor> {
    let wrong = |reason: String| Error::Latents { path: path.to_owned(), reason };
    let bytes =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|e| wrong(format!("not a readable safetensors file: {e}")))?;
    let (name, latents) = NAMES
        .iter()
        .find_map(|name| tensors.get(*name).map(|t| (*name, t)))
        .ok_or_else(|| wrong("no tensor `latents` or `noise`".to_owned()))?;
    let [c, t, h, w] = shape;
    if latents.dims() != [c, t, h, w] && latents.dims() != [1, c, t, h, w] {
        return Err(wrong(format!(
            "tensor {name} has shape {:?}, this clip needs {shape:?}",
            latents.dims()
        )));
    }
    let latents = latents.to_dtype(DType::F32)?.reshape((c, t, h, w))?;
    let sum = latents.abs()?.sum_all()?.to_scalar::<f32>()?;
    if !sum.is_finite() {
        return Err(wrong(format!("tensor {name} is not finite")));
    }
    Ok(latents)
}

/// Writes final latents as `latents (1, c, t, h, w)`.
///
/// # Errors
/// What the disk says.
pub(super) fn write(path: &Path, latents: &Tensor) -> Result<()> {
    let tensor = latents.to_device(&Device::Cpu)?.contiguous()?.unsqueeze(0)?;
    write_tensors(path, &BTreeMap::from([("latents".to_owned(), tensor)]))
}

/// Writes tensors of the processor to a safetensors file.
///
/// # Errors
/// What the disk says.
pub(super) fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let wrong = |e| match e {
        SafeTensorError::IoError(source) => Error::Write { path: path.to_owned(), source },
        other => Error::Latents { path: path.to_owned(), reason: other.to_string() },
    };
    replace_file(path, |partial| {
        safetensors::serialize_to_file(
            tensors.iter().map(|(k, v)| (k.clone(), v.clone())),
            None,
            partial,
        )
        .map_err(wrong)
    })
}

/// BLAKE3 of shape and little-endian `f32` of latents: equal for equal recipes on one device and build.
///
/// # Errors
/// What the tensor library fails with.
pub(super) fn hash(latents: &Tensor) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for dim in latents.dims() {
        hasher.update(&(*dim as u64).to_le_bytes());
    }
    for value in latents.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()? {
        hasher.update(&value.to_le_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
