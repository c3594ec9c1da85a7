//! Rotary position embedding over three axes: time, height, width.

use candle_core::{DType, Device, Tensor};

use super::norm::{self, rms_norm_reference};
use super::operand::Operand;
use crate::cases::{self, Case};
use crate::cpu::elementwise::{mean_square_turn, turn};
use crate::cpu::isa::Isa;
use crate::cpu::rows::{flat_rows, map_rows, on_cpu, with_all};
use crate::{Error, Result, compare};

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
    check(table, tokens, head_dim)?;
    if !on_cpu(&[x, &table.cos]) {
        return reference(x, table);
    }
    let isa = Isa::current();
    let half = head_dim / 2;
    let (wide, stride) = flat_rows(&x.reshape((tokens, heads * head_dim))?)?;
    let y = with_all([&wide, &table.cos, &table.sin], |[values, cos, sin]| {
        map_rows(&[tokens, heads * head_dim], |row, out| {
            let angles = row * half..(row + 1) * half;
            turn(
                isa,
                &values[row * stride..][..out.len()],
                &cos[angles.clone()],
                &sin[angles],
                out,
            );
        })
    })?;
    let y = y.reshape((tokens, heads, head_dim))?.to_dtype(x.dtype())?;
    compare::drift("rope", DType::F32, &y, || reference(x, table))?;
    Ok(y)
}

/// Root-mean-square normalisation across all heads with a gain, then [`rope`], in one pass, rounded for products in
/// `compute`.
///
/// # Shapes
/// `x: (tokens, heads * head_dim)`, `weight: (heads * head_dim)`, result as `x`; `head_dim` is the table's.
///
/// # Errors
/// A gain or a table of another size, and a dtype that products are not computed in.
pub fn norm_rope(
    x: &Tensor,
    weight: &Tensor,
    eps: f64,
    table: &RopeTable,
    compute: DType,
) -> Result<Operand> {
    let (tokens, d) = x.dims2()?;
    norm::check(x, weight, "norm_rope")?;
    let head_dim = 2 * table.cos.dims()[1];
    if head_dim == 0 || !d.is_multiple_of(head_dim) {
        return Err(Error::Shape {
            op: "norm_rope",
            what: "input",
            found: x.dims().to_vec(),
            expected: "(tokens, heads * head_dim)",
        });
    }
    check(table, tokens, head_dim)?;
    if !on_cpu(&[x, weight, &table.cos]) {
        return Operand::new(&norm_rope_reference(x, weight, eps, table)?, compute);
    }
    let isa = Isa::current();
    let half = head_dim / 2;
    let (wide, stride) = flat_rows(x)?;
    let gain = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let y = with_all([&wide, &table.cos, &table.sin], |[values, cos, sin]| {
        Operand::map([tokens, d], compute, |row, out| {
            let angles = row * half..(row + 1) * half;
            let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
            let x = &values[row * stride..][..d];
            mean_square_turn(isa, x, &gain, eps as f32, cos, sin, out);
        })
    })?;
    y.drift("norm_rope", || norm_rope_reference(x, weight, eps, table))?;
    Ok(y)
}

fn check(table: &RopeTable, tokens: usize, head_dim: usize) -> Result<()> {
    if table.cos.dims() == [tokens, head_dim / 2] && head_dim.is_multiple_of(2) && head_dim > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        op: "rope",
        what: "table",
        found: table.cos.dims().to_vec(),
        expected: "(tokens, head_dim / 2)",
    })
}

fn reference(x: &Tensor, table: &RopeTable) -> Result<Tensor> {
    let (tokens, heads, head_dim) = x.dims3()?;
    let pairs = x.to_dtype(DType::F32)?.reshape((tokens, heads, head_dim / 2, 2))?;
    let (a, b) = (pairs.narrow(3, 0, 1)?.squeeze(3)?, pairs.narrow(3, 1, 1)?.squeeze(3)?);
    let (cos, sin) = (table.cos.unsqueeze(1)?, table.sin.unsqueeze(1)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (a.broadcast_mul(&sin)? + b.broadcast_mul(&cos)?)?;
    let turned = Tensor::stack(&[first, second], 3)?;
    Ok(turned.reshape((tokens, heads, head_dim))?.to_dtype(x.dtype())?)
}

fn norm_rope_reference(x: &Tensor, weight: &Tensor, eps: f64, table: &RopeTable) -> Result<Tensor> {
    let (tokens, d) = x.dims2()?;
    let head_dim = 2 * table.cos.dims()[1];
    let normed = rms_norm_reference(x, weight, eps)?;
    let turned = reference(&normed.reshape((tokens, d / head_dim, head_dim))?, table)?;
    Ok(turned.reshape((tokens, d))?)
}

/// Grids and head sizes, views of a fused projection, that tests hold against the reference.
pub fn cases() -> Result<Vec<Case>> {
    let mut all = sized("a small grid", [2, 3, 4], [4, 2, 4], 3)?;
    all.extend(sized("one token", [1, 1, 1], [44, 42, 42], 2)?);
    all.extend(sized("odd halves", [3, 5, 7], [6, 2, 2], 1)?);
    Ok(all)
}

/// Queries of a transformer, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    sized("4096 tokens of 12 heads", [4, 32, 32], [44, 42, 42], 12)
}

fn sized(
    what: &'static str,
    grid: [usize; 3],
    axes: [usize; 3],
    heads: usize,
) -> Result<Vec<Case>> {
    let table = RopeTable::new(grid, axes, 10_000.0, &Device::Cpu)?;
    let (tokens, head_dim) = (grid.iter().product(), axes.iter().sum::<usize>());
    let d = heads * head_dim;
    let x = cases::outliers(&[tokens, 3 * d], 1)?.narrow(1, d, d)?;
    let weight = cases::values(&[d], 2)?;
    let split = x.reshape((tokens, heads, head_dim))?;
    let bytes = 8.0 * x.elem_count() as f64;
    let (table2, split2) = (table.clone(), split.clone());
    let (table3, x3, weight3) = (table.clone(), x.clone(), weight.clone());
    let table4 = table.clone();
    Ok(vec![
        Case {
            op: "rope",
            what,
            dtype: DType::F32,
            flops: 0.0,
            bytes,
            fast: Box::new(move || rope(&split, &table)),
            reference: Box::new(move || reference(&split2, &table2)),
        },
        Case {
            op: "norm_rope",
            what,
            dtype: DType::F32,
            flops: 0.0,
            bytes,
            fast: Box::new(move || norm_rope(&x, &weight, 1e-6, &table3, DType::F32)?.to_tensor()),
            reference: Box::new(move || norm_rope_reference(&x3, &weight3, 1e-6, &table4)),
        },
    ])
}
