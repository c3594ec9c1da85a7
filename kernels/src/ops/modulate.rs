//! Modulation by a timestep: shift, scale and gate per token or for all tokens at once.

use candle_core::{DType, Device, Tensor};

use super::norm::normalise;
use crate::cases::{self, Case};
use crate::cpu::elementwise::{add, centre_scale, gate_add};
use crate::cpu::isa::Isa;
use crate::cpu::rows::{flat_rows, map_rows, on_cpu, with_all};
use crate::{Error, Result, compare};

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
            Self::Each(index) => table.contiguous()?.index_select(index, 0)?,
        })
    }

    /// The row of each token, or none where all take row 0; refused where a token has none.
    fn indices(&self, tokens: usize, table: &Tensor) -> Result<Option<Vec<u32>>> {
        let rows = table.dims()[0];
        let error = |found: &[usize], expected| {
            Err(Error::Shape { op: "modulate", what: "rows", found: found.to_vec(), expected })
        };
        match self {
            Self::Same if rows == 0 => error(table.dims(), "a row"),
            Self::Same => Ok(None),
            Self::Each(index) => {
                let index = index.to_vec1::<u32>()?;
                if index.len() != tokens {
                    return error(&[index.len()], "(tokens)");
                }
                match index.iter().find(|i| **i as usize >= rows) {
                    Some(i) => error(&[*i as usize], "numbers of rows of the table"),
                    None => Ok(Some(index)),
                }
            }
        }
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
    let (tokens, d) = check("norm_modulate", x, scale)?;
    check("norm_modulate", x, shift)?;
    if shift.dims() != scale.dims() {
        return Err(shape("norm_modulate", shift));
    }
    if !on_cpu(&[x, scale, shift]) {
        return norm_modulate_reference(x, scale, shift, rows, eps);
    }
    let isa = Isa::current();
    let index = rows.indices(tokens, scale)?;
    let [(wide, stride), (scale_rows, scale_stride), (shift_rows, shift_stride)] =
        [flat_rows(x)?, flat_rows(scale)?, flat_rows(shift)?];
    let y = with_all([&wide, &scale_rows, &shift_rows], |[values, scales, shifts]| {
        map_rows(&[tokens, d], |row, out| {
            let at = index.as_ref().map_or(0, |index| index[row] as usize);
            let scale = &scales[at * scale_stride..][..d];
            let shift = &shifts[at * shift_stride..][..d];
            let x = &values[row * stride..][..d];
            centre_scale(isa, x, Some((scale, 1.0, shift)), eps as f32, out);
        })
    })?;
    let y = y.to_dtype(x.dtype())?;
    compare::drift("norm_modulate", DType::F32, &y, || {
        norm_modulate_reference(x, scale, shift, rows, eps)
    })?;
    Ok(y)
}

/// `residual + x * gate`.
///
/// # Shapes
/// `residual` and `x: (tokens, d)`, `gate: (rows, d)` in `f32`, result as `residual`.
///
/// # Errors
/// Shapes that do not fit.
pub fn gate_residual(residual: &Tensor, x: &Tensor, gate: &Tensor, rows: &Rows) -> Result<Tensor> {
    let (tokens, d) = check("gate_residual", x, gate)?;
    if residual.dims() != x.dims() {
        return Err(shape("gate_residual", residual));
    }
    if !on_cpu(&[residual, x, gate]) {
        return gate_residual_reference(residual, x, gate, rows);
    }
    let isa = Isa::current();
    let index = rows.indices(tokens, gate)?;
    let [(wide, stride), (base, base_stride), (gate_rows, gate_stride)] =
        [flat_rows(x)?, flat_rows(residual)?, flat_rows(gate)?];
    let y = with_all([&wide, &base, &gate_rows], |[values, base, gates]| {
        map_rows(&[tokens, d], |row, out| {
            let at = index.as_ref().map_or(0, |index| index[row] as usize);
            let x = &values[row * stride..][..d];
            gate_add(isa, &base[row * base_stride..][..d], x, &gates[at * gate_stride..][..d], out);
        })
    })?;
    let y = y.to_dtype(residual.dtype())?;
    compare::drift("gate_residual", DType::F32, &y, || {
        gate_residual_reference(residual, x, gate, rows)
    })?;
    Ok(y)
}

/// `residual + x`, as [`gate_residual`] with a gate of one.
///
/// # Shapes
/// `residual` and `x: (tokens, d)`, result as `residual`.
///
/// # Errors
/// Shapes that do not fit.
pub fn add_residual(residual: &Tensor, x: &Tensor) -> Result<Tensor> {
    let &[tokens, d] = x.dims() else {
        return Err(shape("add_residual", x));
    };
    if residual.dims() != x.dims() {
        return Err(shape("add_residual", residual));
    }
    if !on_cpu(&[residual, x]) {
        return add_residual_reference(residual, x);
    }
    let isa = Isa::current();
    let [(wide, stride), (base, base_stride)] = [flat_rows(x)?, flat_rows(residual)?];
    let y = with_all([&wide, &base], |[values, base]| {
        map_rows(&[tokens, d], |row, out| {
            add(isa, &base[row * base_stride..][..d], &values[row * stride..][..d], out);
        })
    })?;
    let y = y.to_dtype(residual.dtype())?;
    compare::drift("add_residual", DType::F32, &y, || add_residual_reference(residual, x))?;
    Ok(y)
}

fn check(op: &'static str, x: &Tensor, table: &Tensor) -> Result<(usize, usize)> {
    match (x.dims(), table.dims()) {
        (&[tokens, d], &[_, width]) if d == width => Ok((tokens, d)),
        _ => Err(shape(op, table)),
    }
}

fn shape(op: &'static str, found: &Tensor) -> Error {
    Error::Shape { op, what: "operand", found: found.dims().to_vec(), expected: "(rows, d)" }
}

fn norm_modulate_reference(
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

fn gate_residual_reference(
    residual: &Tensor,
    x: &Tensor,
    gate: &Tensor,
    rows: &Rows,
) -> Result<Tensor> {
    let gated = x.to_dtype(DType::F32)?.broadcast_mul(&rows.of(gate)?)?;
    Ok((residual.to_dtype(DType::F32)? + gated)?.to_dtype(residual.dtype())?)
}

fn add_residual_reference(residual: &Tensor, x: &Tensor) -> Result<Tensor> {
    let sum = (residual.to_dtype(DType::F32)? + x.to_dtype(DType::F32)?)?;
    Ok(sum.to_dtype(residual.dtype())?)
}

/// One row for all tokens and a row for each, that tests hold against the reference.
pub fn cases() -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for (what, tokens, d, rows) in
        [("one row for all", 33, 70, 1), ("a row each", 301, 129, 3), ("one token", 1, 16, 2)]
    {
        all.extend(sized(what, tokens, d, rows)?);
    }
    Ok(all)
}

/// Activations of a transformer, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    sized("4096 tokens of 1536", 4096, 1536, 1)
}

fn sized(what: &'static str, tokens: usize, d: usize, table: usize) -> Result<Vec<Case>> {
    let rows = match table {
        1 => Rows::Same,
        _ => {
            let index: Vec<u32> = (0..tokens).map(|i| (i * 7 % table) as u32).collect();
            Rows::Each(Tensor::from_vec(index, tokens, &Device::Cpu)?)
        }
    };
    let x = cases::outliers(&[tokens, d], 1)?;
    // Views of one table of modulations, as models make them.
    let modulations = cases::values(&[table, 2, d], 2)?;
    let part = |i: usize| -> Result<Tensor> { Ok(modulations.narrow(1, i, 1)?.squeeze(1)?) };
    let (scale, shift) = (part(0)?, part(1)?);
    let residual = cases::values(&[tokens, d], 3)?;
    let case = |op, bytes, last: &Tensor, fast: Modulation, reference: Modulation| {
        let operands = ([x.clone(), scale.clone(), last.clone()], rows.clone());
        let again = operands.clone();
        Case {
            op,
            what,
            dtype: DType::F32,
            flops: 0.0,
            bytes,
            fast: Box::new(move || fast(&operands.0, &operands.1)),
            reference: Box::new(move || reference(&again.0, &again.1)),
        }
    };
    let values = (4 * tokens * d) as f64;
    Ok(vec![
        case(
            "norm_modulate",
            2.0 * values,
            &shift,
            |[x, scale, shift], rows| norm_modulate(x, scale, shift, rows, 1e-6),
            |[x, scale, shift], rows| norm_modulate_reference(x, scale, shift, rows, 1e-6),
        ),
        case(
            "gate_residual",
            3.0 * values,
            &residual,
            |[x, gate, residual], rows| gate_residual(residual, x, gate, rows),
            |[x, gate, residual], rows| gate_residual_reference(residual, x, gate, rows),
        ),
        case(
            "add_residual",
            3.0 * values,
            &residual,
            |[x, _, residual], _| add_residual(residual, x),
            |[x, _, residual], _| add_residual_reference(residual, x),
        ),
    ])
}

/// A modulation of `[x, scale or gate, shift or residual]`.
type Modulation = fn(&[Tensor; 3], &Rows) -> Result<Tensor>;
