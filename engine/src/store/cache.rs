//! One repository in the Hugging Face cache, laid out as the Python tools lay it out.
//!
//! `models--{organisation}--{name}/blobs/{hash}` holds contents, `snapshots/{commit}/{path}` links to them,
//! `refs/{revision}` holds the commit of a branch, and `.locks/` beside the repositories holds one lock a content.
//! What is on its way is `blobs/{hash}.incomplete`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, Repo, RepoType};
use rustix::fs::{FlockOperation, flock, statvfs};

use super::digest::Digest;
use super::{Error, Result};

/// How often a lock that somebody else holds is tried.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// The place of one repository in the cache.
pub(super) struct CachedRepo {
    root: PathBuf,
    locks: PathBuf,
    cache: Cache,
    repo: Repo,
}

/// The right to write one content. Ends when dropped, or with the process.
pub(super) struct Lock {
    _file: File,
}

impl CachedRepo {
    /// Names the place of a repository's revision below a cache folder. Touches nothing.
    pub(super) fn new(cache: &Path, repo: &str, revision: &str) -> Self {
        let repo = Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned());
        Self {
            root: cache.join(repo.folder_name()),
            locks: cache.join(".locks").join(repo.folder_name()),
            cache: Cache::new(cache.to_owned()),
            repo,
        }
    }

    /// Returns the names of the repositories that a cache folder has a place of.
    pub(super) fn names(cache: &Path) -> Vec<String> {
        let entries = fs::read_dir(cache).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| repo_name(entry.file_name().to_str()?));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Returns the repository's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.cache.repo(self.repo.clone()).pointer_path(commit)
    }

    /// Returns the commit that is here: the one the revision points at, else the only one there is.
    pub(super) fn commit(&self) -> Option<String> {
        let pointed = fs::read_to_string(self.reference()).ok().map(|text| text.trim().to_owned());
        if pointed.as_deref().is_some_and(|commit| self.snapshot(commit).is_dir()) {
            return pointed;
        }
        let named = self.repo.revision();
        if self.snapshot(named).is_dir() {
            return Some(named.to_owned());
        }
        let mut all = fs::read_dir(self.root.join("snapshots")).ok()?.flatten();
        match (all.next(), all.next()) {
            (Some(only), None) => only.file_name().into_string().ok(),
            _ => None,
        }
    }

    /// Returns where a content is, or will be.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.hex())
    }

    /// Returns whether a content is here with all its bytes.
    pub(super) fn has(&self, digest: &Digest, len: u64) -> bool {
        fs::metadata(self.blob(digest)).is_ok_and(|meta| meta.is_file() && meta.len() == len)
    }

    /// Returns where a content is while it arrives.
    pub(super) fn partial(&self, digest: &Digest) -> PathBuf {
        self.blob(digest).with_extension("incomplete")
    }

    /// Makes the folders that contents and locks go to.
    pub(super) fn prepare(&self) -> Result<()> {
        for folder in [self.root.join("blobs"), self.locks.clone()] {
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        Ok(())
    }

    /// Returns how many bytes may still be written where the repository is, or will be.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let here = self.root.ancestors().find(|folder| folder.is_dir()).unwrap_or(&self.root);
        let stat = statvfs(here).map_err(|error| Error::io(here)(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Waits for the right to write a content, calling `waiting` until it is there.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where `waiting` breaks.
    pub(super) fn lock(
        &self,
        digest: &Digest,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Lock> {
        let path = self.locks.join(format!("{}.lock", digest.hex()));
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(Error::io(&path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Another tool may have removed the file between opening and locking: that lock holds nobody off.
                Ok(()) if is_at(&file, &path) => return Ok(Lock { _file: file }),
                Ok(()) => continue,
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(Error::io(&path)(error.into())),
            }
            if waiting().is_break() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    /// Gives a content that is whole on the disk its final name.
    pub(super) fn keep(&self, digest: &Digest) -> Result<()> {
        let (partial, blob) = (self.partial(digest), self.blob(digest));
        fs::rename(&partial, &blob).map_err(Error::io(&blob))?;
        let folder = self.root.join("blobs");
        File::open(&folder).and_then(|dir| dir.sync_all()).map_err(Error::io(&folder))
    }

    /// Removes a content that is not what its name says.
    pub(super) fn discard(&self, digest: &Digest) -> Result<()> {
        let blob = self.blob(digest);
        fs::remove_file(&blob).map_err(Error::io(&blob))
    }

    /// Links a commit's file to its content.
    pub(super) fn link(&self, commit: &str, file: &str, digest: &Digest) -> Result<()> {
        let link = self.snapshot(commit).join(file);
        let up = "../".repeat(file.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{}", digest.hex()));
        if fs::read_link(&link).is_ok_and(|there| there == target) {
            return Ok(());
        }
        replace(&link, |path| symlink(&target, path))
    }

    /// Points the revision at a commit, unless the revision is one.
    pub(super) fn point_at(&self, commit: &str) -> Result<()> {
        if self.repo.revision() == commit {
            return Ok(());
        }
        replace(&self.reference(), |path| {
            let mut file = File::create(path)?;
            file.write_all(commit.as_bytes())?;
            file.sync_all()
        })
    }

    fn reference(&self) -> PathBuf {
        self.root.join("refs").join(self.repo.revision())
    }
}

/// Returns the repository, `organisation/name` or an old one's bare name, that a folder of the cache is the place of.
pub(super) fn repo_name(folder: &str) -> Option<String> {
    Some(folder.strip_prefix("models--")?.replacen("--", "/", 1))
}

/// Makes something beside `path` and moves it there in one step.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.incomplete", std::process::id()));
    make(&beside).and_then(|()| fs::rename(&beside, path)).map_err(|source| {
        // What is left beside would only be in the way; the error that counts is the first one.
        let _ = fs::remove_file(&beside);
        Error::io(path)(source)
    })
}

/// Returns whether an open file is the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}
