//! A folder that becomes read-only at random moments: one clear error, nothing lost that was told, and it goes on afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::full::check;
use crate::other::{prepare, said};
use crate::place::Place;

/// The user who is nobody. The superuser writes where nobody may, so that the other process is somebody else then.
const NOBODY: u32 = 65_534;

/// A process of this program that may not write what is read-only.
struct Guest {
    program: PathBuf,
    is_root: bool,
}

impl Guest {
    fn new(place: &Place) -> Self {
        let program = std::env::current_exe().expect("the test has a path");
        let is_root = fs::metadata(place.path()).expect("there").uid() == 0;
        // Somebody else may not even reach the program where it is.
        let copy = place.path().join("program");
        if is_root {
            fs::copy(&program, &copy).expect("room");
        }
        Self { program: if is_root { copy } else { program }, is_root }
    }

    fn command(&self, words: &str, place: &Place) -> Command {
        let mut command = Command::new(&self.program);
        prepare(&mut command, words, place.path());
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Gives what is in a folder to the guest, to write or only to read.
    fn allow(&self, path: &Path, may_write: bool) {
        // What is in it first: nobody creates anything meanwhile then, or only in folders that are still to come.
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("readable") {
                self.allow(&entry.expect("readable").path(), may_write);
            }
        }
        // Files come and go while the guest writes.
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        let mode = match (metadata.is_dir(), may_write) {
            (true, true) => 0o755,
            (true, false) => 0o555,
            // An object is never to be written.
            (false, true) if path.components().any(|part| part.as_os_str() == "objects") => 0o444,
            (false, true) => metadata.mode() | 0o200,
            (false, false) => metadata.mode() & !0o222,
        };
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        if self.is_root {
            let _ = chown(path, Some(NOBODY), Some(NOBODY));
        }
    }
}

#[test]
fn a_folder_that_becomes_read_only_is_one_error_and_loses_nothing() {
    let mut failed = 0;
    for pause in [0, 9, 23, 47, 90] {
        let place = Place::eventful();
        let guest = Guest::new(&place);
        guest.allow(place.path(), true);
        let when = format!("read-only after {pause} ms");
        let first = guest.command("many 4000", &place).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(pause));
        for part in [".kinora", "renders"] {
            guest.allow(&place.path().join(part), false);
        }
        let told = said(&first.wait_with_output().expect("it ends").stdout);
        failed += usize::from(told.last().is_some_and(|last| last.starts_with("error ")));
        let again = guest.command("many 2", &place).output().expect("it starts");
        let again = said(&again.stdout);
        assert!(matches!(&again[..], [only] if only.starts_with("error ")), "{when}: {again:?}");
        guest.allow(place.path(), true);
        check(&place, &told, &when);
        guest.allow(place.path(), true);
        let after = guest.command("many 3", &place).output().expect("it starts");
        check(&place, &said(&after.stdout), &format!("{when}, and writable again"));
        assert_eq!(said(&after.stdout).last().map(String::as_str), Some("done"), "{when}");
        place.clear(&when);
    }
    assert_eq!(failed, 5, "each was stopped by it");
}
