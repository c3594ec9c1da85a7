//! Tensors on the CPU as the kernels see them: a pointer, and rows some distance apart.

#![allow(unsafe_code, reason = "pointers shared between threads that write apart")]

use candle_core::{CpuStorage, DType, Storage, Tensor};

use super::share::share_rows;
use crate::Result;

/// A pointer that threads share; whoever follows it answers for what it points at.
#[derive(Debug)]
pub(crate) struct Raw<T>(pub *mut T);

impl<T> Clone for Raw<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Raw<T> {}

// SAFETY: only an address; every use is an unsafe block of its own.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Raw<T> {}

impl<T> Raw<T> {
    /// The pointer; a method, so that closures capture the whole.
    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

/// `x` in `f32` with its last dimension contiguous; no copy where it is so already.
pub(crate) fn wide(x: &Tensor) -> Result<Tensor> {
    let x = if x.dtype() == DType::F32 { x.clone() } else { x.to_dtype(DType::F32)? };
    let (dims, strides) = (x.dims(), x.stride());
    match dims.last() {
        Some(&last) if last > 1 && strides[dims.len() - 1] != 1 => Ok(x.contiguous()?),
        _ => Ok(x),
    }
}

/// `x` as `f32` rows `(rows, d)` with one distance between them: the tensor and that distance.
pub(crate) fn flat_rows(x: &Tensor) -> Result<(Tensor, usize)> {
    let x = wide(x)?;
    let (dims, strides) = (x.dims(), x.stride());
    let d = *dims.last().unwrap_or(&1);
    match dims.len() {
        2 => {
            let stride = strides[0];
            Ok((x, stride))
        }
        _ if x.is_contiguous() => Ok((x, d)),
        _ => Ok((x.contiguous()?, d)),
    }
}

/// Calls `f` with the values of an `f32` tensor on the CPU, from its first on.
///
/// # Errors
/// Those of `f`, and a tensor of another dtype or device.
pub(crate) fn with_values<T>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    with_all([x], |[values]| f(values))
}

/// A tensor `(..)` on the CPU made of values that `fill` writes.
///
/// # Safety
/// `fill` must write every value when it returns `Ok`.
pub(crate) unsafe fn build(
    shape: &[usize],
    fill: impl FnOnce(Raw<f32>) -> Result<()>,
) -> Result<Tensor> {
    let count = shape.iter().product();
    let mut values: Vec<f32> = Vec::with_capacity(count);
    fill(Raw(values.as_mut_ptr()))?;
    // SAFETY: the caller vouches that all are written.
    unsafe { values.set_len(count) };
    Ok(Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?)
}

/// Calls `f` with the address of the first value of a tensor on the CPU and its dtype.
///
/// # Errors
/// Those of `f`, and a tensor that is not `F32`, `BF16` or `F16` on the CPU.
pub(crate) fn with_bytes<T>(x: &Tensor, f: impl FnOnce(Raw<u8>, DType) -> Result<T>) -> Result<T> {
    let (storage, layout) = x.storage_and_layout();
    let start = layout.start_offset();
    let base = match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => values[start..].as_ptr().cast::<u8>(),
        Storage::Cpu(CpuStorage::BF16(values)) => values[start..].as_ptr().cast::<u8>(),
        Storage::Cpu(CpuStorage::F16(values)) => values[start..].as_ptr().cast::<u8>(),
        Storage::Cpu(_) => return Err(crate::Error::DType { op: "cpu kernel", found: x.dtype() }),
        _ => return Err(crate::Error::Device { op: "cpu kernel" }),
    };
    f(Raw(base.cast_mut()), x.dtype())
}

/// As [`with_values`], for several tensors at once.
///
/// # Errors
/// As for [`with_values`].
pub(crate) fn with_all<T, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> Result<T>,
) -> Result<T> {
    let borrowed = tensors.map(Tensor::storage_and_layout);
    let mut all: [&[f32]; N] = [&[]; N];
    for (values, (storage, layout)) in all.iter_mut().zip(&borrowed) {
        *values = match &**storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[layout.start_offset()..],
            Storage::Cpu(other) => {
                return Err(crate::Error::DType {
                    op: "cpu kernel",
                    found: candle_core::backend::BackendStorage::dtype(other),
                });
            }
            _ => return Err(crate::Error::Device { op: "cpu kernel" }),
        };
    }
    f(all)
}

/// A tensor on the CPU made row by row, on many threads; `f` gets the number of a row and writes all of it.
pub(crate) fn map_rows(shape: &[usize], f: impl Fn(usize, &mut [f32]) + Sync) -> Result<Tensor> {
    let d = shape.last().copied().unwrap_or(1);
    let rows = shape.iter().product::<usize>() / d.max(1);
    // SAFETY: every row is written by `f`, and rows lie apart.
    unsafe {
        build(shape, |out| {
            share_rows(
                rows,
                d,
                || (),
                |(), row| f(row, std::slice::from_raw_parts_mut(out.get().add(row * d), d)),
            );
            Ok(())
        })
    }
}

/// Whether the CPU kernels take these tensors: all are there, and no gradient is asked of them.
pub(crate) fn on_cpu(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|x| x.device().is_cpu() && !x.track_op())
}
