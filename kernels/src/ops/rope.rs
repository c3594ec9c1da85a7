//! Rotary position embedding over three axes: time, height, width.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// Cosines and sines of every token and frequency, `(tokens, head_dim / 2)` in `f32`, angles computed in `f64`.
#[derive(Debug, Clone)]
pub struct RopeTable {
    cos: Tensor,
    sin: Tensor,
}

impl RopeTable {
    /// Builds the table of a grid of `(frames, rows, columns)` tokens.
    ///
    /// `axes` says how many of the `head_dim` values turn with time, height and width; pairs are adjacent values.
    ///
    /// # Errors
    /// An axis with an odd number of values.
    pub fn new(grid: [usize; 3], axes: [usize; 3], theta: f64, device: &Device) -> Result<Self> {
        if axes.iter().any(|n| n % 2 == 1) {
            return Err(Error::Shape {
                op: "rope",
                what: "axes",
                found: axes.to_vec(),
                expected: "three even numbers",
            });
        }
        let half: usize = axes.iter().sum::<usize>() / 2;
        let tokens: usize = grid.iter().product();
        let frequencies: Vec<Vec<f64>> = axes
            .iter()
            .map(|&n| (0..n / 2).map(|i| theta.powf(-(2.0 * i as f64) / n as f64)).collect())
            .collect();
        let mut cos = Vec::with_capacity(tokens * half);
        let mut sin = Vec::with_capacity(tokens * half);
        for t in 0..grid[0] {
            for y in 0..grid[1] {
                for x in 0..grid[2] {
                    for (position, axis) in [t, y, x].into_iter().zip(&frequencies) {
                        for frequency in axis {
                            let angle = position as f64 * frequency;
                            cos.push(angle.cos() as f32);
                            sin.push(angle.sin() as f32);
                        }
                    }
                }
            }
        }
        Ok(Self {
            cos: Tensor::from_vec(cos, (tokens, half), device)?,
            sin: Tensor::from_vec(sin, (tokens, half), device)?,
        })
    }

    /// Cosines `(tokens, head_dim / 2)`.
    pub fn cos(&self) -> &Tensor {
        &self.cos
    }

    /// Sines `(tokens, head_dim / 2)`.
    pub fn sin(&self) -> &Tensor {
        &self.sin
    }
}

/// Turns adjacent pairs of each head by the angles of its token.
///
/// # Shapes
/// `x: (tokens, heads, head_dim)`, result as `x`.
///
/// # Errors
/// A table of another size.
pub fn rope(x: &Tensor, table: &RopeTable) -> Result<Tensor> {
    let (tokens, heads, head_dim) = x.dims3()?;
    if table.cos.dims() != [tokens, head_dim / 2] {
        return Err(Error::Shape {
            op: "rope",
            what: "table",
            found: table.cos.dims().to_vec(),
            expected: "(tokens, head_dim / 2)",
        });
    }
    let pairs = x.to_dtype(DType::F32)?.reshape((tokens, heads, head_dim / 2, 2))?;
    let (a, b) = (pairs.narrow(3, 0, 1)?.squeeze(3)?, pairs.narrow(3, 1, 1)?.squeeze(3)?);
    let (cos, sin) = (table.cos.unsqueeze(1)?, table.sin.unsqueeze(1)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (a.broadcast_mul(&sin)? + b.broadcast_mul(&cos)?)?;
    let turned = Tensor::stack(&[first, second], 3)?;
    Ok(turned.reshape((tokens, heads, head_dim))?.to_dtype(x.dtype())?)
}
