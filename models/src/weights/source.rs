//! The mapped files of one component, before any weight is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::Entry;
use super::plan::{Expected, Planned};
use super::{Inventory, KeyMap, Location, TensorFile, Weights, WeightsError, shards};

/// The mapped files of one component: its tensors by canonical name, none of them read yet.
#[derive(Debug, Clone)]
pub struct Source {
    files: Vec<TensorFile>,
    tensors: BTreeMap<String, Located>,
    unmapped: Vec<Located>,
}

/// A tensor of a [`Source`].
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// The index of its file.
    pub(super) file: usize,
    /// Its name in that file.
    pub(super) stored: String,
}

impl Source {
    /// Maps a file of tensors, or every file that an index (`*.index.json`) lists.
    ///
    /// # Errors
    /// When a file is missing, malformed, or disagrees with the index.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::of(&Location::on_disk(path))
    }

    /// Does what [`Source::open`] does, wherever the file is.
    ///
    /// # Errors
    /// Those of [`Source::open`].
    pub fn of(location: &Location) -> Result<Self, WeightsError> {
        let path = location.path();
        let files = if path.extension().is_some_and(|extension| extension == "json") {
            shards::open(path)?
        } else {
            vec![TensorFile::of(location)?]
        };
        let tensors = files
            .iter()
            .enumerate()
            .flat_map(|(file, held)| held.entries().keys().map(move |name| (name, file)))
            .map(|(name, file)| {
                let stored = name.clone();
                (name.clone(), Located { file, stored })
            })
            .collect();
        Ok(Self { files, tensors, unmapped: Vec::new() })
    }

    /// Gives every tensor its canonical name. One that no rule matches is kept apart; the plan reports it as
    /// unexpected.
    ///
    /// # Errors
    /// [`WeightsError::SameName`] when two tensors come to one name.
    pub fn renamed(mut self, map: &KeyMap) -> Result<Self, WeightsError> {
        let mut tensors: BTreeMap<String, Located> = BTreeMap::new();
        for (_, located) in std::mem::take(&mut self.tensors) {
            let Some(name) = map.forward(&located.stored) else {
                self.unmapped.push(located);
                continue;
            };
            if let Some(other) = tensors.get(&name) {
                return Err(WeightsError::SameName {
                    file: self.file(&located),
                    tensor: located.stored,
                    other: other.stored.clone(),
                });
            }
            tensors.insert(name, located);
        }
        self.tensors = tensors;
        Ok(self)
    }

    /// The mapped files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(TensorFile::path)
    }

    /// The mapped files, and how long each is in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (&Path, u64)> {
        self.files.iter().map(|file| (file.path(), file.size_bytes()))
    }

    /// Names, shapes and dtypes, under the canonical names.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for (name, located) in &self.tensors {
            let entry = self.entry(located);
            inventory.add(name, entry.shape.clone(), Some(entry.dtype));
        }
        inventory
    }

    /// The bytes that the tensors take in their files.
    pub fn size_bytes(&self) -> u64 {
        self.files
            .iter()
            .flat_map(|file| file.entries().values())
            .map(|entry| entry.range.len() as u64)
            .sum()
    }

    /// Accounts for every tensor both ways: each one expected is here once with its shape and a dtype that can be
    /// read, each one here is expected. Reads no weight.
    ///
    /// # Errors
    /// [`WeightsError::Plan`] with everything that does not fit.
    pub fn plan(self, expected: &Expected) -> Result<Weights, WeightsError> {
        let planned = expected.plan(&self).map_err(Box::new)?;
        Ok(Weights::new(self.files, planned))
    }

    /// Makes every tensor readable under its name, for a caller who accounts for each of them, such as adapters.
    pub fn unplanned(self) -> Weights {
        let planned = self.tensors.iter().map(|(name, located)| {
            let planned = self.planned(located);
            (name.clone(), planned)
        });
        let planned = planned.collect();
        Weights::new(self.files, planned)
    }

    pub(super) fn tensors(&self) -> &BTreeMap<String, Located> {
        &self.tensors
    }

    /// Tensors that a key map has no name for.
    pub(super) fn unmapped(&self) -> &[Located] {
        &self.unmapped
    }

    pub(super) fn entry(&self, located: &Located) -> &Entry {
        &self.files[located.file].entries()[&located.stored]
    }

    pub(super) fn file(&self, located: &Located) -> PathBuf {
        self.files[located.file].path().to_owned()
    }

    pub(super) fn planned(&self, located: &Located) -> Planned {
        Planned {
            file: located.file,
            stored: located.stored.clone(),
            entry: self.entry(located).clone(),
        }
    }
}
