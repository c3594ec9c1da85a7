//! Convolutions over a clip that arrives in pieces, each remembering the frames it still needs.

use candle_core::{DType, Tensor};
use kinora_kernels::ops::conv3d::{self, Conv3dSpec, ConvKernel};

use crate::Result;
use crate::faults::{self, Fault};

/// The last frames that each convolution of a model has read on one pass over a clip.
///
/// With it a clip cut into pieces anywhere gives what the whole clip gives.
#[derive(Debug, Clone)]
pub struct History {
    past: Vec<Option<Tensor>>,
    is_first: bool,
}

impl History {
    /// The start of a clip, for a model with this many convolutions that look back.
    pub fn new(slots: usize) -> Self {
        Self { past: vec![None; slots], is_first: true }
    }

    /// Whether the first piece of the clip is under way; some models treat the first frame apart.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Says that the model has read a piece.
    pub fn advance(&mut self) {
        self.is_first = false;
    }

    /// Keeps the last `frames` frames of all read so far, the latest of them in `x`, and lets go of older ones.
    fn keep(&mut self, slot: usize, x: &Tensor, frames: usize) -> Result<()> {
        let new = x.dims()[0];
        let kept = match self.past[slot].take() {
            _ if new == frames => x.clone(),
            _ if new > frames => x.narrow(0, new - frames, frames)?.force_contiguous()?,
            Some(past) => {
                let old = past.dims()[0].min(frames - new);
                Tensor::cat(&[&past.narrow(0, past.dims()[0] - old, old)?, x], 0)?
            }
            None => x.clone(),
        };
        self.past[slot] = Some(kept);
        Ok(())
    }
}

/// A convolution that sees the present and `look_back` frames before it; zeros stand before the first frame.
#[derive(Debug)]
pub struct CausalConv3d {
    kernel: ConvKernel,
    bias: Tensor,
    spec: Conv3dSpec,
    look_back: usize,
    slot: usize,
}

impl CausalConv3d {
    /// A convolution with a kernel `(n, c, kt, kh, kw)` or `(n, c, kh, kw)` and a bias `(n)`, its products computed in
    /// `compute`. `slot` is its own place in the [`History`]; one without `look_back` uses none.
    ///
    /// # Errors
    /// A kernel of another rank.
    pub fn new(
        weight: &Tensor,
        bias: &Tensor,
        compute: DType,
        spec: Conv3dSpec,
        look_back: usize,
        slot: usize,
    ) -> Result<Self> {
        let kernel = ConvKernel::new(weight, compute)?;
        Ok(Self { kernel, bias: bias.to_dtype(DType::F32)?, spec, look_back, slot })
    }

    /// Convolves the next frames of a clip.
    ///
    /// # Shapes
    /// `x: (t, h, w, c)`, result `(t', h', w', n)` with `t' = (look_back + t - kt) / stride + 1`.
    ///
    /// # Errors
    /// A shape that does not fit the kernel.
    pub fn forward(&self, x: &Tensor, history: &mut History) -> Result<Tensor> {
        if self.look_back == 0 {
            return Ok(conv3d::conv3d(x, None, 0, &self.kernel, Some(&self.bias), self.spec)?);
        }
        let past = history.past[self.slot].as_ref();
        let past = past.filter(|_| !faults::is(Fault::VaeCacheDropped));
        let bias = Some(&self.bias);
        let y = conv3d::conv3d(x, past, self.look_back, &self.kernel, bias, self.spec)?;
        history.keep(self.slot, x, self.look_back)?;
        Ok(y)
    }

    /// Reads a frame without convolving it: the next ones may look back on it.
    ///
    /// # Errors
    /// What the tensor library fails with.
    pub fn remember(&self, x: &Tensor, history: &mut History) -> Result<()> {
        history.keep(self.slot, x, self.look_back)
    }
}
