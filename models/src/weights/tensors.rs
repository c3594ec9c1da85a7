//! Reading weights that a clean plan accounts for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use super::file::Entry;
use super::plan::Planned;
use super::{StoredDtype, TensorFile, WeightsError};

/// The readable tensors of one component, or those below a prefix. Clones share the mapped files.
#[derive(Debug, Clone)]
pub struct Weights {
    files: Arc<[TensorFile]>,
    planned: Arc<BTreeMap<String, Planned>>,
    prefix: String,
    device: Device,
}

/// A tensor lent straight from a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// The type of the elements.
    pub dtype: StoredDtype,
    /// The shape; empty for a scalar.
    pub shape: &'a [usize],
    /// The elements: contiguous, in row order, little-endian, not necessarily aligned.
    pub bytes: &'a [u8],
}

impl Weights {
    pub(super) fn new(files: Vec<TensorFile>, planned: BTreeMap<String, Planned>) -> Self {
        Self {
            files: files.into(),
            planned: planned.into(),
            prefix: String::new(),
            device: Device::Cpu,
        }
    }

    /// The same weights, read as tensors on `device` from now on; the CPU until this is called.
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The mapped files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(TensorFile::path)
    }

    /// The bytes that the planned tensors take in their files.
    pub fn size_bytes(&self) -> u64 {
        self.planned.values().map(|planned| planned.entry.range.len() as u64).sum()
    }

    /// The device that tensors are read to.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The tensors below a name: `weights.at("blocks.0").at("attn1")` reads `to_q.weight` as
    /// `blocks.0.attn1.to_q.weight`.
    pub fn at(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}.", self.prefix), ..self.clone() }
    }

    /// Whether the plan holds a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.planned.contains_key(&self.full_name(name))
    }

    /// The full names of all tensors, in alphabetical order; a prefix does not narrow them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.planned.keys().map(String::as_str)
    }

    /// The type of a tensor in its file.
    ///
    /// # Errors
    /// When the plan does not hold the tensor.
    pub fn dtype(&self, name: &str) -> Result<StoredDtype, WeightsError> {
        Ok(self.planned(name)?.entry.dtype)
    }

    /// The shape of a tensor.
    ///
    /// # Errors
    /// When the plan does not hold the tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize], WeightsError> {
        Ok(&self.planned(name)?.entry.shape)
    }

    /// Reads a tensor on the device of these weights, converted to `dtype` (f32, f16 or bf16).
    ///
    /// # Errors
    /// When the plan does not hold the tensor, or a value is not finite, also once it is converted to f16.
    pub fn tensor(&self, name: &str, dtype: DType) -> crate::Result<Tensor> {
        let view = self.view(name)?;
        let Some(stored) = view.dtype.weight() else {
            let planned = self.planned(name)?;
            return Err(WeightsError::Dtype {
                file: self.file(planned).path().to_owned(),
                tensor: planned.stored.clone(),
                found: view.dtype,
            }
            .into());
        };
        let tensor = Tensor::from_raw_buffer(view.bytes, stored, view.shape, &self.device)?;
        if dtype == DType::F16 && stored != DType::F16 {
            let largest = tensor.abs()?.max_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
            if f16::from_f32(largest).is_infinite() {
                let planned = self.planned(name)?;
                return Err(WeightsError::Overflow {
                    file: self.file(planned).path().to_owned(),
                    tensor: planned.stored.clone(),
                    found: largest,
                }
                .into());
            }
        }
        Ok(tensor.to_dtype(dtype)?)
    }

    /// Reads some rows of a matrix `(n, width)`, in this order and as often as named, and no others: what an embedding
    /// needs of a table that is larger than everything else.
    ///
    /// # Errors
    /// When the plan does not hold the tensor, it is no matrix with such rows, or a value of them is not finite.
    pub fn rows(&self, name: &str, rows: &[u32], dtype: DType) -> crate::Result<Tensor> {
        let planned = self.planned(name)?;
        let Entry { dtype: stored, shape, .. } = &planned.entry;
        let file = self.file(planned);
        let wrong = |found: StoredDtype| WeightsError::Dtype {
            file: file.path().to_owned(),
            tensor: planned.stored.clone(),
            found,
        };
        let candle = stored.weight().ok_or_else(|| wrong(*stored))?;
        let last = rows.iter().max().map_or(0, |&row| row as usize);
        let &[n, width] = shape.as_slice() else {
            return Err(no_such_row(name, shape, last));
        };
        if last >= n {
            return Err(no_such_row(name, shape, last));
        }
        let row_bytes = width * stored.size_bytes();
        let table = file.bytes(&planned.entry);
        let mut bytes = Vec::with_capacity(rows.len() * row_bytes);
        for &row in rows {
            let start = row as usize * row_bytes;
            bytes.extend_from_slice(&table[start..start + row_bytes]);
        }
        let view = TensorView { dtype: *stored, shape: &[rows.len(), width], bytes: &bytes };
        if let Some(index) = view.first_not_finite() {
            return Err(WeightsError::NotFinite {
                file: file.path().to_owned(),
                tensor: planned.stored.clone(),
                index: rows[index / width] as usize * width + index % width,
                found: view.element(index).unwrap_or(f64::NAN),
            }
            .into());
        }
        let rows = Tensor::from_raw_buffer(view.bytes, candle, view.shape, &self.device)?;
        Ok(rows.to_dtype(dtype)?)
    }

    /// Lends a tensor straight from its mapped file, for packing without a copy in between.
    ///
    /// # Errors
    /// When the plan does not hold the tensor, or a value is not finite.
    pub fn view(&self, name: &str) -> Result<TensorView<'_>, WeightsError> {
        let planned = self.planned(name)?;
        let file = self.file(planned);
        let view = TensorView {
            dtype: planned.entry.dtype,
            shape: &planned.entry.shape,
            bytes: file.bytes(&planned.entry),
        };
        match view.first_not_finite() {
            None => Ok(view),
            Some(index) => Err(WeightsError::NotFinite {
                file: file.path().to_owned(),
                tensor: planned.stored.clone(),
                index,
                found: view.element(index).unwrap_or(f64::NAN),
            }),
        }
    }

    /// Reads the only element of a tensor, whatever its type, as adapters store their `alpha`.
    ///
    /// # Errors
    /// When the plan does not hold the tensor, it has more than one element, is not finite, or of an 8-bit float type.
    pub fn scalar(&self, name: &str) -> Result<f64, WeightsError> {
        let view = self.view(name)?;
        let planned = self.planned(name)?;
        let file = || self.file(planned).path().to_owned();
        if view.shape.iter().any(|&dim| dim != 1) {
            return Err(WeightsError::NotScalar {
                file: file(),
                tensor: planned.stored.clone(),
                found: view.shape.to_vec(),
            });
        }
        view.element(0).ok_or_else(|| WeightsError::Dtype {
            file: file(),
            tensor: planned.stored.clone(),
            found: view.dtype,
        })
    }

    /// Gives the memory of a tensor's mapped pages back to the operating system, once it is copied or packed.
    /// Reading the tensor again is correct, and as slow as the first time.
    ///
    /// # Errors
    /// When the plan does not hold the tensor, or the system refuses.
    pub fn release(&self, name: &str) -> Result<(), WeightsError> {
        let planned = self.planned(name)?;
        self.file(planned).release(&planned.entry)
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn planned(&self, name: &str) -> Result<&Planned, WeightsError> {
        let tensor = self.full_name(name);
        match self.planned.get(&tensor) {
            Some(planned) => Ok(planned),
            None => Err(WeightsError::Unplanned { tensor }),
        }
    }

    fn file(&self, planned: &Planned) -> &TensorFile {
        &self.files[planned.file]
    }
}

impl TensorView<'_> {
    /// The position of the first infinity or NaN: a float whose exponent bits are all ones.
    fn first_not_finite(&self) -> Option<usize> {
        match self.dtype {
            StoredDtype::F32 => first(self.bytes, |b| is_full(u32::from_le_bytes(b), 0x7f80_0000)),
            StoredDtype::BF16 => first(self.bytes, |b| is_full(u16::from_le_bytes(b), 0x7f80)),
            StoredDtype::F16 => first(self.bytes, |b| is_full(u16::from_le_bytes(b), 0x7c00)),
            StoredDtype::F64 => first(self.bytes, |b| !f64::from_le_bytes(b).is_finite()),
            _ => None,
        }
    }

    /// One element as a number; `None` past the end and for the 8-bit float types.
    fn element(&self, index: usize) -> Option<f64> {
        let size = self.dtype.size_bytes();
        let bytes = self.bytes.chunks_exact(size).nth(index)?;
        match self.dtype {
            StoredDtype::F64 => array(bytes).map(f64::from_le_bytes),
            StoredDtype::F32 => array(bytes).map(|b| f32::from_le_bytes(b).into()),
            StoredDtype::F16 => array(bytes).map(|b| f16::from_le_bytes(b).into()),
            StoredDtype::BF16 => array(bytes).map(|b| bf16::from_le_bytes(b).into()),
            StoredDtype::F8E4M3 | StoredDtype::F8E5M2 => None,
            StoredDtype::I64 => array(bytes).map(|b| i64::from_le_bytes(b) as f64),
            StoredDtype::I32 => array(bytes).map(|b| i32::from_le_bytes(b).into()),
            StoredDtype::I16 => array(bytes).map(|b| i16::from_le_bytes(b).into()),
            StoredDtype::I8 => array(bytes).map(|b| i8::from_le_bytes(b).into()),
            StoredDtype::U64 => array(bytes).map(|b| u64::from_le_bytes(b) as f64),
            StoredDtype::U32 => array(bytes).map(|b| u32::from_le_bytes(b).into()),
            StoredDtype::U16 => array(bytes).map(|b| u16::from_le_bytes(b).into()),
            StoredDtype::U8 | StoredDtype::Bool => bytes.first().map(|&b| b.into()),
        }
    }
}

fn no_such_row(name: &str, shape: &[usize], row: usize) -> crate::Error {
    crate::Error::Input {
        what: "token id",
        expected: format!("a row of {name} {shape:?}"),
        found: vec![row],
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn is_full<T: std::ops::BitAnd<Output = T> + PartialEq + Copy>(bits: T, mask: T) -> bool {
    bits & mask == mask
}

/// The position of the first element that `is_bad`; looks at a page at a time without a branch for each element, on many threads
/// where there are many pages.
fn first<const N: usize>(bytes: &[u8], is_bad: impl Fn([u8; N]) -> bool + Sync) -> Option<usize> {
    const PAGE_BYTES: usize = 4096;
    let (elements, _) = bytes.as_chunks::<N>();
    let pages = elements.par_chunks(PAGE_BYTES / N).with_min_len(256).enumerate();
    let (page, elements) = pages
        .find_first(|(_, page)| page.iter().fold(false, |bad, &element| bad | is_bad(element)))?;
    let within = elements.iter().position(|&element| is_bad(element))?;
    Some(page * (PAGE_BYTES / N) + within)
}
