//! The right to render a production: one process has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::{Error, Result};

/// How often a process that has just claimed the right is given time to write its name.
const TRIES: u32 = 20;

/// The right to render. Ends when dropped, or with the process.
#[derive(Debug)]
pub struct RenderLock {
    file: File,
}

impl RenderLock {
    pub(super) fn claim(path: &Path) -> Result<Self> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Rendering { pid: pid(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The pid is for people; a disk without room for it is no reason not to render.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for RenderLock {
    fn drop(&mut self) {
        // The file stays: were it removed, two processes could each lock one of that name.
        let _ = self.file.set_len(0).and_then(|()| self.file.unlock());
    }
}

fn pid(file: &mut File) -> Option<u32> {
    for _ in 0..TRIES {
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
        if let Some(pid) = text.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
            return Some(pid);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_the_first_one_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("render.lock");
        let lock = RenderLock::claim(&path).expect("free");
        let error = RenderLock::claim(&path).expect_err("taken");
        let pid = std::process::id();
        assert!(error.to_string().contains(&format!("(pid {pid})")), "{error}");
        drop(lock);
        RenderLock::claim(&path).expect("free again");
        std::fs::write(&path, "123456789\n").expect("what a killed process left");
        RenderLock::claim(&path).expect("its lock went with it");
    }
}
