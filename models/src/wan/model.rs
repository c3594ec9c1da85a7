//! A Wan checkpoint, opened: configurations read, every tensor accounted for, parts loaded on demand.

use std::path::{Path, PathBuf};

use kinora_cards::{Grid, Layout};
use serde_json::Value;

use super::text::{TEXT_LENGTH, WanText};
use super::transformer::Transformer;
use super::vae::WanVae;
use super::{config, vae};
use crate::family::{Facts, Family, Footprint, Model, Part};
use crate::parts::{Denoiser, Placement, TextEncoder, Tiling, VideoVae};
use crate::text::umt5;
use crate::weights::{
    Checkpoint, Component, Expected, KeyMap, Location, Source, Weights, WeightsError,
};
use crate::{Error, Result};

/// Wan 2.1 text-to-video and Wan 2.2 TI2V.
pub const FAMILY: Family =
    Family { name: "wan", classes: &["WanPipeline", "WanModel"], open: WanModel::open };

const TRANSFORMER_NAMES: &str = include_str!("keys/original-transformer.toml");
const VAE21_NAMES: &str = include_str!("keys/original-vae21.toml");
const VAE22_NAMES: &str = include_str!("keys/original-vae22.toml");
const TEXT_NAMES: &str = include_str!("keys/original-umt5.toml");

/// The files of one part, what is expected of them and how they name it.
struct Planned {
    weights: Location,
    names: Option<KeyMap>,
    expected: Expected,
    /// Each with how long it is.
    files: Vec<(PathBuf, u64)>,
    stored_bytes: u64,
    values: u64,
}

impl Planned {
    /// Accounts for every tensor. `configure` makes the expectation of the tensors' names and shapes.
    fn new<C>(
        component: &Component,
        names: Option<KeyMap>,
        configure: impl FnOnce(&Source) -> Result<(C, Expected)>,
    ) -> Result<(C, Self)> {
        let source = open(&component.weights, names.as_ref())?;
        let (config, expected) = configure(&source)?;
        let files = source.sizes().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
        let weights = source.plan(&expected)?;
        let planned = Self {
            files,
            stored_bytes: weights.size_bytes(),
            values: expected.iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum(),
            weights: component.weights.clone(),
            names,
            expected,
        };
        Ok((config, planned))
    }

    /// Maps the files and accounts for them again: they may have changed.
    fn open(&self, placement: &Placement) -> Result<Weights> {
        let source = open(&self.weights, self.names.as_ref())?;
        Ok(source.plan(&self.expected)?.on(&placement.device))
    }
}

fn open(location: &Location, names: Option<&KeyMap>) -> Result<Source, WeightsError> {
    let source = Source::of(location)?;
    match names {
        Some(names) => source.renamed(names),
        None => Ok(source),
    }
}

/// An opened checkpoint of the family.
struct WanModel {
    checkpoint: Checkpoint,
    facts: Facts,
    original_names: KeyMap,
    text: (umt5::Config, Planned),
    transformer: (config::Config, Planned),
    vae: (vae::Config, Planned),
}

impl WanModel {
    fn open(checkpoint: Checkpoint) -> Result<Box<dyn Model>> {
        let is_original = checkpoint.layout == Layout::Original;
        let original_names = KeyMap::parse(TRANSFORMER_NAMES, &[])?;
        let foreign = |names: &KeyMap| is_original.then(|| names.clone());
        let text = Planned::new(
            &checkpoint.text_encoder,
            foreign(&KeyMap::parse(TEXT_NAMES, &[])?),
            |source| {
                let config = match &checkpoint.text_encoder.config {
                    Some(config) => umt5::Config::from_json(&config.text)
                        .map_err(|e| e.in_file(&config.file))?,
                    None => umt5::Config::detect(&source.inventory())
                        .map_err(|e| e.in_file(checkpoint.text_encoder.weights.path()))?,
                };
                let expected = config.expected();
                Ok((config, expected))
            },
        )?;
        let transformer =
            Planned::new(&checkpoint.transformer, foreign(&original_names), |source| {
                let Some(config) = &checkpoint.transformer.config else {
                    return Err(WeightsError::Missing {
                        root: checkpoint.root.clone(),
                        component: "transformer",
                        expected: "config.json".to_owned(),
                    }
                    .into());
                };
                let parsed = if is_original {
                    config::Config::from_original(&config.text, &source.inventory())
                } else {
                    config::Config::from_json(&config.text)
                };
                let parsed = parsed.map_err(|e| e.in_file(&config.file))?;
                let expected = parsed.expected();
                Ok((parsed, expected))
            })?;
        let vae = match &checkpoint.vae.config {
            Some(config) => Planned::new(&checkpoint.vae, None, |_| {
                let parsed =
                    vae::Config::from_json(&config.text).map_err(|e| e.in_file(&config.file))?;
                let expected = parsed.expected();
                Ok((parsed, expected))
            })?,
            None => {
                let file = &checkpoint.vae.weights;
                let inventory = Source::of(file)?.inventory();
                let config = vae::Config::detect(&inventory).map_err(|e| e.in_file(file.path()))?;
                let dialect = if config.is_residual { VAE22_NAMES } else { VAE21_NAMES };
                let blocks = u32::try_from(config.num_res_blocks).unwrap_or(u32::MAX);
                let names = KeyMap::parse(dialect, &[("res", blocks)])?;
                Planned::new(&checkpoint.vae, Some(names), |_| {
                    let expected = config.expected();
                    Ok((config, expected))
                })?
            }
        };
        if text.0.d_model != transformer.0.text_dim {
            return Err(Error::Config {
                class: "WanTransformer3DModel",
                field: "text_dim".to_owned(),
                expected: format!("{}, the width of the text encoder", text.0.d_model),
                found: transformer.0.text_dim.to_string(),
            });
        }
        let facts = facts(&checkpoint, [&text.1, &transformer.1, &vae.1], &transformer.0, &vae.0)?;
        Ok(Box::new(Self { checkpoint, facts, original_names, text, transformer, vae }))
    }

    fn planned(&self, part: Part) -> &Planned {
        match part {
            Part::TextEncoder => &self.text.1,
            Part::Denoiser => &self.transformer.1,
            Part::Vae => &self.vae.1,
        }
    }
}

fn facts(
    checkpoint: &Checkpoint,
    [text, transformer, vae]: [&Planned; 3],
    config: &config::Config,
    vae_config: &vae::Config,
) -> Result<Facts> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let [patch_frames, patch_height, patch_width] = config.patch_size.map(number);
    if config.in_channels != vae_config.z_dim || config.out_channels != vae_config.z_dim {
        return Err(Error::Config {
            class: "WanTransformer3DModel",
            field: "in_channels".to_owned(),
            expected: format!("{}, the latent channels of the VAE", vae_config.z_dim),
            found: format!("{} in and {} out", config.in_channels, config.out_channels),
        });
    }
    Ok(Facts {
        grid: Grid {
            temporal: number(vae_config.temporal_factor()),
            spatial: number(vae_config.spatial_factor()),
            patch_frames,
            patch_height,
            patch_width,
        },
        latent_channels: vae_config.z_dim,
        text_length: TEXT_LENGTH,
        max_patches: number(config.rope_max_seq_len),
        expand_timesteps: expands_timesteps(checkpoint)?,
        weights: Footprint {
            text_encoder: text.stored_bytes,
            denoiser: transformer.stored_bytes,
            vae: vae.stored_bytes,
        },
    })
}

/// Whether each token is given a timestep: of the pipeline in a diffusers folder, else of the transformer's type.
fn expands_timesteps(checkpoint: &Checkpoint) -> Result<bool> {
    type Settings = serde_json::Map<String, Value>;
    let Some(index) = &checkpoint.index else {
        let config = checkpoint.transformer.config.as_ref();
        let settings = config.map(|config| config.parse::<Settings>()).transpose()?;
        let kind = settings.as_ref().and_then(|settings| settings.get("model_type")?.as_str());
        return Ok(kind == Some("ti2v"));
    };
    match index.parse::<Settings>()?.get("expand_timesteps") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(expand)) => Ok(*expand),
        Some(other) => {
            let wrong = Error::Config {
                class: "WanPipeline",
                field: "expand_timesteps".to_owned(),
                expected: "true or false".to_owned(),
                found: other.to_string(),
            };
            Err(wrong.in_file(&index.file))
        }
    }
}

impl Model for WanModel {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn scheduler(&self) -> Option<(&Path, &str)> {
        self.checkpoint.scheduler.as_ref().map(|c| (c.file.as_path(), c.text.as_str()))
    }

    fn files(&self, part: Part) -> Vec<(&Path, u64)> {
        self.planned(part).files.iter().map(|(path, bytes)| (path.as_path(), *bytes)).collect()
    }

    fn original_names(&self) -> &KeyMap {
        &self.original_names
    }

    fn module(&self, name: &str) -> Option<[usize; 2]> {
        // Every weight with inputs is a linear layer; a kernel of patches is one with its inputs written out.
        match self.transformer.1.expected.shape(&format!("{name}.weight"))? {
            [outputs, inputs @ ..] if !inputs.is_empty() => {
                Some([*outputs, inputs.iter().product()])
            }
            _ => None,
        }
    }

    fn loaded_bytes(&self, part: Part, placement: &Placement) -> u64 {
        let values = match part {
            // Rows of the table are read where they are mapped.
            Part::TextEncoder => {
                self.text.1.values - (self.text.0.vocab_size * self.text.0.d_model) as u64
            }
            _ => self.planned(part).values,
        };
        values * placement.compute.size_in_bytes() as u64
    }

    fn denoiser_working_bytes(&self, tokens: usize, placement: &Placement) -> u64 {
        let config = &self.transformer.0;
        // The stream, its normed form, queries, keys and values before and after turning, attention's output, one more
        // for what an operation needs inside, and the widest row of the feed-forward.
        let values = 9 * config.dim() + 2 * config.ffn_dim;
        let widest = placement.activations().size_in_bytes().max(4);
        (tokens as u64).saturating_mul((values * widest) as u64)
    }

    fn decode_working_bytes(
        &self,
        [_, t, h, w]: [usize; 4],
        tiling: Option<Tiling>,
        placement: &Placement,
    ) -> u64 {
        let config = &self.vae.0;
        let frames = t.saturating_sub(1).saturating_mul(config.temporal_factor()).saturating_add(1);
        let spatial = config.spatial_factor();
        let value_bytes = placement.activations().size_in_bytes();
        let sides = [h, w].map(|latents| latents.saturating_mul(spatial));
        config.decode_bytes([frames, sides[0], sides[1]], tiling, value_bytes)
    }

    fn text_encoder(&self, placement: &Placement) -> Result<Box<dyn TextEncoder>> {
        let (config, planned) = &self.text;
        let weights = planned.open(placement)?;
        let Checkpoint { tokenizer, tokenizer_config, .. } = &self.checkpoint;
        let settings = tokenizer_config.as_ref();
        Ok(Box::new(WanText::load(tokenizer, settings, config, &weights, placement)?))
    }

    fn denoiser(&self, placement: &Placement) -> Result<Box<dyn Denoiser>> {
        let (config, planned) = &self.transformer;
        let weights = planned.open(placement)?;
        Ok(Box::new(Transformer::load(config.clone(), &weights, placement)?))
    }

    fn vae(&self, placement: &Placement) -> Result<Box<dyn VideoVae>> {
        let (config, planned) = &self.vae;
        let weights = planned.open(placement)?;
        Ok(Box::new(WanVae::load(config, &weights, placement)?))
    }

    fn verify(&self, progress: &mut dyn FnMut(&Path, u64)) -> Result<()> {
        for part in [Part::TextEncoder, Part::Denoiser, Part::Vae] {
            let planned = self.planned(part);
            let weights =
                open(&planned.weights, planned.names.as_ref())?.plan(&planned.expected)?;
            let mut bytes = 0;
            for (name, _) in planned.expected.iter() {
                bytes += weights.view(name)?.bytes.len() as u64;
                weights.release(name)?;
                progress(planned.weights.path(), bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_release_expands_timesteps_by_its_type() -> Result<()> {
        let place = tempfile::tempdir().expect("there is room for a folder");
        for (kind, expected) in [("t2v", false), ("ti2v", true)] {
            let config = format!(r#"{{"_class_name": "WanModel", "model_type": "{kind}"}}"#);
            for (name, content) in [
                ("config.json", config.as_str()),
                ("diffusion_pytorch_model.safetensors", ""),
                ("models_t5_umt5-xxl-enc-bf16.pth", ""),
                ("Wan2.2_VAE.pth", ""),
                ("google/umt5-xxl/tokenizer.json", ""),
            ] {
                let path = place.path().join(name);
                let folder = path.parent().expect("a file is in a folder");
                std::fs::create_dir_all(folder).expect("the folder is writable");
                std::fs::write(path, content).expect("the folder is writable");
            }
            let checkpoint = Checkpoint::open(place.path())?;
            assert_eq!(expands_timesteps(&checkpoint)?, expected, "{kind}");
        }
        Ok(())
    }
}
