//! A disk that becomes full at random moments: one clear error, nothing lost that was told, and it goes on once there is room.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kinora_engine::ledger::Ledger;
use tempfile::TempDir;

use crate::other::{command, prepare, said};
use crate::place::Place;

/// Files cannot grow beyond so many blocks of 512 bytes: what a process writes fails in the middle, as on a disk that is full.
fn limited(blocks: u32, words: &str, place: &Place) -> Vec<String> {
    let program = std::env::current_exe().expect("the test has a path");
    let mut command = Command::new("sh");
    // The signal would end it; without it the write fails.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(program);
    prepare(&mut command, words, place.path());
    said(&command.output().expect("there is a shell").stdout)
}

/// What was told is there, nothing else is wrong, and there is one error.
pub(crate) fn check(place: &Place, said: &[String], when: &str) {
    let errors: Vec<&String> = said.iter().filter(|line| line.starts_with("error ")).collect();
    assert!(errors.len() <= 1, "{when}: {errors:?}");
    assert!(said.last().is_some_and(|last| last == "done" || last.starts_with("error ")), "{when}");
    place.is_sound(when);
    let rows = place.ledger().takes(&Default::default()).expect("readable");
    let ids: BTreeSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids.len(), rows.len(), "{when}: each once");
    for line in said {
        let Some((what, id)) = line.split_once(' ') else { continue };
        let row = || rows.iter().find(|row| row.id.to_string() == id);
        match what {
            "take" => assert!(ids.contains(id), "{when}: {id} was told and is lost"),
            "rejected" => assert!(row().is_some_and(|row| row.rejected.is_some()), "{when}: {id}"),
            "noted" => {
                let notes = place.ledger().notes(id.parse().expect("a take"));
                assert_eq!(notes.expect("readable").len(), 1, "{when}: {id}");
            }
            _ => {}
        }
    }
    let last = said.iter().rev().find_map(|line| line.strip_prefix("picked "));
    let picked = rows.iter().find(|row| row.picked.is_some()).map(|row| row.id.to_string());
    // A pick that failed may have been told to the log; nothing but one of the takes is picked.
    if let Some(last) = last.filter(|_| said.last().is_some_and(|last| last == "done")) {
        assert_eq!(picked.as_deref(), Some(last), "{when}");
    }
}

/// A process runs into a limit, and another one goes on without it.
fn goes_on(place: &Place, said: &[String], when: &str) {
    check(place, said, when);
    let after = command("many 3", place.path()).output().expect("it starts");
    let after = crate::other::said(&after.stdout);
    assert_eq!(after.last().map(String::as_str), Some("done"), "{when}: {after:?}");
    check(place, &after, &format!("{when}, and room again"));
    place.clear(when);
}

#[test]
fn files_that_cannot_grow_are_one_error_and_nothing_is_lost() {
    let template = Place::eventful();
    let (mut failed, mut told) = (0, 0);
    // From less than the index needs to more than the log does.
    for blocks in [1, 5, 20, 64, 80, 130, 180, 240, 320] {
        let place = template.copy();
        let said = limited(blocks, "many 40", &place);
        told += said.iter().filter(|line| line.starts_with("take ")).count();
        failed += usize::from(said.last().is_some_and(|last| last.starts_with("error ")));
        goes_on(&place, &said, &format!("files of {blocks} blocks"));
    }
    assert!(told > 0 && failed > 4, "{told} takes, {failed} failures");
}

/// A disk of its own, as long as it is there.
struct SmallDisk {
    folder: Option<TempDir>,
}

impl SmallDisk {
    /// None where this user may not have one.
    fn new(kib: usize) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "kinora-test"]);
        let mounted = mount.arg(folder.path()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { folder: Some(folder) })
    }

    fn path(&self) -> &Path {
        self.folder.as_ref().expect("until it is dropped").path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder goes after what is mounted on it.
        let _ = Command::new("umount").arg(self.path()).status();
        self.folder.take();
    }
}

/// Only the superuser can have a small disk; for others the limit of files has to do.
#[test]
fn a_full_disk_is_one_error_and_nothing_is_lost() {
    let template = Place::eventful();
    let mut errors = BTreeSet::new();
    for spare in (0..16).map(|step| step * 12) {
        let Some(disk) = SmallDisk::new(1 << 14) else { return };
        let place = template.copy_into(TempDir::new_in(disk.path()).expect("room"));
        let when = format!("{spare} KiB left");
        let ballast = disk.path().join("ballast");
        fill(&ballast, spare);
        let said = said(&command("many 200", place.path()).output().expect("it starts").stdout);
        let last = said.last().and_then(|last| last.strip_prefix("error "));
        let last = last.unwrap_or_else(|| panic!("{when}: {said:?}"));
        errors.insert(
            last.replace(&place.path().display().to_string(), "")
                .chars()
                .take(24)
                .collect::<String>(),
        );
        // Even while it is full nothing of what was told is wrong.
        let report = Ledger::verify(place.path()).expect("readable");
        let is_lost = report.findings.iter().any(|finding| !finding.is_repairable());
        assert!(!is_lost, "{when}: {report:?}");
        fs::remove_file(&ballast).expect("there");
        goes_on(&place, &said, &when);
    }
    assert!(errors.len() > 2, "it failed here and there: {errors:?}");
}

/// Leaves so much of a disk.
fn fill(ballast: &Path, spare_kib: usize) {
    let mut file = fs::File::create(ballast).expect("room");
    let block = [7; 4096];
    while file.write_all(&block).is_ok() {}
    let length = file.metadata().expect("there").len();
    file.set_len(length.saturating_sub(spare_kib as u64 * 1024)).expect("shorter");
}
