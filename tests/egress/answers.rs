//! Answers that are too much, or none.

use std::io::ErrorKind;
use std::time::Duration;

use kinora_engine::egress::log::Entry;
use kinora_engine::egress::{Error, Limits, Purpose, Send};
use kinora_tests::listener::{Listener, answer};
use tempfile::TempDir;

use crate::scene::{address, door, entries, prompt};

/// Asks a host that answers with these bytes; what came of it, and what the log says broke it off.
fn asked(bytes: Vec<u8>) -> (Result<Vec<u8>, Error>, Option<String>) {
    let folder = TempDir::new().expect("room");
    let listener = Listener::start(|| {}, bytes).expect("it listens");
    let door = door(folder.path(), &[listener.host()]);
    let (address, payload) = (address(listener.host(), "/"), prompt("a cat"));
    let limits = Limits { patience: Duration::from_secs(5), most_bytes: 1000 };
    let ask = Send::get(&address, Purpose::Generation, &payload).limits(limits);
    let answer = door.send(&ask).and_then(|answer| answer.bytes());
    let entries = entries(folder.path());
    let Some(Entry::Answer(reply)) = entries.last() else { panic!("{entries:?}") };
    (answer, reply.error.clone())
}

#[test]
fn an_answer_is_as_long_as_it_may_be_or_none() {
    let (whole, error) = asked(answer(200, &[], &"x".repeat(1000)));
    assert_eq!((whole.expect("it fits").len(), error), (1000, None));
    let (long, _) = asked(answer(200, &[], &"x".repeat(1001)));
    assert!(matches!(long, Err(Error::TooLarge { most_bytes: 1000, .. })), "{long:?}");
    let endless = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", &[b'x'; 5000][..]].concat();
    assert!(matches!(asked(endless).0, Err(Error::TooLarge { .. })), "a length that is not said");
}

#[test]
fn headers_without_end_are_no_answer() {
    let long = [("x-long", "y".repeat(1 << 20))];
    let long: Vec<(&str, &str)> =
        long.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let many = vec![("x-more", "y"); 100_000];
    for headers in [long, many] {
        let (answer, error) = asked(answer(200, &headers, ""));
        assert!(matches!(answer, Err(Error::Connection { is_sent: true, .. })), "{answer:?}");
        assert!(error.is_some(), "it is written down");
    }
}

#[test]
fn nothing_is_unpacked() {
    // A gzip of nothing that matters: it comes as it is.
    let packed = "\u{1f}not unpacked";
    let (answer, _) = asked(answer(200, &[("Content-Encoding", "gzip")], packed));
    assert_eq!(answer.expect("as it came"), packed.as_bytes());
}

#[test]
fn what_breaks_off_is_written_down() {
    let mut short = answer(200, &[], &"x".repeat(100));
    short.truncate(short.len() - 50);
    let (answer, error) = asked(short);
    assert!(matches!(answer, Err(Error::Broken { .. })), "{answer:?}");
    assert!(error.is_some_and(|error| error.contains("broke off")));
    for nothing in [&b""[..], b"what?\r\n\r\n", b"HTTP/1.1 200"] {
        let (answer, error) = asked(nothing.to_vec());
        let Err(Error::Connection { source, is_sent: true, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_ne!(source.kind(), ErrorKind::TimedOut, "{nothing:?}");
        assert!(error.is_some(), "it is written down");
    }
}
