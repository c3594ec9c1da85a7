//! What a Wan transformer makes of timestep and prompt before its blocks run.

use candle_core::{DType, Device, Tensor};
use kinora_kernels::ops::{attention::KeyValue, matmul::Activation, modulate::Rows};

use super::{Config, transformer::Module};
use crate::{
    Error, Result,
    nn::Linear,
    parts::{Context, Placement, PromptEmbeds, Tap, Timesteps},
    weights::Weights,
};

/// Longest period of the sinusoidal timestep embedding.
const MAX_PERIOD: f64 = 10_000.0;

/// A prompt as the blocks read it.
#[derive(Debug)]
pub(super) struct TextContext {
    /// `(rows, dim)`: the true tokens, then one row for all padding where there is any.
    pub(super) text: Tensor,
    /// Rows of the prompt with all its padding.
    pub(super) padded: usize,
    /// Keys and values of every block.
    pub(super) key_values: Vec<KeyValue>,
}

impl Context for TextContext {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Timesteps as the blocks read them, one row for each distinct one.
#[derive(Debug)]
pub(super) struct Time {
    /// `(rows, dim)` in `f32`.
    pub(super) embedding: Tensor,
    /// `(rows, 6, dim)` in `f32`.
    pub(super) projection: Tensor,
    /// Which row each token takes.
    pub(super) rows: Rows,
    /// The row of each token when every token was given a timestep.
    each: Option<Vec<u32>>,
}

/// Embeds timesteps and text.
#[derive(Debug)]
pub(super) struct Conditioning {
    freq_dim: usize,
    time_in: Linear,
    time_out: Linear,
    time_proj: Linear,
    text_in: Linear,
    text_out: Linear,
}

impl Conditioning {
    pub(super) fn load(config: &Config, weights: &Weights, compute: DType) -> Result<Self> {
        let linear = |name: &str, compute| Linear::load(weights, &[name], compute);
        Ok(Self {
            freq_dim: config.freq_dim,
            // A row or two in full precision: what they cost is not seen, what they steer is everything.
            time_in: linear("time_embedder.linear_1", DType::F32)?,
            time_out: linear("time_embedder.linear_2", DType::F32)?,
            time_proj: linear("time_proj", DType::F32)?,
            text_in: linear("text_embedder.linear_1", compute)?,
            text_out: linear("text_embedder.linear_2", compute)?,
        })
    }

    /// Embeds the true tokens and, when there is padding, one zero row after them.
    pub(super) fn text(&self, prompt: &PromptEmbeds, placement: &Placement) -> Result<Tensor> {
        let embeds = prompt.embeds.to_device(&placement.device)?;
        let embeds = embeds.to_dtype(placement.activations())?;
        let (tokens, width) = embeds.dims2()?;
        let rows = if tokens < prompt.input_ids.len() {
            let zero = Tensor::zeros((1, width), embeds.dtype(), embeds.device())?;
            Tensor::cat(&[&embeds, &zero], 0)?
        } else {
            embeds
        };
        let inner = self.text_in.forward_activated(&rows, Activation::GeluTanh)?;
        self.text_out.forward(&inner) // (rows, dim)
    }

    /// Embeds timesteps, each distinct one once.
    pub(super) fn time(
        &self,
        timesteps: &Timesteps,
        tokens: usize,
        device: &Device,
    ) -> Result<Time> {
        let (distinct, each) = match timesteps {
            Timesteps::Clip(timestep) => (vec![*timestep], None),
            Timesteps::Token(all) if all.len() == tokens => {
                let (distinct, each) = distinct(all);
                (distinct, Some(each))
            }
            Timesteps::Token(all) => {
                return Err(Error::Input {
                    what: "timesteps",
                    expected: format!("one for each of {tokens} tokens"),
                    found: vec![all.len()],
                });
            }
        };
        let sinusoids = sinusoids(&distinct, self.freq_dim, device)?; // (rows, freq_dim)
        let inner = self.time_in.forward_activated(&sinusoids, Activation::Silu)?;
        let embedding = self.time_out.forward(&inner)?; // (rows, dim)
        let projection = self.time_proj.forward(&embedding.silu()?)?; // (rows, 6 * dim)
        let (rows, dim) = embedding.dims2()?;
        let projection = projection.reshape((rows, 6, dim))?;
        let rows = match &each {
            Some(each) if rows > 1 => Rows::Each(Tensor::new(each.as_slice(), device)?),
            _ => Rows::Same,
        };
        Ok(Time { embedding, projection, rows, each })
    }

    /// Shows the embeddings as the reference has them: a row for each token, padding written out.
    pub(super) fn tap(&self, time: &Time, context: &TextContext, tap: &mut dyn Tap) -> Result<()> {
        let rows = |x: &Tensor, count: usize, of: &dyn Fn(usize) -> u32| -> Result<Tensor> {
            let index: Vec<u32> = (0..count).map(of).collect();
            Ok(x.index_select(&Tensor::new(index, x.device())?, 0)?)
        };
        let projection = time.projection.flatten_from(1)?;
        for (name, value) in
            [("condition_embedder/0", &time.embedding), ("condition_embedder/1", &projection)]
        {
            let width = value.dims()[1];
            match &time.each {
                Some(each) => {
                    let value = rows(value, each.len(), &|token| each[token])?;
                    tap.tensor(name, &value, &[1, each.len(), width])?;
                }
                None => tap.tensor(name, value, &[1, width])?,
            }
        }
        let (known, width) = context.text.dims2()?;
        let text = rows(&context.text, context.padded, &|row| row.min(known - 1) as u32)?;
        tap.tensor("condition_embedder/2", &text, &[1, context.padded, width])
    }

    pub(super) fn module(&mut self, name: &str) -> Option<Module<'_>> {
        let linear = match name {
            "time_embedder.linear_1" => &mut self.time_in,
            "time_embedder.linear_2" => &mut self.time_out,
            "time_proj" => &mut self.time_proj,
            "text_embedder.linear_1" => &mut self.text_in,
            "text_embedder.linear_2" => &mut self.text_out,
            _ => return None,
        };
        Some((linear, 0, 1))
    }
}

/// The distinct values in the order they come, and which of them each value is.
fn distinct(all: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let mut distinct: Vec<f32> = Vec::new();
    let each = all.iter().map(|value| {
        let found = distinct.iter().position(|known| known.to_bits() == value.to_bits());
        found.unwrap_or_else(|| {
            distinct.push(*value);
            distinct.len() - 1
        }) as u32
    });
    let each = each.collect();
    (distinct, each)
}

/// Cosines, then sines, of each timestep at `width / 2` frequencies; rounded to `f32` where the reference rounds.
fn sinusoids(timesteps: &[f32], width: usize, device: &Device) -> Result<Tensor> {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half)
        .map(|i| {
            let exponent = -MAX_PERIOD.ln() as f32 * i as f32 / half as f32;
            f64::from(exponent).exp() as f32
        })
        .collect();
    let mut values = Vec::with_capacity(timesteps.len() * width);
    for &timestep in timesteps {
        let angles = || frequencies.iter().map(|frequency| f64::from(timestep * frequency));
        values.extend(angles().map(|angle| angle.cos() as f32));
        values.extend(angles().map(|angle| angle.sin() as f32));
    }
    Ok(Tensor::from_vec(values, (timesteps.len(), width), device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_timesteps_share_a_row() {
        let (rows, each) = distinct(&[0.0, 0.0, 7.5, 0.0, 7.5]);
        assert_eq!((rows, each), (vec![0.0, 7.5], vec![0, 0, 1, 0, 1]));
    }

    #[test]
    fn cosines_come_before_sines() -> Result<()> {
        let embedding = sinusoids(&[2.0], 4, &Device::Cpu)?.to_vec2::<f32>()?;
        let slow = 2.0 * 0.01f64;
        let expected = [2f64.cos(), slow.cos(), 2f64.sin(), slow.sin()].map(|x| x as f32);
        for (found, expected) in embedding[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{found} for {expected}");
        }
        Ok(())
    }
}
