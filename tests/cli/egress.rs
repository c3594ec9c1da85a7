//! What left and what was denied, as `kinora egress` shows it.

use std::fs;
use std::process::Command;

use kinora_engine::egress::log;
use kinora_engine::egress::{Address, Body, Consent, Egress, Labelled, Payload, Purpose, Send};
use kinora_engine::privacy::Privacy;
use kinora_tests::hub::{CARD, FakeHub};
use kinora_tests::program;

use crate::command::{Place, text};

/// Lines without what is another each time: when, and the port of this machine.
fn still(lines: &str, host: &str) -> String {
    let still = |line: &str| {
        let (at, rest) = line.split_once("  ").expect("a time comes first");
        assert!(at.ends_with('Z') && at.len() == 20, "{line}");
        rest.replace(host, "HOST")
    };
    lines.lines().map(still).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pull_stands_in_the_users_own_log() {
    let (place, hub) = (Place::new(), FakeHub::of_a_card(Vec::new()).expect("it starts"));
    let pull = |home: &str| {
        let mut command = place.command(&["models", "pull", CARD]);
        command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", hub.endpoint());
        command.env("KINORA_HOME", place.path(home)).output().expect("it starts")
    };
    let shown = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        let output = command.env("KINORA_HOME", place.path("home")).output().expect("it starts");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(shown(&["egress", "log"]), (Some(0), String::new(), String::new()));
    assert!(!place.path("home").exists(), "looking leaves nothing");
    let pulled = pull("home");
    assert_eq!(pulled.status.code(), Some(0), "{}", text(&pulled.stderr));
    let (_, printed, _) = shown(&["egress", "log"]);
    let host = hub.endpoint().trim_start_matches("http://").to_owned();
    let printed = still(&printed, &host);
    let lines: Vec<&str> = printed.lines().collect();
    insta::assert_snapshot!(lines[0], @"GET    HOST/api/models/Wan-AI/Wan2.1-T2V-1.3B-Diffusers/revision/main  fetching a checkpoint  200, 511 B in");
    insta::assert_snapshot!(lines[1], @"HEAD   HOST/Wan-AI/Wan2.1-T2V-1.3B-Diffusers/resolve/0123456789abcdef0123456789abcdef01234567/scheduler/config.json  fetching a checkpoint  200, 0 B in");
    assert!(
        lines.iter().all(|line| !line.contains("denied") && line.ends_with(" in")),
        "{printed}"
    );
    let asked = hub.asked().len();
    assert_eq!(lines.len(), asked, "every question that the hub heard, and no other");
    let (_, json, _) = shown(&["egress", "log", "--json"]);
    assert_eq!(json.lines().count(), asked * 2);
    assert_eq!(json, fs::read_to_string(place.path("home/egress.jsonl")).expect("it is there"));
    let (_, verified, _) = shown(&["egress", "verify"]);
    let words = format!("as it was written: {} lines, {asked} questions asked, 0 B", asked * 2);
    assert!(verified.starts_with(&words), "{verified}");

    let path = place.path("home/egress.jsonl");
    let altered = fs::read_to_string(&path).expect("it is there").replacen("GET", "PUT", 1);
    fs::write(&path, altered).expect("room");
    for verb in ["verify", "log"] {
        let (code, _, told) = shown(&["egress", verb]);
        assert_eq!(code, Some(3), "{told}");
        assert!(
            told.contains("egress.jsonl:2: the line was altered, or the one before it was"),
            "{told}"
        );
    }
    let before = hub.asked().len();
    fs::write(&path, "").expect("room");
    let refused = pull("home");
    assert!(text(&refused.stderr).contains("its tail was cut off"), "{}", text(&refused.stderr));
    assert_eq!(hub.asked().len(), before, "nothing leaves past a log that was cut");
}

#[test]
fn in_a_production_its_own_log_is_shown() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    assert_eq!(place.prints(&["egress", "log", "-C", "film"]), "");
    let folder = log::folder_of(&place.path("film"));
    fs::create_dir(&folder).expect("room");
    let mut door = Egress::new(false).log_in(&folder);
    let (host, purpose) = ("api.test".to_owned(), Purpose::Generation);
    door.allow(Consent { host, purpose, redirect_hosts: Vec::new() });
    let address = Address::parse("https://api.test/v1/videos?key=s3cret").expect("right");
    let (words, picture) =
        (Labelled::new("a cat", Privacy::Any), Labelled::new("...", Privacy::LocalOnly));
    let payload = Payload::of("prompt", &words).and("image-1.png", &picture);
    let ask = Send::post(&address, purpose, &payload).body(Body::Json(b"{}".to_vec()));
    assert!(door.send(&ask).is_err());
    let printed = place.prints(&["egress", "log", "-C", "film/scenes"]);
    insta::assert_snapshot!(still(&printed, "HOST"), @"POST   api.test/v1/videos  generation  denied: image-1.png may not go to api.test: its label is local-only");
    insta::assert_snapshot!(place.prints(&["egress", "verify", "-C", "film"]), @"as it was written: 1 line, 0 questions asked, 0 B taken out, 1 question denied");
    insta::assert_snapshot!(place.fails(&["egress", "log", "-C", "model"]), @r"
    exit 2
    error: no production here: model and the folders above it have no project.toml
    hint: `kinora new FOLDER` begins one
    ");
}

#[test]
fn without_room_for_the_log_nothing_is_asked() {
    let (place, hub) = (Place::new(), FakeHub::of_a_card(Vec::new()).expect("it starts"));
    // A file may not grow, as on a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" models pull wan2.1-t2v-1.3b";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(program::path()).env_clear();
    shell.env("HF_ENDPOINT", hub.endpoint()).env("HOME", place.path("user"));
    let full = shell.output().expect("a shell starts");
    let told = text(&full.stderr);
    assert_eq!(full.status.code(), Some(5), "{told}");
    assert!(told.contains("not made, because the log failed: write "), "{told}");
    let mut bare = place.command(&["models", "pull", CARD]);
    bare.env_clear().env("HF_ENDPOINT", hub.endpoint()).env("HF_HUB_CACHE", place.path("cache"));
    let nowhere = bare.output().expect("it starts");
    insta::assert_snapshot!(text(&nowhere.stderr), @r"
    error: there is no folder for the log of what leaves this machine
    hint: set KINORA_HOME
    ");
    assert_eq!(nowhere.status.code(), Some(4));
    assert_eq!(hub.connections(), 0);
}
