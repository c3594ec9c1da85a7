//! Where standard output cannot be written.

use std::process::Stdio;

use crate::command::{Place, SMALL, text};

/// Runs a command whose standard output is a full disk.
#[cfg(target_os = "linux")]
fn into_a_full_disk(place: &Place, arguments: &[&str]) -> std::process::Output {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("the system has one");
    place.command(arguments).stdout(full).output().expect("the command starts")
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_is_lost_is_a_failure() {
    let place = Place::new();
    for arguments in [
        &["doctor"][..],
        &["completions", "bash"],
        &["models", "list"],
        &["models", "inspect", "model"],
        &["--help"],
        &["--version"],
        &SMALL,
    ] {
        let output = into_a_full_disk(&place, arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: write standard output: No space left"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_events_are_lost_is_stopped() {
    let place = Place::new();
    let output = into_a_full_disk(&place, &[&SMALL[..], &["--json"]].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    for arguments in [&["doctor"][..], &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        drop(reader);
        let child = place.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn();
        let output = child.and_then(|child| child.wait_with_output()).expect("the command runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}
