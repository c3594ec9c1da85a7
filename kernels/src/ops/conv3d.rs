//! Causal convolution over time, height and width, channels last, without an unfolded copy of the clip.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::matmul::Activation;
use super::matrix::{Matrix, form};
use crate::cases::{self, Case};
use crate::cpu::gemm::{Finish, Job, contiguous_segment, run, widening};
use crate::cpu::isa::Isa;
use crate::cpu::panels::Panels;
use crate::cpu::pixels::{Frames, Patches, Taps, Window};
use crate::cpu::rounded::{Rounded, Target};
use crate::cpu::rows::{Raw, build, with_values};
use crate::{Error, Result, compare};

/// A convolution kernel, in the form the device multiplies fastest.
#[derive(Debug, Clone)]
pub struct ConvKernel {
    weight: Weight,
    /// `(n, c, kt, kh, kw)`.
    dims: [usize; 5],
    dtype: DType,
}

#[derive(Debug, Clone)]
enum Weight {
    /// On the CPU: a matrix `(n, kt * kh * kw * c)`, channels made even where a word holds two.
    Packed(Arc<Panels>),
    /// Elsewhere, in the dtype of the products.
    Plain(Tensor),
}

impl ConvKernel {
    /// Packs a kernel `(n, c, kt, kh, kw)`, or `(n, c, kh, kw)` for one frame, for products computed in `compute`.
    ///
    /// # Errors
    /// A kernel of another rank, an empty one, or a dtype that products are not computed in.
    pub fn new(weight: &Tensor, compute: DType) -> Result<Self> {
        let weight = match weight.rank() {
            4 => weight.unsqueeze(2)?,
            5 => weight.clone(),
            _ => return Err(kernel_error(weight)),
        };
        let (n, c, kt, kh, kw) = weight.dims5()?;
        if weight.elem_count() == 0 {
            return Err(kernel_error(&weight));
        }
        let dims = [n, c, kt, kh, kw];
        if !weight.device().is_cpu() {
            let weight = Weight::Plain(weight.to_dtype(compute)?);
            return Ok(Self { weight, dims, dtype: compute });
        }
        let padded = c.next_multiple_of(form(compute)?.inputs());
        let rows = weight.permute((0, 2, 3, 4, 1))?.contiguous()?; // (n, kt, kh, kw, c)
        let rows = rows.pad_with_zeros(4, 0, padded - c)?.reshape((n, kt * kh * kw * padded))?;
        let panels = Matrix::new(&rows, compute)?.into_panels();
        let weight = match panels {
            Some(panels) => Weight::Packed(panels),
            None => return Err(Error::Device { op: "conv3d" }),
        };
        Ok(Self { weight, dims, dtype: compute })
    }

    /// Frames the kernel sees at once.
    pub fn frames(&self) -> usize {
        self.dims[2]
    }

    /// Output channels.
    pub fn n(&self) -> usize {
        self.dims[0]
    }

    /// The kernel as a tensor `(n, c, kt, kh, kw)` in the dtype of the products; copied out of the packed form.
    ///
    /// # Errors
    /// Those of the tensor library.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match &self.weight {
            Weight::Plain(weight) => Ok(weight.clone()),
            Weight::Packed(panels) => {
                let [n, c, kt, kh, kw] = self.dims;
                let padded = c.next_multiple_of(panels.form().inputs());
                let values = crate::cpu::pack::unpack(panels, kt * kh * kw * padded);
                let rows = Tensor::from_vec(values, (n, kt, kh, kw, padded), &Device::Cpu)?;
                let weight = rows.narrow(4, 0, c)?.permute((0, 4, 1, 2, 3))?.contiguous()?;
                Ok(weight.to_dtype(self.dtype)?)
            }
        }
    }
}

fn kernel_error(weight: &Tensor) -> Error {
    Error::Shape {
        op: "conv3d",
        what: "weight",
        found: weight.dims().to_vec(),
        expected: "(n, c, kt, kh, kw) or (n, c, kh, kw)",
    }
}

/// How a kernel moves over a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv3dSpec {
    /// Steps in time, height and width.
    pub stride: [usize; 3],
    /// Zeros before and after each row and column: top, bottom, left, right.
    pub padding: [usize; 4],
    /// Every pixel counts twice in height and width before the kernel moves (nearest upsampling).
    pub upsample: bool,
}

impl Conv3dSpec {
    /// Stride one, the same zeros on all four sides.
    pub fn same(padding: usize) -> Self {
        Self { stride: [1; 3], padding: [padding; 4], upsample: false }
    }
}

/// Convolves `[zeros, past, x]` along time, so that the first output frame ends at the first frame of `x`.
///
/// Frames the kernel needs before `x` come from the end of `past`; what `past` lacks is zero, up to `causal` frames
/// in all. With `causal = 0` nothing stands before `x`.
///
/// # Shapes
/// `x: (t, h, w, c)`, `past: (any, h, w, c)`, `bias: (n)` in `f32`, result `(t', h', w', n)` with
/// `t' = (causal + t - kt) / stride + 1`.
///
/// # Errors
/// Shapes that do not fit.
pub fn conv3d(
    x: &Tensor,
    past: Option<&Tensor>,
    causal: usize,
    kernel: &ConvKernel,
    bias: Option<&Tensor>,
    spec: Conv3dSpec,
) -> Result<Tensor> {
    let (_, h, w, channels) = x.dims4()?;
    let input_error = |found: &Tensor, what, expected| Error::Shape {
        op: "conv3d",
        what,
        found: found.dims().to_vec(),
        expected,
    };
    if channels != kernel.dims[1] {
        return Err(input_error(x, "input", "(t, h, w, c)"));
    }
    if let Some(past) = past.filter(|p| p.rank() != 4 || p.dims()[1..] != [h, w, channels]) {
        return Err(input_error(past, "past", "(any, h, w, c), as the input"));
    }
    if let Some(bias) = bias.filter(|bias| bias.elem_count() != kernel.n()) {
        return Err(input_error(bias, "bias", "(n)"));
    }
    let y = match &kernel.weight {
        Weight::Packed(panels) if x.device().is_cpu() && !x.track_op() => {
            packed(x, past, causal, (kernel, panels), bias, spec)?
        }
        _ => return reference(x, past, causal, &kernel.to_tensor()?, bias, spec),
    };
    compare::drift("conv3d", kernel.dtype, &y, || {
        reference(x, past, causal, &kernel.to_tensor()?, bias, spec)
    })?;
    Ok(y)
}

/// Channels below which patches are gathered, because a run of one pixel would be too short to multiply.
const SHORT: usize = 16;

fn packed(
    x: &Tensor,
    past: Option<&Tensor>,
    causal: usize,
    (kernel, panels): (&ConvKernel, &Panels),
    bias: Option<&Tensor>,
    spec: Conv3dSpec,
) -> Result<Tensor> {
    let isa = Isa::current();
    let (t, h, w, c) = x.dims4()?;
    let [n, _, kt, kh, kw] = kernel.dims;
    let window =
        Window::new([causal + t, h, w], [kt, kh, kw], &spec).ok_or_else(|| Error::Shape {
            op: "conv3d",
            what: "input",
            found: x.dims().to_vec(),
            expected: "at least as large as the kernel",
        })?;
    let [out_t, out_h, out_w] = window.out;
    let bias = match bias {
        Some(bias) => Some(bias.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?),
        None => None,
    };
    let from_past = past.map_or(0, |past| past.dims()[0].min(causal));
    let plain = |x: &Tensor| -> Result<Tensor> { Ok(x.to_dtype(DType::F32)?.contiguous()?) };
    let past = match past.filter(|_| from_past > 0) {
        Some(past) => Some(plain(&past.narrow(0, past.dims()[0] - from_past, from_past)?)?),
        None => None,
    };
    let x_wide = plain(x)?;
    let widening = widening(isa, panels);
    let y = with_values(&x_wide, |x| {
        with_values(past.as_ref().unwrap_or(&x_wide), |past| {
            #[expect(unsafe_code, reason = "pixels by pointer")]
            // SAFETY: `x` holds `t` frames and `past`, where it is used, `from_past`, contiguous; `frames` leads only
            // to those and to zeros, and the product writes every output.
            unsafe {
                let base = |values: &[f32]| Raw(values.as_ptr().cast_mut());
                let round = |values, frames| {
                    Rounded::of(isa, panels.form(), [frames * h * w, c], base(values), c)
                };
                let (narrow_past, narrow) = (round(past, from_past), round(x, t));
                let words = panels.steps() / (kt * kh * kw) * widening;
                let mut frames = Frames::new(h * w * words, words);
                frames.zeros(causal - from_past);
                let first = |rounded: &Option<Rounded>, values: &[f32]| match rounded {
                    Some(rounded) => rounded.words().0.get().cast_const(),
                    None => values.as_ptr().cast(),
                };
                frames.add(first(&narrow_past, past), from_past);
                frames.add(first(&narrow, x), t);
                build(&[out_t, out_h, out_w, n], |out| {
                    let zeros = frames.leading_zeros();
                    let frame = out_h * out_w;
                    let gathers = words < SHORT && kt * kh * kw > 1;
                    // Output frames that see the same number of zero frames, which are not multiplied.
                    let mut from = 0;
                    while from < out_t {
                        let unseen =
                            |t: usize| zeros.saturating_sub(t * spec.stride[0]).min(kt - 1);
                        let skip = if gathers { 0 } else { unseen(from) };
                        let alike = |t: &usize| gathers || unseen(*t) == skip;
                        let count = (from..out_t).take_while(alike).count();
                        let mut job = Job {
                            isa,
                            panels,
                            rows: count * frame,
                            segment: panels.steps() / (kt * kh * kw),
                            skip: skip * kh * kw,
                            // Within the output, which has `out_t` frames.
                            target: Target::Single(Raw(out.get().add(from * frame * n)), n),
                            bias: bias.as_deref(),
                            finish: Finish::Activation(Activation::None),
                        };
                        let taps = Taps { frames: &frames, window: &window, from };
                        if gathers {
                            job.segment = contiguous_segment(isa, panels);
                            run(&job, &Patches { taps, segment: job.segment * widening });
                        } else {
                            run(&job, &taps);
                        }
                        from += count;
                    }
                    Ok(())
                })
            }
        })
    })?;
    Ok(y.to_dtype(x.dtype())?)
}

/// A sum over the taps in time of two-dimensional convolutions.
fn reference(
    x: &Tensor,
    past: Option<&Tensor>,
    causal: usize,
    kernel: &Tensor,
    bias: Option<&Tensor>,
    spec: Conv3dSpec,
) -> Result<Tensor> {
    let (n, _, kt, _, _) = kernel.dims5()?;
    let dtype = x.dtype();
    let compute = kernel.dtype();
    let wide = |x: &Tensor| -> Result<Tensor> {
        let x = x.to_dtype(compute)?;
        Ok(if x.device().is_cpu() { x.to_dtype(DType::F32)? } else { x })
    };
    let mut frames = Vec::new();
    let from_past = past.map_or(0, |p| p.dims()[0].min(causal));
    if causal > from_past {
        let (_, h, w, c) = x.dims4()?;
        frames.push(Tensor::zeros((causal - from_past, h, w, c), dtype, x.device())?);
    }
    if let Some(past) = past.filter(|_| from_past > 0) {
        frames.push(past.narrow(0, past.dims()[0] - from_past, from_past)?);
    }
    frames.push(x.clone());
    let clip = wide(&Tensor::cat(&frames, 0)?)?.permute((0, 3, 1, 2))?.contiguous()?; // (t, c, h, w)
    let (_, _, h, w) = clip.dims4()?;
    let clip = if spec.upsample { clip.upsample_nearest2d(2 * h, 2 * w)? } else { clip };
    let [top, bottom, left, right] = spec.padding;
    let clip = clip.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?;
    let total = clip.dims()[0];
    if total < kt {
        return Err(Error::Shape {
            op: "conv3d",
            what: "input",
            found: x.dims().to_vec(),
            expected: "at least as many frames as the kernel",
        });
    }
    let out_frames = (total - kt) / spec.stride[0] + 1;
    let weight = wide(kernel)?;
    let mut out = Vec::with_capacity(out_frames);
    for t in 0..out_frames {
        let mut sum: Option<Tensor> = None;
        for tap in 0..kt {
            let frame = clip.narrow(0, t * spec.stride[0] + tap, 1)?;
            let part = strided(&frame, &weight.narrow(2, tap, 1)?.squeeze(2)?.contiguous()?, spec)?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        out.extend(sum);
    }
    let y = Tensor::cat(&out, 0)?.permute((0, 2, 3, 1))?.contiguous()?.to_dtype(DType::F32)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(DType::F32)?.reshape(n)?)?,
        None => y,
    };
    Ok(y.to_dtype(dtype)?)
}

fn strided(frame: &Tensor, weight: &Tensor, spec: Conv3dSpec) -> Result<Tensor> {
    let [_, sy, sx] = spec.stride;
    if sy != sx {
        return Err(Error::Shape {
            op: "conv3d",
            what: "stride",
            found: spec.stride.to_vec(),
            expected: "equal strides in height and width",
        });
    }
    Ok(frame.conv2d(weight, 0, sy, 1, 1)?)
}

/// Shapes, strides, paddings, caches and dtypes that tests hold against the reference and benches time.
pub fn cases() -> Result<Vec<Case>> {
    let same = Conv3dSpec::same;
    let down = Conv3dSpec { stride: [1, 2, 2], padding: [0, 1, 0, 1], upsample: false };
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let mut add = |what, clip, past, causal, kernel, spec| -> Result<()> {
            cases.push(case(dtype, what, clip, past, causal, kernel, spec)?);
            Ok(())
        };
        add("no past", [4, 5, 6, 32], 0, 2, [18, 3, 3, 3], same(1))?;
        add("a short past", [1, 4, 7, 17], 1, 2, [48, 3, 3, 3], same(1))?;
        add("a long past", [3, 3, 5, 20], 4, 2, [7, 3, 3, 3], same(1))?;
        add("few channels in", [2, 9, 8, 3], 2, 2, [40, 3, 3, 3], same(1))?;
        add("few channels out", [1, 9, 8, 24], 2, 2, [3, 3, 3, 3], same(1))?;
        add("a pixel", [3, 5, 5, 33], 0, 0, [70, 1, 1, 1], same(0))?;
        add("one pixel, one channel", [1, 1, 1, 1], 0, 0, [1, 1, 1, 1], same(0))?;
        add("down in space", [2, 8, 10, 24], 0, 0, [24, 1, 3, 3], down)?;
        add(
            "down in time",
            [5, 4, 3, 24],
            0,
            0,
            [24, 3, 1, 1],
            Conv3dSpec { stride: [2, 1, 1], ..same(0) },
        )?;
        add("in time", [2, 4, 3, 24], 2, 2, [48, 3, 1, 1], same(0))?;
        add(
            "up in space",
            [2, 5, 4, 32],
            0,
            0,
            [16, 1, 3, 3],
            Conv3dSpec { upsample: true, ..same(1) },
        )?;
        add("several blocks", [2, 17, 19, 96], 2, 2, [96, 3, 3, 3], same(1))?;
    }
    Ok(cases)
}

/// Layers of a video decoder, for benches.
pub fn timed_cases() -> Result<Vec<Case>> {
    let same = Conv3dSpec::same(1);
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::BF16] {
        for (what, clip, n) in [
            ("384 to 384 32x32", [1, 32, 32, 384], 384),
            ("192 to 192 128x128x2", [2, 128, 128, 192], 192),
            ("96 to 96 256x256", [1, 256, 256, 96], 96),
            ("96 to 3 256x256", [1, 256, 256, 96], 3),
            ("3 to 96 256x256", [1, 256, 256, 3], 96),
        ] {
            cases.push(case(dtype, what, clip, 2, 2, [n, 3, 3, 3], same)?);
        }
    }
    Ok(cases)
}

fn case(
    dtype: DType,
    what: &'static str,
    [t, h, w, c]: [usize; 4],
    past: usize,
    causal: usize,
    [n, kt, kh, kw]: [usize; 4],
    spec: Conv3dSpec,
) -> Result<Case> {
    let x = cases::values(&[t, c, h, w], 1)?.permute((0, 2, 3, 1))?;
    let past = match past {
        0 => None,
        past => Some(cases::outliers(&[past, h, w, c], 2)?),
    };
    let weight = cases::values(&[n, c, kt, kh, kw], 3)?.to_dtype(dtype)?;
    let bias = cases::values(&[n], 4)?;
    let kernel = ConvKernel::new(&weight, dtype)?;
    let outputs = conv3d(&x, past.as_ref(), causal, &kernel, None, spec)?.elem_count();
    let (x2, past2, bias2) = (x.clone(), past.clone(), bias.clone());
    Ok(Case {
        op: "conv3d",
        what,
        dtype,
        flops: 2.0 * (outputs * c * kt * kh * kw) as f64,
        bytes: 0.0,
        fast: Box::new(move || conv3d(&x, past.as_ref(), causal, &kernel, Some(&bias), spec)),
        reference: Box::new(move || {
            reference(&x2, past2.as_ref(), causal, &weight, Some(&bias2), spec)
        }),
    })
}
