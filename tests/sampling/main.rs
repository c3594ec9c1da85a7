//! Noise, samplers and prompts, against what PyTorch, diffusers, ftfy and Hugging Face tokenizers compute.

use std::path::PathBuf;

mod noise;
mod prompts;
mod samplers;

/// A file of one of this binary's goldens.
fn golden(case: &str, file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(case).join(file)
}

/// The text of a golden file; a missing one fails the test.
fn golden_text(case: &str, file: &str) -> String {
    let path = golden(case, file);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("golden {}: {error}", path.display()))
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
