//! The only place that opens and maps files.
#![expect(unsafe_code, reason = "mapping a file is unsafe: another process may change it")]

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::{Location, WeightsError};

/// A whole file mapped read-only, shared by reference count, or one that the program carries.
///
/// A file that someone else cuts short while it is mapped ends the process with SIGBUS when the lost part is read.
/// One that is rewritten in place shows its new bytes.
#[derive(Debug, Clone)]
pub struct Mapping {
    content: Content,
    path: Arc<Path>,
}

#[derive(Debug, Clone)]
enum Content {
    Mapped(Arc<Mmap>),
    Carried(&'static [u8]),
}

impl Mapping {
    /// Maps a file, or takes what the program carries of it.
    ///
    /// # Errors
    /// When it cannot be opened, is not a regular file, is empty or cannot be mapped.
    pub fn of(location: &Location) -> Result<Self, WeightsError> {
        match location.carried() {
            Some(bytes) => {
                Ok(Self { content: Content::Carried(bytes), path: location.path().into() })
            }
            None => Self::open(location.path()),
        }
    }

    /// Maps the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, is not a regular file, is empty or cannot be mapped.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { file: path.to_owned(), source };
        // Asked of the path, not of the open file: opening a pipe waits for its other end.
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(WeightsError::NotAFile { file: path.to_owned() });
        }
        if metadata.len() == 0 {
            return Err(WeightsError::Empty { file: path.to_owned() });
        }
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is read-only and private to this process, which never writes to a checkpoint. Another
        // process may; every byte pattern is a valid `u8`, and all parsers take the bytes as untrusted. A file cut
        // short ends the process, as the documentation says.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self { content: Content::Mapped(Arc::new(map)), path: path.into() })
    }

    /// The content of the file.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Mapped(map) => map,
            Content::Carried(bytes) => bytes,
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the memory of a byte range back to the operating system. Reading the range later fetches it again from
    /// the file, so this never changes what is read. Does nothing where the system has no such advice, or for a file that
    /// the program carries.
    ///
    /// # Errors
    /// When the range is not within the file or the system refuses.
    pub fn release(&self, range: Range<usize>) -> Result<(), WeightsError> {
        let inside = range.start <= range.end && range.end <= self.bytes().len();
        let result = match &self.content {
            _ if !inside => Err(std::io::ErrorKind::InvalidInput.into()),
            Content::Mapped(map) => drop_pages(map, range),
            Content::Carried(_) => Ok(()),
        };
        result.map_err(|source| WeightsError::Io { file: self.path.to_path_buf(), source })
    }
}

#[cfg(unix)]
fn drop_pages(map: &Mmap, range: Range<usize>) -> std::io::Result<()> {
    // SAFETY: for a read-only mapping of a file, dropped pages are read again from that file when next touched.
    // Only anonymous or written pages would lose their content, and this mapping has neither. The range was
    // checked to be within the map.
    unsafe {
        map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
    }
}

#[cfg(not(unix))]
fn drop_pages(_map: &Mmap, _range: Range<usize>) -> std::io::Result<()> {
    Ok(())
}

/// Reads a small text file, such as a configuration, whole.
///
/// # Errors
/// When it cannot be read, is larger than `limit_bytes` or is not UTF-8.
pub(super) fn read_text(path: &Path, limit_bytes: u64) -> Result<String, WeightsError> {
    let io = |source| WeightsError::Io { file: PathBuf::from(path), source };
    let file = File::open(path).map_err(io)?;
    let mut text = String::new();
    let read = file.take(limit_bytes.saturating_add(1)).read_to_string(&mut text).map_err(io)?;
    if read as u64 > limit_bytes {
        return Err(WeightsError::TooLarge { file: path.to_owned(), limit_bytes });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_pages_come_back_unchanged() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content)?;
        let map = Mapping::open(&path)?;
        assert_eq!(map.bytes(), content);
        map.release(5_000..90_000)?;
        map.release(0..content.len())?;
        assert_eq!(map.bytes(), content);
        assert!(map.release(0..content.len() + 1).is_err());
        Ok(())
    }

    #[test]
    fn a_text_over_its_limit_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("config.json");
        std::fs::write(&path, "12345")?;
        assert_eq!(read_text(&path, 5)?, "12345");
        assert!(matches!(read_text(&path, 4), Err(WeightsError::TooLarge { limit_bytes: 4, .. })));
        Ok(())
    }
}
