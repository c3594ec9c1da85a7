//! Every intermediate tensor of a run, in one safetensors file under the reference's names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use kinora_models::parts::Tap;

use super::latents::write_tensors;
use crate::Result;

/// Collects tensors by name; does nothing when it was not asked for.
#[derive(Debug, Default)]
pub(super) struct Trace {
    file: Option<PathBuf>,
    blocks: bool,
    tensors: BTreeMap<String, Tensor>,
}

impl Trace {
    /// A trace to a file, with every block of the first step when `blocks`.
    pub(super) fn new(file: Option<&Path>, blocks: bool) -> Self {
        Self { file: file.map(Path::to_owned), blocks, tensors: BTreeMap::new() }
    }

    /// Whether anything is kept.
    pub(super) fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// Keeps a tensor under a name and a shape.
    pub(super) fn put(
        &mut self,
        name: impl Into<String>,
        value: &Tensor,
        shape: &[usize],
    ) -> Result<()> {
        if self.is_on() {
            let value = value.to_device(&Device::Cpu)?.contiguous()?.reshape(shape)?;
            let value = if value.dtype().is_float() { value.to_dtype(DType::F32)? } else { value };
            self.tensors.insert(name.into(), value);
        }
        Ok(())
    }

    /// Keeps a tensor of a batch of one: a dimension of one goes before its own.
    pub(super) fn put_batched(&mut self, name: impl Into<String>, value: &Tensor) -> Result<()> {
        let shape: Vec<usize> = [1].iter().chain(value.dims()).copied().collect();
        self.put(name, value, &shape)
    }

    /// Keeps plain numbers as integers, or as floats where one of them is not whole or `whole` is not said.
    pub(super) fn put_numbers(
        &mut self,
        name: impl Into<String>,
        values: &[f32],
        whole: bool,
    ) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let tensor = if whole {
            let whole: Vec<i64> = values.iter().map(|v| *v as i64).collect();
            Tensor::from_vec(whole, values.len(), &Device::Cpu)?
        } else {
            Tensor::from_slice(values, values.len(), &Device::Cpu)?
        };
        self.put(name, &tensor, &[values.len()])
    }

    /// A receiver for the tensors inside one denoiser call; blocks are kept when `blocks` were asked for.
    pub(super) fn call(&mut self, step: usize, call: usize) -> Call<'_> {
        let wanted = self.is_on() && self.blocks && step == 0;
        Call { trace: self, call, wanted }
    }

    /// Writes the file, under its final name only when it is complete.
    pub(super) fn finish(self) -> Result<()> {
        match self.file {
            Some(file) => write_tensors(&file, &self.tensors),
            None => Ok(()),
        }
    }
}

/// Receives the blocks of one denoiser call.
pub(super) struct Call<'a> {
    trace: &'a mut Trace,
    call: usize,
    wanted: bool,
}

impl Tap for Call<'_> {
    fn wants_blocks(&self) -> bool {
        self.wanted
    }

    fn tensor(&mut self, name: &str, value: &Tensor, shape: &[usize]) -> kinora_models::Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let key = match name.split_once('/') {
            Some((module, item)) => format!("block.{module}.{}.{item}", self.call),
            None => format!("block.{name}.{}", self.call),
        };
        let value = value.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        self.trace.tensors.insert(key, value.reshape(shape)?);
        Ok(())
    }
}
