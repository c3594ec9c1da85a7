//! What a checkpoint or a file of tensors holds, from its headers alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kinora_models::weights::{Checkpoint, Inventory, Location, Source, WeightsError};

use super::built_in;
use super::survey::{Inspected, Inspection};
use crate::Result;

/// Looks into a checkpoint folder, or a safetensors or `.pth` file; reads no weight.
///
/// # Errors
/// A path that is neither, or a header that is malformed.
pub fn inspect(path: &Path) -> Result<Inspection> {
    if path.is_file() {
        let part = part("tensors", &Location::on_disk(path))?;
        return Ok(Inspection { kind: "a file of tensors".to_owned(), parts: vec![part] });
    }
    checkpoint(&Checkpoint::open(path).map_err(model)?)
}

/// Looks into the model that the program carries.
///
/// # Errors
/// A program that was damaged.
pub fn inspect_built_in() -> Result<Inspection> {
    let folder = built_in::folder(&kinora_cards::built_in().name);
    checkpoint(&Checkpoint::of(&folder).map_err(model)?)
}

fn checkpoint(checkpoint: &Checkpoint) -> Result<Inspection> {
    let parts = [
        ("text encoder", &checkpoint.text_encoder),
        ("denoiser", &checkpoint.transformer),
        ("VAE", &checkpoint.vae),
    ];
    let parts = parts.iter().map(|(name, component)| part(name, &component.weights));
    Ok(Inspection {
        kind: format!("{} in the {} layout", checkpoint.class, checkpoint.layout),
        parts: parts.collect::<Result<_>>()?,
    })
}

fn part(name: &'static str, weights: &Location) -> Result<Inspected> {
    let source = Source::of(weights).map_err(model)?;
    let inventory: Inventory = source.inventory();
    let mut dtypes: BTreeMap<String, usize> = BTreeMap::new();
    let mut values = 0;
    let mut tensors = Vec::with_capacity(inventory.len());
    for (tensor, listed) in inventory.iter() {
        let dtype = listed.dtype.map_or_else(|| "?".to_owned(), |dtype| dtype.to_string());
        values += listed.shape.iter().map(|n| *n as u64).product::<u64>();
        *dtypes.entry(dtype.clone()).or_default() += 1;
        tensors.push((tensor.to_owned(), dtype, listed.shape.clone()));
    }
    Ok(Inspected {
        name,
        files: source.files().map(PathBuf::from).collect(),
        bytes: source.size_bytes(),
        values,
        dtypes: dtypes.into_iter().collect(),
        tensors,
    })
}

fn model(error: WeightsError) -> crate::Error {
    kinora_models::Error::from(error).into()
}
