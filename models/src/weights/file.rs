//! One mapped file of named tensors, whatever its format.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::{
    HeaderFault, Location, Mapping, PickleFault, StoredDtype, WeightsError, safetensors, state_dict,
};

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
        Self::of(&Location::on_disk(path))
    }

    /// Maps a file wherever it is and reads its header; the content says which format it is.
    ///
    /// # Errors
    /// Those of [`TensorFile::open`].
    pub fn of(location: &Location) -> Result<Self, WeightsError> {
        let mapping = Mapping::of(location)?;
        let entries = read_header(mapping.bytes()).map_err(|fault| WeightsError::Format {
            file: location.path().to_owned(),
            fault: Box::new(fault),
        })?;
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

    /// How long the file is.
    pub(super) fn size_bytes(&self) -> u64 {
        self.mapping.bytes().len() as u64
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

/// What is wrong with the content of a file of tensors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatFault {
    /// It is a safetensors file with a wrong header, or of no known format.
    #[error(transparent)]
    Safetensors(#[from] HeaderFault),
    /// It is a `.pth` file that is damaged or holds something else than a state dict.
    #[error(transparent)]
    Pickle(#[from] PickleFault),
    /// It is of a format that is known, but not read yet.
    #[error("{found} is not yet supported")]
    Unsupported {
        /// The format.
        found: &'static str,
    },
}

/// Reads and checks the header of a whole file of tensors; its content says which format it is. Every range of the
/// result is within `file`. No bytes make it panic.
///
/// # Errors
/// When the format is not known or not read yet, or the header contradicts itself or the file.
pub fn read_header(file: &[u8]) -> Result<BTreeMap<String, Entry>, FormatFault> {
    match file {
        // A safetensors header follows its length, which could be any eight bytes.
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(safetensors::entries(file)?),
        [b'P', b'K', 3, 4, ..] => Ok(state_dict::entries(file)?),
        [b'G', b'G', b'U', b'F', ..] => Err(FormatFault::Unsupported { found: "GGUF" }),
        [0x80, ..] => {
            let found = "a pickle without an archive (PyTorch before 1.6)";
            Err(FormatFault::Unsupported { found })
        }
        _ => Ok(safetensors::entries(file)?),
    }
}

/// The number of bytes of a tensor, when it can be counted.
pub(super) fn size_bytes(dtype: StoredDtype, shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(dtype.size_bytes(), |bytes, &dim| bytes.checked_mul(dim))
}
