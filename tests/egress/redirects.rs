//! Where a host may lead, and what goes along.

use kinora_engine::egress::log::Entry;
use kinora_engine::egress::{
    Body, Consent, Credential, Egress, Error, Get, Labelled, Payload, Purpose, Send, Token,
};
use kinora_engine::privacy::Privacy;
use kinora_tests::listener::Listener;
use tempfile::TempDir;

use crate::scene::{address, consent, door, entries, json, prompt};

fn redirecting(status: u16, to: &str) -> Listener {
    Listener::answering(status, &[("Location", to)], "").expect("it listens")
}

fn plain() -> Listener {
    Listener::answering(200, &[], "here").expect("it listens")
}

/// A door for a host that may lead to what these patterns fit.
fn leading(folder: &TempDir, host: &str, patterns: &[&str]) -> Egress {
    let mut door = Egress::new(false).log_in(folder.path());
    door.allow(consent(host, patterns));
    door
}

#[test]
fn a_key_stays_with_its_origin() {
    let folder = TempDir::new().expect("room");
    let end = plain();
    let begin = redirecting(302, &format!("http://{}/clip?signed=1", end.host()));
    let token = Token::new("k-secret-1").expect("a key");
    let address = address(begin.host(), "/clip");
    let mut door = leading(&folder, begin.host(), &[end.host()]);
    let purpose = Purpose::Checkpoint;
    let redirect_hosts = vec![end.host().to_owned()];
    door.allow(Consent { host: begin.host().to_owned(), purpose, redirect_hosts });

    let payload = prompt("a cat");
    for (header, prefix) in [("authorization", "Bearer "), ("x-goog-api-key", "")] {
        let credential = Credential { header, prefix, token: &token, origin: &address };
        let ask = Send::get(&address, Purpose::Generation, &payload).credential(Some(credential));
        assert_eq!(door.send(&ask).expect("it leads there").bytes().expect("whole"), b"here");
    }
    let ask = Get::new(&address, purpose).token(Some(&token));
    assert_eq!(door.get(&ask).expect("it leads there").bytes().expect("whole"), b"here");
    assert_eq!((begin.heard().len(), end.heard().len()), (3, 3));
    for heard in begin.heard() {
        assert!(heard.head.iter().any(|line| line.contains("k-secret-1")), "{heard:?}");
    }
    for heard in end.heard() {
        assert!(!heard.head.iter().any(|line| line.contains("k-secret-1")), "{heard:?}");
    }
    let other = crate::scene::address(end.host(), "/");
    let credential = Credential { header: "key", prefix: "", token: &token, origin: &other };
    let ask = Send::get(&address, Purpose::Generation, &payload).credential(Some(credential));
    assert!(matches!(door.send(&ask), Err(Error::Credential { .. })));
    assert_eq!(begin.connections(), 3, "a key for elsewhere is not brought at all");
}

#[test]
fn what_changes_something_follows_no_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let folder = TempDir::new().expect("room");
        let end = plain();
        let begin = redirecting(status, &format!("http://{}/", end.host()));
        let mut door = leading(&folder, begin.host(), &[end.host()]);
        door.allow(consent(end.host(), &[]));
        let (address, payload) = (address(begin.host(), "/v1"), prompt("a cat"));
        let ask = Send::post(&address, Purpose::Generation, &payload).body(json("a cat"));
        let answer = door.send(&ask).expect("the redirect is the answer");
        assert_eq!((answer.status(), end.connections(), begin.connections()), (status, 0, 1));
    }
}

#[test]
fn a_redirect_to_where_nobody_consented_is_denied_and_noted() {
    let folder = TempDir::new().expect("room");
    let end = plain();
    let begin = redirecting(302, &format!("http://{}/x?key=s3cret", end.host()));
    let door = door(folder.path(), &[begin.host()]);
    let (address, payload) = (address(begin.host(), "/"), prompt("a cat"));
    let error = door.send(&Send::get(&address, Purpose::Generation, &payload)).expect_err("denied");
    assert!(matches!(&error, Error::Redirect { to, .. } if to == end.host()), "{error}");
    assert_eq!(end.connections(), 0);
    let entries = entries(folder.path());
    let denied = entries.iter().filter_map(|entry| match entry {
        Entry::Ask(ask) => ask.denied.clone(),
        Entry::Answer(_) => None,
    });
    let denied: Vec<String> = denied.collect();
    assert_eq!(denied, [error.to_string()]);
    assert!(!format!("{entries:?}").contains("s3cret"));
}

#[test]
fn a_label_holds_at_every_hop() {
    let folder = TempDir::new().expect("room");
    let end = plain();
    let begin = redirecting(302, &format!("http://{}/", end.host()));
    let door = leading(&folder, begin.host(), &[end.host()]);
    let address = address(begin.host(), "/");
    let about =
        |hosts: &[&str]| Payload::about(&Labelled::new((), Privacy::studio(hosts.iter().copied())));
    let narrow = about(&[begin.host()]);
    let error = door.send(&Send::get(&address, Purpose::Generation, &narrow)).expect_err("denied");
    assert!(matches!(&error, Error::Label { host, .. } if host == end.host()), "{error}");
    assert_eq!(end.connections(), 0);
    let wide = about(&[begin.host(), end.host()]);
    assert!(door.send(&Send::get(&address, Purpose::Generation, &wide)).is_ok());
}

#[test]
fn a_circle_ends() {
    let folder = TempDir::new().expect("room");
    let begin = redirecting(302, "/again");
    let door = door(folder.path(), &[begin.host()]);
    let (address, payload) = (address(begin.host(), "/"), prompt("a cat"));
    let error =
        door.send(&Send::get(&address, Purpose::Generation, &payload)).expect_err("a circle");
    assert!(matches!(error, Error::Hops { .. }), "{error}");
    assert!((2..=6).contains(&begin.connections()), "{}", begin.connections());
}

/// A host that only fits a pattern must not turn out to be this machine, whether it has a name or a number.
#[test]
fn a_pattern_leads_to_no_address_inside() {
    for (name, pattern) in [("localhost", "*host"), ("127.0.0.1", "*.0.0.1")] {
        let end = plain();
        let port = end.host().rsplit(':').next().expect("it has a port");
        let folder = TempDir::new().expect("room");
        let begin = redirecting(302, &format!("http://{name}:{port}/"));
        let door = leading(&folder, begin.host(), &[&format!("{pattern}:{port}")]);
        let (address, payload) = (address(begin.host(), "/"), prompt("a cat"));
        let ask = Send::get(&address, Purpose::Generation, &payload);
        let error = door.send(&ask).expect_err("it is inside");
        assert!(matches!(error, Error::Inside { .. }), "{name}: {error}");
        assert_eq!((begin.connections(), end.connections()), (1, 0), "{name}");
        // Named, it may be.
        let named = leading(&folder, begin.host(), &[&format!("{name}:{port}")]);
        assert!(named.send(&ask).is_ok_and(|answer| answer.status() == 200), "{name}");
        assert_eq!(end.connections(), 1);
    }
}

#[test]
fn a_location_that_is_none_leads_nowhere() {
    let folder = TempDir::new().expect("room");
    let end = plain();
    for location in [
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        "http://public.test/".to_owned(),
        format!("http://me:s3cret@{}/", end.host()),
        "http://".to_owned(),
    ] {
        let begin = redirecting(302, &location);
        let door = leading(&folder, begin.host(), &["*.test", end.host()]);
        let (address, payload) = (address(begin.host(), "/"), prompt("a cat"));
        let ask = Send::get(&address, Purpose::Generation, &payload);
        let error = door.send(&ask).expect_err("it leads nowhere");
        assert!(matches!(error, Error::Address { .. } | Error::Insecure { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    assert_eq!(end.connections(), 0);
}

#[test]
fn no_header_brings_another() {
    let folder = TempDir::new().expect("room");
    let end = plain();
    let door = door(folder.path(), &[end.host()]);
    let (address, payload) = (address(end.host(), "/"), prompt("a cat"));
    let ask = || Send::post(&address, Purpose::Generation, &payload);
    for text in ["a\r\nx-more: 1", "a\nx-more: 1", "a\0"] {
        let by_header = ask().header("x-name", text).body(json("a cat"));
        assert!(matches!(door.send(&by_header), Err(Error::Header { .. })), "{text:?}");
        let bytes = Body::Bytes { mime: text.to_owned(), bytes: b"x".to_vec() };
        assert!(matches!(door.send(&ask().body(bytes)), Err(Error::Header { .. })), "{text:?}");
    }
    assert_eq!(end.connections(), 0);
}
