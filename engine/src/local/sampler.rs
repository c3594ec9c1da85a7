//! From one noise level to the next: the samplers, as pure steps with explicit state.
//!
//! Latents and state are f32 whatever the denoiser computes in; scalars are f32 in the order of the reference, because the
//! coefficients of UniPC's corrector lose digits to cancellation and would otherwise differ in the fourth place. Logarithms are
//! taken in f64 and rounded, which is their nearest f32 on every machine.
//!
//! A schedule is always walked from its first entry. Where UniPC's whole timesteps repeat (from 85 steps on at shift 12, 334 at shift 3),
//! the reference's image-to-video pipeline starts at the second of two equal ones and fails at the end; this one does not.
//!
//! # Source
//! huggingface/diffusers 0.42.1: `schedulers/scheduling_unipc_multistep.py` and `scheduling_flow_match_euler_discrete.py`;
//! UniPC: arXiv 2302.04867.

use candle_core::{DType, Result, Tensor};

use super::sigmas::{Schedule, SchedulerConfig, Solver};

/// A schedule and what walks it.
#[derive(Debug, Clone)]
pub struct Sampler {
    solver: Solver,
    schedule: Schedule,
}

/// What a sampler remembers between steps. A fresh one starts a run.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The clean latents predicted at the step before.
    clean: Option<Tensor>,
    /// And at the step before that.
    older: Option<Tensor>,
    /// The latents the last prediction started from, after correction.
    start: Option<Tensor>,
    /// The order of the last prediction.
    order: usize,
}

impl Sampler {
    /// Prepares a run of `num_inference_steps` steps.
    #[must_use]
    pub fn new(config: &SchedulerConfig, num_inference_steps: usize) -> Self {
        Self { solver: config.solver, schedule: Schedule::new(config, num_inference_steps) }
    }

    /// What the denoiser is told at each step.
    #[must_use]
    pub fn timesteps(&self) -> &[f32] {
        &self.schedule.timesteps
    }

    /// Whether the timesteps are whole numbers (int64 in the reference) rather than f32.
    #[must_use]
    pub fn has_integer_timesteps(&self) -> bool {
        self.schedule.is_integer
    }

    /// The noise levels: one before each step and a last one, 0.
    #[must_use]
    pub fn sigmas(&self) -> &[f32] {
        &self.schedule.sigmas
    }

    /// Goes from noise level `index` to the next: takes the latents there and what the denoiser, after guidance, made of them,
    /// and returns the next latents in f32.
    ///
    /// Steps are taken in order, with the `state` of the step before.
    ///
    /// # Errors
    /// Shapes or devices that differ, or an index past the schedule.
    pub fn step(
        &self,
        state: &mut State,
        noise_pred: &Tensor,
        index: usize,
        sample: &Tensor,
    ) -> Result<Tensor> {
        if index >= self.schedule.timesteps.len() {
            candle_core::bail!("step {index} of a schedule of {}", self.schedule.timesteps.len());
        }
        let noise_pred = noise_pred.to_dtype(DType::F32)?;
        let sample = sample.to_dtype(DType::F32)?;
        match self.solver {
            Solver::UniPc => self.unipc(state, &noise_pred, index, sample),
            Solver::Euler => {
                let sigmas = &self.schedule.sigmas;
                sample + times(&noise_pred, sigmas[index + 1] - sigmas[index])?
            }
        }
    }

    fn unipc(
        &self,
        state: &mut State,
        noise_pred: &Tensor,
        index: usize,
        sample: Tensor,
    ) -> Result<Tensor> {
        let clean = (&sample - times(noise_pred, self.schedule.sigmas[index])?)?;
        let sample = match (&state.start, &state.clean) {
            (Some(start), Some(previous)) if index > 0 => {
                let older = state.older.as_ref().filter(|_| state.order == 2 && index > 1);
                self.correct(index, start, &clean, previous, older)?
            }
            _ => sample,
        };
        let left = self.schedule.timesteps.len() - index;
        let older = state.clean.take().filter(|_| index > 0);
        state.order = if older.is_some() { left.min(2) } else { 1 };
        let next =
            self.predict(index, &sample, &clean, older.as_ref().filter(|_| state.order == 2))?;
        state.older = older;
        state.clean = Some(clean);
        state.start = Some(sample);
        Ok(next)
    }

    /// UniP: the latents at noise level `index + 1`.
    fn predict(
        &self,
        index: usize,
        sample: &Tensor,
        clean: &Tensor,
        older: Option<&Tensor>,
    ) -> Result<Tensor> {
        let interval = Interval::new(&self.schedule.sigmas, index + 1);
        let base = interval.first_order(sample, clean)?;
        let Some(older) = older else { return Ok(base) };
        let slope = interval.slope(&self.schedule.sigmas, clean, older)?;
        base - times(&times(&slope, 0.5)?, interval.weight())?
    }

    /// UniC: the latents at noise level `index` again, now that the denoiser has seen them.
    fn correct(
        &self,
        index: usize,
        start: &Tensor,
        clean: &Tensor,
        previous: &Tensor,
        older: Option<&Tensor>,
    ) -> Result<Tensor> {
        let interval = Interval::new(&self.schedule.sigmas, index);
        let base = interval.first_order(start, previous)?;
        let change = (clean - previous)?;
        let residual = match older {
            None => times(&change, 0.5)?,
            Some(older) => {
                let [weight_slope, weight_change] =
                    interval.corrector_weights(&self.schedule.sigmas);
                let slope = interval.slope(&self.schedule.sigmas, previous, older)?;
                (times(&slope, weight_slope)? + times(&change, weight_change)?)?
            }
        };
        base - times(&residual, interval.weight())?
    }
}

/// The scalars of one step between two neighbouring noise levels, all f32.
struct Interval {
    /// Which noise level the interval ends at.
    end: usize,
    sigma_ratio: f32,
    alpha: f32,
    lambda_start: f32,
    /// By how much the half-logarithm of the signal-to-noise ratio grows.
    h: f32,
    /// `exp(-h) - 1`, the paper's `h phi_1(h)` and, in the B2 form, its `B(h)`.
    decay: f32,
}

impl Interval {
    fn new(sigmas: &[f32], end: usize) -> Self {
        let lambda_start = lambda(sigmas[end - 1]);
        let h = lambda(sigmas[end]) - lambda_start;
        Self {
            end,
            sigma_ratio: sigmas[end] / sigmas[end - 1],
            alpha: 1.0 - sigmas[end],
            lambda_start,
            h,
            decay: f64::from(-h).exp_m1() as f32,
        }
    }

    fn weight(&self) -> f32 {
        self.alpha * self.decay
    }

    fn first_order(&self, sample: &Tensor, clean: &Tensor) -> Result<Tensor> {
        times(sample, self.sigma_ratio)? - times(clean, self.weight())?
    }

    /// Where the level before the interval lies, in units of the interval: negative.
    fn ratio(&self, sigmas: &[f32]) -> f32 {
        (lambda(sigmas[self.end - 2]) - self.lambda_start) / self.h
    }

    fn slope(&self, sigmas: &[f32], clean: &Tensor, older: &Tensor) -> Result<Tensor> {
        let difference = (older - clean)?;
        // A division, not a multiplication by the inverse, as in the reference.
        let ratio = Tensor::new(self.ratio(sigmas), difference.device())?;
        difference.broadcast_div(&ratio)
    }

    /// Solves the paper's 2 x 2 system for the corrector of order 2.
    fn corrector_weights(&self, sigmas: &[f32]) -> [f32; 2] {
        let hh = -self.h;
        let phi_2 = self.decay / hh - 1.0;
        let phi_3 = phi_2 / hh - 0.5;
        solve(self.ratio(sigmas), [phi_2 / self.decay, phi_3 * 2.0 / self.decay])
    }
}

/// Solves `[[1, 1], [ratio, 1]] x = b` by elimination with row pivoting.
fn solve(ratio: f32, [top, bottom]: [f32; 2]) -> [f32; 2] {
    if ratio.abs() > 1.0 {
        let factor = 1.0 / ratio;
        let last = (top - factor * bottom) / (1.0 - factor);
        [(bottom - last) / ratio, last]
    } else {
        let last = (bottom - ratio * top) / (1.0 - ratio);
        [top - last, last]
    }
}

/// Half the logarithm of the signal-to-noise ratio at a noise level.
fn lambda(sigma: f32) -> f32 {
    ln(1.0 - sigma) - ln(sigma)
}

fn ln(value: f32) -> f32 {
    f64::from(value).ln() as f32
}

fn times(tensor: &Tensor, factor: f32) -> Result<Tensor> {
    tensor.affine(f64::from(factor), 0.0)
}
