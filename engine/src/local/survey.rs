//! What this machine has.

/// What a look at this machine found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Processors that can be used.
    pub processors: usize,
    /// Instruction set that the operations on the processor use.
    pub kernels: String,
    /// Memory that can be had, in bytes, where the system says.
    pub available_bytes: Option<u64>,
    /// Other devices and the state of each.
    pub devices: Vec<(&'static str, String)>,
}

/// What a look into a checkpoint or a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub kind: String,
    /// Its parts.
    pub parts: Vec<Inspected>,
}

/// A part of a checkpoint, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// What it is for.
    pub name: &'static str,
    /// Its files.
    pub files: Vec<std::path::PathBuf>,
    /// Bytes of its tensors.
    pub bytes: u64,
    /// Numbers in its tensors.
    pub values: u64,
    /// Tensors of each dtype.
    pub dtypes: Vec<(String, usize)>,
    /// Name, dtype and shape of each tensor, in alphabetical order.
    pub tensors: Vec<(String, String, Vec<usize>)>,
}
