//! A checkpoint component split over several files: `*.safetensors.index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::map::read_text;
use super::{TensorFile, WeightsError};

/// The longest index that is read.
const INDEX_LIMIT_BYTES: u64 = 64 << 20;

/// How an index of shards can contradict itself or its shards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardFault {
    /// The index lists no tensor.
    #[error("the weight map is empty")]
    NoTensors,
    /// One tensor is listed twice.
    #[error("tensor {tensor} is listed twice")]
    Duplicate {
        /// The name.
        tensor: String,
    },
    /// A shard is named by something else than a file name beside the index.
    #[error("tensor {tensor}: {found:?} is not the name of a file beside the index")]
    Name {
        /// The first tensor listed there.
        tensor: String,
        /// The name found.
        found: String,
    },
    /// A shard lacks a tensor that the index places there.
    #[error("tensor {tensor} is missing from {shard}")]
    Missing {
        /// The name.
        tensor: String,
        /// The shard.
        shard: String,
    },
    /// A shard holds a tensor that the index does not place there.
    #[error("tensor {tensor} of {shard} is not listed")]
    Unlisted {
        /// The name.
        tensor: String,
        /// The shard.
        shard: String,
    },
}

/// Opens every shard of an index and holds the two against each other.
pub(super) fn open(index: &Path) -> Result<Vec<TensorFile>, WeightsError> {
    let wrong = |fault| WeightsError::Shards { file: index.to_owned(), fault };
    let text = read_text(index, INDEX_LIMIT_BYTES)?;
    let Index { weight_map } = serde_json::from_str(&text)
        .map_err(|source| WeightsError::Json { file: index.to_owned(), source })?;
    if weight_map.0.is_empty() {
        return Err(wrong(ShardFault::NoTensors));
    }
    let mut seen = BTreeSet::new();
    let mut shards: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tensor, shard) in &weight_map.0 {
        if !seen.insert(tensor) {
            let tensor = tensor.clone();
            return Err(wrong(ShardFault::Duplicate { tensor }));
        }
        if !is_file_name(shard) {
            let (tensor, found) = (tensor.clone(), shard.clone());
            return Err(wrong(ShardFault::Name { tensor, found }));
        }
        shards.entry(shard).or_default().insert(tensor);
    }
    let folder = index.parent().unwrap_or(Path::new(""));
    let mut files = Vec::with_capacity(shards.len());
    for (shard, listed) in shards {
        let file = TensorFile::open(&folder.join(shard))?;
        let held = file.entries();
        if let Some(tensor) = listed.iter().find(|name| !held.contains_key(**name)) {
            return Err(wrong(ShardFault::Missing {
                tensor: (*tensor).to_owned(),
                shard: shard.to_owned(),
            }));
        }
        if let Some(tensor) = held.keys().find(|name| !listed.contains(name.as_str())) {
            return Err(wrong(ShardFault::Unlisted {
                tensor: tensor.clone(),
                shard: shard.to_owned(),
            }));
        }
        files.push(file);
    }
    Ok(files)
}

/// Whether `name` names a file in the folder itself, on any system.
fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        && !name.contains(['/', '\\', ':', '\0'])
}

#[derive(Deserialize)]
struct Index {
    weight_map: WeightMap,
}

/// Tensor and shard names as listed, not yet unique.
struct WeightMap(Vec<(String, String)>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensor names to file names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<WeightMap, M::Error> {
                let mut names = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    names.push(pair);
                }
                Ok(WeightMap(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
