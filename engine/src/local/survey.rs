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
