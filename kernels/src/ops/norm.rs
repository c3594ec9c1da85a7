//! Normalisations over the last dimension, accumulated in `f32`.

use candle_core::{D, DType, Tensor};

use super::operand::Operand;
use crate::cases::{self, Case};
use crate::cpu::elementwise::{centre_scale, length_scale, mean_square_scale};
use crate::cpu::isa::Isa;
use crate::cpu::rows::{flat_rows, map_rows, on_cpu, with_all};
use crate::{Error, Result, compare};

/// Root-mean-square normalisation with a gain: `x / sqrt(mean(x^2) + eps) * weight`.
///
/// # Shapes
/// `x: (.., d)`, `weight: (d)`, result as `x`.
///
/// # Errors
/// A gain of another width.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    check(x, weight, "rms_norm")?;
    if !on_cpu(&[x, weight]) {
        return rms_norm_reference(x, weight, eps);
    }
    let isa = Isa::current();
    let y = rows_with(x, [weight], |row, [weight], out| {
        mean_square_scale(isa, row, weight, eps as f32, out);
    })?;
    compare::drift("rms_norm", DType::F32, &y, || rms_norm_reference(x, weight, eps))?;
    Ok(y)
}

/// [`rms_norm`], rounded for products in `compute`.
///
/// # Shapes
/// `x: (tokens, d)`, `weight: (d)`, result as `x`.
///
/// # Errors
/// As for [`rms_norm`], and a dtype that products are not computed in.
pub fn rms_norm_rounded(x: &Tensor, weight: &Tensor, eps: f64, compute: DType) -> Result<Operand> {
    check(x, weight, "rms_norm")?;
    if !on_cpu(&[x, weight]) {
        return Operand::new(&rms_norm_reference(x, weight, eps)?, compute);
    }
    let isa = Isa::current();
    let y = rows_rounded(x, [weight], compute, |row, [weight], out| {
        mean_square_scale(isa, row, weight, eps as f32, out);
    })?;
    y.drift("rms_norm", || rms_norm_reference(x, weight, eps))?;
    Ok(y)
}

/// Layer normalisation, with gain and offset when given: `(x - mean) / sqrt(var + eps) * weight + bias`.
///
/// # Shapes
/// `x: (.., d)`, `weight` and `bias: (d)`, result as `x`.
///
/// # Errors
/// A gain of another width.
pub fn layer_norm(x: &Tensor, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Result<Tensor> {
    if let Some((weight, bias)) = affine {
        check(x, weight, "layer_norm")?;
        check(x, bias, "layer_norm")?;
    }
    let isa = Isa::current();
    let y = match affine {
        Some((weight, bias)) if on_cpu(&[x, weight, bias]) => {
            rows_with(x, [weight, bias], |row, [weight, bias], out| {
                centre_scale(isa, row, Some((weight, 0.0, bias)), eps as f32, out);
            })?
        }
        None if on_cpu(&[x]) => {
            rows_with(x, [], |row, [], out| centre_scale(isa, row, None, eps as f32, out))?
        }
        _ => return layer_norm_reference(x, affine, eps),
    };
    compare::drift("layer_norm", DType::F32, &y, || layer_norm_reference(x, affine, eps))?;
    Ok(y)
}

/// [`layer_norm`] with gain and offset, rounded for products in `compute`.
///
/// # Shapes
/// `x: (tokens, d)`, `weight` and `bias: (d)`, result as `x`.
///
/// # Errors
/// As for [`layer_norm`], and a dtype that products are not computed in.
pub fn layer_norm_rounded(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    eps: f64,
    compute: DType,
) -> Result<Operand> {
    check(x, weight, "layer_norm")?;
    check(x, bias, "layer_norm")?;
    let slow = || layer_norm_reference(x, Some((weight, bias)), eps);
    if !on_cpu(&[x, weight, bias]) {
        return Operand::new(&slow()?, compute);
    }
    let isa = Isa::current();
    let y = rows_rounded(x, [weight, bias], compute, |row, [weight, bias], out| {
        centre_scale(isa, row, Some((weight, 0.0, bias)), eps as f32, out);
    })?;
    y.drift("layer_norm", slow)?;
    Ok(y)
}

/// Unit-length normalisation over channels with a gain, then SiLU when `silu`:
/// `x / max(|x|, 1e-12) * sqrt(d) * gamma`.
///
/// # Shapes
/// `x: (.., d)` channels last, `gamma: (d)`, result as `x`.
///
/// # Errors
/// A gain of another width.
pub fn channel_norm(x: &Tensor, gamma: &Tensor, silu: bool) -> Result<Tensor> {
    check(x, gamma, "channel_norm")?;
    if !on_cpu(&[x, gamma]) {
        return channel_norm_reference(x, gamma, silu);
    }
    let isa = Isa::current();
    let y = rows_with(x, [gamma], |row, [gamma], out| length_scale(isa, row, gamma, silu, out))?;
    compare::drift("channel_norm", DType::F32, &y, || channel_norm_reference(x, gamma, silu))?;
    Ok(y)
}

/// Calls `f` with every row of `x`, tensors of one row's width, and the row to write; in `f32`, on the CPU.
fn rows_with<const N: usize>(
    x: &Tensor,
    others: [&Tensor; N],
    f: impl Fn(&[f32], [&[f32]; N], &mut [f32]) + Sync,
) -> Result<Tensor> {
    let y = with_rows(x, others, |lines, others| {
        map_rows(x.dims(), |i, out| f(lines.row(i), others, out))
    })?;
    Ok(y.to_dtype(x.dtype())?)
}

/// As [`rows_with`], for a matrix, rounded for products in `compute`.
fn rows_rounded<const N: usize>(
    x: &Tensor,
    others: [&Tensor; N],
    compute: DType,
    f: impl Fn(&[f32], [&[f32]; N], &mut [f32]) + Sync,
) -> Result<Operand> {
    let (tokens, d) = x.dims2()?;
    with_rows(x, others, |lines, others| {
        Operand::map([tokens, d], compute, |i, out| f(lines.row(i), others, out))
    })
}

/// Rows of `d` values.
struct Lines<'a> {
    values: &'a [f32],
    stride: usize,
    d: usize,
}

impl<'a> Lines<'a> {
    fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.stride..][..self.d]
    }
}

/// Calls `f` with the rows of `x` and with tensors of one row's width, all in `f32`.
fn with_rows<T, const N: usize>(
    x: &Tensor,
    others: [&Tensor; N],
    f: impl FnOnce(Lines<'_>, [&[f32]; N]) -> Result<T>,
) -> Result<T> {
    let d = x.dims().last().copied().unwrap_or(1);
    let (wide, stride) = flat_rows(x)?;
    let mut flat = Vec::with_capacity(N);
    for other in others {
        flat.push(other.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
    }
    let others: [&[f32]; N] = std::array::from_fn(|i| flat[i].as_slice());
    with_all([&wide], |[values]| f(Lines { values, stride, d }, others))
}

pub(super) fn rms_norm_reference(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = x.to_dtype(DType::F32)?;
    let mean = wide.sqr()?.mean_keepdim(D::Minus1)?;
    let y = wide.broadcast_div(&(mean + eps)?.sqrt()?)?;
    Ok(y.broadcast_mul(&weight.to_dtype(DType::F32)?)?.to_dtype(x.dtype())?)
}

fn layer_norm_reference(
    x: &Tensor,
    affine: Option<(&Tensor, &Tensor)>,
    eps: f64,
) -> Result<Tensor> {
    let y = normalise(x, eps)?;
    let y = match affine {
        Some((weight, bias)) => y
            .broadcast_mul(&weight.to_dtype(DType::F32)?)?
            .broadcast_add(&bias.to_dtype(DType::F32)?)?,
        None => y,
    };
    Ok(y.to_dtype(x.dtype())?)
}

fn channel_norm_reference(x: &Tensor, gamma: &Tensor, silu: bool) -> Result<Tensor> {
    let wide = x.to_dtype(DType::F32)?;
    let length = wide.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12)?;
    let gain = (gamma.to_dtype(DType::F32)? * (gamma.elem_count() as f64).sqrt())?;
    let y = wide.broadcast_div(&length)?.broadcast_mul(&gain)?;
    let y = if silu { y.silu()? } else { y };
    Ok(y.to_dtype(x.dtype())?)
}

pub(super) fn normalise(x: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = x.to_dtype(DType::F32)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(centred.broadcast_div(&(variance + eps)?.sqrt()?)?)
}

pub(super) fn check(x: &Tensor, weight: &Tensor, op: &'static str) -> Result<()> {
    if x.dims().last() == Some(&weight.elem_count()) {
        return Ok(());
    }
    Err(Error::Shape { op, what: "weight", found: weight.dims().to_vec(), expected: "(d)" })
}

/// Widths, views and outliers that tests hold against the reference.
pub fn cases() -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for (what, rows, d) in
        [("one value", 3, 1), ("odd width", 37, 67), ("blocks of rows", 300, 384)]
    {
        all.extend(sized(what, &[rows, d])?);
    }
    Ok(all)
}

/// Activations of a transformer and of a video decoder, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    let mut all = sized("4096 tokens of 1536", &[4096, 1536])?;
    all.extend(sized("96 channels 256x256", &[65536, 96])?);
    Ok(all)
}

fn sized(what: &'static str, shape: &[usize]) -> Result<Vec<Case>> {
    let d = shape[shape.len() - 1];
    let x = cases::outliers(&[shape[0], 2 * d], 1)?.narrow(1, d / 2, d)?;
    let (weight, bias) = (cases::values(&[d], 2)?, cases::values(&[d], 3)?);
    let bytes = 8.0 * x.elem_count() as f64;
    let case = |op, fast: Norm, reference: Norm| {
        let operands = [x.clone(), weight.clone(), bias.clone()];
        let again = operands.clone();
        Case {
            op,
            what,
            dtype: DType::F32,
            flops: 0.0,
            bytes,
            fast: Box::new(move || fast(&operands)),
            reference: Box::new(move || reference(&again)),
        }
    };
    Ok(vec![
        case(
            "rms_norm",
            |[x, w, _]| rms_norm(x, w, 1e-6),
            |[x, w, _]| rms_norm_reference(x, w, 1e-6),
        ),
        case(
            "rms_norm_rounded",
            |[x, w, _]| rms_norm_rounded(x, w, 1e-6, DType::F32)?.to_tensor(),
            |[x, w, _]| rms_norm_reference(x, w, 1e-6),
        ),
        case(
            "layer_norm_rounded",
            |[x, w, b]| layer_norm_rounded(x, (w, b), 1e-6, DType::F32)?.to_tensor(),
            |[x, w, b]| layer_norm_reference(x, Some((w, b)), 1e-6),
        ),
        case(
            "layer_norm",
            |[x, w, b]| layer_norm(x, Some((w, b)), 1e-6),
            |[x, w, b]| layer_norm_reference(x, Some((w, b)), 1e-6),
        ),
        case(
            "layer_norm, plain",
            |[x, ..]| layer_norm(x, None, 1e-6),
            |[x, ..]| layer_norm_reference(x, None, 1e-6),
        ),
        case(
            "channel_norm",
            |[x, w, _]| channel_norm(x, w, false),
            |[x, w, _]| channel_norm_reference(x, w, false),
        ),
        case(
            "channel_norm, silu",
            |[x, w, _]| channel_norm(x, w, true),
            |[x, w, _]| channel_norm_reference(x, w, true),
        ),
    ])
}

/// A normalisation of `[x, weight, bias]`.
type Norm = fn(&[Tensor; 3]) -> Result<Tensor>;
