//! From noise to latents: the one denoise loop.

use candle_core::{DType, Tensor};
use kinora_models::parts::{Context, Denoiser, Timesteps};

use super::guidance;
use super::latents::check_finite;
use super::sampler::{Sampler, State};
use super::trace::Trace;
use crate::Result;
use crate::observe::{Event, Observer, tell};

/// A prompt as the denoiser sees it, and as the trace shows it.
pub(super) struct Prompt {
    /// What the denoiser made of it.
    pub(super) context: Box<dyn Context>,
    /// Embeddings `(text_length, text_dim)`, padded with zeros; made only for a trace.
    pub(super) padded: Option<Tensor>,
}

/// Everything the loop reads.
pub(super) struct Denoising<'a> {
    pub(super) denoiser: &'a dyn Denoiser,
    pub(super) sampler: &'a Sampler,
    pub(super) guidance_scale: f64,
    /// The prompt, then the negative prompt when guidance is on.
    pub(super) prompts: &'a [Prompt],
    /// Clean latents `(c, 1, h, w)` of the first frame.
    pub(super) first: Option<&'a Tensor>,
    /// Each token has a timestep of its own.
    pub(super) expand_timesteps: bool,
}

impl Denoising<'_> {
    /// Walks the whole schedule from `latents (c, t, h, w)` and returns clean latents.
    ///
    /// # Errors
    /// What a part fails with, [`crate::Error::Cancelled`].
    pub(super) fn run(
        &self,
        noise: &Tensor,
        trace: &mut Trace,
        observer: &dyn Observer,
    ) -> Result<Tensor> {
        let timesteps = self.sampler.timesteps();
        let whole = self.sampler.has_integer_timesteps();
        trace.put_batched("noise", noise)?;
        trace.put_numbers("timesteps", timesteps, whole)?;
        trace.put_numbers("sigmas", self.sampler.sigmas(), false)?;
        let mut latents = noise.clone();
        let mut state = State::default();
        for (step, &timestep) in timesteps.iter().enumerate() {
            let input = self.with_first_frame(&latents)?;
            let at = self.timesteps(timestep, input.dims());
            let mut predictions = Vec::with_capacity(self.prompts.len());
            for (call, prompt) in self.prompts.iter().enumerate() {
                self.trace_call(trace, (step, call), &input, &at, prompt, whole)?;
                let mut tap = trace.call(step, call);
                let out = self.denoiser.forward(&input, &at, prompt.context.as_ref(), &mut tap)?;
                let out = out.to_dtype(DType::F32)?;
                trace.put_batched(format!("step.{step}.call.{call}.out"), &out)?;
                predictions.push(out);
                if call + 1 < self.prompts.len() {
                    // A step of a large model takes minutes: hear of a wish to stop between its two passes as well.
                    tell(observer, &Event::Pass { index: call + 1, total: self.prompts.len() })?;
                }
            }
            let noise_pred = match predictions.as_slice() {
                [cond, uncond] => guidance::guide(cond, uncond, self.guidance_scale)?,
                _ => predictions.swap_remove(0),
            };
            trace.put_batched(format!("step.{step}.model_output"), &noise_pred)?;
            latents = self.sampler.step(&mut state, &noise_pred, step, &latents)?;
            check_finite(&latents, || format!("latents after step {}", step + 1))?;
            trace.put_batched(format!("step.{step}.latents"), &latents)?;
            let sigma = f64::from(self.sampler.sigmas()[step]);
            tell(observer, &Event::Step { index: step + 1, total: timesteps.len(), sigma })?;
        }
        self.with_first_frame(&latents)
    }

    /// The latents with the clean first frame in its place.
    fn with_first_frame(&self, latents: &Tensor) -> Result<Tensor> {
        let Some(first) = self.first else { return Ok(latents.clone()) };
        let frames = latents.dims()[1];
        Ok(match frames {
            1 => first.clone(),
            _ => Tensor::cat(&[first, &latents.narrow(1, 1, frames - 1)?], 1)?,
        })
    }

    /// One timestep for the clip, or one for each token with zero for those of a clean first frame.
    fn timesteps(&self, timestep: f32, latents: &[usize]) -> Timesteps {
        if !self.expand_timesteps {
            return Timesteps::Clip(timestep);
        }
        let [t, h, w] = self.denoiser.patch_size();
        let a_frame = (latents[2] / h) * (latents[3] / w);
        let mut all = vec![timestep; latents[1] / t * a_frame];
        if self.first.is_some() {
            all[..a_frame].fill(0.0);
        }
        Timesteps::Token(all)
    }

    fn trace_call(
        &self,
        trace: &mut Trace,
        (step, call): (usize, usize),
        input: &Tensor,
        at: &Timesteps,
        prompt: &Prompt,
        whole: bool,
    ) -> Result<()> {
        let key = format!("step.{step}.call.{call}");
        trace.put_batched(format!("{key}.hidden_states"), input)?;
        match at {
            Timesteps::Clip(t) => trace.put_numbers(format!("{key}.timestep"), &[*t], whole)?,
            Timesteps::Token(all) => {
                let all = Tensor::from_slice(all, all.len(), &candle_core::Device::Cpu)?;
                trace.put_batched(format!("{key}.timestep"), &all)?;
            }
        }
        if let (0, Some(padded)) = (step, &prompt.padded) {
            trace.put_batched(format!("{key}.encoder_hidden_states"), padded)?;
        }
        Ok(())
    }
}
