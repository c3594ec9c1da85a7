//! What is written before anything leaves, and what happens where it cannot be.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kinora_engine::chain::{self, Chain};
use kinora_engine::egress::log::{self, Entry};
use kinora_engine::egress::{Error, Purpose, Send};
use kinora_tests::listener::{Listener, answer};
use tempfile::TempDir;

use crate::scene::{address, door, entries, json, json_bytes, prompt};

#[test]
fn a_question_is_on_the_disk_when_its_connection_is_opened() {
    let folder = TempDir::new().expect("room");
    let (seen, log) = (Arc::new(Mutex::new(Vec::new())), folder.path().join(log::NAME));
    let writes = Arc::clone(&seen);
    let look = move || {
        let mut lines = Vec::new();
        let read = log::read(&log, &mut |line| lines.push(line.entry)).is_ok();
        writes.lock().expect("nobody fails with it").push((read, lines));
    };
    let listener = Listener::start(look, answer(200, &[], "done")).expect("it listens");
    let door = door(folder.path(), &[listener.host()]);
    let (address, payload) = (address(listener.host(), "/v1/videos"), prompt("a cat"));
    let ask = Send::post(&address, Purpose::Generation, &payload).body(json("a cat"));
    let done = door.send(&ask).expect("it is let through").bytes().expect("it answers");
    assert_eq!(done, b"done");
    let seen = seen.lock().expect("nobody fails with it");
    let [(true, lines)] = seen.as_slice() else { panic!("one connection, one log: {seen:?}") };
    let [Entry::Ask(ask)] = lines.as_slice() else { panic!("the question alone: {lines:?}") };
    assert_eq!((ask.host.as_str(), ask.path.as_str()), (listener.host(), "/v1/videos"));
    assert_eq!((ask.parts[0].name.as_str(), ask.parts[0].bytes), ("prompt", 5));
    assert_eq!(ask.denied, None);
    let entries = entries(folder.path());
    let Some(Entry::Answer(reply)) = entries.last() else { panic!("{entries:?}") };
    assert_eq!((reply.to, reply.status, reply.bytes), (1, Some(200), 4));
}

#[test]
fn nothing_is_opened_before_the_log_is_written() {
    let folder = TempDir::new().expect("room");
    let listener = Listener::answering(200, &[], "").expect("it listens");
    let door = door(folder.path(), &[listener.host()]);
    let (address, payload) = (address(listener.host(), "/"), prompt("a cat"));
    let ask = Send::get(&address, Purpose::Generation, &payload);
    let mut log = Chain::open(&folder.path().join(log::NAME)).expect("room");
    thread::scope(|scope| {
        let turn = log.turn().expect("nobody else has it");
        let asked = scope.spawn(|| door.send(&ask).map(|answer| answer.status()));
        thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished());
        assert_eq!(listener.connections(), 0, "the line is not written yet");
        drop(turn);
        assert_eq!(asked.join().expect("it goes on").expect("it is let through"), 200);
    });
    assert_eq!(listener.connections(), 1);
}

#[test]
fn where_the_log_cannot_be_written_nothing_is_sent() {
    let folder = TempDir::new().expect("room");
    let place = |name: &str| {
        let place = folder.path().join(name);
        fs::create_dir(&place).expect("room");
        place
    };
    let (in_the_way, full, kept) = (place("in the way"), place("full"), place("kept"));
    fs::create_dir(in_the_way.join(log::NAME)).expect("room");
    let mut places = vec![folder.path().join("nowhere"), in_the_way];
    if Path::new("/dev/full").exists() {
        std::os::unix::fs::symlink("/dev/full", full.join(log::NAME)).expect("room");
        places.push(full);
    }
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o555)).expect("it is ours");
    // Some users may write everywhere but here.
    let is_kept = fs::write(kept.join("x"), "").is_err();
    places.extend(is_kept.then_some(kept));
    if Path::new("/proc/self").exists() {
        places.push("/proc".into());
    }
    for place in places {
        let listener = Listener::answering(200, &[], "").expect("it listens");
        let door = door(&place, &[listener.host()]);
        let (address, payload) = (address(listener.host(), "/"), prompt("a cat"));
        for ask in [
            Send::get(&address, Purpose::Generation, &payload),
            Send::post(&address, Purpose::Generation, &payload).body(json("a cat")),
        ] {
            let error = door.send(&ask).expect_err("it is not written down");
            assert!(matches!(error, Error::Log { .. }), "{}: {error}", place.display());
        }
        assert_eq!(listener.connections(), 0, "{}", place.display());
    }
}

#[test]
fn nothing_is_sent_past_a_log_that_was_tampered_with() {
    let folder = TempDir::new().expect("room");
    let listener = Listener::answering(200, &[], "").expect("it listens");
    let door = door(folder.path(), &[listener.host()]);
    let (address, payload) = (address(listener.host(), "/"), prompt("a cat"));
    let ask = Send::get(&address, Purpose::Generation, &payload);
    door.send(&ask).expect("it is let through");
    let log = folder.path().join(log::NAME);
    let whole = fs::read(&log).expect("it is there");
    for left in [0, 10, whole.len() - 1] {
        fs::write(&log, &whole[..left]).expect("room");
        let error = door.send(&ask).expect_err("a tail is gone");
        assert!(matches!(error, Error::Log { source: chain::Error::Cut { .. }, .. }), "{error}");
    }
    fs::remove_file(&log).expect("it is there");
    assert!(matches!(door.send(&ask), Err(Error::Log { .. })), "the log was moved away");
    assert_eq!(listener.connections(), 1);
}

#[test]
fn every_altered_byte_and_missing_line_and_tail_is_found() {
    let folder = TempDir::new().expect("room");
    let listener = Listener::answering(200, &[], "{}").expect("it listens");
    let door = door(folder.path(), &[listener.host()]);
    let (here, away) = (address(listener.host(), "/v1"), address("127.0.0.1:1", "/v1"));
    let payload = prompt("a cat");
    for _ in 0..2 {
        let ask = Send::post(&here, Purpose::Generation, &payload).body(json("a cat"));
        door.send(&ask).expect("it is let through").bytes().expect("it answers");
    }
    assert!(door.send(&Send::get(&away, Purpose::Generation, &payload)).is_err());
    drop(door);
    let log = folder.path().join(log::NAME);
    let sum = log::verify(&log).expect("nobody touched it");
    let sent = json_bytes("a cat").len() as u64 * 2;
    assert_eq!((sum.allowed, sum.denied, sum.sent_bytes, sum.head.seq), (2, 1, sent, 5));

    let whole = fs::read(&log).expect("it is there");
    let found = |bytes: &[u8], what: &str| {
        fs::write(&log, bytes).expect("room");
        assert!(log::verify(&log).is_err(), "{what}");
    };
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        found(&altered, &format!("byte {at} altered"));
        found(&whole[..at], &format!("cut after {at} bytes"));
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let left: Vec<&[u8]> = [&lines[..at], &lines[at + 1..]].concat();
        found(&left.concat(), &format!("line {} removed", at + 1));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        found(&twice.concat(), &format!("line {} doubled", at + 1));
    }
    fs::remove_file(&log).expect("it is there");
    assert!(log::verify(&log).is_err(), "the log is gone");
    fs::write(&log, &whole).expect("room");
    assert!(log::verify(&log).is_ok(), "as it was");
    fs::remove_file(folder.path().join(format!("{}.head", log::NAME))).expect("it is there");
    assert!(log::verify(&log).is_err(), "the head is gone");
}
