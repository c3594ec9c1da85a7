//! Linear layers: activations times a weight matrix that is packed once.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// What is applied to every output of a linear layer, in the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// GELU in its tanh form.
    GeluTanh,
    /// Sigmoid-weighted linear unit.
    Silu,
}

/// A weight matrix `(n, k)`, in the form the device multiplies fastest.
#[derive(Debug, Clone)]
pub struct Matrix {
    weight: Tensor,
}

impl Matrix {
    /// Packs a weight of shape `(n, k)` for products computed in `compute` (`F32`, `BF16` or `F16`).
    ///
    /// # Errors
    /// A weight that is not of rank two, or not of a floating dtype.
    pub fn new(weight: &Tensor, compute: DType) -> Result<Self> {
        if weight.rank() != 2 {
            return Err(Error::Shape {
                op: "matrix",
                what: "weight",
                found: weight.dims().to_vec(),
                expected: "(n, k)",
            });
        }
        Ok(Self { weight: weight.to_dtype(compute)? })
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        self.weight.dims()[0]
    }

    /// Inputs.
    pub fn k(&self) -> usize {
        self.weight.dims()[1]
    }

    /// The dtype products are computed in.
    pub fn dtype(&self) -> DType {
        self.weight.dtype()
    }

    /// The device the weight lives on.
    pub fn device(&self) -> &Device {
        self.weight.device()
    }
}

/// `activation(x * weight^T + bias)`.
///
/// # Shapes
/// `x: (.., k)`, `weight: (n, k)`, `bias: (n)` in `f32`, result `(.., n)` in the dtype of `x`.
///
/// # Errors
/// Shapes that do not fit.
pub fn linear(
    x: &Tensor,
    weight: &Matrix,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let k = *x.dims().last().unwrap_or(&0);
    if k != weight.k() {
        return Err(Error::Shape {
            op: "linear",
            what: "input",
            found: x.dims().to_vec(),
            expected: "(.., k)",
        });
    }
    reference(x, weight, bias, activation)
}

/// The plain form, on any device: operands rounded to the matrix dtype, product in `f32` on the CPU.
fn reference(
    x: &Tensor,
    weight: &Matrix,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let dims = x.dims();
    let rows: usize = dims[..dims.len() - 1].iter().product();
    let flat = x.reshape((rows, weight.k()))?.to_dtype(weight.dtype())?;
    let y = if x.device().is_cpu() {
        flat.to_dtype(DType::F32)?.matmul(&weight.weight.to_dtype(DType::F32)?.t()?)?
    } else {
        flat.matmul(&weight.weight.t()?)?.to_dtype(DType::F32)?
    };
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(DType::F32)?)?,
        None => y,
    };
    let y = match activation {
        Activation::None => y,
        Activation::GeluTanh => y.gelu()?,
        Activation::Silu => y.silu()?,
    };
    let mut shape = dims.to_vec();
    shape[dims.len() - 1] = weight.n();
    Ok(y.to_dtype(x.dtype())?.reshape(shape)?)
}
