//! What is refused, and what it leaves behind: nothing.

use std::ops::ControlFlow;

use kinora_engine::egress;
use kinora_engine::store::Error;
use kinora_engine::{Hint, Kind};
use kinora_tests::hub::{FakeHub, Fault};

use crate::{CHUNK, Scene, WEIGHTS, names};

/// Nothing that a loader could take for a checkpoint.
fn is_clean(scene: &Scene) -> bool {
    names(&scene.repo().join("snapshots")).is_empty()
        && names(&scene.repo().join("refs")).is_empty()
}

#[test]
fn wrong_content_is_thrown_away() {
    for (file, algorithm) in [("model_index.json", "git sha1"), (WEIGHTS, "sha256")] {
        let scene = Scene::new(CHUNK);
        scene.hub.break_next(file, [Fault::Garbage]);
        let error = scene.pull().unwrap_err();
        assert!(
            matches!(&error, Error::Hash { file: f, algorithm: a, .. } if f == file && *a == algorithm),
            "{error}"
        );
        assert_eq!(error.kind(), Kind::Provider);
        assert!(is_clean(&scene));
        assert!(scene.blobs().iter().all(|name| !name.ends_with(".incomplete")), "thrown away");
        scene.pull().unwrap();
    }
}

#[test]
fn the_card_has_the_last_word() {
    let mut scene = Scene::new(CHUNK);
    scene.source.sha256.insert(WEIGHTS.to_owned(), "0".repeat(64));
    let error = scene.pull().unwrap_err();
    assert!(matches!(&error, Error::Answer { field: "x-linked-etag", .. }), "{error}");
    assert_eq!(scene.hub.sent_bytes(), 0, "found out before a byte is fetched");

    scene.source.sha256.clear();
    scene.source.sha256.insert("model_index.json".to_owned(), "0".repeat(64));
    let error = scene.pull().unwrap_err();
    assert!(matches!(&error, Error::Hash { algorithm: "sha256", .. }), "{error}");
    assert!(is_clean(&scene));
}

#[test]
fn the_card_is_heard_of_what_is_here() {
    // The second of two files of one content is compared too.
    for file in ["model_index.json", "transformer/config.json"] {
        let mut scene = Scene::new(CHUNK);
        let folder = scene.pull().unwrap().folder;
        scene.source.sha256.insert(file.to_owned(), "0".repeat(64));
        let error = scene.pull().unwrap_err();
        assert!(matches!(&error, Error::Hash { file: f, .. } if f == file), "{error}");
        assert!(!folder.join(file).exists(), "{file} is thrown away");
    }
}

#[test]
fn foreign_redirects_are_refused() {
    let elsewhere = FakeHub::start("Evil/Twin", Vec::new()).unwrap();
    for to in [
        format!("{}/x?token=s3cret", elsewhere.endpoint()),
        "https://evil.test/x?token=s3cret".to_owned(),
        "http://evil.test/x?token=s3cret".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let scene = Scene::new(CHUNK);
        scene.hub.break_next(WEIGHTS, [Fault::Redirect(to.clone())]);
        let error = scene.pull().unwrap_err();
        assert!(matches!(error, Error::Egress(_)), "{to}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(is_clean(&scene));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_card_without_the_other_host_stays_with_the_hub() {
    let mut scene = Scene::new(CHUNK);
    scene.source.redirect_hosts.clear();
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Egress(egress::Error::Redirect { .. })), "{error}");
    assert_eq!(error.kind(), Kind::Policy);
    assert!(scene.hub.asked().iter().all(|asked| asked.is_hub));
}

#[test]
fn answers_that_do_not_hold_together() {
    for fault in [Fault::Longer, Fault::Status(206, String::new())] {
        let scene = Scene::new(CHUNK);
        scene.hub.break_next(WEIGHTS, [fault.clone()]);
        let error = scene.pull().unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{fault:?}: {error}");
        assert!(is_clean(&scene));
    }
}

#[test]
fn what_is_not_there() {
    let mut scene = Scene::new(CHUNK);
    scene.source.files.push("vae/*.safetensors".to_owned());
    let error = scene.pull().unwrap_err();
    assert!(error.to_string().contains("has no vae/*.safetensors"), "{error}");
    scene.source.repo = "Test/Nobody".to_owned();
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Provider);
}

#[test]
fn a_dead_host_is_named() {
    let scene = Scene::new(CHUNK);
    // Nobody listens on the first port of all.
    let store = scene.store_with(&[("HF_ENDPOINT", "http://127.0.0.1:1")]);
    let error = scene.pull_with(&store, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("connection to 127.0.0.1:1: "), "{error}");
    assert_eq!(error.kind(), Kind::Provider);
}
