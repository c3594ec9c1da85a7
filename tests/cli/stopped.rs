//! A generation that is stopped leaves nothing under the final name.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command::{Place, SMALL};

/// Starts a generation that takes a while, and waits until it has told of `event`.
fn start(place: &Place, event: &str) -> Child {
    let long = ["--steps=400", "--frames=33", "--size=96x64"];
    let mut options: Vec<&str> = SMALL[..6].to_vec();
    options.extend(long);
    options.push("--json");
    let mut child = place
        .command(&options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let out = child.stdout.take().expect("standard output is a pipe");
    let mut lines = BufReader::new(out).lines();
    let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(event));
    assert!(found, "the generation told of {event}");
    // Whoever reads must stay, or the command would write into a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
}

#[test]
fn an_interrupt_ends_it_with_130_and_leaves_nothing() {
    for event in [r#""stage":"denoise""#, r#""stage":"decode""#] {
        let place = Place::new();
        let child = start(&place, event);
        signal(&child, "INT");
        let output = child.wait_with_output().expect("the command ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{event}: {stderr}");
        assert!(stderr.ends_with("error: stopped before it was finished\n"), "{stderr}");
        assert_eq!(place.left(), [""; 0], "{event}");
    }
}

#[test]
fn a_kill_leaves_nothing_under_the_final_name() {
    for (event, wait_ms) in
        [(r#""stage":"denoise""#, 50), (r#""stage":"decode""#, 5), (r#""stage":"media""#, 0)]
    {
        let place = Place::new();
        let child = start(&place, event);
        std::thread::sleep(Duration::from_millis(wait_ms));
        signal(&child, "KILL");
        let output = child.wait_with_output().expect("the command ends");
        if output.status.success() && event.contains("media") {
            continue; // It was faster than the signal: its file is whole.
        }
        assert_eq!(output.status.code(), None, "{event}: the signal ended it");
        assert!(!place.path("out.mp4").exists(), "{event}");
    }
}
