//! Linear layers: activations times a weight matrix that is packed once.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::cases::{self, Case};
use crate::cpu::gemm::{
    Job, Strided, Target, contiguous_segment, round_rows, row_words, run, widening,
};
use crate::cpu::isa::Isa;
use crate::cpu::pack::{Source, pack_rows, unpack};
use crate::cpu::panels::{Form, Panels};
use crate::cpu::rows::{Raw, build, flat_rows, with_bytes, with_values};
use crate::cpu::tile::ROWS;
use crate::{Error, Result, compare};

/// What is applied to every output of a linear layer, in the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// GELU in its tanh form.
    GeluTanh,
    /// Sigmoid-weighted linear unit.
    Silu,
}

/// A weight matrix `(n, k)`, in the form the device multiplies fastest.
#[derive(Debug, Clone)]
pub struct Matrix {
    weight: Weight,
    n: usize,
    k: usize,
    dtype: DType,
    device: Device,
}

#[derive(Debug, Clone)]
enum Weight {
    /// On the CPU.
    Packed(Arc<Panels>),
    /// Elsewhere, `(n, k)` in the dtype of the products.
    Plain(Tensor),
}

/// Rows of a weight matrix, to be packed below those of other parts.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A tensor `(n, k)`.
    Tensor(&'a Tensor),
    /// Values as they lie in a file: little-endian, row after row, not necessarily aligned.
    Bytes {
        /// `n * k` values.
        bytes: &'a [u8],
        /// `F32`, `BF16` or `F16`.
        dtype: DType,
        /// Outputs.
        n: usize,
        /// Inputs.
        k: usize,
    },
}

impl Matrix {
    /// Packs a weight of shape `(n, k)` for products computed in `compute` (`F32`, `BF16` or `F16`).
    ///
    /// # Errors
    /// A weight that is not of rank two, or not of a floating dtype.
    pub fn new(weight: &Tensor, compute: DType) -> Result<Self> {
        Self::concat(&[Part::Tensor(weight)], compute, weight.device())
    }

    /// Packs the rows of several weights, one below the other, so that one product computes them all.
    ///
    /// # Errors
    /// No parts, parts of different widths, of another rank than two, with too few bytes, or of a dtype that is not
    /// `F32`, `BF16` or `F16`.
    pub fn concat(parts: &[Part<'_>], compute: DType, device: &Device) -> Result<Self> {
        let form = form(compute)?;
        let mut shapes = Vec::with_capacity(parts.len());
        for part in parts {
            shapes.push(part.shape()?);
        }
        let k = shapes.first().map_or(0, |shape| shape[1]);
        if let Some(odd) = shapes.iter().find(|shape| shape[1] != k) {
            return Err(shape_error(odd));
        }
        let n = shapes.iter().map(|shape| shape[0]).sum();
        if n == 0 || k == 0 {
            return Err(shape_error(&[n, k]));
        }
        let weight = if device.is_cpu() {
            Weight::Packed(Arc::new(pack(parts, k, form)?))
        } else {
            let place = |part: &Part<'_>| -> Result<Tensor> {
                Ok(match *part {
                    Part::Tensor(x) => x.to_device(device)?.to_dtype(compute)?,
                    Part::Bytes { bytes, dtype, n, k } => {
                        let bytes = &bytes[..n * k * dtype.size_in_bytes()];
                        Tensor::from_raw_buffer(bytes, dtype, &[n, k], device)?.to_dtype(compute)?
                    }
                })
            };
            let placed = parts.iter().map(place).collect::<Result<Vec<_>>>()?;
            Weight::Plain(Tensor::cat(&placed, 0)?)
        };
        Ok(Self { weight, n, k, dtype: compute, device: device.clone() })
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Inputs.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The dtype products are computed in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The device the weight lives on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn into_panels(self) -> Option<Arc<Panels>> {
        match self.weight {
            Weight::Packed(panels) => Some(panels),
            Weight::Plain(_) => None,
        }
    }

    /// The weight as a tensor `(n, k)` in the dtype of the products; copied out of the packed form.
    ///
    /// # Errors
    /// Those of the tensor library.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(panels) => {
                let values = unpack(panels, self.k);
                let weight = Tensor::from_vec(values, (self.n, self.k), &Device::Cpu)?;
                Ok(weight.to_dtype(self.dtype)?)
            }
            Weight::Plain(weight) => Ok(weight.clone()),
        }
    }
}

impl Part<'_> {
    fn shape(&self) -> Result<[usize; 2]> {
        match *self {
            Part::Tensor(x) => match *x.dims() {
                [n, k] => Ok([n, k]),
                _ => Err(shape_error(x.dims())),
            },
            Part::Bytes { bytes, dtype, n, k } => {
                if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
                    return Err(Error::DType { op: "matrix", found: dtype });
                }
                let wanted = n.checked_mul(k).and_then(|x| x.checked_mul(dtype.size_in_bytes()));
                if wanted.is_none_or(|wanted| bytes.len() < wanted) {
                    return Err(shape_error(&[n, k]));
                }
                Ok([n, k])
            }
        }
    }
}

fn shape_error(found: &[usize]) -> Error {
    Error::Shape { op: "matrix", what: "weight", found: found.to_vec(), expected: "(n, k)" }
}

/// The packed form of a dtype.
pub(crate) fn form(compute: DType) -> Result<Form> {
    match compute {
        DType::F32 => Ok(Form::Single),
        DType::BF16 => Ok(Form::Bf16),
        DType::F16 => Ok(Form::F16),
        found => Err(Error::DType { op: "matrix", found }),
    }
}

/// Packs parts one after the other: each adds its address to `sources` while its storage is borrowed.
fn pack(parts: &[Part<'_>], k: usize, form: Form) -> Result<Panels> {
    fn next(parts: &[Part<'_>], sources: &mut Vec<Source>, k: usize, form: Form) -> Result<Panels> {
        match parts {
            [] => {
                #[expect(unsafe_code, reason = "sources are addresses")]
                // SAFETY: every source was made below from values that are still borrowed.
                let panels = unsafe { pack_rows(Isa::current(), sources, k, form) };
                Ok(panels)
            }
            [Part::Bytes { bytes, dtype, n, .. }, rest @ ..] => {
                sources.push(Source {
                    base: Raw(bytes.as_ptr().cast_mut()),
                    dtype: *dtype,
                    rows: *n,
                    stride: k * dtype.size_in_bytes(),
                });
                next(rest, sources, k, form)
            }
            [Part::Tensor(x), rest @ ..] => {
                let x = match x.dtype() {
                    DType::F32 | DType::BF16 | DType::F16 => (*x).clone(),
                    _ => x.to_dtype(DType::F32)?,
                };
                let x = if k > 1 && x.stride()[1] != 1 { x.contiguous()? } else { x };
                with_bytes(&x, |base, dtype| {
                    sources.push(Source {
                        base,
                        dtype,
                        rows: x.dims()[0],
                        stride: x.stride()[0] * dtype.size_in_bytes(),
                    });
                    next(rest, sources, k, form)
                })
            }
        }
    }
    next(parts, &mut Vec::with_capacity(parts.len()), k, form)
}

/// `activation(x * weight^T + bias)`.
///
/// # Shapes
/// `x: (.., k)`, `weight: (n, k)`, `bias: (n)` in `f32`, result `(.., n)` in the dtype of `x`.
///
/// # Errors
/// Shapes that do not fit.
pub fn linear(
    x: &Tensor,
    weight: &Matrix,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    check(x, weight, bias)?;
    let y = match &weight.weight {
        Weight::Packed(panels) if x.device().is_cpu() && !x.track_op() => {
            packed(x, weight, panels, bias, activation)?
        }
        _ => return reference(x, &weight.to_tensor()?, bias, activation),
    };
    compare::drift("linear", weight.dtype, &y, || {
        reference(x, &weight.to_tensor()?, bias, activation)
    })?;
    Ok(y)
}

/// `activation(x * up^T + up_bias) * down^T + down_bias`, some rows at a time, so that the widest activation is never
/// held whole. Equal bit for bit to two calls of [`linear`].
///
/// # Shapes
/// `x: (tokens, k)`, `up: (f, k)`, `down: (n, f)`, biases in `f32`, result `(tokens, n)` in the dtype of `x`.
///
/// # Errors
/// Shapes that do not fit.
pub fn feed_forward(
    x: &Tensor,
    (up, up_bias): (&Matrix, Option<&Tensor>),
    activation: Activation,
    (down, down_bias): (&Matrix, Option<&Tensor>),
) -> Result<Tensor> {
    let (tokens, _) = x.dims2()?;
    check(x, up, up_bias)?;
    if down.k != up.n {
        return Err(shape_error(&[down.n, down.k]));
    }
    check_bias(down, down_bias)?;
    let (Weight::Packed(first), Weight::Packed(second)) = (&up.weight, &down.weight) else {
        return linear(&linear(x, up, up_bias, activation)?, down, down_bias, Activation::None);
    };
    if !x.device().is_cpu() || x.track_op() || x.dtype() != DType::F32 || cfg!(feature = "check") {
        return linear(&linear(x, up, up_bias, activation)?, down, down_bias, Activation::None);
    }
    let (isa, n) = (Isa::current(), down.n);
    let (up_bias, down_bias) = (bias_values(up_bias)?, bias_values(down_bias)?);
    let (wide, stride) = flat_rows(x)?;
    with_values(&wide, |values| {
        let together = (HIDDEN_WORDS / up.n).next_multiple_of(ROWS).min(tokens.max(1));
        let width = row_words(isa, second.form(), up.n);
        let mut hidden: Vec<u32> = Vec::with_capacity(together * width);
        let hidden = Raw(hidden.as_mut_ptr());
        #[expect(unsafe_code, reason = "rows by pointer")]
        // SAFETY: `flat_rows` gives `tokens` rows of `k` values `stride` apart inside `values`; `hidden` has room for
        // `together` rows of `width` words, which the first product writes but for a last word of padding, and the
        // second product writes every output.
        unsafe {
            if up.n % 2 == 1 {
                (0..together).for_each(|r| hidden.get().add((r + 1) * width - 1).write(0));
            }
            build(&[tokens, n], |out| {
                for start in (0..tokens).step_by(together) {
                    let rows = together.min(tokens - start);
                    let base = Raw(values[start * stride..].as_ptr().cast_mut());
                    let target = match second.form() {
                        Form::Single => Target::Single(Raw(hidden.get().cast()), width),
                        form => Target::Rounded(hidden, width, form),
                    };
                    let rounded = round_rows(isa, first.form(), base, stride, rows, up.k);
                    let (base, stride) = words_of(isa, first, rounded.as_deref(), base, stride);
                    product(
                        isa,
                        first,
                        (base, stride),
                        rows,
                        up_bias.as_deref(),
                        activation,
                        target,
                    );
                    let target = Target::Single(Raw(out.get().add(start * n)), n);
                    let bias = down_bias.as_deref();
                    product(isa, second, (hidden, width), rows, bias, Activation::None, target);
                }
                Ok(())
            })
        }
    })
}

/// Words of the widest activation held at once: what an allocator still keeps for the next time.
const HIDDEN_WORDS: usize = 6 << 20;

fn check(x: &Tensor, weight: &Matrix, bias: Option<&Tensor>) -> Result<()> {
    if x.dims().last() != Some(&weight.k) {
        return Err(Error::Shape {
            op: "linear",
            what: "input",
            found: x.dims().to_vec(),
            expected: "(.., k)",
        });
    }
    check_bias(weight, bias)
}

fn check_bias(weight: &Matrix, bias: Option<&Tensor>) -> Result<()> {
    match bias {
        Some(bias) if bias.elem_count() != weight.n => Err(Error::Shape {
            op: "linear",
            what: "bias",
            found: bias.dims().to_vec(),
            expected: "(n)",
        }),
        _ => Ok(()),
    }
}

fn packed(
    x: &Tensor,
    weight: &Matrix,
    panels: &Panels,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let (isa, k, n) = (Isa::current(), weight.k, weight.n);
    let mut shape = x.dims().to_vec();
    let last = shape.len() - 1;
    let rows: usize = shape[..last].iter().product();
    shape[last] = n;
    let bias = bias_values(bias)?;
    let (wide, stride) = flat_rows(x)?;
    let y = with_values(&wide, |values| {
        let base = Raw(values.as_ptr().cast_mut());
        #[expect(unsafe_code, reason = "rows by pointer")]
        // SAFETY: `flat_rows` gives `rows` rows of `k` values `stride` apart inside `values`; the product writes
        // every output.
        unsafe {
            let rounded = round_rows(isa, panels.form(), base, stride, rows, k);
            let words = words_of(isa, panels, rounded.as_deref(), base, stride);
            build(&shape, |out| {
                let target = Target::Single(out, n);
                product(isa, panels, words, rows, bias.as_deref(), activation, target);
                Ok(())
            })
        }
    })?;
    Ok(y.to_dtype(x.dtype())?)
}

fn bias_values(bias: Option<&Tensor>) -> Result<Option<Vec<f32>>> {
    Ok(match bias {
        Some(bias) => Some(bias.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?),
        None => None,
    })
}

/// The words of rows, rounded or as they are, and how many lie between them.
fn words_of(
    isa: Isa,
    panels: &Panels,
    rounded: Option<&[u32]>,
    base: Raw<f32>,
    stride: usize,
) -> (Raw<u32>, usize) {
    match rounded {
        Some(words) => (Raw(words.as_ptr().cast_mut()), panels.steps() * widening(isa, panels)),
        None => (Raw(base.get().cast()), stride),
    }
}

/// Multiplies rows of words with panels.
///
/// # Safety
/// `rows` rows of as many words as the panels have steps (twice as many where they are widened) must be readable, the
/// target writable.
#[expect(unsafe_code, reason = "rows by pointer")]
unsafe fn product(
    isa: Isa,
    panels: &Panels,
    (base, stride): (Raw<u32>, usize),
    rows: usize,
    bias: Option<&[f32]>,
    activation: Activation,
    target: Target,
) {
    let segment = contiguous_segment(isa, panels);
    let pointers = Strided { base, stride, segment: segment * widening(isa, panels) };
    let job = Job { isa, panels, rows, segment, skip: 0, target, bias, activation };
    // SAFETY: as the caller vouches.
    unsafe { run(&job, &pointers) };
}

/// The plain form, on any device: operands rounded to the weight's dtype, product in `f32` on the CPU.
fn reference(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let (n, k) = weight.dims2()?;
    let dims = x.dims();
    let rows: usize = dims[..dims.len() - 1].iter().product();
    let flat = x.reshape((rows, k))?.to_dtype(weight.dtype())?;
    let y = if x.device().is_cpu() {
        flat.to_dtype(DType::F32)?.matmul(&weight.to_dtype(DType::F32)?.t()?)?
    } else {
        flat.matmul(&weight.t()?)?.to_dtype(DType::F32)?
    };
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(DType::F32)?.flatten_all()?)?,
        None => y,
    };
    let y = match activation {
        Activation::None => y,
        Activation::GeluTanh => y.gelu()?,
        Activation::Silu => y.silu()?,
    };
    let mut shape = dims.to_vec();
    shape[dims.len() - 1] = n;
    Ok(y.to_dtype(x.dtype())?.reshape(shape)?)
}

/// Shapes, dtypes, views and outliers that tests hold against the reference and benches time.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let shapes = [
        (1, 5, 7, Activation::None, "one row"),
        (7, 1, 3, Activation::GeluTanh, "one input"),
        (29, 130, 97, Activation::Silu, "odd sizes"),
        (25, 3000, 65, Activation::None, "several blocks of inputs"),
        (400, 96, 80, Activation::GeluTanh, "several blocks of rows"),
    ];
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        for (rows, k, n, activation, what) in shapes {
            cases.push(case(dtype, rows, k, n, activation, what, false)?);
        }
        cases.push(case(dtype, 33, 64, 48, Activation::Silu, "outliers, a view", true)?);
        cases.push(feed_forward_case(dtype, "feed-forward", [37, 24, 95])?);
    }
    Ok(cases)
}

/// Shapes of a small and a large layer, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        cases.push(case(dtype, 1024, 1536, 1536, Activation::None, "1024x1536x1536", false)?);
        cases.push(case(dtype, 4096, 1536, 8960, Activation::GeluTanh, "4096x1536x8960", false)?);
        cases.push(feed_forward_case(dtype, "feed-forward 4096x1536x8960", [4096, 1536, 8960])?);
    }
    Ok(cases)
}

fn case(
    dtype: DType,
    rows: usize,
    k: usize,
    n: usize,
    activation: Activation,
    what: &'static str,
    hard: bool,
) -> Result<Case> {
    let x = if hard {
        cases::outliers(&[rows, 2 * k], 1)?.narrow(1, 1, k)?
    } else {
        cases::values(&[rows, k], 1)?
    };
    let weight = (cases::values(&[n, k], 2)? * (1.0 / (k as f64).sqrt()))?.to_dtype(dtype)?;
    let bias = cases::values(&[n], 3)?;
    let matrix = Matrix::new(&weight, dtype)?;
    let (x2, bias2) = (x.clone(), bias.clone());
    Ok(Case {
        op: "linear",
        what,
        dtype,
        flops: 2.0 * (rows * k * n) as f64,
        bytes: 0.0,
        fast: Box::new(move || linear(&x, &matrix, Some(&bias), activation)),
        reference: Box::new(move || reference(&x2, &weight, Some(&bias2), activation)),
    })
}

fn feed_forward_case(dtype: DType, what: &'static str, [tokens, k, f]: [usize; 3]) -> Result<Case> {
    let x = cases::values(&[tokens, k], 1)?;
    let scaled = |n: usize, k: usize| -> Result<Tensor> {
        Ok((cases::values(&[n, k], n as u64)? * (3.0 / (k as f64).sqrt()))?.to_dtype(dtype)?)
    };
    let (up, down) = (scaled(f, k)?, scaled(k, f)?);
    let (up_bias, down_bias) = (cases::values(&[f], 4)?, cases::values(&[k], 5)?);
    let (up_packed, down_packed) = (Matrix::new(&up, dtype)?, Matrix::new(&down, dtype)?);
    let (x2, up_bias2, down_bias2) = (x.clone(), up_bias.clone(), down_bias.clone());
    let gelu = Activation::GeluTanh;
    Ok(Case {
        op: "feed_forward",
        what,
        dtype,
        flops: 4.0 * (tokens * k * f) as f64,
        bytes: 0.0,
        fast: Box::new(move || {
            let (up, down) = ((&up_packed, Some(&up_bias)), (&down_packed, Some(&down_bias)));
            feed_forward(&x, up, gelu, down)
        }),
        reference: Box::new(move || {
            let hidden = reference(&x2, &up, Some(&up_bias2), gelu)?;
            reference(&hidden, &down, Some(&down_bias2), Activation::None)
        }),
    })
}
