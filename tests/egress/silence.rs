//! What the system sees: whole commands under strace, with every process and thread of theirs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kinora_engine::hash::Blake3;
use kinora_engine::id::TakeId;
use kinora_engine::job::Intent;
use kinora_engine::ledger::{Caps, Ledger};
use kinora_tests::hub::{CARD, FakeHub};
use kinora_tests::program;
use tempfile::TempDir;

/// Every verb on a production that is local-only, in an order in which each has something to do.
const VERBS: &[&[&str]] = &[
    &["new", "film"],
    &["check", "-C", "film"],
    &["explain", "sh0020", "-C", "film"],
    &["route", "--explain", "-C", "film"],
    &["render", "--dry-run", "--steps", "1", "-C", "film"],
    &["render", "--steps", "1", "-C", "film"],
    &["takes", "-C", "film"],
    &["pick", "sh0010:1", "-C", "film"],
    &["rate", "sh0010:1", "4", "-C", "film"],
    &["note", "sh0010:1", "the cat is good", "-C", "film"],
    &["reject", "sh0010:2", "--why", "too dark", "-C", "film"],
    &["diff", "sh0010:1", "sh0010:2", "-C", "film"],
    &["replay", "sh0010:1", "--verify", "-C", "film"],
    &["jobs", "-C", "film"],
    &["keys", "list", "-C", "film"],
    &["ledger", "verify", "-C", "film"],
    &["ledger", "rebuild", "-C", "film"],
    &["ledger", "export", "-C", "film"],
    &["ledger", "gc", "-C", "film"],
    &["egress", "log", "-C", "film"],
    &["egress", "verify", "-C", "film"],
    &["generate", "a red cat", "-o", "cat.mp4", "--steps", "1", "--frames", "5"],
    &["demo"],
    &["models", "list"],
    &["models", "show", "mini"],
    &["models", "inspect", "mini"],
    &["models", "verify", "mini"],
    &["doctor"],
    &["completions", "bash"],
];

/// Verbs that are refused, as no job was lost sight of, none can be called off, no key is piped in and none is there.
const REFUSED: &[&[&str]] = &[
    &["jobs", "resolve", "sh0010:1", "--lost", "-C", "film"],
    &["jobs", "cancel", "sh0010:1", "-C", "film"],
    &["keys", "set", "fal"],
    &["keys", "remove", "fal"],
];

/// The verb that is there to connect.
const PULL: &str = "models pull";

/// A user's folder, in which commands are traced.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("room"))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).env_clear().env("HOME", self.0.path().join("user"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command and returns what it asked of the network, and when it made files safe.
    fn trace(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (Output, Vec<String>) {
        let trace = self.0.path().join("trace");
        let mut strace = self.command(&strace());
        strace.args(["-f", "-q", "-y", "-e", "trace=%network,io_uring_setup,fdatasync", "-o"]);
        strace.arg(&trace).arg(program::path()).args(arguments);
        let output = strace.envs(environment.iter().copied()).output().expect("strace starts");
        let text = fs::read_to_string(trace).expect("strace writes");
        assert!(text.contains("+++ exited"), "nothing was traced: {text}");
        (output, text.lines().map(str::to_owned).collect())
    }

    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.command(&program::path()).args(arguments).output().expect("it starts");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("it prints UTF-8")
    }

    /// The verbs that a page of help lists.
    fn verbs(&self, above: &[&str]) -> Vec<String> {
        let help = self.prints(&[above, &["--help"]].concat());
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        listed.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    }
}

fn strace() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("strace"));
    found.into_iter().find(|file| file.is_file()).expect("strace is installed")
}

/// What could reach another host, or get round the tracing.
fn ways_out(lines: &[String]) -> Vec<&String> {
    let is_way_out = |line: &&String| {
        line.contains("io_uring_setup(")
            || line.contains("AF_INET")
            || line.contains("socket(") && !line.contains("socket(AF_UNIX")
    };
    lines.iter().filter(is_way_out).collect()
}

#[test]
#[ignore = "strace"]
fn strace_sees_no_socket_of_any_verb() {
    let place = Place::new();
    for verb in VERBS.iter().chain(REFUSED) {
        let (output, lines) = place.trace(verb, &[]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), !REFUSED.contains(verb), "{verb:?}: {told}");
        assert_eq!(ways_out(&lines), [""; 0], "{verb:?}");
    }
}

#[test]
#[ignore = "strace"]
fn strace_sees_no_socket_where_a_hosted_model_is_named_for_what_is_local_only() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    for card in kinora_engine::hosted::cards() {
        let arguments = ["render", "sh0010", "--model", &card.name, "-C", "film"];
        let (output, lines) = place.trace(&arguments, &[("KINORA_KEY", "k-secret")]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{}: {told}", card.name);
        assert!(told.contains("local-only"), "{}: {told}", card.name);
        assert_eq!(ways_out(&lines), [""; 0], "{}", card.name);
        assert!(!place.0.path().join("film/renders").exists(), "{}", card.name);
    }
}

#[test]
#[ignore = "strace"]
fn strace_sees_no_socket_where_people_say_what_became_of_a_job() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    let mut ledger = Ledger::open(&place.0.path().join("film")).expect("a ledger");
    let intent = Intent {
        take: TakeId::new(jiff::Timestamp::now()).expect("a name"),
        cut: "sc01/sh0010".parse().expect("a cut"),
        number: 1,
        provider: "fal".to_owned(),
        model: "bytedance/seedance-2.0".to_owned(),
        host: "queue.fal.run".to_owned(),
        payload: Blake3::of(b"what is sent"),
        reserved: "0.42".parse().expect("money"),
        record: serde_json::json!({}),
    };
    ledger.reserve(intent, &Caps::default()).expect("no cap");
    drop(ledger);
    let arguments = ["jobs", "resolve", "sh0010:1", "--not-made", "-C", "film"];
    let (output, lines) = place.trace(&arguments, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ways_out(&lines), [""; 0]);
}

/// The keyring's tool is a script that says when it was asked. A session at an address of the network is asked by nobody.
#[test]
#[ignore = "strace"]
fn strace_sees_no_socket_where_a_keyring_is_asked_or_could_be_reached_by_a_network() {
    let place = Place::new();
    let tools = place.0.path().join("tools");
    fs::create_dir(&tools).expect("room");
    let tool = tools.join("secret-tool");
    fs::write(&tool, "#!/bin/sh\necho asked >> \"$HOME/asked\"\necho 'secret = k-1'\n")
        .expect("room");
    fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).expect("ours");
    fs::create_dir_all(place.0.path().join("user")).expect("room");
    let path = tools.to_str().expect("plain letters");
    for (bus, is_asked) in [("unix:path=/nowhere", true), ("tcp:host=127.0.0.1,port=9", false)] {
        let environment = [("PATH", path), ("DBUS_SESSION_BUS_ADDRESS", bus)];
        let (output, lines) = place.trace(&["keys", "list"], &environment);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("fal"), "{told}");
        assert_eq!(told.contains("keyring"), is_asked, "{told}");
        assert_eq!(ways_out(&lines), [""; 0]);
        assert_eq!(fs::remove_file(place.0.path().join("user/asked")).is_ok(), is_asked);
    }
}

#[test]
fn every_verb_is_among_those_that_strace_sees() {
    let place = Place::new();
    let mut listed = BTreeSet::new();
    for verb in place.verbs(&[]).into_iter().filter(|verb| verb != "help") {
        let below = place.verbs(&[&verb]);
        match below.is_empty() {
            true => drop(listed.insert(verb)),
            false => {
                // It lists them by itself.
                listed.extend((verb == "jobs").then(|| verb.clone()));
                listed.extend(below.iter().map(|below| format!("{verb} {below}")));
            }
        }
    }
    listed.retain(|verb| !verb.ends_with(" help"));
    let seen = VERBS.iter().chain(REFUSED).map(|verb| match verb {
        [verb @ ("keys" | "ledger" | "egress" | "models"), below, ..]
        | [verb @ "jobs", below @ ("resolve" | "cancel"), ..] => format!("{verb} {below}"),
        [verb, ..] => (*verb).to_owned(),
        [] => String::new(),
    });
    let seen: BTreeSet<String> = seen.chain([PULL.to_owned()]).collect();
    assert_eq!(listed, seen, "the list of this file is to have every verb of the command");
}

#[test]
#[ignore = "strace"]
fn strace_sees_a_pull_connect_once_its_line_is_on_the_disk() {
    let (place, hub) = (Place::new(), FakeHub::of_a_card(Vec::new()).expect("it starts"));
    let (output, lines) =
        place.trace(&["models", "pull", CARD], &[("HF_ENDPOINT", &hub.endpoint())]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!ways_out(&lines).is_empty(), "strace sees what there is");
    let first = lines.iter().position(|line| line.contains("socket(AF_INET")).expect("it connects");
    let is_safe = |line: &&String| line.contains("fdatasync(") && line.contains("egress.jsonl>");
    let safe = lines[..first].iter().filter(is_safe).count();
    assert_eq!(safe, 1, "{}", lines[..first].join("\n"));
    let (offline, lines) = place.trace(
        &["models", "pull", CARD],
        &[("HF_ENDPOINT", &hub.endpoint()), ("HF_HUB_OFFLINE", "1")],
    );
    assert_eq!(offline.status.code(), Some(7));
    assert_eq!(ways_out(&lines), [""; 0]);
}
