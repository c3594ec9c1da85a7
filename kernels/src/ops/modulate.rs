//! Modulation by a timestep: shift, scale and gate per token or for all tokens at once.

use candle_core::{DType, Device, Tensor};

use super::norm::normalise;
use super::operand::Operand;
use crate::cases::{self, Case};
use crate::cpu::elementwise::{bias_gate_add, centre_scale};
use crate::cpu::gemm;
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

/// Layer norm without gain, then `y * (1 + scale) + shift`, rounded for products in `compute`.
///
/// # Shapes
/// `x: (tokens, d)`, `scale` and `shift: (rows, d)` in `f32`, result as `x`.
///
/// # Errors
/// Shapes that do not fit, and a dtype that products are not computed in.
pub fn norm_modulate(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    rows: &Rows,
    eps: f64,
    compute: DType,
) -> Result<Operand> {
    let (tokens, d) = check("norm_modulate", x, scale)?;
    check("norm_modulate", x, shift)?;
    if shift.dims() != scale.dims() {
        return Err(shape("norm_modulate", shift));
    }
    if !on_cpu(&[x, scale, shift]) {
        return Operand::new(&norm_modulate_reference(x, scale, shift, rows, eps)?, compute);
    }
    let isa = Isa::current();
    let index = rows.indices(tokens, scale)?;
    let [(wide, stride), (scale_rows, scale_stride), (shift_rows, shift_stride)] =
        [flat_rows(x)?, flat_rows(scale)?, flat_rows(shift)?];
    let y = with_all([&wide, &scale_rows, &shift_rows], |[values, scales, shifts]| {
        Operand::map([tokens, d], compute, |row, out| {
            let at = index.as_ref().map_or(0, |index| index[row] as usize);
            let scale = &scales[at * scale_stride..][..d];
            let shift = &shifts[at * shift_stride..][..d];
            let x = &values[row * stride..][..d];
            centre_scale(isa, x, Some((scale, 1.0, shift)), eps as f32, out);
        })
    })?;
    y.drift("norm_modulate", || norm_modulate_reference(x, scale, shift, rows, eps))?;
    Ok(y)
}

/// What the outputs of a layer are added to: `base + x * gate`.
#[derive(Debug, Clone, Copy)]
pub struct Residual<'a> {
    /// `(tokens, d)`.
    pub base: &'a Tensor,
    /// A table of factors `(rows, d)` in `f32`, and the row that each token takes; absent, all are one.
    pub gate: Option<(&'a Tensor, &'a Rows)>,
}

impl<'a> Residual<'a> {
    /// `base + x * gate`, in the dtype of the base.
    ///
    /// # Shapes
    /// `x: (tokens, d)`, result as `x`.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn add(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, d) = self.check(x.dims())?;
        if !self.on_cpu() || !on_cpu(&[x]) {
            return self.reference(x);
        }
        let isa = Isa::current();
        let (wide, stride) = flat_rows(x)?;
        let y = self.with_rows(|rows| {
            with_all([&wide], |[values]| {
                map_rows(&[tokens, d], |row, out| {
                    out.copy_from_slice(&values[row * stride..][..d]);
                    let (base, gate) = rows.run(row, 0, d);
                    bias_gate_add(isa, base, out, None, gate);
                })
            })
        })?;
        let y = y.to_dtype(self.base.dtype())?;
        compare::drift("residual", DType::F32, &y, || self.reference(x))?;
        Ok(y)
    }

    /// Whether all operands are on the CPU.
    pub(crate) fn on_cpu(&self) -> bool {
        on_cpu(&[self.base]) && self.gate.is_none_or(|(gate, _)| on_cpu(&[gate]))
    }

    /// Refuses outputs of another shape, and a gate of another width.
    pub(crate) fn check(&self, outputs: &[usize]) -> Result<(usize, usize)> {
        let (&[tokens, d], true) = (outputs, outputs == self.base.dims()) else {
            return Err(Error::Shape {
                op: "residual",
                what: "output",
                found: outputs.to_vec(),
                expected: "(tokens, d), as the base",
            });
        };
        match self.gate {
            Some((gate, _)) => check("residual", self.base, gate),
            None => Ok((tokens, d)),
        }
    }

    /// Calls `f` with the rows of operands that [`Self::check`] let through, all on the CPU; refuses a token whose row of
    /// the gate is not there.
    pub(crate) fn with_rows<T>(
        &self,
        f: impl FnOnce(gemm::ResidualRows<'_>) -> Result<T>,
    ) -> Result<T> {
        let (base, stride) = flat_rows(self.base)?;
        let Some((gate, rows)) = self.gate else {
            return with_all([&base], |[base]| f(gemm::ResidualRows { base, stride, gate: None }));
        };
        let index = rows.indices(base.dims()[0], gate)?;
        let (gate, gate_stride) = flat_rows(gate)?;
        with_all([&base, &gate], |[base, values]| {
            let gate = gemm::Gate { values, stride: gate_stride, index: index.as_deref() };
            f(gemm::ResidualRows { base, stride, gate: Some(gate) })
        })
    }

    /// The plain form, on any device.
    pub(crate) fn reference(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.to_dtype(DType::F32)?;
        let x = match self.gate {
            Some((gate, rows)) => x.broadcast_mul(&rows.of(gate)?)?,
            None => x,
        };
        Ok((self.base.to_dtype(DType::F32)? + x)?.to_dtype(self.base.dtype())?)
    }
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
    let case = |op, dtype, bytes, last: &Tensor, fast: Modulation, reference: Modulation| {
        let operands = ([x.clone(), scale.clone(), last.clone()], rows.clone());
        let again = operands.clone();
        Case {
            op,
            what,
            dtype,
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
            DType::F32,
            2.0 * values,
            &shift,
            |[x, scale, shift], rows| {
                norm_modulate(x, scale, shift, rows, 1e-6, DType::F32)?.to_tensor()
            },
            |[x, scale, shift], rows| norm_modulate_reference(x, scale, shift, rows, 1e-6),
        ),
        case(
            "norm_modulate",
            DType::BF16,
            1.5 * values,
            &shift,
            |[x, scale, shift], rows| {
                norm_modulate(x, scale, shift, rows, 1e-6, DType::BF16)?.to_tensor()
            },
            |[x, scale, shift], rows| norm_modulate_reference(x, scale, shift, rows, 1e-6),
        ),
        case(
            "residual, gated",
            DType::F32,
            3.0 * values,
            &residual,
            |[x, gate, base], rows| Residual { base, gate: Some((gate, rows)) }.add(x),
            |[x, gate, base], rows| Residual { base, gate: Some((gate, rows)) }.reference(x),
        ),
        case(
            "residual",
            DType::F32,
            3.0 * values,
            &residual,
            |[x, _, base], _| Residual { base, gate: None }.add(x),
            |[x, _, base], _| Residual { base, gate: None }.reference(x),
        ),
    ])
}

/// A modulation of `[x, scale or gate, shift or residual]`.
type Modulation = fn(&[Tensor; 3], &Rows) -> Result<Tensor>;
