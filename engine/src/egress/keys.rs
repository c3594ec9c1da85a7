//! The keys of a user: where they are, in which order that is looked through, and how one gets there.
//!
//! 1. the environment variable that the production names: what is said for one run comes first;
//! 2. the keyring of the desktop, see [`Keyring`];
//! 3. the file that the production names, then the user's own, `keys/NAME` in Kinora's folder; nobody else may read either.
//!
//! A keyring that is locked or gives no answer is an error only where no file has the key. In the user's own places a key has the
//! name of the host that it is for, so that no production can have it sent to another.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Error, Keyring, Result, Token};
use crate::durable::{Partial, sync_folder};

/// The places of a user for keys.
#[derive(Debug)]
pub struct Keys {
    keyring: Option<Keyring>,
    folder: Option<PathBuf>,
}

/// A key that is looked for.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Its name in the user's own places: that of a provider, or the host of a server of one's own.
    pub name: String,
    /// The environment variable that the production names, and what it holds.
    pub variable: Option<(&'a str, Option<OsString>)>,
    /// The file that the production names.
    pub file: Option<&'a Path>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In an environment variable.
    Variable(String),
    /// In the keyring.
    Keyring,
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Keyring => f.write_str("keyring"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Keys {
    /// The keys in a keyring, and in files of a folder.
    pub fn new(keyring: Option<Keyring>, folder: Option<PathBuf>) -> Self {
        Self { keyring, folder }
    }

    /// Whether a key can have this name: letters, digits and what else a host is written with.
    pub fn is_name(text: &str) -> bool {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:[]".contains(c);
        text.chars().all(fits) && !text.starts_with(['-', '.']) && !text.is_empty()
    }

    /// Finds a key, and says where it is.
    ///
    /// # Errors
    /// [`Error::Key`] where the place that has it holds no key, where others may read the file, or where the keyring is locked or
    /// gives no answer and no file has it.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Option<(Token, KeyPlace)>> {
        if let Some((name, Some(value))) = &wanted.variable
            && !value.is_empty()
        {
            let place = format!("the variable {name}");
            let wrong = || Error::Key { place, why: "holds no key" };
            let key = value.to_str().and_then(Token::new).ok_or_else(wrong)?;
            return Ok(Some((key, KeyPlace::Variable((*name).to_owned()))));
        }
        let name = Some(wanted.name.as_str()).filter(|name| Self::is_name(name));
        let ring = match name.zip(self.keyring.as_ref()).map(|(name, ring)| ring.find(name)) {
            Some(Ok(Some(key))) => return Ok(Some((key, KeyPlace::Keyring))),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Ok(None),
        };
        let own = name.and_then(|name| self.file(name));
        if let Some(file) = wanted.file.filter(|file| self.is_of_another(file, own.as_deref())) {
            let place = file.display().to_string();
            return Err(Error::Key { place, why: "goes only to the host that it is named after" });
        }
        for file in wanted.file.map(Path::to_owned).into_iter().chain(own) {
            if let Some(key) = Token::in_file(&file)? {
                return Ok(Some((key, KeyPlace::File(file))));
            }
        }
        ring
    }

    /// Whether a file is one of the user's own, and not `own`: whoever wrote a production does not get at those.
    fn is_of_another(&self, file: &Path, own: Option<&Path>) -> bool {
        let place = |path: &Path| fs::canonicalize(path).ok();
        let (folder, file) = (self.folder.as_deref().and_then(place), place(file));
        let is_inside =
            file.as_ref().zip(folder).is_some_and(|(file, folder)| file.starts_with(folder));
        is_inside && file != own.and_then(place)
    }

    /// Keeps a key in the keyring, and where there is none in the user's own file.
    ///
    /// # Errors
    /// [`Error::Key`] where the keyring does not take it, or there is no place for it.
    pub fn keep(&self, name: &str, key: &Token) -> Result<KeyPlace> {
        match self.keyring.as_ref().map(|keyring| keyring.set(name, key)).transpose()? {
            Some(true) => Ok(KeyPlace::Keyring),
            Some(false) | None => self.keep_in_file(name, key),
        }
    }

    /// Keeps a key in the user's own file.
    ///
    /// # Errors
    /// [`Error::Key`] where it cannot be written.
    pub fn keep_in_file(&self, name: &str, key: &Token) -> Result<KeyPlace> {
        let wrong = |place: &str, why| Error::Key { place: place.to_owned(), why };
        let file = self.file(name).ok_or_else(|| wrong("the folder for keys", "is nowhere"))?;
        let written = write(&file, key);
        written.map_err(|_| wrong(&file.display().to_string(), "cannot be written"))?;
        Ok(KeyPlace::File(file))
    }

    /// Removes a key from the keyring and from the user's own file, and says from where.
    ///
    /// # Errors
    /// [`Error::Key`] for a place that keeps it; a keyring that does leaves the file as it is.
    pub fn remove(&self, name: &str) -> Result<Vec<KeyPlace>> {
        let mut gone = Vec::new();
        if let Some(keyring) = &self.keyring
            && keyring.remove(name)?
        {
            gone.push(KeyPlace::Keyring);
        }
        if let Some(file) = self.file(name) {
            match fs::remove_file(&file) {
                Ok(()) => gone.push(KeyPlace::File(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    let place = file.display().to_string();
                    return Err(Error::Key { place, why: "cannot be removed" });
                }
            }
        }
        Ok(gone)
    }

    /// The names of the user's own files.
    pub fn files(&self) -> Vec<String> {
        let entries = self.folder.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| Self::is_name(name)).collect();
        names.sort_unstable();
        names
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(name))
    }
}

/// Writes a key where at no moment anybody else can read it.
fn write(file: &Path, key: &Token) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    let (partial, mut written) = Partial::private_file(file)?;
    writeln!(written, "{}", key.text())?;
    written.sync_all()?;
    partial.keep()?;
    sync_folder(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).expect("a key")
    }

    /// Where a key is found, and which; or why not.
    fn found(keys: &Keys, wanted: &Wanted<'_>) -> String {
        match keys.find(wanted) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some((key, KeyPlace::File(_)))) => format!("{} in a file", key.text()),
            Ok(Some((key, place))) => format!("{} in {place}", key.text()),
            Err(error) => error.to_string(),
        }
    }

    /// A keyring whose tool is a script.
    fn keyring(folder: &Path, script: &str) -> Keyring {
        let tool = if cfg!(target_os = "macos") { "security" } else { "secret-tool" };
        fs::write(folder.join(tool), format!("#!/bin/sh\n{script}\n")).expect("room");
        fs::set_permissions(folder.join(tool), PermissionsExt::from_mode(0o755)).expect("ours");
        let var = |name: &str| match name {
            "PATH" => Some(folder.as_os_str().to_owned()),
            "DBUS_SESSION_BUS_ADDRESS" => Some("unix:path=/nowhere".into()),
            _ => None,
        };
        Keyring::from_env(var).expect("a keyring")
    }

    #[test]
    fn a_production_does_not_get_at_the_key_of_another_host() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::new(None, Some(folder.path().join("keys")));
        keys.keep_in_file("fal", &token("k-fal")).expect("room");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("keys/fal"), &link).expect("room");
        let film = folder.path().join("film");
        fs::create_dir(&film).expect("room");
        for file in [folder.path().join("keys/fal"), film.join("../keys/fal"), link] {
            let of =
                |name: &str| Wanted { name: name.to_owned(), variable: None, file: Some(&file) };
            let told = found(&keys, &of("evil.example"));
            assert!(told.contains("goes only to the host that it is named after"), "{told}");
            assert_eq!(found(&keys, &of("fal")), "k-fal in a file");
        }
    }

    #[test]
    #[cfg(not(target_os = "macos"))] // The script says what `secret-tool` says.
    fn the_variable_comes_first_then_the_keyring_then_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("named");
        let ring = |script: &str| {
            let keyring = keyring(folder.path(), script);
            Keys::new(Some(keyring), Some(folder.path().join("keys")))
        };
        let wanted = |value: &str| Wanted {
            name: "fal".to_owned(),
            variable: Some(("FAL", Some(value.into()))),
            file: Some(&file),
        };
        let full = "echo 'secret = from-ring'";
        assert_eq!(found(&ring(full), &wanted("from-variable")), "from-variable in variable FAL");
        assert_eq!(found(&ring(full), &wanted("two words")), "key: the variable FAL holds no key");
        assert_eq!(found(&ring(full), &wanted("")), "from-ring in keyring");
        let unset = Wanted { name: "fal".to_owned(), variable: Some(("FAL", None)), file: None };
        assert_eq!(found(&ring(full), &unset), "from-ring in keyring");
        assert_eq!(found(&ring(":"), &wanted("")), "nothing");
        let locked = "echo '[/1]'";
        assert_eq!(found(&ring(locked), &wanted("")), "key: the keyring's entry for fal is locked");
        // A name that none can have is asked of nobody.
        let odd = Wanted { name: "../fal".to_owned(), ..Wanted::default() };
        assert_eq!(found(&ring(full), &odd), "nothing");

        ring(":").keep_in_file("fal", &token("from-own-file")).expect("room");
        assert_eq!(found(&ring(":"), &wanted("")), "from-own-file in a file");
        fs::write(&file, "from-named-file\n").expect("room");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("ours");
        assert_eq!(found(&ring(":"), &wanted("")), "from-named-file in a file");
        // Nobody is there to unlock the keyring where a rendering goes on by night.
        assert_eq!(found(&ring(locked), &wanted("")), "from-named-file in a file");
        assert_eq!(found(&ring(full), &wanted("")), "from-ring in keyring");
    }

    #[test]
    fn a_key_is_kept_in_a_file_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::new(None, Some(folder.path().join("data/keys")));
        let wanted = Wanted { name: "render.lan:8000".to_owned(), ..Wanted::default() };
        assert_eq!(found(&keys, &wanted), "nothing");
        assert_eq!(keys.remove(&wanted.name).expect("nothing is there"), []);
        for key in ["k1", "k2"] {
            let place = keys.keep(&wanted.name, &token(key)).expect("room");
            let KeyPlace::File(file) = place else { panic!("{place}") };
            let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode();
            assert_eq!(mode(&file) & 0o777, 0o600);
            assert_eq!(mode(file.parent().expect("a folder")) & 0o777, 0o700);
            assert_eq!(found(&keys, &wanted), format!("{key} in a file"));
        }
        assert_eq!(keys.files(), ["render.lan:8000"]);
        assert_eq!(keys.remove(&wanted.name).expect("it is ours").len(), 1);
        assert_eq!(found(&keys, &wanted), "nothing");
        let nowhere = Keys::new(None, None).keep("fal", &token("k")).expect_err("no folder");
        assert_eq!(nowhere.to_string(), "key: the folder for keys is nowhere");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_no_place_for_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (keys, file) = (Keys::new(None, None), folder.path().join("fal"));
        let wanted = Wanted { file: Some(&file), ..Wanted::default() };
        fs::write(&file, "from-file\n").expect("room");
        for open in [0o644, 0o640, 0o604, 0o610] {
            fs::set_permissions(&file, PermissionsExt::from_mode(open)).expect("ours");
            let said = found(&keys, &wanted);
            assert!(said.ends_with("can be read by others") && !said.contains("from"), "{said}");
        }
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("ours");
        assert_eq!(found(&keys, &wanted), "from-file in a file");
        fs::write(&file, "two words").expect("room");
        assert!(found(&keys, &wanted).ends_with("holds no key"));
        let inside = Wanted { file: Some(folder.path()), ..Wanted::default() };
        assert!(found(&keys, &inside).ends_with("is no file with a key"));
    }

    #[test]
    fn names_are_those_of_providers_and_hosts() {
        for name in ["fal", "google-cloud", "render.lan:8000", "[::1]:80", "localhost"] {
            assert!(Keys::is_name(name), "{name}");
        }
        for name in ["", "-x", ".", "..", "../fal", "a/b", "a b", "FAL", "a\nb", "é", "$x", "a=b"]
        {
            assert!(!Keys::is_name(name), "{name:?}");
        }
    }
}
