//! The record of one take: everything needed to make it again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::request::{Enlarge, Lora, Recipe};
use crate::{Error, Result};

/// Version of the record's layout.
pub const SCHEMA: u32 = 1;

/// How a clip was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this layout.
    pub schema: u32,
    /// Program and version.
    pub engine: String,
    /// The model as it was asked for: a card's name, a repository's, or a folder, whose path is absolute.
    pub model: String,
    /// The card that was recognised.
    pub card: Option<String>,
    /// BLAKE3 of the model, where the program carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_in: Option<String>,
    /// Files the weights were read from.
    pub files: Vec<ModelFile>,
    /// The resolved recipe.
    pub recipe: Recipe,
    /// BLAKE3 of the token ids of the prompt and, when guided, of the negative prompt.
    pub token_ids: Vec<String>,
    /// Adapters in the order they were applied.
    pub loras: Vec<LoraRecord>,
    /// The picture it began with.
    pub image: Option<FileRecord>,
    /// The file the initial latents came from.
    pub init_latents: Option<FileRecord>,
    /// How much larger the file shows it than it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enlarge: Option<Enlarge>,
    /// How and where it was computed.
    pub computed: Computed,
    /// Noise levels of the schedule, the final zero included.
    pub sigmas: Vec<f32>,
    /// Wall time of each stage in seconds.
    pub seconds: Vec<(String, f64)>,
    /// BLAKE3 of shape and little-endian `f32` of the final latents.
    pub latent_hash: String,
    /// BLAKE3 of size and RGB bytes of the frames as they were made, before they are enlarged and encoded.
    pub frames_hash: String,
}

impl Manifest {
    /// Compares the files of the user, adapters among them, with what was recorded of them.
    ///
    /// # Errors
    /// The first file that is gone, or that is no longer what the clip was made from.
    pub fn check_files(&self) -> Result<()> {
        let loras = self.loras.iter().map(|file| (file.lora.path.as_path(), &file.blake3));
        let others = [&self.image, &self.init_latents].into_iter().flatten();
        let others = others.map(|file| (Path::new(&file.path), &file.blake3));
        for (path, expected) in loras.chain(others) {
            let (expected, found) = (expected.clone(), FileRecord::of(path)?.blake3);
            if found != expected {
                let file = path.to_owned();
                return Err(Error::Setting { file, setting: "BLAKE3", expected, found });
            }
        }
        Ok(())
    }
}

/// A file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path as it was opened.
    pub path: String,
    /// Length.
    pub bytes: u64,
}

/// A file of the user and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Path as it was given.
    pub path: String,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

impl FileRecord {
    /// Reads a file and records what is in it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let read = |source| Error::Read { path: path.to_owned(), source };
        hasher.update_reader(std::fs::File::open(path).map_err(read)?).map_err(read)?;
        let blake3 = hasher.finalize().to_hex().to_string();
        Ok(Self { path: path.display().to_string(), blake3 })
    }
}

/// An adapter and what was in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraRecord {
    /// The file and its strength.
    pub lora: Lora,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

/// How and where a clip was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Device.
    pub device: String,
    /// Instruction set or compute capability.
    pub kernels: String,
    /// Dtype of the matrix products of text encoder and denoiser.
    pub dtype: String,
    /// Dtype of the VAE's products.
    pub vae_dtype: String,
    /// Tile of the decode and the distance between tiles, in pixels, when it was tiled.
    pub vae_tile: Option<(usize, usize)>,
    /// Where and how the noise was drawn.
    pub noise: String,
}
