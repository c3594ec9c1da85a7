//! One run: from a request to frames, stage after stage, one part of the model in memory at a time.

use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use kinora_adapters::lora;
use kinora_cards::SamplerKind;
use kinora_models::family::Part;
use kinora_models::parts::{Denoiser, PromptEmbeds, Tiling};

use super::denoise::{Denoising, Prompt};
use super::enabled::LocalGenerator;
use super::sampler::Sampler;
use super::sigmas::{SchedulerConfig, Solver};
use super::trace::Trace;
use super::{built_in_digest, decode, latents, noise};
use crate::Result;
use crate::generator::Generated;
use crate::manifest::{Computed, FileRecord, LoraRecord, Manifest, ModelFile, SCHEMA};
use crate::media::{self, Frames};
use crate::observe::{Event, Observer, Stage, tell};
use crate::request::{Recipe, Request};

/// What the stages of one run hand on.
struct Run<'a> {
    request: &'a Request,
    loras: Vec<lora::Lora>,
    observer: &'a dyn Observer,
    recipe: Recipe,
    trace: Trace,
    tiling: Option<Tiling>,
    shape: [usize; 4],
    seconds: Vec<(String, f64)>,
}

impl Run<'_> {
    /// Runs a stage under its name and keeps its time.
    fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        tell(self.observer, &Event::Stage(stage))?;
        let begun = Instant::now();
        let result = work(self)?;
        self.seconds.push((stage.name().to_owned(), begun.elapsed().as_secs_f64()));
        Ok(result)
    }
}

impl LocalGenerator {
    pub(super) fn run(&self, request: &Request, observer: &dyn Observer) -> Result<Generated> {
        tell(observer, &Event::Stage(Stage::Plan))?;
        let (estimate, tiling) = self.plan(request)?;
        let recipe = estimate.recipe;
        if let (Some(card), Some(folder)) = (self.card, &self.scheduler) {
            let card = card.defaults.flow_shift;
            if request.flow_shift.is_none() && card != folder.flow_shift {
                let (value, folder) = ("flow_shift", folder.flow_shift);
                tell(observer, &Event::CardOverFolder { value, card, folder })?;
            }
        }
        let shape = self.latent_shape(&recipe)?;
        let (loras, adapters) = self.loras(request)?;
        let mut run = Run {
            request,
            loras: adapters,
            observer,
            recipe,
            trace: Trace::new(request.trace.as_deref(), request.trace_blocks),
            tiling,
            shape,
            seconds: Vec::new(),
        };
        let picture = self.picture(&run)?;
        let start = self.start(&run)?;
        let embeds = run.stage(Stage::Text, |run| self.encode_text(run))?;
        let first = match &picture {
            Some((_, frames)) => {
                Some(run.stage(Stage::Image, |run| self.encode_image(run, frames))?)
            }
            None => None,
        };
        let denoiser = run.stage(Stage::Load, |run| self.load_denoiser(run))?;
        let sampler = self.sampler(&run.recipe);
        let clean = run.stage(Stage::Denoise, |run| {
            let prompts = prompts(denoiser.as_ref(), &embeds, run, self.model.facts().text_length)?;
            let denoising = Denoising {
                denoiser: denoiser.as_ref(),
                sampler: &sampler,
                guidance_scale: run.recipe.guidance_scale.value,
                prompts: &prompts,
                first: first.as_ref(),
                expand_timesteps: self.model.facts().expand_timesteps,
            };
            denoising.run(&start, &mut run.trace, run.observer)
        })?;
        drop(denoiser);
        let latent_hash = latents::hash(&clean)?;
        if let Some(file) = &request.save_latents {
            latents::write(file, &clean)?;
        }
        let frames = run.stage(Stage::Decode, |run| self.decode(run, &clean))?;
        let manifest = Manifest {
            schema: SCHEMA,
            engine: concat!("kinora ", env!("CARGO_PKG_VERSION")).to_owned(),
            model: asked(&self.name, self.folder.as_deref()),
            card: self.card.map(|card| card.name.clone()),
            built_in: match self.folder {
                Some(_) => None,
                None => built_in_digest().map(str::to_owned),
            },
            files: self.files(),
            token_ids: embeds.iter().map(|e| ids_hash(&e.input_ids)).collect(),
            loras,
            image: picture.map(|(record, _)| record),
            enlarge: request.enlarge,
            init_latents: request.init_latents.as_deref().map(FileRecord::of).transpose()?,
            computed: self.computed(run.tiling),
            sigmas: sampler.sigmas().to_vec(),
            recipe: run.recipe,
            seconds: run.seconds,
            latent_hash,
            frames_hash: media::frames_hash(&frames).to_hex().to_string(),
        };
        run.trace.finish()?;
        Ok(Generated { frames, fps: manifest.recipe.fps()?, manifest })
    }

    /// The adapters of a request, and for the record the hashes of their files. What does not fit is refused here, before any work
    /// begins.
    fn loras(&self, request: &Request) -> Result<(Vec<LoraRecord>, Vec<lora::Lora>)> {
        let mut records = Vec::with_capacity(request.loras.len());
        let mut adapters = Vec::with_capacity(request.loras.len());
        for lora in &request.loras {
            adapters.push(lora::Lora::open(&lora.path, lora.scale, self.model.as_ref())?);
            records.push(LoraRecord {
                lora: lora.clone(),
                blake3: FileRecord::of(&lora.path)?.blake3,
            });
        }
        Ok((records, adapters))
    }

    /// The picture to begin with, at the size of the clip.
    fn picture(&self, run: &Run<'_>) -> Result<Option<(FileRecord, Frames)>> {
        let Some(path) = &run.request.image else { return Ok(None) };
        let size = run.recipe.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let picture = media::read_image(path)?.resize(width, height, media::Filter::Lanczos)?;
        Ok(Some((FileRecord::of(path)?, picture)))
    }

    /// Initial latents: of a file, else noise from the seed.
    fn start(&self, run: &Run<'_>) -> Result<Tensor> {
        let start = match &run.request.init_latents {
            Some(file) => latents::read(file, run.shape)?,
            None => Tensor::from_vec(
                noise::randn(run.recipe.seed, &run.shape),
                run.shape.as_slice(),
                &Device::Cpu,
            )?,
        };
        Ok(start.to_device(&self.placements.main.device)?)
    }

    /// Encodes the prompt and, when guidance is on, the negative prompt; the encoder is gone afterwards.
    fn encode_text(&self, run: &mut Run<'_>) -> Result<Vec<PromptEmbeds>> {
        tell(run.observer, &Event::Weights { bytes: self.model.facts().weights.text_encoder })?;
        let encoder = self.model.text_encoder(&self.placements.main)?;
        let negative = run.recipe.is_guided().then_some(run.recipe.negative_prompt.value.as_str());
        let texts: Vec<&str> =
            [Some(run.recipe.prompt.as_str()), negative].into_iter().flatten().collect();
        let mut all = Vec::with_capacity(texts.len());
        for (n, text) in texts.into_iter().enumerate() {
            let embeds = encoder.encode(text)?;
            latents::check_finite(&embeds.embeds, || "embeddings of the prompt".to_owned())?;
            tell(
                run.observer,
                &Event::Pass { index: n + 1, total: 1 + usize::from(negative.is_some()) },
            )?;
            if run.trace.is_on() {
                let length = embeds.input_ids.len();
                let ids: Vec<i64> = embeds.input_ids.iter().map(|id| i64::from(*id)).collect();
                let mask: Vec<i64> = (0..length).map(|i| i64::from(i < embeds.tokens)).collect();
                let ids = Tensor::from_vec(ids, (1, length), &Device::Cpu)?;
                let mask = Tensor::from_vec(mask, (1, length), &Device::Cpu)?;
                run.trace.put(format!("text.{n}.input_ids"), &ids, &[1, length])?;
                run.trace.put(format!("text.{n}.mask"), &mask, &[1, length])?;
                run.trace.put_batched(format!("text.{n}.out"), &padded(&embeds.embeds, length)?)?;
            }
            all.push(embeds);
        }
        Ok(all)
    }

    /// Encodes the first frame to clean, normalised latents `(c, 1, h, w)`.
    fn encode_image(&self, run: &mut Run<'_>, picture: &Frames) -> Result<Tensor> {
        let vae = self.model.vae(&self.placements.vae)?;
        let shape = [picture.height(), picture.width(), 3];
        let bytes = Tensor::from_slice(picture.data(), shape.as_slice(), &Device::Cpu)?;
        run.trace.put("input.image", &bytes, &shape)?;
        let pixels = decode::to_tensor(picture, &self.placements.vae.device)?;
        run.trace.put_batched("vae.encode.0.in", &pixels)?;
        let mean = vae.encode(&pixels)?.to_dtype(DType::F32)?;
        latents::check_finite(&mean, || "latents of the picture".to_owned())?;
        run.trace.put_batched("vae.encode.0.mean", &mean)?;
        decode::normalise(&mean, vae.statistics())
    }

    fn load_denoiser(&self, run: &mut Run<'_>) -> Result<Box<dyn Denoiser>> {
        tell(run.observer, &Event::Weights { bytes: self.model.facts().weights.denoiser })?;
        let mut denoiser = self.model.denoiser(&self.placements.main)?;
        for lora in &run.loras {
            lora.attach(denoiser.as_mut())?;
        }
        Ok(denoiser)
    }

    fn sampler(&self, recipe: &Recipe) -> Sampler {
        let solver = match recipe.sampler.value {
            SamplerKind::UniPc => Solver::UniPc,
            SamplerKind::Euler => Solver::Euler,
        };
        let mut config = SchedulerConfig::new(solver, recipe.flow_shift.value);
        if let Some(scheduler) = &self.scheduler {
            config.num_train_timesteps = scheduler.num_train_timesteps;
        }
        Sampler::new(&config, recipe.num_inference_steps.value as usize)
    }

    fn decode(&self, run: &mut Run<'_>, clean: &Tensor) -> Result<Frames> {
        tell(run.observer, &Event::Weights { bytes: self.model.facts().weights.vae })?;
        let vae = self.model.vae(&self.placements.vae)?;
        let latents = decode::denormalise(clean, vae.statistics())?;
        run.trace.put_batched("vae.decode.in", &latents)?;
        let observer = run.observer;
        let pixels = vae.decode(&latents, run.tiling, &mut |index, total| {
            observer.on(&Event::Decode { index, total })
        })?;
        latents::check_finite(&pixels, || "decoded frames".to_owned())?;
        run.trace.put_batched("vae.decode.out", &pixels)?;
        let unit = decode::to_unit(&pixels)?;
        run.trace.put("frames", &unit, unit.dims())?;
        decode::to_frames(&unit)
    }

    fn files(&self) -> Vec<ModelFile> {
        let root = self.folder.as_deref().unwrap_or(Path::new(&self.name));
        let parts = [Part::TextEncoder, Part::Denoiser, Part::Vae];
        let files = parts.into_iter().flat_map(|part| self.model.files(part));
        let record = |(path, bytes): (&Path, u64)| ModelFile {
            path: path.strip_prefix(root).unwrap_or(path).display().to_string(),
            bytes,
        };
        files.map(record).collect()
    }

    fn computed(&self, tiling: Option<Tiling>) -> Computed {
        let device = &self.placements.main.device;
        Computed {
            device: match device.location() {
                candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
                candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                candle_core::DeviceLocation::Metal { .. } => "metal".to_owned(),
            },
            kernels: if device.is_cpu() {
                kinora_kernels::instruction_set().to_owned()
            } else {
                "reference".to_owned()
            },
            dtype: self.options.precision.name().to_owned(),
            vae_dtype: self.options.vae_precision.name().to_owned(),
            vae_tile: tiling.map(|t| (t.tile_px, t.stride_px)),
            noise: "torch.randn f32 of x86-64 AVX2 builds, drawn on the processor".to_owned(),
        }
    }
}

/// What the denoiser makes of each prompt.
fn prompts(
    denoiser: &dyn Denoiser,
    embeds: &[PromptEmbeds],
    run: &Run<'_>,
    length: usize,
) -> Result<Vec<Prompt>> {
    embeds
        .iter()
        .map(|embeds| {
            let padded = run.trace.is_on().then(|| padded(&embeds.embeds, length)).transpose()?;
            Ok(Prompt { context: denoiser.prepare(embeds, &mut ())?, padded })
        })
        .collect()
}

/// Embeddings with rows of zeros up to the full length.
fn padded(embeds: &Tensor, length: usize) -> Result<Tensor> {
    Ok(embeds.pad_with_zeros(0, 0, length.saturating_sub(embeds.dims()[0]))?)
}

fn ids_hash(ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex().to_string()
}

/// The model as a manifest names it. A folder that was named by its path is found from every working directory.
fn asked(name: &str, folder: Option<&Path>) -> String {
    match folder.filter(|folder| *folder == Path::new(name)).map(std::path::absolute) {
        Some(Ok(absolute)) => absolute.display().to_string(),
        _ => name.to_owned(),
    }
}
