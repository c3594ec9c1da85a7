//! The local runtime: a checkpoint of this machine, on a device of this machine.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use kinora_cards::{Card, SamplerKind, Task};
use kinora_models::family::Model;
use kinora_models::faults;
use kinora_models::parts::{Placement, Tiling};

use super::memory::{self, Budget, Extras, Placements};
use super::options::{DeviceChoice, LocalOptions, Precision};
use super::sigmas::{SchedulerConfig, Solver};
use super::{Survey, built_in};
use crate::generator::{Capabilities, Estimate, Generated, Generator};
use crate::observe::Observer;
use crate::request::{FolderRecipe, Lora, Recipe, Request};
use crate::{Error, Result};

/// More threads than the machine has only wait; more than this would take memory and minutes to start.
const MOST_THREADS: usize = 1024;

/// A checkpoint that is open on this machine. Nothing is loaded between generations.
pub struct LocalGenerator {
    pub(super) model: Box<dyn Model>,
    /// None where the program carries it.
    pub(super) folder: Option<PathBuf>,
    pub(super) name: String,
    pub(super) card: Option<&'static Card>,
    pub(super) scheduler: Option<SchedulerConfig>,
    pub(super) options: LocalOptions,
    pub(super) placements: Placements,
}

impl LocalGenerator {
    /// Opens the checkpoint in `folder`: recognises it and accounts for every tensor; reads no weight. `name` is how it was asked for.
    ///
    /// # Errors
    /// A folder that is no checkpoint, a component that is missing or does not fit, a device that is not there, an
    /// absurd number of threads.
    pub fn open(
        folder: &Path,
        name: &str,
        card: Option<&'static Card>,
        options: LocalOptions,
    ) -> Result<Self> {
        Self::check_threads(&options)?;
        Self::new(kinora_models::open(folder)?, Some(folder), name, card, options)
    }

    /// Opens the model that the program carries, once its bytes are known to be whole.
    ///
    /// # Errors
    /// A program that was damaged, a device that is not there, an absurd number of threads.
    pub fn built_in(options: LocalOptions) -> Result<Self> {
        Self::check_threads(&options)?;
        let card = kinora_cards::built_in();
        let model = built_in::open(&card.name)?;
        Self::new(model, None, &card.name, Some(card), options)
    }

    fn check_threads(options: &LocalOptions) -> Result<()> {
        match options.threads {
            Some(threads) if !(1..=MOST_THREADS).contains(&threads) => {
                let (name, found) = ("number of threads", threads as f64);
                Err(Error::Value { name, found, expected: "a whole number from 1 to 1024" })
            }
            _ => Ok(()),
        }
    }

    fn new(
        model: Box<dyn Model>,
        folder: Option<&Path>,
        name: &str,
        card: Option<&'static Card>,
        options: LocalOptions,
    ) -> Result<Self> {
        let scheduler = match model.scheduler() {
            Some((file, text)) => Some(SchedulerConfig::from_json(text, file)?),
            None => None,
        };
        let device = device(options.device)?;
        let placement = |precision| Placement { device: device.clone(), compute: dtype(precision) };
        let placements = Placements {
            main: placement(options.precision),
            vae: placement(options.vae_precision),
        };
        Ok(Self {
            model,
            folder: folder.map(Path::to_owned),
            name: name.to_owned(),
            card,
            scheduler,
            options,
            placements,
        })
    }

    /// Reads every weight once and checks that it is finite.
    ///
    /// # Errors
    /// The first tensor that is not.
    pub fn verify(&self, progress: &mut dyn FnMut(&Path, u64)) -> Result<()> {
        Ok(self.model.verify(progress)?)
    }

    fn resolve(&self, request: &Request) -> Result<Recipe> {
        let folder =
            self.scheduler.as_ref().map_or_else(FolderRecipe::default, |scheduler| FolderRecipe {
                flow_shift: Some(scheduler.flow_shift),
                sampler: Some(match scheduler.solver {
                    Solver::UniPc => SamplerKind::UniPc,
                    Solver::Euler => SamplerKind::Euler,
                }),
            });
        let facts = self.model.facts();
        let recipe = Recipe::resolve(request, self.card, folder, &facts.grid)?;
        let patches = u64::from(facts.max_patches);
        let [frames, rows, columns] =
            [facts.grid.patch_frames, facts.grid.patch_height, facts.grid.patch_width]
                .map(|latents| patches.saturating_mul(u64::from(latents)));
        let [temporal, spatial] = [facts.grid.temporal, facts.grid.spatial].map(u64::from);
        for (name, found, most) in [
            ("width", recipe.width.value, columns.saturating_mul(spatial)),
            ("height", recipe.height.value, rows.saturating_mul(spatial)),
            (
                "frames",
                recipe.num_frames.value,
                frames.saturating_sub(1).saturating_mul(temporal).saturating_add(1),
            ),
        ] {
            if u64::from(found) > most {
                return Err(Error::TooMuch { name, found, most });
            }
        }
        Ok(recipe)
    }

    pub(super) fn latent_shape(&self, recipe: &Recipe) -> Result<[usize; 4]> {
        let facts = self.model.facts();
        let [_, c, t, h, w] =
            facts.grid.latent_shape(facts.latent_channels, recipe.size(), recipe.frames())?;
        Ok([c, t, h, w])
    }

    /// Resolves a request, chooses the tiling of its decode and refuses what does not fit into memory.
    pub(super) fn plan(&self, request: &Request) -> Result<(Estimate, Option<Tiling>)> {
        if request.image.is_some() && !self.model.facts().expand_timesteps {
            return Err(Error::NoImageInput { model: self.name.clone() });
        }
        let recipe = self.resolve(request)?;
        let model = self.model.as_ref();
        let budget = Budget::new(self.options.memory_bytes);
        let tokens = model.facts().grid.tokens(recipe.size(), recipe.frames())?;
        let shape = self.latent_shape(&recipe)?;
        let tiling = memory::tiling(model, self.options.vae_tile, shape, &self.placements, budget);
        let extras = extras(request);
        let stages = memory::stages(model, tokens, shape, tiling, &self.placements, extras);
        memory::admit(&stages, budget, &recipe, &|size, frames| {
            let facts = model.facts();
            let tokens = facts.grid.tokens(size, frames).ok()?;
            let [_, c, t, h, w] =
                facts.grid.latent_shape(facts.latent_channels, size, frames).ok()?;
            let shape = [c, t, h, w];
            let tiling =
                memory::tiling(model, self.options.vae_tile, shape, &self.placements, budget);
            let stages = memory::stages(model, tokens, shape, tiling, &self.placements, extras);
            stages.iter().map(crate::generator::StageMemory::bytes).max()
        })?;
        Ok((Estimate { recipe, tokens, memory: stages }, tiling))
    }
}

impl Generator for LocalGenerator {
    fn capabilities(&self) -> Capabilities {
        let grid = &self.model.facts().grid;
        let mut tasks = vec![Task::T2v];
        if self.model.facts().expand_timesteps {
            tasks.push(Task::I2v);
        }
        Capabilities {
            name: self.name.clone(),
            tasks,
            frames: grid.frame_rule(),
            multiple_of: grid.spatial * grid.patch_width.max(grid.patch_height),
            adapters: true,
        }
    }

    fn estimate(&self, request: &Request) -> Result<Estimate> {
        Ok(self.plan(request)?.0)
    }

    fn generate(&self, request: &Request, observer: &dyn Observer) -> Result<Generated> {
        let machine = || std::thread::available_parallelism().map_or(1, usize::from);
        // On a thread of its pool: one outside it would sleep through every operation and be woken after it.
        rayon::ThreadPoolBuilder::new()
            // Zero is what the environment says, else a thread for each processor.
            .num_threads(self.options.threads.unwrap_or(0))
            .build()
            .map_err(|source| Error::Threads {
                threads: self.options.threads.unwrap_or_else(machine),
                source: Box::new(source),
            })?
            .install(faults::carry(|| self.run(request, observer)))
    }
}

/// What a request takes memory for beside the model.
fn extras(request: &Request) -> Extras {
    // A file that is not there is refused when it is opened.
    let bytes = |lora: &Lora| std::fs::metadata(&lora.path).map_or(0, |metadata| metadata.len());
    Extras {
        has_image: request.image.is_some(),
        adapters_bytes: request.loras.iter().map(bytes).sum(),
    }
}

fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

fn device(choice: DeviceChoice) -> Result<Device> {
    let failed = |name: String| move |source| Error::Device { name, source: Box::new(source) };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(n) => Device::new_cuda(n).map_err(failed(format!("cuda:{n}"))),
        DeviceChoice::Metal => Device::new_metal(0).map_err(failed("metal".to_owned())),
        DeviceChoice::Auto => {
            Ok(Device::new_cuda(0).or_else(|_| Device::new_metal(0)).unwrap_or(Device::Cpu))
        }
    }
}

/// Looks at what this machine has.
pub fn survey() -> Survey {
    let state = |device: candle_core::Result<Device>| match device {
        Ok(_) => "ready".to_owned(),
        Err(error) => {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        }
    };
    Survey {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        kernels: kinora_kernels::instruction_set().to_owned(),
        available_bytes: memory::available_bytes(),
        devices: vec![("cuda", state(Device::new_cuda(0))), ("metal", state(Device::new_metal(0)))],
    }
}
