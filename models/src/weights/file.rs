//! One mapped file of named tensors, whatever its format.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::{Mapping, StoredDtype, WeightsError, pickle, safetensors};

/// Where one tensor lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The type of its elements.
    pub dtype: StoredDtype,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Its bytes, counted from the start of the file; contiguous, in row order, little-endian.
    pub range: Range<usize>,
}

/// A mapped file and the tensors its header names. Every range is within the file and as long as its shape asks.
#[derive(Debug, Clone)]
pub struct TensorFile {
    mapping: Mapping,
    entries: BTreeMap<String, Entry>,
}

impl TensorFile {
    /// Maps a file and reads its header; the content says which format it is.
    ///
    /// # Errors
    /// When the file cannot be mapped, is of no known format, or its header contradicts itself or the file.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let mapping = Mapping::open(path)?;
        let file = || path.to_owned();
        let unsupported =
            |found: &str| Err(WeightsError::Unsupported { file: file(), found: found.to_owned() });
        let entries = match mapping.bytes() {
            // A safetensors header follows its length, which could be any eight bytes.
            [_, _, _, _, _, _, _, _, b'{', ..] => None,
            [b'P', b'K', 3, 4, ..] => Some(pickle::entries(mapping.bytes())),
            [b'G', b'G', b'U', b'F', ..] => return unsupported("GGUF"),
            [0x80, ..] => return unsupported("a pickle without an archive (PyTorch before 1.6)"),
            _ => None,
        };
        let entries = match entries {
            Some(entries) => {
                entries.map_err(|fault| WeightsError::Pickle { file: file(), fault })?
            }
            None => safetensors::entries(mapping.bytes())
                .map_err(|fault| WeightsError::Header { file: file(), fault })?,
        };
        Ok(Self { mapping, entries })
    }

    /// The tensors by name, in alphabetical order.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.mapping.path()
    }

    /// The bytes of an entry of this file.
    pub(super) fn bytes(&self, entry: &Entry) -> &[u8] {
        &self.mapping.bytes()[entry.range.clone()]
    }

    /// Gives the memory of an entry of this file back to the operating system.
    pub(super) fn release(&self, entry: &Entry) -> Result<(), WeightsError> {
        self.mapping.release(entry.range.clone())
    }
}

/// The number of bytes of a tensor, when it can be counted.
pub(super) fn size_bytes(dtype: StoredDtype, shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(dtype.size_bytes(), |bytes, &dim| bytes.checked_mul(dim))
}
