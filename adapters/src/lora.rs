//! Low-rank adapters: read, named, attached.
//!
//! # Source
//! LoRA: arXiv 2106.09685. Namings: `huggingface/peft` and `huggingface/diffusers` (`transformer.<module>.lora_A|lora_B`),
//! `comfyanonymous/ComfyUI` (`diffusion_model.<original module>.lora_down|lora_up`, `.alpha`).

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use kinora_models::faults::{self, Fault};
use kinora_models::nn::Delta;
use kinora_models::parts::Denoiser;
use kinora_models::weights::{KeyMap, Source, Weights};
use serde::Deserialize;

use crate::{Error, Result};

const DIALECTS: &str = include_str!("dialects.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialects {
    dialect: Vec<Dialect>,
    suffix: Vec<Suffix>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialect {
    /// For the reader of the table.
    #[expect(dead_code, reason = "a dialect is known by its prefix; the name is for people")]
    name: String,
    prefix: String,
    names: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Names {
    Canonical,
    Original,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suffix {
    down: String,
    up: String,
    alpha: String,
}

/// The keys of one change, as the file names them.
#[derive(Debug, Default)]
struct Keys {
    /// What the module is called in the file, prefix included.
    stem: String,
    down: Option<String>,
    up: Option<String>,
    alpha: Option<String>,
}

/// Attaches every change of a LoRA file to a denoiser, with strength `scale`. `original` translates the names of the
/// original release. Nothing is attached before every key of the file is known to be used.
///
/// # Errors
/// A file that is not readable, a key that nothing uses, a change that is not whole or does not fit its module.
pub fn attach(
    denoiser: &mut dyn Denoiser,
    original: &KeyMap,
    file: &Path,
    scale: f64,
) -> Result<()> {
    if !scale.is_finite() {
        return Err(Error::Scale { file: file.to_owned(), scale });
    }
    let model = |source| Error::Model { file: file.to_owned(), source: Box::new(source) };
    let weights = Source::open(file).map_err(|e| model(e.into()))?.unplanned();
    let modules = modules(&weights, original, file)?;
    let mut deltas = Vec::with_capacity(modules.len());
    for (module, keys) in &modules {
        deltas.push((module, delta(&weights, keys, file, scale)?));
    }
    for (module, delta) in deltas {
        denoiser.adapt(module, delta).map_err(model)?;
    }
    Ok(())
}

/// Sorts the keys of a file by the module they change.
fn modules(weights: &Weights, original: &KeyMap, file: &Path) -> Result<BTreeMap<String, Keys>> {
    let table: Dialects = toml::from_str(DIALECTS)?;
    let mut modules: BTreeMap<String, Keys> = BTreeMap::new();
    let mut unused = Vec::new();
    for key in weights.names() {
        let Some((stem, module, place)) = named(&table, original, key) else {
            unused.push(key.to_owned());
            continue;
        };
        let keys = modules.entry(module.clone()).or_default();
        if keys.stem.is_empty() {
            keys.stem = stem.to_owned();
        }
        let slot = match place {
            Place::Down => &mut keys.down,
            Place::Up => &mut keys.up,
            Place::Alpha => &mut keys.alpha,
        };
        if let Some(first) = slot.replace(key.to_owned()) {
            let (file, second) = (file.to_owned(), key.to_owned());
            return Err(Error::Twice { file, module, first, second });
        }
    }
    if unused.is_empty() {
        Ok(modules)
    } else {
        Err(Error::Unused { file: file.to_owned(), unused })
    }
}

enum Place {
    Down,
    Up,
    Alpha,
}

/// The stem of a key, the canonical module it names, and which part of the change it is.
fn named<'k>(
    table: &Dialects,
    original: &KeyMap,
    key: &'k str,
) -> Option<(&'k str, String, Place)> {
    let dialect = table.dialect.iter().find(|dialect| key.starts_with(&dialect.prefix))?;
    let (stem, place) = table.suffix.iter().find_map(|suffix| {
        let part = |text: &str, place| Some((key.strip_suffix(text)?, place));
        part(&suffix.down, Place::Down)
            .or_else(|| part(&suffix.up, Place::Up))
            .or_else(|| part(&suffix.alpha, Place::Alpha))
    })?;
    let inner = stem.strip_prefix(dialect.prefix.as_str())?;
    let module = match dialect.names {
        Names::Canonical => inner.to_owned(),
        Names::Original => {
            original.forward(&format!("{inner}.weight"))?.strip_suffix(".weight")?.to_owned()
        }
    };
    Some((stem, module, place))
}

/// Reads one change. `alpha / rank` goes into the up matrix, rounded as a file in which it is folded has it.
fn delta(weights: &Weights, keys: &Keys, file: &Path, scale: f64) -> Result<Delta> {
    let model = |source| Error::Model { file: file.to_owned(), source: Box::new(source) };
    let half = |found: &Option<String>, missing: &str| Error::Half {
        file: file.to_owned(),
        found: found.clone().or_else(|| keys.alpha.clone()).unwrap_or_default(),
        missing: format!("{}, its {missing} half", keys.stem),
    };
    let down_key = keys.down.as_ref().ok_or_else(|| half(&keys.up, "down"))?;
    let up_key = keys.up.as_ref().ok_or_else(|| half(&keys.down, "up"))?;
    let matrix = |key: &String| -> Result<Tensor> {
        let tensor = weights.tensor(key, DType::F32).map_err(model)?;
        if tensor.rank() == 2 && tensor.elem_count() > 0 {
            return Ok(tensor);
        }
        let (file, key, found) = (file.to_owned(), key.clone(), tensor.dims().to_vec());
        Err(Error::Shape { file, key, expected: "a matrix", found })
    };
    let (down, up) = (matrix(down_key)?, matrix(up_key)?);
    let rank = down.dims()[0];
    if up.dims()[1] != rank {
        let (file, key, found) = (file.to_owned(), up_key.clone(), up.dims().to_vec());
        return Err(Error::Shape {
            file,
            key,
            expected: "(outputs, rank of the down half)",
            found,
        });
    }
    let strength = match &keys.alpha {
        Some(key) if !faults::is(Fault::AlphaIgnored) => {
            weights.scalar(key).map_err(|e| model(e.into()))? / rank as f64
        }
        _ => 1.0,
    };
    let up = (up * strength).map_err(|e| model(e.into()))?;
    Ok(Delta { down, up, scale })
}
