//! Modulation by a timestep: shift, scale and gate per token or for all tokens at once.

use candle_core::{DType, Tensor};

use super::norm::normalise;
use crate::Result;

/// Which row of a modulation table each token takes.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Every token takes row 0.
    Same,
    /// Token `i` takes row `index[i]`; a tensor `(tokens)` of `u32`.
    Each(Tensor),
}

impl Rows {
    fn of(&self, table: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Same => table.narrow(0, 0, 1)?,
            Self::Each(index) => table.index_select(index, 0)?,
        })
    }
}

/// Layer norm without gain, then `y * (1 + scale) + shift`.
///
/// # Shapes
/// `x: (tokens, d)`, `scale` and `shift: (rows, d)` in `f32`, result as `x`.
///
/// # Errors
/// Shapes that do not fit.
pub fn norm_modulate(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    rows: &Rows,
    eps: f64,
) -> Result<Tensor> {
    let scale = (rows.of(scale)? + 1.0)?;
    let y = normalise(x, eps)?.broadcast_mul(&scale)?.broadcast_add(&rows.of(shift)?)?;
    Ok(y.to_dtype(x.dtype())?)
}

/// `residual + x * gate`.
///
/// # Shapes
/// `residual` and `x: (tokens, d)`, `gate: (rows, d)` in `f32`, result as `residual`.
///
/// # Errors
/// Shapes that do not fit.
pub fn gate_residual(residual: &Tensor, x: &Tensor, gate: &Tensor, rows: &Rows) -> Result<Tensor> {
    let gated = x.to_dtype(DType::F32)?.broadcast_mul(&rows.of(gate)?)?;
    Ok((residual.to_dtype(DType::F32)? + gated)?.to_dtype(residual.dtype())?)
}
