//! Normalisations over the last dimension, accumulated in `f32`.

use candle_core::{D, DType, Tensor};

use crate::{Error, Result};

/// Root-mean-square normalisation with a gain: `x / sqrt(mean(x^2) + eps) * weight`.
///
/// # Shapes
/// `x: (.., d)`, `weight: (d)`, result as `x`.
///
/// # Errors
/// A gain of another width.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    check(x, weight, "rms_norm")?;
    let wide = x.to_dtype(DType::F32)?;
    let mean = wide.sqr()?.mean_keepdim(D::Minus1)?;
    let y = wide.broadcast_div(&(mean + eps)?.sqrt()?)?;
    Ok(y.broadcast_mul(&weight.to_dtype(DType::F32)?)?.to_dtype(x.dtype())?)
}

/// Layer normalisation, with gain and offset when given: `(x - mean) / sqrt(var + eps) * weight + bias`.
///
/// # Shapes
/// `x: (.., d)`, `weight` and `bias: (d)`, result as `x`.
///
/// # Errors
/// A gain of another width.
pub fn layer_norm(x: &Tensor, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Result<Tensor> {
    let y = normalise(x, eps)?;
    let y = match affine {
        Some((weight, bias)) => {
            check(x, weight, "layer_norm")?;
            y.broadcast_mul(&weight.to_dtype(DType::F32)?)?
                .broadcast_add(&bias.to_dtype(DType::F32)?)?
        }
        None => y,
    };
    Ok(y.to_dtype(x.dtype())?)
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

fn check(x: &Tensor, weight: &Tensor, op: &'static str) -> Result<()> {
    if x.dims().last() == Some(&weight.elem_count()) {
        return Ok(());
    }
    Err(Error::Shape { op, what: "weight", found: weight.dims().to_vec(), expected: "(d)" })
}
