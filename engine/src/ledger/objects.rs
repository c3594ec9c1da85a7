//! The store of objects: files by the BLAKE3 of what is in them, whole or not there, read-only.
//!
//! `objects/ab/cdef…` holds what hashes to `abcdef…`. Two files with the same content are one.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::steps::{Step, reached};
use super::take::{Media, is_extension};
use super::{Error, Result};
use crate::durable::{Partial, folder_of, sync_folder};
use crate::hash::Blake3;

/// What is found under the name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// What the name says.
    Whole,
    /// Something else.
    Altered,
    /// Nothing.
    Nothing,
}

/// The store.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    root: PathBuf,
}

impl Objects {
    /// The store in a folder. Touches nothing.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether nothing was ever kept.
    pub(super) fn is_empty(&self) -> Result<bool> {
        match fs::read_dir(&self.root) {
            Ok(mut folders) => Ok(folders.next().is_none()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(source) => Err(Error::Read { path: self.root.clone(), source }),
        }
    }

    /// Where an object is, or would be.
    pub(super) fn path(&self, object: Blake3) -> PathBuf {
        let name = object.to_string();
        self.root.join(&name[..2]).join(&name[2..])
    }

    /// Keeps bytes.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<Blake3> {
        let object = Blake3::of(bytes);
        match self.find(object)? {
            Found::Whole => self.sync_name(object)?,
            _ => self.write(object, &mut |file| file.write_all(bytes))?,
        }
        Ok(object)
    }

    /// Takes a whole file over. It keeps the name that it had, read-only: only that name is safe until an event names the object.
    pub(super) fn take_over(&self, path: &Path) -> Result<Media> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        if !metadata.is_file() || !is_extension(&extension) {
            return Err(Error::NotAClip { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        reached(Step::MediaSynced);
        let (object, bytes) = hash(&mut file).map_err(failed)?;
        let media = Media { blake3: object, bytes, extension };
        match self.find(object)? {
            Found::Whole => self.sync_name(object)?,
            found => {
                if found == Found::Altered {
                    self.remove(object)?;
                }
                // A link is made in one step, and costs no room. Other names of the same file could change it.
                if !is_only_name(&metadata) || !self.link(path, object)? {
                    file = File::open(path).map_err(failed)?;
                    self.write(object, &mut |target| io::copy(&mut file, target).map(drop))?;
                }
            }
        }
        reached(Step::MediaKept);
        Ok(media)
    }

    /// Reads an object, and holds it against its name.
    pub(super) fn read(&self, object: Blake3) -> Result<Vec<u8>> {
        let path = self.path(object);
        match fs::read(&path) {
            Ok(bytes) if Blake3::of(&bytes) == object => Ok(bytes),
            Ok(_) => Err(Error::Altered { object }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Missing { object }),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Whether an object of this length is there, without reading it.
    pub(super) fn has(&self, object: Blake3, bytes: Option<u64>) -> Result<bool> {
        let path = self.path(object);
        match fs::metadata(&path) {
            Ok(found) => Ok(bytes.is_none_or(|bytes| found.len() == bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Reads what is under the name of an object.
    pub(super) fn find(&self, object: Blake3) -> Result<Found> {
        let path = self.path(object);
        match File::open(&path).and_then(|mut file| hash(&mut file)) {
            Ok((found, _)) if found == object => Ok(Found::Whole),
            Ok(_) => Ok(Found::Altered),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Removes an object. One that is gone already is no failure.
    pub(super) fn remove(&self, object: Blake3) -> Result<()> {
        let path = self.path(object);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Calls `each` with every file in the store, and with what its name says where that is the name of an object.
    pub(super) fn walk(
        &self,
        each: &mut dyn FnMut(PathBuf, Option<Blake3>) -> Result<()>,
    ) -> Result<()> {
        let failed = |path: &Path, source| Error::Read { path: path.to_owned(), source };
        let folders = match fs::read_dir(&self.root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed(&self.root, source)),
        };
        for folder in folders {
            let folder = folder.map_err(|source| failed(&self.root, source))?.path();
            if !folder.is_dir() {
                each(folder, None)?;
                continue;
            }
            let files = fs::read_dir(&folder).map_err(|source| failed(&folder, source))?;
            for file in files {
                let path = file.map_err(|source| failed(&folder, source))?.path();
                let name = |path: &Path| path.file_name()?.to_str().map(ToOwned::to_owned);
                let object =
                    name(&folder).zip(name(&path)).and_then(|(a, b)| (a + &b).parse().ok());
                // Names can be split in other places, too.
                let object = object.filter(|object| self.path(*object) == path);
                each(path, object)?;
            }
        }
        Ok(())
    }

    /// Gives a file that is on the disk the name of an object as well. `false` where the system cannot.
    fn link(&self, path: &Path, object: Blake3) -> Result<bool> {
        let target = self.path(object);
        self.prepare(&target)?;
        // Before it has its name: nothing in the store can be written.
        if make_read_only(path).is_err() {
            return Ok(false);
        }
        match fs::hard_link(path, &target) {
            Ok(()) => {}
            // Somebody else was faster with the same content.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(_) => return Ok(false),
        }
        reached(Step::MediaNamed);
        self.sync_name(object)?;
        Ok(true)
    }

    fn write(
        &self,
        object: Blake3,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> Result<()> {
        let target = self.path(object);
        let failed = |source| Error::Write { path: target.clone(), source };
        self.prepare(&target)?;
        let (partial, mut file) = Partial::file(&target).map_err(failed)?;
        write(&mut file).map_err(failed)?;
        reached(Step::ObjectWritten);
        make_read_only(partial.path()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        if hash(&mut File::open(partial.path()).map_err(failed)?).map_err(failed)?.0 != object {
            // A file that was written to while it was read.
            return Err(Error::Altered { object });
        }
        partial.keep().map_err(failed)?;
        reached(Step::ObjectNamed);
        self.sync_name(object)
    }

    /// Makes the folder of an object.
    fn prepare(&self, target: &Path) -> Result<()> {
        let folder = folder_of(target);
        match fs::create_dir(folder) {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                Err(Error::Write { path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    /// Puts the name of an object on the disk. Whoever gave it the name, or made its folder, may have ended before that: it is
    /// not enough to find it there.
    fn sync_name(&self, object: Blake3) -> Result<()> {
        let path = self.path(object);
        for folder in [folder_of(&path), &self.root] {
            sync_folder(folder)
                .map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        }
        Ok(())
    }
}

/// BLAKE3 and length of what is left of a file.
pub(super) fn hash(file: &mut File) -> io::Result<(Blake3, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finalize().into(), hasher.count())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}

#[cfg(unix)]
fn make_read_only(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, Permissions::from_mode(0o444))
}

#[cfg(not(unix))]
fn make_read_only(path: &Path) -> io::Result<()> {
    let mut permissions: Permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}

#[cfg(unix)]
fn is_only_name(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) == 1
}

#[cfg(not(unix))]
fn is_only_name(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("objects");
        fs::create_dir(&root).expect("room");
        (folder, Objects::new(root))
    }

    #[test]
    fn a_file_is_taken_over_once_and_cannot_be_written() {
        let (folder, objects) = store();
        let clip = folder.path().join("a.MP4");
        for _ in 0..2 {
            fs::write(&clip, "frames").expect("room");
            let media = objects.take_over(&clip).expect("whole");
            let extension = "mp4".to_owned();
            assert_eq!(media, Media { blake3: Blake3::of(b"frames"), bytes: 6, extension });
            assert_eq!(fs::read(&clip).expect("it has its name still"), b"frames");
            fs::remove_file(&clip).expect("ours");
        }
        let path = objects.path(Blake3::of(b"frames"));
        assert!(fs::metadata(&path).expect("there").permissions().readonly());
        assert_eq!(objects.read(Blake3::of(b"frames")).expect("whole"), b"frames");
        let mut found = Vec::new();
        let mut each = |path, object| {
            found.push((path, object));
            Ok(())
        };
        objects.walk(&mut each).expect("readable");
        assert_eq!(found, [(path, Some(Blake3::of(b"frames")))]);
    }

    #[test]
    fn another_name_of_a_file_does_not_reach_into_the_store() {
        let (folder, objects) = store();
        let (clip, other) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
        fs::write(&clip, "frames").expect("room");
        fs::hard_link(&clip, &other).expect("links");
        let media = objects.take_over(&clip).expect("whole");
        fs::write(&other, "others").expect("still writable");
        assert_eq!(objects.find(media.blake3).expect("readable"), Found::Whole);
    }

    #[test]
    fn what_was_altered_is_found_and_replaced() {
        let (folder, objects) = store();
        let object = objects.put(b"manifest").expect("room");
        let path = objects.path(object);
        let spoil = || {
            fs::remove_file(&path).expect("there");
            fs::write(&path, "manifesT").expect("room");
        };
        spoil();
        assert!(matches!(objects.read(object), Err(Error::Altered { .. })));
        objects.put(b"manifest").expect("room");
        assert_eq!(objects.find(object).expect("readable"), Found::Whole);
        spoil();
        let clip = folder.path().join("a.mp4");
        fs::write(&clip, "manifest").expect("room");
        objects.take_over(&clip).expect("whole");
        assert_eq!(objects.find(object).expect("readable"), Found::Whole);
        objects.remove(object).expect("there");
        objects.remove(object).expect("gone is gone");
        assert!(matches!(objects.read(object), Err(Error::Missing { .. })));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (folder, objects) = store();
        let target = folder.path().join("clip");
        fs::write(&target, "frames").expect("room");
        assert!(matches!(objects.take_over(&target), Err(Error::NotAClip { .. })));
        let link = folder.path().join("link.mp4");
        std::os::unix::fs::symlink(&target, &link).expect("links");
        assert!(matches!(objects.take_over(&link), Err(Error::NotAClip { .. })));
        assert!(matches!(objects.take_over(folder.path()), Err(Error::NotAClip { .. })));
        let gone = folder.path().join("gone.mp4");
        assert!(matches!(objects.take_over(&gone), Err(Error::Read { .. })));
    }
}
