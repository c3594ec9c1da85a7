//! Files that appear under their name only when they are complete.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Writes a file through a partial one beside it: written, synced, renamed, folder synced. On an error the partial
/// file is removed and what had the name before stays.
///
/// # Errors
/// What `write` fails with, and what the disk says.
pub fn replace_file(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let partial = partial_beside(path);
    let result = write(&partial).and_then(|()| {
        File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    });
    if result.is_err() {
        // The first error is the one to tell; a partial file that stays is named as such.
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn partial_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".partial-{}", std::process::id()));
    path.with_file_name(name)
}

/// Checks before any work that a file can be written: its folder is there and takes a new file.
///
/// # Errors
/// What the system says.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    let partial = partial_beside(path);
    File::create_new(&partial).map_err(failed)?;
    std::fs::remove_file(&partial).map_err(failed)
}
