//! Low-rank adapters: read, named, attached.
//!
//! # Source
//! LoRA: arXiv 2106.09685. Namings: `huggingface/peft` and `huggingface/diffusers` (`transformer.<module>.lora_A|lora_B`),
//! `comfyanonymous/ComfyUI` (`diffusion_model.<original module>.lora_down|lora_up`, `.alpha`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::DType;
use kinora_models::family::Model;
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

/// The keys of one change as they turn up, as the file names them.
#[derive(Debug, Default)]
struct Keys {
    /// What the module is called in the file, prefix included.
    stem: String,
    down: Option<String>,
    up: Option<String>,
    alpha: Option<String>,
}

/// A LoRA file that fits a model: every key is used, every change is whole, of the right shape and finite.
#[derive(Debug)]
pub struct Lora {
    file: PathBuf,
    weights: Weights,
    changes: BTreeMap<String, Change>,
    scale: f64,
}

/// Where the parts of one change stand in the file.
#[derive(Debug)]
struct Change {
    down: String,
    up: String,
    alpha: Option<String>,
}

impl Lora {
    /// Opens a file that is to change `model` with strength `scale`, and accounts for every key of it. What it changes need not
    /// be loaded yet.
    ///
    /// # Errors
    /// A file that is not readable, a key that nothing uses, a change that is not whole, does not fit its module or is not finite.
    pub fn open(file: &Path, scale: f64, model: &dyn Model) -> Result<Self> {
        if !scale.is_finite() {
            return Err(Error::Scale { file: file.to_owned(), scale });
        }
        let weights = Source::open(file)?.unplanned();
        let mut changes = BTreeMap::new();
        let mut foreign = Vec::new();
        for (module, keys) in modules(&weights, model.original_names(), file)? {
            match model.module(&module) {
                Some(shape) => {
                    let change = keys.whole(file)?;
                    change.check(&weights, shape, file)?;
                    changes.insert(module, change);
                }
                None => foreign.extend(keys.all()),
            }
        }
        if changes.is_empty() && foreign.is_empty() {
            return Err(Error::Empty { file: file.to_owned() });
        }
        if !foreign.is_empty() {
            return Err(Error::Unused { file: file.to_owned(), unused: foreign });
        }
        for key in weights.names() {
            weights.view(key)?;
            weights.release(key)?;
        }
        Ok(Self { file: file.to_owned(), weights, changes, scale })
    }

    /// Adds every change to a loaded denoiser of the model the file was opened for.
    ///
    /// # Errors
    /// A file that changed meanwhile; what the tensor library fails with.
    pub fn attach(&self, denoiser: &mut dyn Denoiser) -> Result<()> {
        let model = |source| Error::Model { file: self.file.clone(), source: Box::new(source) };
        for (module, change) in &self.changes {
            let delta = change.delta(&self.weights, self.scale).map_err(model)?;
            denoiser.adapt(module, delta).map_err(model)?;
        }
        Ok(())
    }
}

impl Keys {
    fn all(self) -> impl Iterator<Item = String> {
        [self.down, self.up, self.alpha].into_iter().flatten()
    }

    fn whole(self, file: &Path) -> Result<Change> {
        let half = |found: Option<String>, missing: &str| Error::Half {
            file: file.to_owned(),
            found: found.unwrap_or_default(),
            missing: format!("{}, its {missing} half", self.stem),
        };
        match (self.down, self.up) {
            (Some(down), Some(up)) => Ok(Change { down, up, alpha: self.alpha }),
            (Some(down), None) => Err(half(Some(down), "up")),
            (None, up) => Err(half(up.or(self.alpha), "down")),
        }
    }
}

impl Change {
    /// Holds the shapes in the file against the module's, `[outputs, inputs]`.
    fn check(&self, weights: &Weights, [outputs, inputs]: [usize; 2], file: &Path) -> Result<()> {
        let shape = |key: &str| weights.shape(key);
        let misfit = |key: &str, expected: String| -> Result<()> {
            let (file, key, found) = (file.to_owned(), key.to_owned(), shape(key)?.to_vec());
            Err(Error::Shape { file, key, expected, found })
        };
        let rank = match *shape(&self.down)? {
            [rank, width] if width == inputs && rank > 0 => rank,
            _ => return misfit(&self.down, format!("(rank, {inputs})")),
        };
        if *shape(&self.up)? != [outputs, rank] {
            return misfit(&self.up, format!("({outputs}, {rank})"));
        }
        if let Some(alpha) = &self.alpha {
            weights.scalar(alpha)?;
        }
        Ok(())
    }

    /// Reads the change. `alpha / rank` goes into the up matrix, rounded as a file in which it is folded has it.
    fn delta(&self, weights: &Weights, scale: f64) -> kinora_models::Result<Delta> {
        let down = weights.tensor(&self.down, DType::F32)?; // (rank, inputs)
        let up = weights.tensor(&self.up, DType::F32)?; // (outputs, rank)
        let strength = match &self.alpha {
            Some(key) if !faults::is(Fault::AlphaIgnored) => {
                weights.scalar(key)? / down.dims()[0] as f64
            }
            _ => 1.0,
        };
        Ok(Delta { down, up: (up * strength)?, scale })
    }
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
