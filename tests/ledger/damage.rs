//! What was altered is found and named; what can be made again is.

use std::fs;
use std::path::Path;

use kinora_engine::ledger::{Finding, Ledger};

use crate::deeds::{DEEDS, TAKES, act, take};
use crate::place::{Place, files};

/// What is wrong, in words, apart from what processes that ended left.
fn findings(place: &Place) -> Vec<String> {
    let report = Ledger::verify(place.path()).expect("readable");
    let wrong = report.findings.iter().filter(|finding| !finding.is_harmless());
    wrong.map(ToString::to_string).collect()
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("there");
    fs::write(path, bytes).expect("room");
}

/// A place where everything was done once that can be.
fn full() -> Place {
    let place = Place::eventful();
    for deed in DEEDS {
        act(place.path(), deed).unwrap_or_else(|error| panic!("{deed}: {error}"));
    }
    place
}

#[test]
fn a_lost_index_is_made_again_byte_for_byte() {
    let place = full();
    let before = place.export();
    for word in ["\"stars\":4", "blurred", "dark", "closer", "cut off", "over there", "\"0.40\""] {
        assert!(before.contains(word), "{word} in {before}");
    }
    for ending in ["", "-wal", "-shm"] {
        let path = place.path().join(format!(".kinora/ledger.sqlite{ending}"));
        let _ = fs::remove_file(path);
    }
    Ledger::rebuild(place.path()).expect("room");
    assert_eq!(place.export(), before);
    // Whatever its pieces are replaced by, the next one to open it makes it again.
    fs::write(place.path().join(".kinora/ledger.sqlite"), "not a database, by far").expect("room");
    assert_eq!(place.export(), before);
    place.clear("made again");
    assert_eq!(place.export(), before);
}

#[test]
fn an_altered_byte_of_the_log_is_found_and_its_line_named() {
    let place = full();
    let log = place.path().join(".kinora/events.jsonl");
    let whole = fs::read(&log).expect("there");
    assert_eq!(findings(&place), [""; 0]);
    for at in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        replace(&log, &altered);
        let found = findings(&place);
        // A line without its end is one that a crash left, and the head knows that there was more.
        let line = 1 + whole[..at].iter().filter(|byte| **byte == b'\n').count();
        let names = |line| format!("events.jsonl:{line}:");
        let is_named = found.iter().any(|what| {
            what.contains(&names(line)) || what.contains(&names(line + 1)) || what.contains("tail")
        });
        assert!(is_named, "byte {at} of line {line}: {found:?}");
    }
    replace(&log, &whole);
    assert_eq!(findings(&place), [""; 0]);
}

/// So that a ledger of any length opens at once. What was altered long ago is for `verify` to find.
#[test]
fn opening_reads_what_is_new_and_nothing_else() {
    let place = full();
    let log = place.path().join(".kinora/events.jsonl");
    let mut altered = fs::read(&log).expect("there");
    altered[10] ^= 1;
    replace(&log, &altered);
    let mut ledger = place.ledger();
    ledger.note(take(TAKES[0]), "it takes part").expect("room");
    assert_eq!(ledger.notes(take(TAKES[0])).expect("readable").len(), 2);
    drop(ledger);
    assert!(findings(&place)[0].contains("events.jsonl:1:"));
}

#[test]
fn a_line_that_is_gone_and_a_tail_that_was_cut_off_are_found() {
    let place = full();
    let log = place.path().join(".kinora/events.jsonl");
    let whole = fs::read(&log).expect("there");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for gone in 0..lines.len() {
        let mut left = lines.clone();
        left.remove(gone);
        replace(&log, &left.concat());
        assert!(findings(&place)[0].contains("events.jsonl"), "line {gone}");
        let mut turned = lines.clone();
        turned.swap(gone, (gone + 1) % lines.len());
        replace(&log, &turned.concat());
        assert!(findings(&place)[0].contains("events.jsonl"), "lines from {gone}");
        for cut in [0, lines[gone].len() / 2] {
            let kept = lines[..gone].concat().len() + cut;
            replace(&log, &whole[..kept]);
            assert!(findings(&place)[0].contains("tail was cut off"), "{kept} bytes");
            // Nobody goes on as if nothing had been.
            assert!(Ledger::open(place.path()).is_err(), "{kept} bytes");
            assert_eq!(fs::read(&log).expect("there").len(), kept, "and nothing was made up");
        }
    }
    let head = place.path().join(".kinora/events.jsonl.head");
    let end = fs::read(&head).expect("there");
    replace(&log, &whole);
    for at in 0..end.len() {
        let mut altered = end.clone();
        altered[at] ^= 1;
        replace(&head, &altered);
        assert!(!findings(&place).is_empty(), "byte {at} of the head");
    }
}

#[test]
fn an_altered_object_is_found_and_its_take_named() {
    let place = full();
    let ledger = place.ledger();
    let rows = ledger.takes(&Default::default()).expect("readable");
    assert_eq!(rows.len(), 4);
    for file in files(&place.path().join(".kinora/objects")) {
        let whole = fs::read(&file).expect("readable");
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 4;
            replace(&file, &altered);
            let name: String = file.components().rev().take(2).fold(String::new(), |name, part| {
                part.as_os_str().to_string_lossy().into_owned() + &name
            });
            let of = rows.iter().find(|row| {
                row.manifest.to_string() == name || row.media.blake3.to_string() == name
            });
            let of = of.expect("no strays are left").id;
            let report = Ledger::verify(place.path()).expect("readable");
            assert!(
                report
                    .findings
                    .iter()
                    .any(|found| matches!(found, Finding::Altered { take, object }
                    if *take == of && object.to_string() == name)),
                "{name}: {report:?}"
            );
            assert!(!report.is_sound());
        }
        fs::remove_file(&file).expect("there");
        assert!(findings(&place).iter().any(|what| what.contains("is gone")), "{file:?}");
        fs::write(&file, whole).expect("room");
    }
    assert_eq!(findings(&place), [""; 0]);
    // Manifests of takes whose clips were given up are looked at, too.
    let collected = ledger.take(take(TAKES[1])).expect("readable").expect("there");
    assert!(collected.collected && ledger.record(collected.id).is_ok());
}
