//! Linear layers: activations times a weight matrix that is packed once.

use candle_core::{DType, Device, Tensor};

use super::matrix::{Matrix, shape_error};
use super::modulate::{Residual, Rows};
use super::operand::{Input, Operand};
use crate::cases::{self, Case};
use crate::cpu::gemm::{Finish, Job, Strided, contiguous_segment, run, widening};
use crate::cpu::isa::Isa;
use crate::cpu::panels::Panels;
use crate::cpu::rounded::{Rounded, Target, row_words};
use crate::cpu::rows::{Raw, build, flat_rows, with_values};
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

/// `activation(x * weight^T + bias)`.
///
/// # Shapes
/// `x: (.., k)`, `weight: (n, k)`, `bias: (n)` in `f32`, result `(.., n)` in the dtype of a tensor `x`.
///
/// # Errors
/// Shapes that do not fit, rows rounded for products in another dtype.
pub fn linear<'a>(
    x: impl Into<Input<'a>>,
    weight: &Matrix,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let x = x.into();
    check(x, weight, bias)?;
    let slow = || reference(&x.to_tensor()?, &weight.to_tensor()?, bias, activation);
    let y = match weight.panels() {
        Some(panels) if x.on_cpu() => {
            packed(x, weight, panels, bias, Finish::Activation(activation))?
        }
        _ => return slow(),
    };
    compare::drift("linear", weight.dtype(), &y, slow)?;
    Ok(y)
}

/// `residual + (x * weight^T + bias) * gate`. Equal bit for bit to [`linear`], then [`Residual::add`].
///
/// # Shapes
/// `x: (tokens, k)`, `weight: (n, k)`, `bias: (n)` in `f32`, result as the residual.
///
/// # Errors
/// As for [`linear`].
pub fn linear_residual<'a>(
    x: impl Into<Input<'a>>,
    weight: &Matrix,
    bias: Option<&Tensor>,
    residual: &Residual<'_>,
) -> Result<Tensor> {
    let x = x.into();
    check(x, weight, bias)?;
    residual.check(&[rows_of(x)?, weight.n()])?;
    if is_narrow(x) {
        return residual.add(&linear(x, weight, bias, Activation::None)?);
    }
    let slow = || {
        let y = reference(&x.to_tensor()?, &weight.to_tensor()?, bias, Activation::None)?;
        residual.reference(&y)
    };
    let y = match weight.panels() {
        Some(panels) if x.on_cpu() && residual.on_cpu() => {
            residual.with_rows(|rows| packed(x, weight, panels, bias, Finish::Residual(rows)))?
        }
        _ => return slow(),
    };
    let y = y.to_dtype(residual.base.dtype())?;
    compare::drift("linear_residual", weight.dtype(), &y, slow)?;
    Ok(y)
}

/// `residual + (activation(x * up^T + up_bias) * down^T + down_bias) * gate`, some rows at a time, so that the widest
/// activation is never held whole. Equal bit for bit to [`linear`] and [`linear_residual`].
///
/// # Shapes
/// `x: (tokens, k)`, `up: (f, k)`, `down: (n, f)`, biases in `f32`, result as the residual `(tokens, n)`.
///
/// # Errors
/// As for [`linear`].
pub fn feed_forward<'a>(
    x: impl Into<Input<'a>>,
    (up, up_bias): (&Matrix, Option<&Tensor>),
    activation: Activation,
    (down, down_bias): (&Matrix, Option<&Tensor>),
    residual: &Residual<'_>,
) -> Result<Tensor> {
    let x = x.into();
    check(x, up, up_bias)?;
    if down.k() != up.n() {
        return Err(shape_error(&[down.n(), down.k()]));
    }
    check_bias(down, down_bias)?;
    let tokens = rows_of(x)?;
    residual.check(&[tokens, down.n()])?;
    let fits = x.on_cpu() && residual.on_cpu() && !is_narrow(x);
    let in_pieces = fits && !cfg!(feature = "check");
    let (Some(first), Some(second), true) = (up.panels(), down.panels(), in_pieces) else {
        return linear_residual(&linear(x, up, up_bias, activation)?, down, down_bias, residual);
    };
    let (isa, n) = (Isa::current(), down.n());
    let (up_bias, down_bias) = (bias_values(up_bias)?, bias_values(down_bias)?);
    let y = with_words(isa, x, first, [tokens, up.k()], |words, stride| {
        residual.with_rows(|residual| {
            let most = (HIDDEN_WORDS / up.n()).max(1).next_multiple_of(ROWS);
            let together = most.min(tokens.max(1));
            let width = row_words(isa, second.form(), up.n());
            let mut hidden: Vec<u32> = Vec::with_capacity(together * width);
            let hidden = Raw(hidden.as_mut_ptr());
            #[expect(unsafe_code, reason = "rows by pointer")]
            // SAFETY: `with_words` gives `tokens` rows `stride` apart; `hidden` has room for `together` rows of `width`
            // words, which the first product writes but for a last word of padding, and the second product writes
            // every output.
            unsafe {
                if up.n() % 2 == 1 {
                    (0..together).for_each(|r| hidden.get().add((r + 1) * width - 1).write(0));
                }
                build(&[tokens, n], |out| {
                    for start in (0..tokens).step_by(together) {
                        let rows = together.min(tokens - start);
                        let base = (Raw(words.get().add(start * stride)), stride);
                        let target = Target::words(hidden, width, second.form());
                        let (bias, finish) = (up_bias.as_deref(), Finish::Activation(activation));
                        product(isa, first, base, rows, bias, finish, target);
                        let target = Target::Single(Raw(out.get().add(start * n)), n);
                        let finish = Finish::Residual(residual.from(start));
                        let bias = down_bias.as_deref();
                        product(isa, second, (hidden, width), rows, bias, finish, target);
                    }
                    Ok(())
                })
            }
        })
    })?;
    Ok(y.to_dtype(residual.base.dtype())?)
}

/// Words of the widest activation held at once: what an allocator still keeps for the next time.
const HIDDEN_WORDS: usize = 6 << 20;

fn check(x: Input<'_>, weight: &Matrix, bias: Option<&Tensor>) -> Result<()> {
    let found = x.shape();
    if found.last() != Some(&weight.k()) {
        return Err(Error::Shape { op: "linear", what: "input", found, expected: "(.., k)" });
    }
    x.check_compute("linear", weight.dtype())?;
    check_bias(weight, bias)
}

/// Rows of a matrix; anything else is refused.
fn rows_of(x: Input<'_>) -> Result<usize> {
    match x.shape()[..] {
        [rows, _] => Ok(rows),
        _ => Err(Error::Shape {
            op: "linear",
            what: "input",
            found: x.shape(),
            expected: "(tokens, k)",
        }),
    }
}

/// Whether outputs are rounded to a narrower dtype before anything is added to them.
fn is_narrow(x: Input<'_>) -> bool {
    matches!(x, Input::Tensor(x) if x.dtype() != DType::F32)
}

fn check_bias(weight: &Matrix, bias: Option<&Tensor>) -> Result<()> {
    match bias {
        Some(bias) if bias.elem_count() != weight.n() => Err(Error::Shape {
            op: "linear",
            what: "bias",
            found: bias.dims().to_vec(),
            expected: "(n)",
        }),
        _ => Ok(()),
    }
}

fn packed(
    x: Input<'_>,
    weight: &Matrix,
    panels: &Panels,
    bias: Option<&Tensor>,
    finish: Finish<'_>,
) -> Result<Tensor> {
    let (isa, k, n) = (Isa::current(), weight.k(), weight.n());
    let mut shape = x.shape();
    let last = shape.len() - 1;
    let rows: usize = shape[..last].iter().product();
    shape[last] = n;
    let bias = bias_values(bias)?;
    let y = with_words(isa, x, panels, [rows, k], |base, stride| {
        #[expect(unsafe_code, reason = "rows by pointer")]
        // SAFETY: `with_words` gives `rows` rows `stride` apart; the product writes every output.
        unsafe {
            build(&shape, |out| {
                let target = Target::Single(out, n);
                product(isa, panels, (base, stride), rows, bias.as_deref(), finish, target);
                Ok(())
            })
        }
    })?;
    Ok(match x {
        Input::Tensor(x) => y.to_dtype(x.dtype())?,
        Input::Operand(_) => y,
    })
}

/// Calls `f` with the first word of rows that panels are multiplied with, and the words between rows.
fn with_words<T>(
    isa: Isa,
    x: Input<'_>,
    panels: &Panels,
    [rows, k]: [usize; 2],
    f: impl FnOnce(Raw<u32>, usize) -> Result<T>,
) -> Result<T> {
    let x = match x {
        Input::Operand(x) => match x.rounded().filter(|x| x.serves(isa, panels.form())) {
            Some(rounded) => {
                let (base, stride) = rounded.words();
                return f(base, stride);
            }
            // Rounded for another instruction set.
            None => x.to_tensor()?,
        },
        Input::Tensor(x) => x.clone(),
    };
    let (wide, stride) = flat_rows(&x)?;
    with_values(&wide, |values| {
        let base = Raw(values.as_ptr().cast_mut());
        #[expect(unsafe_code, reason = "rows by pointer")]
        // SAFETY: `flat_rows` gives `rows` rows of `k` values `stride` apart inside `values`.
        let rounded = unsafe { Rounded::of(isa, panels.form(), [rows, k], base, stride) };
        match &rounded {
            Some(rounded) => {
                let (base, stride) = rounded.words();
                f(base, stride)
            }
            None => f(Raw(base.get().cast()), stride),
        }
    })
}

fn bias_values(bias: Option<&Tensor>) -> Result<Option<Vec<f32>>> {
    Ok(match bias {
        Some(bias) => Some(bias.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?),
        None => None,
    })
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
    finish: Finish<'_>,
    target: Target,
) {
    let segment = contiguous_segment(isa, panels);
    let pointers = Strided { base, stride, segment: segment * widening(isa, panels) };
    let job = Job { isa, panels, rows, segment, skip: 0, target, bias, finish };
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
        cases.push(residual_case(dtype, "odd sizes, two gates", [29, 131, 97], true)?);
        cases.push(residual_case(dtype, "several blocks", [400, 1600, 128], false)?);
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

/// Rows rounded before the product, and a residual, gated by one of two rows or not at all.
fn residual_case(
    dtype: DType,
    what: &'static str,
    [tokens, k, n]: [usize; 3],
    is_gated: bool,
) -> Result<Case> {
    let x = cases::values(&[tokens, k], 1)?;
    let weight = (cases::values(&[n, k], 2)? * (1.0 / (k as f64).sqrt()))?.to_dtype(dtype)?;
    let (bias, base) = (cases::values(&[n], 3)?, cases::values(&[tokens, n], 4)?);
    let index: Vec<u32> = (0..tokens as u32).map(|i| i % 2).collect();
    let gate = (cases::values(&[2, n], 5)?, Rows::Each(Tensor::new(index, &Device::Cpu)?));
    let matrix = Matrix::new(&weight, dtype)?;
    let (x2, bias2, base2, gate2) = (x.clone(), bias.clone(), base.clone(), gate.clone());
    Ok(Case {
        op: "linear_residual",
        what,
        dtype,
        flops: 2.0 * (tokens * k * n) as f64,
        bytes: 0.0,
        fast: Box::new(move || {
            let gate = is_gated.then_some((&gate.0, &gate.1));
            let x = Operand::new(&x, dtype)?;
            linear_residual(&x, &matrix, Some(&bias), &Residual { base: &base, gate })
        }),
        reference: Box::new(move || {
            let gate = is_gated.then_some((&gate2.0, &gate2.1));
            let y = reference(&x2, &weight, Some(&bias2), Activation::None)?;
            Residual { base: &base2, gate }.reference(&y)
        }),
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
    let (base, gelu) = (cases::values(&[tokens, k], 6)?, Activation::GeluTanh);
    let base2 = base.clone();
    Ok(Case {
        op: "feed_forward",
        what,
        dtype,
        flops: 4.0 * (tokens * k * f) as f64,
        bytes: 0.0,
        fast: Box::new(move || {
            let (up, down) = ((&up_packed, Some(&up_bias)), (&down_packed, Some(&down_bias)));
            feed_forward(&x, up, gelu, down, &Residual { base: &base, gate: None })
        }),
        reference: Box::new(move || {
            let hidden = reference(&x2, &up, Some(&up_bias2), gelu)?;
            let y = reference(&hidden, &down, Some(&down_bias2), Activation::None)?;
            Residual { base: &base2, gate: None }.reference(&y)
        }),
    })
}
