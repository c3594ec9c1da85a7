//! Files and folders that have no name until they are whole: partial, synced, renamed, folder synced.
//!
//! What is being written stands hidden beside its target and is locked by the process that writes it. A process that was killed
//! leaves it behind, unlocked; the next one that writes the same target removes it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Something being written under a hidden name beside its target. Dropped before [`Partial::keep`], it is removed.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
    /// Held open for its lock, on systems that lock without forbidding others to write.
    _lock: Option<File>,
}

impl Partial {
    /// Creates an empty file that can become `target`.
    pub(crate) fn file(target: &Path) -> io::Result<(Self, File)> {
        Self::create(target, |path| {
            OpenOptions::new().read(true).write(true).create_new(true).open(path)
        })
    }

    /// Creates an empty file that can become `target` and that nobody else may read.
    pub(crate) fn private_file(target: &Path) -> io::Result<(Self, File)> {
        Self::create(target, |path| {
            let mut options = OpenOptions::new();
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.read(true).write(true).create_new(true).open(path)
        })
    }

    /// Creates an empty folder that can become `target`.
    pub(crate) fn folder(target: &Path) -> io::Result<Self> {
        Ok(Self::create(target, |path| fs::create_dir(path))?.0)
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, in place of what had that name before. Its content is on the disk already; the name is after
    /// [`sync_folder`].
    pub(crate) fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }

    fn create<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or(ErrorKind::InvalidFilename)?.to_string_lossy();
        // Short enough for any file system that takes the target itself.
        let stem: String = name.chars().take(24).collect();
        let stem = format!(".{stem}.partial-");
        remove_abandoned(folder_of(target), &stem);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = target.with_file_name(format!("{stem}{}-{number}", std::process::id()));
            let made = match make(&path) {
                Ok(made) => made,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let _lock = lock(&path);
            let partial = Self { path, target: target.to_owned(), kept: false, _lock };
            // Another process may have taken it for abandoned before it was locked.
            if partial.path.exists() {
                return Ok((partial, made));
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a failure here, and the name is not one that anybody takes for a result.
            let _ = remove(&self.path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Waits for the lock. Where a file system has none, nothing is ever taken for abandoned.
fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok().filter(|_| cfg!(unix))?;
    file.lock().ok()?;
    Some(file)
}

/// Removes what killed processes left of the same target. A folder that cannot be read says so when it is written to.
fn remove_abandoned(folder: &Path, stem: &str) {
    let left = fs::read_dir(folder).into_iter().flatten().filter_map(io::Result::ok);
    for entry in left.filter(|entry| entry.file_name().to_string_lossy().starts_with(stem)) {
        let path = entry.path();
        // The lock is held until it is gone.
        if let Some(_lock) = abandoned(&path) {
            // Left for the next time where it cannot be removed.
            let _ = remove(&path);
        }
    }
}

/// The lock of something partial that nobody writes any more.
fn abandoned(path: &Path) -> Option<File> {
    File::open(path).ok().filter(|file| cfg!(unix) && file.try_lock().is_ok())
}

/// Whether this is something partial that a killed process left.
pub(crate) fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.contains(".partial-") && abandoned(path).is_some()
}

/// The name of something that belongs beside `path`: the same with `.json` at its end.
pub(crate) fn json_beside(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the names in a folder on the disk. Where a system cannot open a folder as a file it has no such step.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a file through a partial one beside it. On an error what had the name before stays.
///
/// # Errors
/// What `write` fails with, and what the disk says.
pub fn replace_file(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let (partial, file) = Partial::file(path).map_err(failed)?;
    write(partial.path())?;
    file.sync_all().map_err(failed)?;
    partial.keep().map_err(failed)?;
    sync_folder(folder_of(path)).map_err(failed)
}

/// Checks before any work that a file can be written: its folder is there and takes a new file.
///
/// # Errors
/// What the system says.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Err(failed(ErrorKind::IsADirectory.into())),
        // A device or a pipe would be replaced by a file.
        Ok(metadata) if !metadata.is_file() => {
            return Err(failed(io::Error::new(ErrorKind::InvalidInput, "not a regular file")));
        }
        _ => {}
    }
    Partial::file(path).map_err(failed)?;
    Ok(())
}
