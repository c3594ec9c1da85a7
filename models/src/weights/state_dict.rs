//! State dicts as `torch.save` writes them (`.pth`): a zip archive with a pickle that describes tensors, and one
//! member of raw data for each storage.

use std::collections::BTreeMap;
use std::ops::Range;

use super::ArchiveFault;
use super::file::{Entry, size_bytes};
use super::pickle::{Machine, Object, Storage, StoredTensor, Value};
use super::zip;

/// The longest pickle that is read; that of a state dict of a thousand tensors takes a quarter of a megabyte.
const PICKLE_LIMIT_BYTES: usize = 1 << 20;

/// What is wrong with a `.pth` file, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleFault {
    /// The archive around the pickle is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// The archive does not hold one pickle of one state dict.
    #[error("the archive should hold one data.pkl, found {found}")]
    NoPickle {
        /// The number of pickles found.
        found: usize,
    },
    /// The tensors were written on a machine of the other byte order.
    #[error("byte order {found:?} is not supported, expected \"little\"")]
    ByteOrder {
        /// What the archive says.
        found: String,
    },
    /// The pickle is longer than that of any state dict.
    #[error("the pickle has {found_bytes} bytes, more than {limit_bytes}")]
    TooLong {
        /// Its length.
        found_bytes: usize,
        /// The most that is read.
        limit_bytes: usize,
    },
    /// The pickle ends within an instruction or without a result.
    #[error("the pickle ends too early")]
    Truncated,
    /// Another version of the format.
    #[error("pickle protocol {found}, expected 2")]
    Protocol {
        /// The version.
        found: u8,
    },
    /// An instruction that no state dict needs.
    #[error("pickle instruction {found} at byte {at} is not allowed in a state dict")]
    Opcode {
        /// Its name, or its number where it has none.
        found: String,
        /// Its position.
        at: usize,
    },
    /// A name that no state dict needs. It is neither imported nor called.
    #[error("pickle names {found}, which is not allowed in a state dict")]
    Global {
        /// Module and name.
        found: String,
    },
    /// An instruction finds other values than it needs.
    #[error("pickle instruction at byte {at}: expected {expected}")]
    Operand {
        /// Its position.
        at: usize,
        /// What it needs.
        expected: &'static str,
    },
    /// The result is not a dictionary.
    #[error("the pickle holds {found}, expected a dictionary of tensors")]
    Root {
        /// What it is.
        found: &'static str,
    },
    /// A key of the dictionary is not a name.
    #[error("the state dict has {found} for a key, expected a name")]
    Key {
        /// What it is.
        found: &'static str,
    },
    /// A value of the dictionary is not a tensor.
    #[error("the state dict holds {found} under {name}, expected a tensor")]
    Value {
        /// The key.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// One name is given twice.
    #[error("tensor {tensor} is listed twice")]
    Duplicate {
        /// The name.
        tensor: String,
    },
    /// The archive lacks the data of a tensor.
    #[error("tensor {tensor}: the archive has no storage {storage:?}")]
    NoStorage {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
    },
    /// The data of a tensor has another length than the pickle says.
    #[error(
        "tensor {tensor}: storage {storage:?} should have {expected_bytes} bytes, found {found_bytes}"
    )]
    StorageSize {
        /// The tensor.
        tensor: String,
        /// The name of the storage.
        storage: String,
        /// The length that the pickle says.
        expected_bytes: usize,
        /// The length of the archive's member.
        found_bytes: usize,
    },
    /// A dimension is zero.
    #[error("tensor {tensor}: shape {shape:?} holds no elements")]
    NoElements {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The elements are not in row order.
    #[error("tensor {tensor}: strides {strides:?} of shape {shape:?} are not contiguous")]
    Strides {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its strides, in elements.
        strides: Vec<usize>,
    },
    /// The tensor ends after its storage.
    #[error(
        "tensor {tensor}: shape {shape:?} at element {offset} does not fit storage {storage:?}"
    )]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its first element in the storage.
        offset: usize,
        /// The name of the storage.
        storage: String,
    },
}

/// Reads and checks the state dict of a whole file; ranges count from the start of the file.
pub(super) fn entries(file: &[u8]) -> Result<BTreeMap<String, Entry>, PickleFault> {
    let members = zip::members(file)?;
    let mut pickles = members.iter().filter_map(|(name, range)| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.ends_with('/')).then_some((folder, range))
    });
    let (folder, pickle) = match (pickles.next(), pickles.count()) {
        (Some(pickle), 0) => pickle,
        (first, others) => {
            return Err(PickleFault::NoPickle { found: usize::from(first.is_some()) + others });
        }
    };
    if let Some(range) = members.get(&format!("{folder}byteorder")) {
        let found = &file[range.clone()];
        if found != b"little" {
            let found = String::from_utf8_lossy(&found[..found.len().min(16)]).into_owned();
            return Err(PickleFault::ByteOrder { found });
        }
    }
    if pickle.len() > PICKLE_LIMIT_BYTES {
        return Err(PickleFault::TooLong {
            found_bytes: pickle.len(),
            limit_bytes: PICKLE_LIMIT_BYTES,
        });
    }
    let mut machine = Machine::new(&file[pickle.clone()]);
    let root = machine.run()?;
    let Some(Object::Dict(items)) = machine.object(root) else {
        return Err(PickleFault::Root { found: machine.kind(root) });
    };
    let storage = |key: &str| members.get(&format!("{folder}data/{key}")).cloned();
    let mut entries = BTreeMap::new();
    for &(key, value) in items {
        let Value::Text(tensor) = key else {
            return Err(PickleFault::Key { found: machine.kind(key) });
        };
        let Some(Object::Tensor(stored)) = machine.object(value) else {
            return Err(PickleFault::Value { name: tensor.to_owned(), found: machine.kind(value) });
        };
        let entry = stored.entry(tensor, storage(stored.storage.key))?;
        if entries.insert(tensor.to_owned(), entry).is_some() {
            return Err(PickleFault::Duplicate { tensor: tensor.to_owned() });
        }
    }
    Ok(entries)
}

impl StoredTensor<'_> {
    /// Holds the description against the archive's member.
    fn entry(&self, tensor: &str, member: Option<Range<usize>>) -> Result<Entry, PickleFault> {
        let Storage { dtype, key, elements } = self.storage;
        let (tensor, storage) = (tensor.to_owned(), key.to_owned());
        let Some(member) = member else {
            return Err(PickleFault::NoStorage { tensor, storage });
        };
        let expected_bytes = elements.saturating_mul(dtype.size_bytes());
        if expected_bytes != member.len() {
            let found_bytes = member.len();
            return Err(PickleFault::StorageSize { tensor, storage, expected_bytes, found_bytes });
        }
        let shape = self.shape.clone();
        if shape.contains(&0) {
            return Err(PickleFault::NoElements { tensor, shape });
        }
        if !self.is_contiguous() {
            return Err(PickleFault::Strides { tensor, shape, strides: self.strides.clone() });
        }
        let begin = self.offset.checked_mul(dtype.size_bytes());
        let begin = begin.and_then(|offset| member.start.checked_add(offset));
        let range = begin.and_then(|begin| {
            let end = begin.checked_add(size_bytes(dtype, &shape)?)?;
            (end <= member.end).then_some(begin..end)
        });
        match range {
            Some(range) => Ok(Entry { dtype, shape, range }),
            None => Err(PickleFault::OutOfRange { tensor, shape, offset: self.offset, storage }),
        }
    }

    fn is_contiguous(&self) -> bool {
        let mut row = Some(1usize);
        let dims = self.shape.iter().zip(&self.strides).rev();
        self.shape.len() == self.strides.len()
            && dims.into_iter().all(|(&dim, &stride)| {
                let fits = dim == 1 || row == Some(stride);
                row = row.and_then(|row| row.checked_mul(dim));
                fits
            })
    }
}
