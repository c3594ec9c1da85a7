//! Names, shapes and dtypes of a component, without its weights.

use std::collections::BTreeMap;

use super::StoredDtype;

/// The tensors of a component by name: shape, and the stored type where it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    tensors: BTreeMap<String, Listed>,
}

/// One tensor of an [`Inventory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its stored type; unknown for an inventory taken from a class rather than a file.
    pub dtype: Option<StoredDtype>,
}

impl Inventory {
    /// Lists one tensor more; says whether its name was new.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        shape: Vec<usize>,
        dtype: Option<StoredDtype>,
    ) -> bool {
        self.tensors.insert(name.into(), Listed { shape, dtype }).is_none()
    }

    /// Reads the text form: a line for each tensor, `name 96x3x3x3x3`; `#` begins a comment line. `None` when a line
    /// is neither or a name comes twice.
    pub fn parse(text: &str) -> Option<Self> {
        let mut inventory = Self::default();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (name, shape) = line.split_once(' ')?;
            let shape = shape.split('x').map(|dim| dim.parse().ok()).collect::<Option<_>>()?;
            if !inventory.add(name, shape, None) {
                return None;
            }
        }
        Some(inventory)
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Listed> {
        self.tensors.get(name)
    }

    /// All tensors in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Listed)> {
        self.tensors.iter().map(|(name, listed)| (name.as_str(), listed))
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether no tensor is listed.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}
