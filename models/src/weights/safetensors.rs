//! The header of a safetensors file, taken as untrusted input.
//!
//! A file is an 8-byte little-endian header length, a JSON header and the data. The header gives each tensor a dtype,
//! a shape and a byte range of the data; the ranges must cover the data exactly, without overlap or hole. Data need
//! not be aligned in the file: readers copy what is not.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::StoredDtype;
use super::file::{Entry, size_bytes};

/// The longest header that is read; the format's own limit.
const HEADER_LIMIT_BYTES: u64 = 100_000_000;

/// What is wrong with the header of a safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The file is shorter than the header's length field.
    #[error("{found_bytes} bytes are too few for a safetensors header")]
    TooShort {
        /// The size of the file.
        found_bytes: usize,
    },
    /// The file ends within the header.
    #[error(
        "the header should have {expected_bytes} bytes, the file has room for {found_bytes}: truncated or not safetensors"
    )]
    Truncated {
        /// The length that the file states.
        expected_bytes: u64,
        /// The bytes after the length field.
        found_bytes: u64,
    },
    /// The header is longer than any real one.
    #[error("the header claims {found_bytes} bytes, more than {limit_bytes}")]
    TooLong {
        /// The length that the file states.
        found_bytes: u64,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// The header is not the JSON that it should be.
    #[error("invalid header: {0}")]
    Json(#[source] serde_json::Error),
    /// One name is given twice.
    #[error("tensor {tensor} is listed twice")]
    Duplicate {
        /// The name.
        tensor: String,
    },
    /// The dtype is none of the format's.
    #[error("tensor {tensor}: unknown dtype {found}")]
    UnknownDtype {
        /// The tensor.
        tensor: String,
        /// What the header says.
        found: String,
    },
    /// A dimension is zero.
    #[error("tensor {tensor}: shape {shape:?} holds no elements")]
    NoElements {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The shape asks for more bytes than can be counted.
    #[error("tensor {tensor}: shape {shape:?} is absurdly large")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The byte range does not have the length that dtype and shape ask for.
    #[error(
        "tensor {tensor}: {dtype} {shape:?} takes {expected_bytes} bytes, found {begin}..{end}"
    )]
    Size {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: StoredDtype,
        /// Its shape.
        shape: Vec<usize>,
        /// The length that dtype and shape ask for.
        expected_bytes: usize,
        /// The first byte, counted from the start of the data.
        begin: usize,
        /// One past the last byte.
        end: usize,
    },
    /// A tensor ends after the file.
    #[error(
        "tensor {tensor}: ends at byte {end} of {found_bytes}: the file is truncated or its header is wrong"
    )]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// Where it should end, counted from the start of the data.
        end: usize,
        /// The bytes of data that the file has.
        found_bytes: usize,
    },
    /// A tensor begins before the previous one ends.
    #[error(
        "tensor {tensor}: begins at byte {found}, within the one before it that ends at {expected}"
    )]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Where the previous tensor ends.
        expected: usize,
        /// Where this one begins.
        found: usize,
    },
    /// Bytes before a tensor belong to none.
    #[error("tensor {tensor}: begins at byte {found}, leaving a hole from {expected}")]
    Hole {
        /// The tensor.
        tensor: String,
        /// Where the previous tensor ends.
        expected: usize,
        /// Where this one begins.
        found: usize,
    },
    /// Bytes after the last tensor belong to none.
    #[error("the tensors take {expected_bytes} bytes, the file has {found_bytes}")]
    Trailing {
        /// The sum of all tensors.
        expected_bytes: usize,
        /// The bytes of data that the file has.
        found_bytes: usize,
    },
}

/// Reads and checks the header of a whole file; ranges count from the start of the file.
pub(super) fn entries(file: &[u8]) -> Result<BTreeMap<String, Entry>, HeaderFault> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(HeaderFault::TooShort { found_bytes: file.len() });
    };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_LIMIT_BYTES {
        return Err(HeaderFault::TooLong { found_bytes: length, limit_bytes: HEADER_LIMIT_BYTES });
    }
    if length > rest.len() as u64 {
        return Err(HeaderFault::Truncated {
            expected_bytes: length,
            found_bytes: rest.len() as u64,
        });
    }
    let (header, data) = rest.split_at(length as usize);
    let header: Header = serde_json::from_slice(header).map_err(HeaderFault::Json)?;
    checked(header, file.len() - data.len(), data.len())
}

/// Holds the listed tensors against each other and against the data.
fn checked(
    header: Header,
    data_start: usize,
    data_bytes: usize,
) -> Result<BTreeMap<String, Entry>, HeaderFault> {
    let mut listed = header.0;
    listed.sort_by_key(|(_, raw)| raw.data_offsets);
    let mut entries = BTreeMap::new();
    let mut covered = 0;
    for (tensor, raw) in listed {
        if entries.contains_key(&tensor) {
            return Err(HeaderFault::Duplicate { tensor });
        }
        let (begin, end) = raw.data_offsets;
        let Some(dtype) = StoredDtype::from_name(&raw.dtype) else {
            return Err(HeaderFault::UnknownDtype { tensor, found: raw.dtype });
        };
        let shape = raw.shape;
        if shape.contains(&0) {
            return Err(HeaderFault::NoElements { tensor, shape });
        }
        let Some(expected_bytes) = size_bytes(dtype, &shape) else {
            return Err(HeaderFault::Overflow { tensor, shape });
        };
        if begin.checked_add(expected_bytes) != Some(end) {
            return Err(HeaderFault::Size { tensor, dtype, shape, expected_bytes, begin, end });
        }
        if end > data_bytes {
            return Err(HeaderFault::OutOfRange { tensor, end, found_bytes: data_bytes });
        }
        if begin < covered {
            return Err(HeaderFault::Overlap { tensor, expected: covered, found: begin });
        }
        if begin > covered {
            return Err(HeaderFault::Hole { tensor, expected: covered, found: begin });
        }
        covered = end;
        let range = data_start + begin..data_start + end;
        let entry = Entry { dtype, shape, range };
        entries.insert(tensor, entry);
    }
    if covered != data_bytes {
        return Err(HeaderFault::Trailing { expected_bytes: covered, found_bytes: data_bytes });
    }
    Ok(entries)
}

/// The header as listed, names not yet unique. Its types admit no nesting beyond the format's own.
struct Header(Vec<(String, RawEntry)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tensors")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Header, M::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<HashMap<String, String>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}
