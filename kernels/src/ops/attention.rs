//! Scaled dot-product attention over packed keys and values.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};

use super::matrix::form;
use super::operand::{Input, Operand};
use crate::cases::{self, Case};
use crate::cpu::flash::{Bias, HeadRows, Heads, Wide, attend, pack_heads};
use crate::cpu::isa::Isa;
use crate::cpu::rounded::{Rounded, Target};
use crate::cpu::rows::{build, wide, with_values};
use crate::{Error, Result, compare};

/// Keys and values of one attention, in the form the device multiplies fastest; made once, asked often.
#[derive(Debug, Clone)]
pub struct KeyValue {
    form: Form,
    /// `(s_k, heads, head_dim)`.
    dims: [usize; 3],
    dtype: DType,
    /// Logarithm of how many equal keys the last one stands for.
    last_log_count: f32,
}

#[derive(Debug, Clone)]
enum Form {
    /// On the CPU.
    Packed(Arc<Heads>),
    /// Elsewhere, `(heads, s_k, head_dim)` in the dtype of the products.
    Plain {
        /// Keys.
        key: Tensor,
        /// Values.
        value: Tensor,
    },
}

impl KeyValue {
    /// Packs keys and values `(s_k, heads, head_dim)` for products computed in `compute`; keys that were rounded are
    /// `(s_k, heads * head_dim)`.
    ///
    /// # Errors
    /// Shapes that differ, are empty or not of rank three, a dtype that products are not computed in, keys rounded for
    /// another.
    pub fn new<'a>(key: impl Into<Input<'a>>, value: &Tensor, compute: DType) -> Result<Self> {
        let key = key.into();
        key.check_compute("attention", compute)?;
        let wrong = || Error::Shape {
            op: "attention",
            what: "value",
            found: value.dims().to_vec(),
            expected: "(s_k, heads, head_dim), as the key",
        };
        let &[s_k, heads, head_dim] = value.dims() else {
            return Err(wrong());
        };
        let dims = [s_k, heads, head_dim];
        let is_alike = match key {
            Input::Tensor(key) => key.dims() == dims,
            Input::Operand(key) => key.dims() == [s_k, heads * head_dim],
        };
        if !is_alike || value.elem_count() == 0 {
            return Err(wrong());
        }
        let isa = Isa::current();
        let packs = |key: HeadRows<'_>| {
            let value = wide(value)?;
            with_values(&value, |values| {
                let values = Wide { values, stride: [value.stride()[0], value.stride()[1]] };
                Ok(Form::Packed(Arc::new(pack_heads(isa, key, values, dims, form(compute)?))))
            })
        };
        let form = match key.heads(head_dim, isa) {
            Some(rounded) => packs(HeadRows::Rounded(rounded))?,
            None => {
                let key = match key {
                    Input::Tensor(key) => key.clone(),
                    Input::Operand(key) => key.to_tensor()?.reshape(&dims)?,
                };
                if key.device().is_cpu() {
                    let key = wide(&key)?;
                    let stride = [key.stride()[0], key.stride()[1]];
                    with_values(&key, |values| packs(HeadRows::Wide(Wide { values, stride })))?
                } else {
                    let place = |x: &Tensor| -> Result<Tensor> {
                        Ok(x.transpose(0, 1)?.contiguous()?.to_dtype(compute)?)
                    };
                    Form::Plain { key: place(&key)?, value: place(value)? }
                }
            }
        };
        Ok(Self { form, dims, dtype: compute, last_log_count: 0.0 })
    }

    /// Says that the last key and value stand for `count` equal ones: padding that is attended to.
    ///
    /// Softmax over `count` equal logits is softmax over one logit raised by `ln(count)`.
    #[must_use]
    pub fn with_last_repeated(mut self, count: usize) -> Self {
        self.last_log_count = (count.max(1) as f32).ln();
        self
    }

    /// Keys and values `(heads, s_k, head_dim)` in the dtype of the products; copied out of the packed form.
    fn tensors(&self) -> Result<(Tensor, Tensor)> {
        match &self.form {
            Form::Plain { key, value } => Ok((key.clone(), value.clone())),
            Form::Packed(packed) => {
                let [s_k, heads, head_dim] = self.dims;
                let (keys, values) = packed.unpack(s_k, head_dim);
                let keys = Tensor::from_vec(keys, (heads, s_k, head_dim), &Device::Cpu)?;
                let values = Tensor::from_vec(values, (heads, head_dim, s_k), &Device::Cpu)?;
                let values = values.transpose(1, 2)?.contiguous()?;
                Ok((keys.to_dtype(self.dtype)?, values.to_dtype(self.dtype)?))
            }
        }
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
    let [s_k, heads, head_dim] = key_value.dims;
    let s_q = match *query.dims() {
        [s_q, h, d] if h == heads && d == head_dim => s_q,
        _ => {
            return Err(Error::Shape {
                op: "attention",
                what: "query",
                found: query.dims().to_vec(),
                expected: "(s_q, heads, head_dim)",
            });
        }
    };
    if let Some(bias) = bias.filter(|bias| *bias.dims() != [heads, s_q, s_k]) {
        return Err(Error::Shape {
            op: "attention",
            what: "bias",
            found: bias.dims().to_vec(),
            expected: "(heads, s_q, s_k)",
        });
    }
    let slow = || {
        let (key, value) = key_value.tensors()?;
        reference(query, (&key, &value), key_value.last_log_count, scale, bias)
    };
    let y = match &key_value.form {
        Form::Packed(packed) if query.device().is_cpu() && !query.track_op() => {
            flash(query, key_value, packed, scale as f32, bias)?
        }
        _ => return slow(),
    };
    compare::drift("attention", key_value.dtype, &y, slow)?;
    Ok(y)
}

/// [`attention`] of rounded queries, rounded for the layer after it.
///
/// # Shapes
/// `query: (s_q, heads * head_dim)`, result as `query`.
///
/// # Errors
/// Queries of another width than the keys, or rounded for products in another dtype.
pub fn attention_rounded(query: &Operand, key_value: &KeyValue, scale: f64) -> Result<Operand> {
    let [s_k, heads, head_dim] = key_value.dims;
    let [s_q, width] = query.dims();
    let compute = key_value.dtype;
    Input::Operand(query).check_compute("attention", compute)?;
    if width != heads * head_dim {
        return Err(Error::Shape {
            op: "attention",
            what: "query",
            found: vec![s_q, width],
            expected: "(s_q, heads * head_dim)",
        });
    }
    let split = || Ok::<_, Error>(query.to_tensor()?.reshape((s_q, heads, head_dim))?);
    let isa = Isa::current();
    let (Some(rows), Form::Packed(packed)) =
        (Input::Operand(query).heads(head_dim, isa), &key_value.form)
    else {
        let y = attention(&split()?, key_value, scale, None)?;
        return Operand::new(&y.reshape((s_q, width))?, compute);
    };
    let (form, raise) = (form(compute)?, key_value.last_log_count);
    let dims = [s_q, s_k, heads, head_dim];
    let fill = |out, stride| {
        let (out, rows) = (Target::words(out, stride, form), HeadRows::Rounded(rows));
        attend(isa, packed, rows, dims, scale as f32, raise, None, out);
    };
    #[expect(unsafe_code, reason = "outputs written by several threads")]
    // SAFETY: `attend` writes every head of every row, and heads are whole words.
    let y = unsafe { Rounded::build(isa, form, [s_q, width], fill) };
    let y = Operand::from_rounded(y, compute);
    y.drift("attention", || {
        let (key, value) = key_value.tensors()?;
        let y = reference(&split()?, (&key, &value), raise, scale, None)?;
        Ok(y.reshape((s_q, width))?)
    })?;
    Ok(y)
}

fn flash(
    query: &Tensor,
    key_value: &KeyValue,
    packed: &Heads,
    scale: f32,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let q = wide(query)?;
    let bias = bias.map(wide).transpose()?;
    let run = |bias: Option<Bias<'_>>| {
        with_values(&q, |values| {
            let queries = HeadRows::Wide(Wide { values, stride: [q.stride()[0], q.stride()[1]] });
            let [s_k, heads, head_dim] = key_value.dims;
            let dims = [q.dims()[0], s_k, heads, head_dim];
            #[expect(unsafe_code, reason = "outputs written by several threads")]
            // SAFETY: `attend` writes every output.
            unsafe {
                build(q.dims(), |out| {
                    let raise = key_value.last_log_count;
                    let out = Target::Single(out, heads * head_dim);
                    attend(Isa::current(), packed, queries, dims, scale, raise, bias, out);
                    Ok(())
                })
            }
        })
    };
    let y = match &bias {
        Some(bias) => with_values(bias, |values| {
            run(Some(Bias { values, stride: [bias.stride()[0], bias.stride()[1]] }))
        })?,
        None => run(None)?,
    };
    Ok(y.to_dtype(query.dtype())?)
}

/// Query rows taken at once, so that no full score matrix is held.
const QUERY_CHUNK: usize = 256;

fn reference(
    query: &Tensor,
    (key, value): (&Tensor, &Tensor),
    last_log_count: f32,
    scale: f64,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let compute = key.dtype();
    let wide = |x: &Tensor| -> Result<Tensor> {
        let x = x.to_dtype(compute)?;
        Ok(if x.device().is_cpu() { x.to_dtype(DType::F32)? } else { x })
    };
    let keys = wide(key)?.transpose(1, 2)?.contiguous()?; // (heads, head_dim, s_k)
    let values = wide(value)?;
    let s_k = key.dims()[1];
    let mut raise = vec![0f32; s_k];
    raise[s_k - 1] = last_log_count;
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

/// Lengths, head sizes, biases, views and dtypes that tests hold against the reference and benches time.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        for (what, s_q, s_k, heads, head_dim, bias, repeated) in [
            ("one of each", 1, 1, 1, 16, false, 1),
            ("odd lengths", 7, 35, 3, 24, false, 1),
            ("a bias", 19, 33, 4, 64, true, 1),
            ("several blocks of keys", 130, 601, 2, 128, false, 1),
            ("padding that counts", 50, 21, 2, 32, false, 491),
            ("padding and a bias over two blocks", 25, 300, 1, 40, true, 3),
            ("one wide head", 100, 100, 1, 384, false, 1),
        ] {
            let sizes = [s_q, s_k, heads, head_dim];
            cases.push(case(dtype, what, sizes, bias, repeated)?);
            if !bias {
                cases.push(rounded_case(dtype, what, sizes, repeated)?);
            }
        }
        cases.push(rounded_case(dtype, "odd heads", [5, 9, 3, 7], 1)?);
    }
    Ok(cases)
}

/// Attention of a transformer over a clip and over its text, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::BF16] {
        cases.push(case(dtype, "1024 tokens", [1024, 1024, 12, 128], false, 1)?);
        cases.push(case(dtype, "8190 tokens", [8190, 8190, 4, 128], false, 1)?);
        cases.push(case(dtype, "512 words", [1024, 512, 12, 128], false, 1)?);
        cases.push(case(dtype, "with a bias", [512, 512, 64, 64], true, 1)?);
    }
    Ok(cases)
}

fn case(
    dtype: DType,
    what: &'static str,
    [s_q, s_k, heads, head_dim]: [usize; 4],
    bias: bool,
    repeated: usize,
) -> Result<Case> {
    // Views of one projection, as models make them.
    let width = heads * head_dim;
    let fused = cases::values(&[s_k, 2 * width], 1)?;
    let part = |i: usize| -> Result<Tensor> {
        Ok(fused.narrow(1, i * width, width)?.reshape((s_k, heads, head_dim))?)
    };
    let query = (cases::values(&[s_q, heads, head_dim], 2)? * 3.0)?;
    let (key, value) = (part(0)?, part(1)?);
    let bias = if bias { Some((cases::values(&[heads, s_q, s_k], 3)? * 8.0)?) } else { None };
    let scale = 1.0 / (head_dim as f64).sqrt();
    let packed = KeyValue::new(&key, &value, dtype)?.with_last_repeated(repeated);
    let raise = packed.last_log_count;
    let plain =
        |x: &Tensor| -> Result<Tensor> { Ok(x.transpose(0, 1)?.contiguous()?.to_dtype(dtype)?) };
    let (key, value) = (plain(&key)?, plain(&value)?);
    let (query2, bias2) = (query.clone(), bias.clone());
    Ok(Case {
        op: "attention",
        what,
        dtype,
        flops: 4.0 * (s_q * s_k * heads * head_dim) as f64,
        bytes: 0.0,
        fast: Box::new(move || attention(&query, &packed, scale, bias.as_ref())),
        reference: Box::new(move || {
            reference(&query2, (&key, &value), raise, scale, bias2.as_ref())
        }),
    })
}

/// Queries and keys rounded before the products.
fn rounded_case(
    dtype: DType,
    what: &'static str,
    [s_q, s_k, heads, head_dim]: [usize; 4],
    repeated: usize,
) -> Result<Case> {
    let width = heads * head_dim;
    let query = (cases::values(&[s_q, width], 2)? * 3.0)?;
    let key = cases::values(&[s_k, width], 1)?;
    let value = cases::values(&[s_k, heads, head_dim], 3)?;
    let scale = 1.0 / (head_dim as f64).sqrt();
    let place = |x: &Tensor| -> Result<Tensor> {
        let x = x.reshape((s_k, heads, head_dim))?;
        Ok(x.transpose(0, 1)?.contiguous()?.to_dtype(dtype)?)
    };
    let (key2, value2) = (place(&key)?, place(&value)?);
    let query2 = query.reshape((s_q, heads, head_dim))?;
    Ok(Case {
        op: "attention_rounded",
        what,
        dtype,
        flops: 4.0 * (s_q * s_k * heads * head_dim) as f64,
        bytes: 0.0,
        fast: Box::new(move || {
            let (query, key) = (Operand::new(&query, dtype)?, Operand::new(&key, dtype)?);
            let packed = KeyValue::new(&key, &value, dtype)?.with_last_repeated(repeated);
            attention_rounded(&query, &packed, scale)?.to_tensor()
        }),
        reference: Box::new(move || {
            let raise = (repeated as f32).ln();
            let y = reference(&query2, (&key2, &value2), raise, scale, None)?;
            Operand::new(&y.reshape((s_q, width))?, dtype)?.to_tensor()
        }),
    })
}
