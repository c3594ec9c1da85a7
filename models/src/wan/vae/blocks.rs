//! What both sides of the VAE are built of. Activations are channels last, `(t, h, w, c)`.

use std::cell::Cell;

use candle_core::{DType, Device, Tensor};
use kinora_kernels::ops::attention::{KeyValue, attention};
use kinora_kernels::ops::conv3d::Conv3dSpec;
use kinora_kernels::ops::matrix::Matrix;
use kinora_kernels::ops::norm::channel_norm;

use crate::Result;
use crate::nn::{CausalConv3d, History, Linear};
use crate::parts::Placement;
use crate::weights::Weights;

/// The weights below a name, and the next free slot of the history.
pub(super) struct Loader<'a> {
    weights: Weights,
    placement: &'a Placement,
    slots: &'a Cell<usize>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(weights: &Weights, placement: &'a Placement, slots: &'a Cell<usize>) -> Self {
        Self { weights: weights.clone().on(&placement.device), placement, slots }
    }

    pub(super) fn at(&self, name: &str) -> Self {
        Self { weights: self.weights.at(name), placement: self.placement, slots: self.slots }
    }

    pub(super) fn device(&self) -> &Device {
        &self.placement.device
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.weights.contains(name)
    }

    /// A gain of a norm.
    pub(super) fn gamma(&self, name: &str) -> Result<Tensor> {
        self.read(&format!("{name}.gamma"))?.flatten_all().map_err(Into::into)
    }

    /// A convolution of three by three pixels and three frames.
    pub(super) fn cube(&self, name: &str) -> Result<CausalConv3d> {
        self.conv(name, Conv3dSpec::same(1), 2)
    }

    /// A convolution that looks back `look_back` frames, or sees each frame alone.
    pub(super) fn conv(
        &self,
        name: &str,
        spec: Conv3dSpec,
        look_back: usize,
    ) -> Result<CausalConv3d> {
        let slot = self.slots.get();
        if look_back > 0 {
            self.slots.set(slot + 1);
        }
        let weight = self.read(&format!("{name}.weight"))?;
        let bias = self.read(&format!("{name}.bias"))?;
        let compute = self.placement.compute;
        CausalConv3d::new(&weight, &bias, compute, spec, look_back, slot)
    }

    /// A convolution of one pixel and one frame.
    pub(super) fn pointwise(&self, name: &str) -> Result<Linear> {
        let weight = self.read(&format!("{name}.weight"))?.flatten_from(1)?; // (n, c)
        let bias = self.read(&format!("{name}.bias"))?;
        Ok(Linear::new(Matrix::new(&weight, self.placement.compute)?, Some(bias)))
    }

    /// Reads a tensor and lets go of its mapped pages.
    fn read(&self, name: &str) -> Result<Tensor> {
        let tensor = self.weights.tensor(name, DType::F32)?;
        self.weights.release(name)?;
        Ok(tensor)
    }
}

/// Two convolutions around which the input flows unchanged.
#[derive(Debug)]
pub(super) struct ResidualBlock {
    norm1: Tensor,
    conv1: CausalConv3d,
    norm2: Tensor,
    conv2: CausalConv3d,
    /// Where the channels change.
    shortcut: Option<Linear>,
}

impl ResidualBlock {
    pub(super) fn load(loader: &Loader) -> Result<Self> {
        let has_shortcut = loader.has("conv_shortcut.weight");
        Ok(Self {
            norm1: loader.gamma("norm1")?,
            conv1: loader.cube("conv1")?,
            norm2: loader.gamma("norm2")?,
            conv2: loader.cube("conv2")?,
            shortcut: has_shortcut.then(|| loader.pointwise("conv_shortcut")).transpose()?,
        })
    }

    /// `(t, h, w, c) -> (t, h, w, n)`
    pub(super) fn forward(&self, x: Tensor, history: &mut History) -> Result<Tensor> {
        // Each in its own statement of its own block: what is not needed any more is freed before the next is made.
        let y = {
            let y = self.conv1.forward(&channel_norm(&x, &self.norm1, true)?, history)?;
            channel_norm(&y, &self.norm2, true)?
        };
        let y = self.conv2.forward(&y, history)?;
        Ok(match &self.shortcut {
            Some(shortcut) => (y + shortcut.forward(&x)?)?,
            None => (y + x)?,
        })
    }
}

/// Attention of one head between the pixels of each frame.
#[derive(Debug)]
struct AttentionBlock {
    norm: Tensor,
    to_qkv: Linear,
    proj: Linear,
    compute: DType,
}

impl AttentionBlock {
    fn load(loader: &Loader) -> Result<Self> {
        Ok(Self {
            norm: loader.gamma("norm")?,
            to_qkv: loader.pointwise("to_qkv")?,
            proj: loader.pointwise("proj")?,
            compute: loader.placement.compute,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (t, h, w, c) = x.dims4()?;
        let qkv = self.to_qkv.forward(&channel_norm(x, &self.norm, false)?)?; // (t, h, w, 3c)
        let qkv = qkv.reshape((t, h * w, 3, c))?;
        let mut frames = Vec::with_capacity(t);
        for frame in 0..t {
            let qkv = qkv.get(frame)?; // (s, 3, c)
            let part = |i| qkv.narrow(1, i, 1); // (s, 1 head, c)
            let key_value = KeyValue::new(&part(1)?, &part(2)?, self.compute)?;
            let scale = 1.0 / (c as f64).sqrt();
            frames.push(attention(&part(0)?.contiguous()?, &key_value, scale, None)?);
        }
        let y = Tensor::cat(&frames, 0)?.reshape((t, h, w, c))?;
        Ok((self.proj.forward(&y)? + x)?)
    }
}

/// The coarsest level of either side.
#[derive(Debug)]
pub(super) struct MidBlock {
    first: ResidualBlock,
    attention: AttentionBlock,
    last: ResidualBlock,
}

impl MidBlock {
    pub(super) fn load(loader: &Loader) -> Result<Self> {
        Ok(Self {
            first: ResidualBlock::load(&loader.at("resnets.0"))?,
            attention: AttentionBlock::load(&loader.at("attentions.0"))?,
            last: ResidualBlock::load(&loader.at("resnets.1"))?,
        })
    }

    pub(super) fn forward(&self, x: Tensor, history: &mut History) -> Result<Tensor> {
        let x = self.first.forward(x, history)?;
        let x = self.attention.forward(&x)?;
        self.last.forward(x, history)
    }
}

/// The last norm and convolution of either side.
#[derive(Debug)]
pub(super) struct Head {
    norm: Tensor,
    conv: CausalConv3d,
}

impl Head {
    pub(super) fn load(loader: &Loader) -> Result<Self> {
        Ok(Self { norm: loader.gamma("norm_out")?, conv: loader.cube("conv_out")? })
    }

    pub(super) fn forward(&self, x: &Tensor, history: &mut History) -> Result<Tensor> {
        self.conv.forward(&channel_norm(x, &self.norm, true)?, history)
    }
}
