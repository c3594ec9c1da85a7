//! Weight matrices, packed once in the form that products read.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::cpu::isa::Isa;
use crate::cpu::pack::{Source, pack_rows, unpack};
use crate::cpu::panels::{Form, Panels};
use crate::cpu::rows::{Raw, with_bytes};
use crate::{Error, Result};

/// A weight matrix `(n, k)`, in the form the device multiplies fastest.
#[derive(Debug, Clone)]
pub struct Matrix {
    weight: Weight,
    n: usize,
    k: usize,
    dtype: DType,
    device: Device,
}

#[derive(Debug, Clone)]
enum Weight {
    /// On the CPU.
    Packed(Arc<Panels>),
    /// Elsewhere, `(n, k)` in the dtype of the products.
    Plain(Tensor),
}

/// Rows of a weight matrix, to be packed below those of other parts.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A tensor `(n, k)`.
    Tensor(&'a Tensor),
    /// Values as they lie in a file: little-endian, row after row, not necessarily aligned.
    Bytes {
        /// `n * k` values.
        bytes: &'a [u8],
        /// `F32`, `BF16` or `F16`.
        dtype: DType,
        /// Outputs.
        n: usize,
        /// Inputs.
        k: usize,
    },
}

impl Matrix {
    /// Packs a weight of shape `(n, k)` for products computed in `compute` (`F32`, `BF16` or `F16`).
    ///
    /// # Errors
    /// A weight that is not of rank two, or not of a floating dtype.
    pub fn new(weight: &Tensor, compute: DType) -> Result<Self> {
        Self::concat(&[Part::Tensor(weight)], compute, weight.device())
    }

    /// Packs the rows of several weights, one below the other, so that one product computes them all.
    ///
    /// # Errors
    /// No parts, parts of different widths, of another rank than two, with too few bytes, or of a dtype that is not
    /// `F32`, `BF16` or `F16`.
    pub fn concat(parts: &[Part<'_>], compute: DType, device: &Device) -> Result<Self> {
        let form = form(compute)?;
        let mut shapes = Vec::with_capacity(parts.len());
        for part in parts {
            shapes.push(part.shape()?);
        }
        let k = shapes.first().map_or(0, |shape| shape[1]);
        if let Some(odd) = shapes.iter().find(|shape| shape[1] != k) {
            return Err(shape_error(odd));
        }
        let n = shapes.iter().map(|shape| shape[0]).sum();
        if n == 0 || k == 0 {
            return Err(shape_error(&[n, k]));
        }
        let weight = if device.is_cpu() {
            Weight::Packed(Arc::new(pack(parts, k, form)?))
        } else {
            let place = |part: &Part<'_>| -> Result<Tensor> {
                Ok(match *part {
                    Part::Tensor(x) => x.to_device(device)?.to_dtype(compute)?,
                    Part::Bytes { bytes, dtype, n, k } => {
                        let bytes = &bytes[..n * k * dtype.size_in_bytes()];
                        Tensor::from_raw_buffer(bytes, dtype, &[n, k], device)?.to_dtype(compute)?
                    }
                })
            };
            let placed = parts.iter().map(place).collect::<Result<Vec<_>>>()?;
            Weight::Plain(Tensor::cat(&placed, 0)?)
        };
        Ok(Self { weight, n, k, dtype: compute, device: device.clone() })
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Inputs.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The dtype products are computed in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The device the weight lives on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The packed form, where the matrix is on the CPU.
    pub(crate) fn panels(&self) -> Option<&Panels> {
        match &self.weight {
            Weight::Packed(panels) => Some(panels),
            Weight::Plain(_) => None,
        }
    }

    pub(crate) fn into_panels(self) -> Option<Arc<Panels>> {
        match self.weight {
            Weight::Packed(panels) => Some(panels),
            Weight::Plain(_) => None,
        }
    }

    /// The weight as a tensor `(n, k)` in the dtype of the products; copied out of the packed form.
    ///
    /// # Errors
    /// Those of the tensor library.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(panels) => {
                let values = unpack(panels, self.k);
                let weight = Tensor::from_vec(values, (self.n, self.k), &Device::Cpu)?;
                Ok(weight.to_dtype(self.dtype)?)
            }
            Weight::Plain(weight) => Ok(weight.clone()),
        }
    }
}

impl Part<'_> {
    fn shape(&self) -> Result<[usize; 2]> {
        match *self {
            Part::Tensor(x) => match *x.dims() {
                [n, k] => Ok([n, k]),
                _ => Err(shape_error(x.dims())),
            },
            Part::Bytes { bytes, dtype, n, k } => {
                if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
                    return Err(Error::DType { op: "matrix", found: dtype });
                }
                let wanted = n.checked_mul(k).and_then(|x| x.checked_mul(dtype.size_in_bytes()));
                if wanted.is_none_or(|wanted| bytes.len() < wanted) {
                    return Err(shape_error(&[n, k]));
                }
                Ok([n, k])
            }
        }
    }
}

pub(super) fn shape_error(found: &[usize]) -> Error {
    Error::Shape { op: "matrix", what: "weight", found: found.to_vec(), expected: "(n, k)" }
}

/// The packed form of a dtype.
pub(crate) fn form(compute: DType) -> Result<Form> {
    match compute {
        DType::F32 => Ok(Form::Single),
        DType::BF16 => Ok(Form::Bf16),
        DType::F16 => Ok(Form::F16),
        found => Err(Error::DType { op: "matrix", found }),
    }
}

/// Packs parts one after the other: each adds its address to `sources` while its storage is borrowed.
fn pack(parts: &[Part<'_>], k: usize, form: Form) -> Result<Panels> {
    fn next(parts: &[Part<'_>], sources: &mut Vec<Source>, k: usize, form: Form) -> Result<Panels> {
        match parts {
            [] => {
                #[expect(unsafe_code, reason = "sources are addresses")]
                // SAFETY: every source was made below from values that are still borrowed.
                let panels = unsafe { pack_rows(Isa::current(), sources, k, form) };
                Ok(panels)
            }
            [Part::Bytes { bytes, dtype, n, .. }, rest @ ..] => {
                sources.push(Source {
                    base: Raw(bytes.as_ptr().cast_mut()),
                    dtype: *dtype,
                    rows: *n,
                    stride: k * dtype.size_in_bytes(),
                });
                next(rest, sources, k, form)
            }
            [Part::Tensor(x), rest @ ..] => {
                let x = match x.dtype() {
                    DType::F32 | DType::BF16 | DType::F16 => (*x).clone(),
                    _ => x.to_dtype(DType::F32)?,
                };
                let x = if k > 1 && x.stride()[1] != 1 { x.contiguous()? } else { x };
                with_bytes(&x, |base, dtype| {
                    sources.push(Source {
                        base,
                        dtype,
                        rows: x.dims()[0],
                        stride: x.stride()[0] * dtype.size_in_bytes(),
                    });
                    next(rest, sources, k, form)
                })
            }
        }
    }
    next(parts, &mut Vec::with_capacity(parts.len()), k, form)
}
