//! What the fuzzer begins with, and what it found before: the targets in `fuzz` bear all of it, cut off anywhere.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "they are public where they are a library")]
mod targets;

/// Pieces into which an input is cut.
const PIECES: usize = 16;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("every target has a corpus");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert!(files.len() > 2, "{} is not what the fuzzer begins with", folder.display());
    for file in files {
        let whole = fs::read(&file).expect("readable");
        for piece in 0..=PIECES {
            let length = whole.len() * piece / PIECES;
            let borne = catch_unwind(AssertUnwindSafe(|| check(&whole[..length])));
            assert!(borne.is_ok(), "the first {length} bytes of {}", file.display());
        }
    }
}

#[test]
fn files_of_productions() {
    replay("production", targets::production::check);
}

#[test]
fn logs_of_events() {
    replay("ledger", targets::ledger::check);
}

#[test]
fn manifests() {
    replay("manifest", targets::manifest::check);
}

#[test]
fn answers_of_hosts() {
    replay("replies", targets::replies::check);
}
