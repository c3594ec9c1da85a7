//! Begins a production: files that work as they are and say what may stand in them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::project::{FILE, Production};
use crate::durable::{Partial, sync_folder};

/// The files of a new production, the one that makes it a production last.
const FILES: [(&str, &str); 3] = [
    ("characters/cat.toml", include_str!("template/character.toml")),
    ("scenes/sc01.toml", include_str!("template/scene.toml")),
    (FILE, include_str!("template/project.toml")),
];

impl Production {
    /// Begins a production in a folder, which is made where it is not there. Returns the files that were written; nothing that is
    /// there already is touched.
    ///
    /// # Errors
    /// [`Error::Exists`] for a folder that holds one of the files already, [`Error::Write`].
    pub fn begin(folder: &Path) -> Result<Vec<PathBuf>> {
        let paths = FILES.map(|(file, _)| folder.join(file));
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Err(Error::Exists { path: path.clone() });
        }
        for (path, (_, text)) in paths.iter().zip(FILES) {
            let failed = |source| Error::Write { path: path.clone(), source };
            let room = path.parent().unwrap_or(folder);
            fs::create_dir_all(room).map_err(failed)?;
            let (partial, mut file) = Partial::file(path).map_err(failed)?;
            file.write_all(text.as_bytes()).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            partial.keep().map_err(failed)?;
            sync_folder(room).map_err(failed)?;
        }
        Ok(paths.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_production_is_right_and_is_not_begun_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let film = folder.path().join("my film");
        assert_eq!(Production::begin(&film).expect("room").len(), 3);
        let production = Production::load(&film).expect("right");
        assert_eq!(production.cuts().count(), 2);
        let inner = film.join("scenes");
        assert_eq!(Production::find(&inner).expect("it is above"), film);
        fs::remove_file(film.join(FILE)).expect("there");
        assert!(matches!(Production::begin(&film), Err(Error::Exists { .. })));
        assert!(!film.join(FILE).exists());
        assert!(matches!(Production::find(folder.path()), Err(Error::None { .. })));
    }
}
