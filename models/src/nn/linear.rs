//! The one linear layer: dense weights and any number of changes to them.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use kinora_kernels::ops::matmul::{self, Activation};
use kinora_kernels::ops::matrix::{Matrix, Part};
use kinora_kernels::ops::modulate::Residual;
use kinora_kernels::ops::operand::Input;

use crate::{Error, Result, weights::Weights};

/// A low-rank change to a linear layer: `scale * (x * down^T) * up^T` is added to its output.
#[derive(Debug, Clone)]
pub struct Delta {
    /// `(rank, inputs)`.
    pub down: Tensor,
    /// `(outputs, rank)`.
    pub up: Tensor,
    /// Strength, with `alpha / rank` already in it.
    pub scale: f64,
}

/// All changes of a layer as one: `down` of each below the others', `up` beside the others', zero where it changes nothing.
#[derive(Debug)]
struct Changes {
    /// `(ranks, inputs)`.
    down: Matrix,
    /// `(outputs, ranks)`.
    up: Matrix,
}

/// A linear layer, one matrix for one or more modules that read the same input, each a range of rows.
#[derive(Debug)]
pub struct Linear {
    matrix: Matrix,
    bias: Option<Tensor>,
    changes: Option<Changes>,
}

impl Linear {
    /// A layer of a packed matrix and a bias `(n)`.
    pub fn new(matrix: Matrix, bias: Option<Tensor>) -> Self {
        Self { matrix, bias, changes: None }
    }

    /// Reads `{name}.weight` and, where the plan holds it, `{name}.bias` of each name, one module's rows below the
    /// other's, and gives the mapped pages back. Kernels of a convolution are read as rows.
    ///
    /// # Errors
    /// A tensor that the plan does not hold or that is not finite; modules that read inputs of different widths.
    pub fn load(weights: &Weights, names: &[&str], compute: DType) -> Result<Self> {
        let weight_names: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
        let mut lent = Vec::with_capacity(names.len());
        for name in &weight_names {
            let view = weights.view(name)?;
            let dtype =
                view.dtype.weight().filter(|&dtype| dtype == compute || compute != DType::F16);
            // What may not fit into the narrower range is read as a tensor, which checks that it does.
            let tensor = match dtype {
                Some(_) => None,
                None => Some(weights.tensor(name, compute)?.flatten_from(1)?),
            };
            lent.push((view, dtype, tensor));
        }
        let parts: Vec<Part<'_>> = lent
            .iter()
            .map(|(view, dtype, tensor)| match (dtype, tensor) {
                (_, Some(tensor)) => Part::Tensor(tensor),
                (dtype, None) => Part::Bytes {
                    bytes: view.bytes,
                    dtype: dtype.unwrap_or(compute),
                    n: view.shape.first().copied().unwrap_or(0),
                    k: view.shape.iter().skip(1).product(),
                },
            })
            .collect();
        let matrix = Matrix::concat(&parts, compute, weights.device())?;
        for name in &weight_names {
            weights.release(name)?;
        }
        let biases = names.iter().map(|name| format!("{name}.bias"));
        let biases: Vec<Tensor> = biases
            .filter(|name| weights.contains(name))
            .map(|name| weights.tensor(&name, DType::F32))
            .collect::<Result<_>>()?;
        let bias = if biases.is_empty() { None } else { Some(Tensor::cat(&biases, 0)?) };
        Ok(Self::new(matrix, bias))
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        self.matrix.n()
    }

    /// Adds a change to a range of the layer's rows. A scale of zero leaves the layer as it is.
    ///
    /// # Errors
    /// [`Error::DeltaShape`].
    pub fn attach(&mut self, module: &str, rows: Range<usize>, delta: &Delta) -> Result<()> {
        let (rank, inputs) = delta.down.dims2()?;
        let (outputs, up_rank) = delta.up.dims2()?;
        if inputs != self.matrix.k() || outputs != rows.len() || rank != up_rank {
            return Err(Error::DeltaShape {
                module: module.to_owned(),
                expected: [rows.len(), self.matrix.k()],
                down: [rank, inputs],
                up: [outputs, up_rank],
            });
        }
        if delta.scale == 0.0 {
            return Ok(());
        }
        let place = |x: &Tensor| -> Result<Tensor> {
            Ok(x.to_device(self.device())?.to_dtype(DType::F32)?)
        };
        let mut down = place(&delta.down)?;
        let after = self.n() - rows.end;
        let mut up = (place(&delta.up)? * delta.scale)?.pad_with_zeros(0, rows.start, after)?;
        let compute = self.matrix.dtype();
        if let Some(earlier) = &self.changes {
            down = Tensor::cat(&[earlier.down.to_tensor()?, down.to_dtype(compute)?], 0)?;
            up = Tensor::cat(&[earlier.up.to_tensor()?, up.to_dtype(compute)?], 1)?;
        }
        self.changes =
            Some(Changes { down: Matrix::new(&down, compute)?, up: Matrix::new(&up, compute)? });
        Ok(())
    }

    /// The layer's output with an activation applied.
    ///
    /// # Shapes
    /// `x: (tokens, k)`, result `(tokens, n)`.
    ///
    /// # Errors
    /// An input of another width, or rounded for products in another dtype.
    pub fn forward_activated<'a>(
        &self,
        x: impl Into<Input<'a>>,
        activation: Activation,
    ) -> Result<Tensor> {
        let x = x.into();
        let Some(changes) = &self.changes else {
            return Ok(matmul::linear(x, &self.matrix, self.bias.as_ref(), activation)?);
        };
        let y = matmul::linear(x, &self.matrix, self.bias.as_ref(), Activation::None)?;
        let low = matmul::linear(x, &changes.down, None, Activation::None)?; // (tokens, ranks)
        let y = (y + matmul::linear(&low, &changes.up, None, Activation::None)?)?;
        Ok(match activation {
            Activation::None => y,
            Activation::GeluTanh => y.gelu()?,
            Activation::Silu => y.silu()?,
        })
    }

    /// The layer's output, added to a residual.
    ///
    /// # Shapes
    /// `x: (tokens, k)`, result as the residual `(tokens, n)`.
    ///
    /// # Errors
    /// As for [`Self::forward_activated`]; a residual of another shape.
    pub fn forward_residual<'a>(
        &self,
        x: impl Into<Input<'a>>,
        residual: &Residual<'_>,
    ) -> Result<Tensor> {
        if self.changes.is_some() {
            return Ok(residual.add(&self.forward(x)?)?);
        }
        Ok(matmul::linear_residual(x, &self.matrix, self.bias.as_ref(), residual)?)
    }

    /// What `down` makes of this layer's activated output, added to a residual. The activated output is not held whole
    /// where nothing changes the layers.
    ///
    /// # Shapes
    /// `x: (tokens, k)`, result as the residual `(tokens, down.n())`.
    ///
    /// # Errors
    /// As for [`Self::forward_residual`].
    pub fn feed_forward<'a>(
        &self,
        x: impl Into<Input<'a>>,
        activation: Activation,
        down: &Self,
        residual: &Residual<'_>,
    ) -> Result<Tensor> {
        if self.changes.is_some() || down.changes.is_some() {
            return down.forward_residual(&self.forward_activated(x, activation)?, residual);
        }
        let up = (&self.matrix, self.bias.as_ref());
        let down = (&down.matrix, down.bias.as_ref());
        Ok(matmul::feed_forward(x, up, activation, down, residual)?)
    }

    /// The layer's output.
    ///
    /// # Errors
    /// As for [`Self::forward_activated`].
    pub fn forward<'a>(&self, x: impl Into<Input<'a>>) -> Result<Tensor> {
        self.forward_activated(x, Activation::None)
    }

    fn device(&self) -> &Device {
        self.matrix.device()
    }
}
