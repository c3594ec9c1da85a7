//! Where a file is: on disk, or carried by the program.

use std::path::{Path, PathBuf};

use super::{WeightsError, map};

/// A file that the program carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Its path below the folder that it stands for, with `/` between names.
    pub name: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    path: PathBuf,
    carried: Option<&'static [u8]>,
}

impl Location {
    /// A file on disk.
    pub fn on_disk(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), carried: None }
    }

    /// Its path on disk, or what it is called in errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content, where the program carries it.
    pub fn carried(&self) -> Option<&'static [u8]> {
        self.carried
    }

    /// Reads a small text file whole.
    ///
    /// # Errors
    /// When it cannot be read, is larger than `limit_bytes` or is not UTF-8.
    pub fn read_text(&self, limit_bytes: u64) -> Result<String, WeightsError> {
        let Some(bytes) = self.carried else { return map::read_text(&self.path, limit_bytes) };
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| WeightsError::Io {
            file: self.path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })?;
        Ok(text)
    }
}

/// A folder of files to read.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    carried: Option<&'static [Carried]>,
}

impl Folder {
    /// A folder on disk.
    pub fn on_disk(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), carried: None }
    }

    /// Files that the program carries, under the name that errors call them by.
    pub fn carried(name: &str, files: &'static [Carried]) -> Self {
        Self { path: name.into(), carried: Some(files) }
    }

    /// Its path on disk, or what it is called in errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file of this name in it, where there is one.
    pub fn file(&self, name: &str) -> Option<Location> {
        let path = self.path.join(name);
        match self.carried {
            None => path.is_file().then(|| Location::on_disk(path)),
            Some(files) => {
                let bytes = files.iter().find(|file| file.name == name)?.bytes;
                Some(Location { path, carried: Some(bytes) })
            }
        }
    }

    /// Returns whether there is a folder of this name in it.
    pub fn holds_folder(&self, name: &str) -> bool {
        match self.carried {
            None => self.path.join(name).is_dir(),
            Some(files) => files.iter().any(|file| {
                file.name.strip_prefix(name).is_some_and(|below| below.starts_with('/'))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[Carried] = &[
        Carried { name: "index.json", bytes: b"{}" },
        Carried { name: "vae/config.json", bytes: b"[]" },
    ];

    #[test]
    fn carried_files_are_found_like_files_on_disk() -> Result<(), Box<dyn std::error::Error>> {
        let disk = tempfile::tempdir()?;
        std::fs::create_dir(disk.path().join("vae"))?;
        for file in FILES {
            std::fs::write(disk.path().join(file.name), file.bytes)?;
        }
        for folder in [Folder::on_disk(disk.path()), Folder::carried("inside", FILES)] {
            for file in FILES {
                let location = folder.file(file.name).ok_or("the file is there")?;
                assert_eq!(location.read_text(9)?.as_bytes(), file.bytes);
                assert_eq!(location.path(), folder.path().join(file.name));
            }
            assert!(folder.holds_folder("vae") && !folder.holds_folder("va"));
            assert!(folder.file("vae").is_none() && folder.file("config.json").is_none());
        }
        Ok(())
    }
}
