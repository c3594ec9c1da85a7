//! A log of events, and everything that is made from it.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::path::Path;

use kinora_engine::hash::Blake3;
use kinora_engine::ledger::{Collect, Finding, Ledger};
use tempfile::TempDir;

/// What an input begins with that is a log as it stands. Of any other each line is an event, and its place in the log is made
/// up for it.
const RAW: &[u8] = b"raw\n";

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Makes an index from a log and asks it everything. A log that cannot be followed is told with the line, and `verify` finds
/// that as well; one that can be is one in which it finds nothing.
pub fn check(bytes: &[u8]) {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| TempDir::new().expect("room")).path();
        let hidden = folder.join(".kinora");
        let _ = fs::remove_dir_all(&hidden);
        fs::create_dir(&hidden).expect("room");
        let log = match bytes.strip_prefix(RAW) {
            Some(log) => log.to_vec(),
            None => chained(bytes),
        };
        fs::write(hidden.join("events.jsonl"), log).expect("room");
        let rebuilt = Ledger::rebuild(folder);
        let report = Ledger::verify(folder).expect("it can be looked at");
        let is_followed =
            !report.findings.iter().any(|finding| matches!(finding, Finding::Log { .. }));
        match rebuilt {
            Ok(_) => {
                assert!(is_followed, "{report:?}");
                ask(folder);
            }
            Err(error) => {
                assert!(!is_followed, "{error}: {report:?}");
                let error = error.to_string();
                assert!(error.contains("events.jsonl:"), "which line? {error}");
            }
        }
    });
}

/// Lines of a log, one of each line of `events`, each with the hash of the one before.
fn chained(events: &[u8]) -> Vec<u8> {
    let (mut log, mut last) = (Vec::new(), Blake3::of(b""));
    let events = events.split(|byte| *byte == b'\n').filter(|event| !event.is_empty());
    for (seq, event) in (1..).zip(events) {
        let begins = format!(
            "{{\"seq\":{seq},\"prev\":\"{last}\",\"at\":\"2026-11-28T12:00:00Z\",\"entry\":"
        );
        let line = [begins.as_bytes(), event, b"}"].concat();
        last = Blake3::of(&line);
        log.extend(line);
        log.push(b'\n');
    }
    log
}

/// Asks everything that can be asked of a ledger without its objects.
fn ask(folder: &Path) {
    let mut ledger = Ledger::open(folder).expect("it was just made");
    let takes = ledger.takes(&Default::default()).expect("readable");
    let summary = ledger.summary().expect("readable");
    for take in &takes {
        assert!(summary.contains_key(&take.cut), "{} is of no cut", take.id);
        let found = ledger.take_of(&take.cut, take.number).expect("readable");
        assert_eq!(found.as_ref(), Some(take));
        ledger.notes(take.id).expect("readable");
        ledger.count(&take.cut, take.request).expect("readable");
        ledger.first(&take.cut, take.request).expect("readable");
    }
    for cut in summary.keys() {
        ledger.failures(cut).expect("readable");
        ledger.next_number(cut).expect("readable");
    }
    ledger.keep_rates().expect("readable");
    ledger.spent().expect("readable");
    ledger.open_jobs().expect("readable");
    ledger.unknown_jobs().expect("readable");
    let what = Collect { rejected: true, dry_run: true, ..Collect::default() };
    ledger.gc(&what).expect("nothing is removed");
    // The manifests are not there, or nothing was made.
    let exported = ledger.export(&mut io::sink());
    assert_eq!(exported.is_ok(), takes.is_empty(), "{exported:?}");
}
