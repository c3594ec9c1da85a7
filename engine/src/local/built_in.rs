//! The model that the program carries.

use std::path::Path;
use std::sync::LazyLock;

use kinora_models::family::Model;
use kinora_models::weights::{Carried, Folder};

use crate::durable::replace_file;
use crate::{Error, Result};

static FILES: LazyLock<Vec<Carried>> = LazyLock::new(|| {
    kinora_mini::FILES.iter().map(|&(name, bytes)| Carried { name, bytes }).collect()
});

/// Its files, under the name that errors call them by.
pub(super) fn folder(name: &str) -> Folder {
    Folder::carried(name, &FILES)
}

/// Opens it once its bytes are known to be whole.
pub(super) fn open(name: &str) -> Result<Box<dyn Model>> {
    if !kinora_mini::is_whole() {
        return Err(Error::Damaged);
    }
    Ok(kinora_models::open_carried(name, &FILES)?)
}

/// The BLAKE3 of the model that the program carries, where it carries one.
pub fn built_in_digest() -> Option<&'static str> {
    Some(kinora_mini::DIGEST.trim_end())
}

/// Writes a picture of the world that the model knows, a PNG: something for a clip to begin with.
///
/// # Errors
/// What the disk says.
pub fn write_built_in_picture(path: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    replace_file(path, |partial| std::fs::write(partial, kinora_mini::PICTURE).map_err(failed))
}
