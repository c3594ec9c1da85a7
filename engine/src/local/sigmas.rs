//! Which noise levels a run passes through: the schedule of a flow-matching checkpoint.
//!
//! A [`SchedulerConfig`] says how (solver, shift), a [`Schedule`] is the table for a number of steps. Every operation has the
//! type and the order of the reference, so the tables are equal bit for bit: UniPC's timesteps are whole numbers, cut off and
//! not rounded; Euler's are f32, and its shift is applied twice, once to find the range and once to the values in it.
//!
//! # Source
//! huggingface/diffusers 0.42.1: `schedulers/scheduling_unipc_multistep.py`, `schedulers/scheduling_flow_match_euler_discrete.py`,
//! and `numpy.linspace`.

use std::path::Path;

use kinora_models::faults::{self, Fault};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::request::FLOW_SHIFTS;

/// How many noise levels the published flow-matching models were trained on.
const TRAIN_TIMESTEPS: usize = 1000;

/// How far UniPC stays away from sigma 1, where the logarithm of the signal is infinite.
const FROM_ONE: f64 = 1e-6;

/// What integrates the flow from noise to latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// UniPC of order 2 in its B2(h) form, predicting clean latents, with its corrector (`UniPCMultistepScheduler`).
    UniPc,
    /// Euler's method (`FlowMatchEulerDiscreteScheduler`).
    Euler,
}

/// The part of a `scheduler_config.json` that changes what is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerConfig {
    /// What integrates.
    pub solver: Solver,
    /// How strongly the schedule leans towards high noise; 1 leaves it even.
    pub flow_shift: f64,
    /// How many timesteps sigma 1 stands for.
    pub num_train_timesteps: usize,
}

impl SchedulerConfig {
    /// The configuration of a solver with a shift, and otherwise the values all published models have.
    #[must_use]
    pub fn new(solver: Solver, flow_shift: f64) -> Self {
        Self { solver, flow_shift, num_train_timesteps: TRAIN_TIMESTEPS }
    }

    /// Reads the text of a `scheduler_config.json`; `file` is only named in errors.
    ///
    /// Missing keys have the defaults of the class. Keys that change nothing for a flow schedule are not looked at.
    ///
    /// # Errors
    /// No JSON object, a class other than the two, or a setting that no sampler here follows.
    pub fn from_json(text: &str, file: &Path) -> Result<Self> {
        let keys: Map<String, Value> = serde_json::from_str(text)
            .map_err(|source| Error::Json { file: file.to_owned(), source })?;
        let settings = Settings { keys, file };
        let (solver, shift) = match settings.keys.get("_class_name").and_then(Value::as_str) {
            Some("UniPCMultistepScheduler") => (Solver::UniPc, "flow_shift"),
            Some("FlowMatchEulerDiscreteScheduler") => (Solver::Euler, "shift"),
            _ => {
                return Err(settings.refuse(
                    "_class_name",
                    "UniPCMultistepScheduler or FlowMatchEulerDiscreteScheduler",
                ));
            }
        };
        for (setting, [default, followed]) in followed(solver) {
            settings.expect(setting, &default, &followed)?;
        }
        Ok(Self {
            solver,
            flow_shift: settings.shift(shift)?,
            num_train_timesteps: settings.num_train_timesteps()?,
        })
    }
}

/// The settings that must have one value to be followed: name, default of the class, that value.
fn followed(solver: Solver) -> Vec<(&'static str, [Value; 2])> {
    let same = |value: Value| [value.clone(), value];
    let mut settings = vec![
        ("use_dynamic_shifting", same(json!(false))),
        ("shift_terminal", same(json!(null))),
        ("use_karras_sigmas", same(json!(false))),
        ("use_exponential_sigmas", same(json!(false))),
        ("use_beta_sigmas", same(json!(false))),
    ];
    match solver {
        Solver::UniPc => settings.extend([
            ("prediction_type", [json!("epsilon"), json!("flow_prediction")]),
            ("use_flow_sigmas", [json!(false), json!(true)]),
            ("solver_order", same(json!(2))),
            ("solver_type", same(json!("bh2"))),
            ("solver_p", same(json!(null))),
            ("predict_x0", same(json!(true))),
            ("lower_order_final", same(json!(true))),
            ("disable_corrector", same(json!([]))),
            ("final_sigmas_type", same(json!("zero"))),
            ("thresholding", same(json!(false))),
        ]),
        Solver::Euler => settings.extend([
            ("invert_sigmas", same(json!(false))),
            ("stochastic_sampling", same(json!(false))),
        ]),
    }
    settings
}

/// The keys of one file.
struct Settings<'a> {
    keys: Map<String, Value>,
    file: &'a Path,
}

impl Settings<'_> {
    fn refuse(&self, setting: &'static str, expected: impl Into<String>) -> Error {
        Error::Setting {
            file: self.file.to_owned(),
            setting,
            expected: expected.into(),
            found: match self.keys.get(setting) {
                Some(value) => value.to_string(),
                None => "nothing".to_owned(),
            },
        }
    }

    fn expect(&self, setting: &'static str, default: &Value, followed: &Value) -> Result<()> {
        if self.keys.get(setting).unwrap_or(default) == followed {
            Ok(())
        } else {
            Err(self.refuse(setting, followed.to_string()))
        }
    }

    fn shift(&self, setting: &'static str) -> Result<f64> {
        match self.keys.get(setting) {
            None => Ok(1.0),
            Some(value) => {
                value.as_f64().filter(|shift| FLOW_SHIFTS.contains(shift)).ok_or_else(|| {
                    self.refuse(
                        setting,
                        format!("a number from {} to {}", FLOW_SHIFTS.start(), FLOW_SHIFTS.end()),
                    )
                })
            }
        }
    }

    fn num_train_timesteps(&self) -> Result<usize> {
        let setting = "num_train_timesteps";
        match self.keys.get(setting) {
            None => Ok(TRAIN_TIMESTEPS),
            Some(value) => value
                .as_u64()
                .filter(|count| (2..=1_000_000).contains(count))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| self.refuse(setting, "a whole number from 2 to 1000000")),
        }
    }
}

/// The table of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// What the denoiser is told at each step, falling; one value a step.
    pub timesteps: Vec<f32>,
    /// Whether the timesteps are whole numbers (int64 in the reference) rather than f32.
    pub is_integer: bool,
    /// The noise level before each step, and the one after the last step, which is 0.
    pub sigmas: Vec<f32>,
}

impl Schedule {
    /// Computes the table for a number of steps.
    #[must_use]
    pub fn new(config: &SchedulerConfig, num_inference_steps: usize) -> Self {
        let shift = if faults::is(Fault::ShiftIgnored) { 1.0 } else { config.flow_shift };
        match config.solver {
            Solver::UniPc => Self::unipc(shift, config.num_train_timesteps, num_inference_steps),
            Solver::Euler => Self::euler(shift, config.num_train_timesteps, num_inference_steps),
        }
    }

    fn unipc(flow_shift: f64, num_train_timesteps: usize, num_inference_steps: usize) -> Self {
        let train = num_train_timesteps as f64;
        let mut sigmas = linspace(1.0, 1.0 / train, num_inference_steps + 1);
        sigmas.truncate(num_inference_steps);
        for sigma in &mut sigmas {
            *sigma = shifted(*sigma, flow_shift);
        }
        if let Some(first) = sigmas.first_mut().filter(|first| (**first - 1.0).abs() < FROM_ONE) {
            *first -= FROM_ONE;
        }
        Self {
            timesteps: sigmas.iter().map(|sigma| (sigma * train).trunc() as f32).collect(),
            is_integer: true,
            sigmas: ending_in_zero(&sigmas),
        }
    }

    fn euler(flow_shift: f64, num_train_timesteps: usize, num_inference_steps: usize) -> Self {
        let train = num_train_timesteps as f64;
        // The ends of the range are those of the training schedule: f32, already shifted.
        let shift = flow_shift as f32;
        let slope = (flow_shift - 1.0) as f32;
        let end = |timestep: f32| {
            let sigma = timestep / train as f32;
            f64::from(shift * sigma / (1.0 + slope * sigma))
        };
        let timesteps = linspace(end(train as f32) * train, end(1.0) * train, num_inference_steps);
        let shifted: Vec<f64> =
            timesteps.iter().map(|timestep| shifted(timestep / train, flow_shift)).collect();
        let sigmas = ending_in_zero(&shifted);
        Self {
            timesteps: sigmas[..num_inference_steps]
                .iter()
                .map(|sigma| sigma * train as f32)
                .collect(),
            is_integer: false,
            sigmas,
        }
    }
}

fn shifted(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

fn ending_in_zero(sigmas: &[f64]) -> Vec<f32> {
    sigmas.iter().map(|sigma| *sigma as f32).chain([0.0]).collect()
}

/// `count` evenly spaced values from `start` to `stop`, both included, with the operations of `numpy.linspace`.
fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let step = (stop - start) / (count.max(2) - 1) as f64;
    let mut values: Vec<f64> = (0..count).map(|index| index as f64 * step + start).collect();
    if let Some(last) = values.last_mut().filter(|_| count > 1) {
        *last = stop;
    }
    values
}
