//! Element types as files name them.

use std::fmt;

use candle_core::DType;

/// The type of the elements of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredDtype {
    /// IEEE 754, 64 bits.
    F64,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 16 bits.
    F16,
    /// The upper half of an [`F32`](Self::F32).
    BF16,
    /// 8 bits, 4 of exponent; not read yet.
    F8E4M3,
    /// 8 bits, 5 of exponent; not read yet.
    F8E5M2,
    /// Signed, 64 bits.
    I64,
    /// Signed, 32 bits.
    I32,
    /// Signed, 16 bits.
    I16,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 64 bits.
    U64,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 8 bits.
    U8,
    /// One byte, 0 or 1.
    Bool,
}

/// Each type with its name in a safetensors header and its size in bytes.
const TYPES: [(StoredDtype, &str, usize); 15] = [
    (StoredDtype::F64, "F64", 8),
    (StoredDtype::F32, "F32", 4),
    (StoredDtype::F16, "F16", 2),
    (StoredDtype::BF16, "BF16", 2),
    (StoredDtype::F8E4M3, "F8_E4M3", 1),
    (StoredDtype::F8E5M2, "F8_E5M2", 1),
    (StoredDtype::I64, "I64", 8),
    (StoredDtype::I32, "I32", 4),
    (StoredDtype::I16, "I16", 2),
    (StoredDtype::I8, "I8", 1),
    (StoredDtype::U64, "U64", 8),
    (StoredDtype::U32, "U32", 4),
    (StoredDtype::U16, "U16", 2),
    (StoredDtype::U8, "U8", 1),
    (StoredDtype::Bool, "BOOL", 1),
];

impl StoredDtype {
    /// The type a safetensors header calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The size of one element in bytes.
    pub fn size_bytes(self) -> usize {
        self.row().2
    }

    /// The tensor type of a model's weights, for the three types that can be weights.
    pub fn weight(self) -> Option<DType> {
        match self {
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::BF16 => Some(DType::BF16),
            _ => None,
        }
    }

    fn row(self) -> &'static (Self, &'static str, usize) {
        TYPES.iter().find(|row| row.0 == self).expect("because the table holds every type")
    }
}

impl fmt::Display for StoredDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_type_again() {
        for (dtype, name, size) in TYPES {
            assert_eq!(StoredDtype::from_name(name), Some(dtype));
            assert_eq!((dtype.name(), dtype.size_bytes()), (name, size));
        }
        assert_eq!(StoredDtype::from_name("F128"), None);
    }
}
