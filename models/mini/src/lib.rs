//! The model that Kinora carries: trained here, on a cartoon world of its own, with the classes of Wan 2.2 TI2V, smaller.
//!
//! This crate is bytes and their digest; it knows no tensors. How the model was made is in `train`, and what it can be
//! asked for in its card, `card.toml`, which kinora-cards reads.
//!
//! ```
//! assert!(kinora_mini::is_whole());
//! assert!(kinora_mini::FILES.iter().any(|(name, _)| *name == "model_index.json"));
//! ```

/// The checkpoint, a folder in the layout of diffusers: the path of each file below it, and what is in it.
pub static FILES: [(&str, &[u8]); 10] = [
    ("model_index.json", include_bytes!("../checkpoint/model_index.json")),
    (
        "scheduler/scheduler_config.json",
        include_bytes!("../checkpoint/scheduler/scheduler_config.json"),
    ),
    ("text_encoder/config.json", include_bytes!("../checkpoint/text_encoder/config.json")),
    (
        "text_encoder/model.safetensors",
        include_bytes!("../checkpoint/text_encoder/model.safetensors"),
    ),
    ("tokenizer/tokenizer.json", include_bytes!("../checkpoint/tokenizer/tokenizer.json")),
    (
        "tokenizer/tokenizer_config.json",
        include_bytes!("../checkpoint/tokenizer/tokenizer_config.json"),
    ),
    ("transformer/config.json", include_bytes!("../checkpoint/transformer/config.json")),
    (
        "transformer/diffusion_pytorch_model.safetensors",
        include_bytes!("../checkpoint/transformer/diffusion_pytorch_model.safetensors"),
    ),
    ("vae/config.json", include_bytes!("../checkpoint/vae/config.json")),
    (
        "vae/diffusion_pytorch_model.safetensors",
        include_bytes!("../checkpoint/vae/diffusion_pytorch_model.safetensors"),
    ),
];

/// A picture of the cartoon world to begin a clip with, as PNG.
pub static PICTURE: &[u8] = include_bytes!("../picture.png");

/// What [`blake3`] says of the files, in hexadecimal.
pub static DIGEST: &str = include_str!("../digest.txt");

/// Hashes the names and the contents of all files.
fn digest() -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in FILES {
        for part in [name.as_bytes(), bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Returns whether the bytes are those that were built in; it takes a few milliseconds.
pub fn is_whole() -> bool {
    digest() == DIGEST.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_files() {
        assert_eq!(DIGEST.trim_end(), digest(), "models/mini/digest.txt");
    }

    #[test]
    fn the_model_stays_small() {
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= 16_000_000, "{bytes} bytes");
    }
}
