//! What is in the files that a production names. Some are large, and many cuts name the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::hash::Blake3;
use crate::manifest::FileRecord;
use crate::{Error, Result};

/// BLAKE3 of files, each read once as long as its length and its time stay what they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashes(BTreeMap<PathBuf, (u64, Option<SystemTime>, Blake3)>);

impl Hashes {
    /// BLAKE3 of a file as it is now.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn of(&mut self, path: &Path) -> Result<Blake3> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let about = fs::metadata(path).map_err(failed)?;
        let (length, time) = (about.len(), about.modified().ok());
        if let Some((len, at, hash)) = self.0.get(path)
            && (*len, *at) == (length, time)
            && time.is_some()
        {
            return Ok(*hash);
        }
        let text = FileRecord::of(path)?.blake3;
        let hash = text.parse().expect("because it was written as one");
        self.0.insert(path.to_owned(), (length, time, hash));
        Ok(hash)
    }

    /// What was in a file when it was read last; none where it was not.
    pub(super) fn known(&self, path: &Path) -> Option<Blake3> {
        self.0.get(path).map(|(.., hash)| *hash)
    }

    /// How many files were read.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}
