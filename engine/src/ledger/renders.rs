//! The files for people: `renders/<scene>/<cut>/<scene>_<cut>_t003.mp4` with the manifest beside. Made from the store, never the
//! truth.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::objects::{Objects, hash};
use super::{Error, Result};
use crate::durable::{Partial, folder_of};
use crate::hash::Blake3;
use crate::id::CutId;

/// The name of a take for people.
pub(super) fn path(renders: &Path, cut: &CutId, number: u32, extension: &str) -> PathBuf {
    let (scene, cut) = (cut.scene(), cut.cut());
    renders.join(scene).join(cut).join(format!("{scene}_{cut}_t{number:03}.{extension}"))
}

/// Gives an object a name for people.
fn show(objects: &Objects, object: Blake3, target: &Path) -> Result<()> {
    let source = objects.path(object);
    let failed = |source| Error::Write { path: target.to_owned(), source };
    fs::create_dir_all(folder_of(target)).map_err(failed)?;
    match link(&source, target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Missing { object }),
        // Another file system, or one without links.
        Err(_) => copy(&source, target).map_err(failed),
    }
}

/// Takes a name for people away.
pub(super) fn hide(target: &Path) -> Result<()> {
    match fs::remove_file(target) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::Write { path: target.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// How closely a file for people is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Its length is enough.
    Length,
    /// It is read, unless it is the object itself.
    Content,
}

/// Gives an object a name for people, unless it has it. Says whether anything was done.
pub(super) fn ensure(objects: &Objects, object: Blake3, target: &Path, look: Look) -> Result<bool> {
    let source = objects.path(object);
    let is_shown = is_shown(&source, target)
        && (look == Look::Length
            || is_same(&source, target)
            || File::open(target)
                .and_then(|mut file| hash(&mut file))
                .is_ok_and(|(found, _)| found == object));
    if !is_shown {
        show(objects, object, target)?;
    }
    Ok(!is_shown)
}

/// Whether `target` is `source` under another name, or a copy as far as its length tells.
fn is_shown(source: &Path, target: &Path) -> bool {
    let (Ok(one), Ok(two)) = (fs::metadata(source), fs::metadata(target)) else { return false };
    two.is_file() && one.len() == two.len()
}

/// Whether both are one file.
#[cfg(unix)]
pub(super) fn is_same(source: &Path, target: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(one), Ok(two)) = (fs::metadata(source), fs::metadata(target)) else { return false };
    (one.dev(), one.ino()) == (two.dev(), two.ino())
}

/// Whether both are one file. Unknown here, so no.
#[cfg(not(unix))]
pub(super) fn is_same(_: &Path, _: &Path) -> bool {
    false
}

fn link(source: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(source, target) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // It is something else: put in its place.
            fs::remove_file(target)?;
            fs::hard_link(source, target)
        }
        linked => linked,
    }
}

fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let (partial, mut file) = Partial::file(target)?;
    io::copy(&mut File::open(source)?, &mut file)?;
    partial.keep()
}
