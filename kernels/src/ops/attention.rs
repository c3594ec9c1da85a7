//! Scaled dot-product attention over packed keys and values.

use candle_core::{D, DType, Tensor};

use crate::{Error, Result};

/// Keys and values of one attention, in the form the device multiplies fastest; made once, asked often.
#[derive(Debug, Clone)]
pub struct KeyValue {
    key: Tensor,
    value: Tensor,
    /// Logarithm of how many equal keys the last one stands for.
    last_log_count: f32,
}

impl KeyValue {
    /// Packs keys and values `(s_k, heads, head_dim)` for products computed in `compute`.
    ///
    /// # Errors
    /// Shapes that differ or are not of rank three.
    pub fn new(key: &Tensor, value: &Tensor, compute: DType) -> Result<Self> {
        if key.rank() != 3 || key.dims() != value.dims() {
            return Err(Error::Shape {
                op: "attention",
                what: "value",
                found: value.dims().to_vec(),
                expected: "(s_k, heads, head_dim), as the key",
            });
        }
        let pack = |x: &Tensor| -> Result<Tensor> {
            Ok(x.transpose(0, 1)?.contiguous()?.to_dtype(compute)?)
        };
        Ok(Self { key: pack(key)?, value: pack(value)?, last_log_count: 0.0 })
    }

    /// Says that the last key and value stand for `count` equal ones: padding that is attended to.
    ///
    /// Softmax over `count` equal logits is softmax over one logit raised by `ln(count)`.
    #[must_use]
    pub fn with_last_repeated(mut self, count: usize) -> Self {
        self.last_log_count = (count.max(1) as f32).ln();
        self
    }
}

/// `softmax(query * key^T * scale + bias) * value`, every head on its own.
///
/// # Shapes
/// `query: (s_q, heads, head_dim)`, `bias: (heads, s_q, s_k)`, result as `query`.
///
/// # Errors
/// Shapes that do not fit.
pub fn attention(
    query: &Tensor,
    key_value: &KeyValue,
    scale: f64,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let (heads, _, head_dim) = key_value.key.dims3()?;
    match query.dims() {
        [_, h, d] if *h == heads && *d == head_dim => {}
        other => {
            return Err(Error::Shape {
                op: "attention",
                what: "query",
                found: other.to_vec(),
                expected: "(s_q, heads, head_dim)",
            });
        }
    }
    reference(query, key_value, scale, bias)
}

/// Query rows taken at once, so that no full score matrix is held.
const QUERY_CHUNK: usize = 256;

fn reference(
    query: &Tensor,
    key_value: &KeyValue,
    scale: f64,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let KeyValue { key, value, last_log_count } = key_value;
    let compute = key.dtype();
    let wide = |x: &Tensor| -> Result<Tensor> {
        let x = x.to_dtype(compute)?;
        Ok(if x.device().is_cpu() { x.to_dtype(DType::F32)? } else { x })
    };
    let keys = wide(key)?.transpose(1, 2)?.contiguous()?; // (heads, head_dim, s_k)
    let values = wide(value)?;
    let s_k = key.dims()[1];
    let mut raise = vec![0f32; s_k];
    raise[s_k - 1] = *last_log_count;
    let raise = Tensor::from_vec(raise, (1, 1, s_k), query.device())?;
    let s_q = query.dims()[0];
    let mut rows = Vec::new();
    for start in (0..s_q).step_by(QUERY_CHUNK) {
        let len = QUERY_CHUNK.min(s_q - start);
        let q = wide(&query.narrow(0, start, len)?.transpose(0, 1)?.contiguous()?)?;
        let mut scores = (q.matmul(&keys)?.to_dtype(DType::F32)? * scale)?.broadcast_add(&raise)?;
        if let Some(bias) = bias {
            scores = (scores + bias.narrow(1, start, len)?.to_dtype(DType::F32)?)?;
        }
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let probabilities = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        let out = probabilities.to_dtype(values.dtype())?.matmul(&values)?;
        rows.push(out.to_dtype(query.dtype())?.transpose(0, 1)?);
    }
    Ok(Tensor::cat(&rows, 0)?.contiguous()?)
}
