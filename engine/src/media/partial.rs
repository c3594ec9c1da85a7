//! Files and folders that have no name until they are whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Something being written under a hidden name beside its target. Dropped before [`Partial::keep`], it is removed.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Partial {
    /// Creates an empty file that can become `target`.
    pub(super) fn file(target: &Path) -> io::Result<(Self, File)> {
        Self::create(target, |path| {
            OpenOptions::new().read(true).write(true).create_new(true).open(path)
        })
    }

    /// Creates an empty folder that can become `target`.
    pub(super) fn folder(target: &Path) -> io::Result<Self> {
        Ok(Self::create(target, |path| fs::create_dir(path))?.0)
    }

    /// Where it is for now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, in place of what had that name before. Its content is on the disk already; the name is after
    /// [`sync_folder`].
    pub(super) fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }

    fn create<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or(ErrorKind::InvalidFilename)?.to_string_lossy();
        // Short enough for any file system that takes the target itself.
        let stem: String = name.chars().take(24).collect();
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path =
                target.with_file_name(format!(".{stem}.partial-{}-{number}", std::process::id()));
            match make(&path) {
                Ok(made) => {
                    return Ok((Self { path, target: target.to_owned(), kept: false }, made));
                }
                // Left by a killed process that had our number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a failure here, and the name is not one that anybody takes for a result.
            let _ = if self.path.is_dir() {
                fs::remove_dir_all(&self.path)
            } else {
                fs::remove_file(&self.path)
            };
        }
    }
}

/// The name of the manifest beside `target`.
pub(super) fn beside(target: &Path) -> PathBuf {
    let mut name: OsString = target.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// The folder that `path` is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the names in a folder on the disk. Where a system cannot open a folder as a file it has no such step.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
