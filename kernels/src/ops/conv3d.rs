//! Causal convolution over time, height and width, channels last, without an unfolded copy of the clip.

use candle_core::{DType, Tensor};

use crate::{Error, Result};

/// A convolution kernel, in the form the device multiplies fastest.
#[derive(Debug, Clone)]
pub struct ConvKernel {
    /// `(n, c, kt, kh, kw)`.
    weight: Tensor,
}

impl ConvKernel {
    /// Packs a kernel `(n, c, kt, kh, kw)`, or `(n, c, kh, kw)` for one frame, for products computed in `compute`.
    ///
    /// # Errors
    /// A kernel of another rank.
    pub fn new(weight: &Tensor, compute: DType) -> Result<Self> {
        let weight = match weight.rank() {
            4 => weight.unsqueeze(2)?,
            5 => weight.clone(),
            _ => {
                return Err(Error::Shape {
                    op: "conv3d",
                    what: "weight",
                    found: weight.dims().to_vec(),
                    expected: "(n, c, kt, kh, kw) or (n, c, kh, kw)",
                });
            }
        };
        Ok(Self { weight: weight.to_dtype(compute)? })
    }

    /// Frames the kernel sees at once.
    pub fn frames(&self) -> usize {
        self.weight.dims()[2]
    }

    /// Output channels.
    pub fn n(&self) -> usize {
        self.weight.dims()[0]
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
    let (_, _, _, channels) = x.dims4()?;
    if channels != kernel.weight.dims()[1] {
        return Err(Error::Shape {
            op: "conv3d",
            what: "input",
            found: x.dims().to_vec(),
            expected: "(t, h, w, c)",
        });
    }
    reference(x, past, causal, kernel, bias, spec)
}

/// A sum over the taps in time of two-dimensional convolutions.
fn reference(
    x: &Tensor,
    past: Option<&Tensor>,
    causal: usize,
    kernel: &ConvKernel,
    bias: Option<&Tensor>,
    spec: Conv3dSpec,
) -> Result<Tensor> {
    let (n, _, kt, _, _) = kernel.weight.dims5()?;
    let dtype = x.dtype();
    let compute = kernel.weight.dtype();
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
    let weight = wide(&kernel.weight)?;
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
