//! Latents in files: read to begin from, written to go on from.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use kinora_models::weights::Source;
use safetensors::SafeTensorError;

use crate::durable::replace_file;
use crate::{Error, Result};

/// Names under which initial latents are looked for, in order.
const NAMES: [&str; 2] = ["latents", "noise"];

/// Refuses numbers of which one is infinite or none, which `what` says in words.
///
/// # Errors
/// [`Error::NotFinite`].
pub(super) fn check_finite(x: &Tensor, what: impl FnOnce() -> String) -> Result<()> {
    // Zero times anything finite is zero.
    let sum = (x.to_dtype(DType::F32)? * 0.0)?.sum_all()?.to_scalar::<f32>()?;
    if sum == 0.0 { Ok(()) } else { Err(Error::NotFinite { what: what() }) }
}

/// Reads latents `(c, t, h, w)`, with or without a batch of one before it, as `f32`.
///
/// # Errors
/// A file that is not safetensors, holds no `latents` or `noise`, or latents of another shape.
pub(super) fn read(path: &Path, shape: [usize; 4]) -> Result<Tensor> {
    let wrong = |reason: String| Error::Latents { path: path.to_owned(), reason };
    let model = |e: kinora_models::Error| wrong(e.to_string());
    let weights = Source::open(path).map_err(|e| model(e.into()))?.unplanned();
    let name = NAMES
        .into_iter()
        .find(|name| weights.contains(name))
        .ok_or_else(|| wrong("no tensor `latents` or `noise`".to_owned()))?;
    let found = weights.shape(name).map_err(|e| model(e.into()))?;
    let [c, t, h, w] = shape;
    if *found != [c, t, h, w] && *found != [1, c, t, h, w] {
        return Err(wrong(format!("tensor {name} has shape {found:?}, this clip needs {shape:?}")));
    }
    Ok(weights.tensor(name, DType::F32).map_err(model)?.reshape((c, t, h, w))?)
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
