//! What products multiply: rows, rounded once where they are made.

use candle_core::{DType, Device, Tensor};

use super::matrix::form;
use crate::cpu::isa::Isa;
use crate::cpu::rounded::Rounded;
use crate::cpu::rows::{Raw, flat_rows, on_cpu, with_values};
use crate::{Error, Result, compare};

/// Rows `(tokens, k)` in the form that products computed in one dtype read, so that they are written and read once, and
/// narrow.
#[derive(Debug)]
pub struct Operand {
    held: Held,
    compute: DType,
}

#[derive(Debug)]
enum Held {
    /// On the CPU.
    Rounded(Rounded),
    /// Elsewhere, or on the CPU where gradients are asked for: `(tokens, k)` in the dtype of the products.
    Plain(Tensor),
}

/// What a layer takes: a tensor, or rows that were rounded before.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// `(.., k)`.
    Tensor(&'a Tensor),
    /// `(tokens, k)`.
    Operand(&'a Operand),
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(x: &'a Tensor) -> Self {
        Self::Tensor(x)
    }
}

impl<'a> From<&'a Operand> for Input<'a> {
    fn from(x: &'a Operand) -> Self {
        Self::Operand(x)
    }
}

impl Operand {
    /// Rounds rows `(tokens, k)` for products computed in `compute`.
    ///
    /// # Errors
    /// A tensor of another rank, and a dtype that products are not computed in.
    pub fn new(x: &Tensor, compute: DType) -> Result<Self> {
        let (form, (tokens, k)) = (form(compute)?, x.dims2()?);
        if !on_cpu(&[x]) {
            return Ok(Self { held: Held::Plain(x.to_dtype(compute)?), compute });
        }
        let (wide, stride) = flat_rows(x)?;
        with_values(&wide, |values| {
            let base = Raw(values.as_ptr().cast_mut());
            let isa = Isa::current();
            #[expect(unsafe_code, reason = "rows by pointer")]
            // SAFETY: `flat_rows` gives `tokens` rows of `k` values `stride` apart inside `values`.
            let rounded = unsafe { Rounded::of(isa, form, [tokens, k], base, stride) };
            let copied = || {
                Rounded::map(isa, form, [tokens, k], |row, out| {
                    out.copy_from_slice(&values[row * stride..][..k]);
                })
            };
            Ok(Self { held: Held::Rounded(rounded.unwrap_or_else(copied)), compute })
        })
    }

    /// Rows on the CPU, made one by one; `f` gets the number of a row and writes all of it.
    pub(crate) fn map(
        dims: [usize; 2],
        compute: DType,
        f: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Self> {
        Ok(Self::from_rounded(Rounded::map(Isa::current(), form(compute)?, dims, f), compute))
    }

    /// Rows on the CPU that were rounded for `compute`.
    pub(crate) fn from_rounded(rounded: Rounded, compute: DType) -> Self {
        Self { held: Held::Rounded(rounded), compute }
    }

    /// Rows, and values of each.
    pub fn dims(&self) -> [usize; 2] {
        match &self.held {
            Held::Rounded(rounded) => rounded.dims(),
            // Nothing of another rank is held.
            Held::Plain(x) => [x.dims()[0], x.dims()[1]],
        }
    }

    /// The rounded rows as a tensor `(tokens, k)`; on the CPU in `f32`, a copy.
    ///
    /// # Errors
    /// What the tensor library fails with.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.held {
            Held::Rounded(rounded) => {
                let [tokens, k] = rounded.dims();
                Ok(Tensor::from_vec(rounded.values(), (tokens, k), &Device::Cpu)?)
            }
            Held::Plain(x) => Ok(x.clone()),
        }
    }

    /// The words on the CPU, where there are.
    pub(crate) fn rounded(&self) -> Option<&Rounded> {
        match &self.held {
            Held::Rounded(rounded) => Some(rounded),
            Held::Plain(_) => None,
        }
    }

    /// With the feature `check`, compares with what a reference gives, rounded alike.
    pub(crate) fn drift(
        &self,
        op: &'static str,
        reference: impl FnOnce() -> Result<Tensor>,
    ) -> Result<()> {
        if cfg!(feature = "check") {
            compare::drift(op, self.compute, &self.to_tensor()?, || {
                Self::new(&reference()?, self.compute)?.to_tensor()
            })?;
        }
        Ok(())
    }
}

impl<'a> Input<'a> {
    /// The words of heads of `head_dim` values, where they are rounded for `isa` and every head begins a word.
    pub(crate) fn heads(&self, head_dim: usize, isa: Isa) -> Option<&'a Rounded> {
        match self {
            Self::Operand(x) => x.rounded().filter(|rounded| rounded.has_heads(head_dim, isa)),
            Self::Tensor(_) => None,
        }
    }

    /// Its shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Tensor(x) => x.dims().to_vec(),
            Self::Operand(x) => x.dims().to_vec(),
        }
    }

    /// Whether kernels of the CPU take it.
    pub(crate) fn on_cpu(&self) -> bool {
        match self {
            Self::Tensor(x) => on_cpu(&[x]),
            Self::Operand(x) => x.rounded().is_some(),
        }
    }

    /// It as a tensor.
    pub(crate) fn to_tensor(self) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => Ok(x.clone()),
            Self::Operand(x) => x.to_tensor(),
        }
    }

    /// Refuses rows that were rounded for other products than those in `compute`.
    pub(crate) fn check_compute(&self, op: &'static str, compute: DType) -> Result<()> {
        match self {
            Self::Operand(x) if x.compute != compute => Err(Error::DType { op, found: x.compute }),
            _ => Ok(()),
        }
    }
}
