//! Clips that are on this disk already when their provider forgets them: they are recorded, whatever a process ended over.

use std::os::unix::process::ExitStatusExt;

use kinora_engine::Error;
use kinora_engine::hosted::jobs::{self, Ended, Ticket};
use kinora_engine::ledger::{Collect, Ledger};
use kinora_tests::server::{DIALECTS, dialect, spoil};
use kinora_tests::studio;
use serde_json::json;

use crate::aborted::child;
use crate::scene::{CLIP, Scene};

/// The steps after which the clip is here, up to the one at which the job is over.
const STEPS: [&str; 12] = [
    "job:Named:1",
    "ledger:MediaSynced:1",
    "ledger:MediaNamed:1",
    "ledger:MediaKept:1",
    "ledger:ObjectWritten:1",
    "ledger:ManifestKept:1",
    "ledger:Decided:3",
    "ledger:Told:3",
    "ledger:Indexed:3",
    "ledger:Shown:1",
    "job:Recorded:1",
    "ledger:Decided:4",
];

#[test]
fn a_clip_that_is_here_is_recorded_though_its_provider_forgot_it() {
    for dialect in DIALECTS {
        for step in STEPS {
            let scene = Scene::new(*dialect);
            let what = format!("{} {step}", dialect.name());
            assert_eq!(child(&scene, "run", Some(step)).signal(), Some(6), "{what}");
            scene.provider.forget(true);
            // Whoever makes room meanwhile does not take it for a stray.
            scene.studio.ledger().refresh().expect("readable");
            scene.studio.ledger().gc(&Collect::default()).expect("nobody renders");
            // Recorded already, it has its price; else nobody knows it any more.
            let is_recorded = scene.studio.ledger().take(scene.take).expect("readable").is_some();
            assert!(child(&scene, "run", None).success(), "{what}");
            scene.studio.ledger().refresh().expect("readable");
            scene.is_sound(&what);
            scene.provider.forget(!is_recorded);
            scene.is_made(&what);
            assert_eq!(scene.left(), 0, "{what}: nothing is left in the folder for work");
        }
    }
}

#[test]
fn a_clip_that_could_not_be_recorded_is_recorded_later_without_its_provider() {
    let scene = Scene::new(dialect("runway"));
    let order = studio::order(scene.take);
    let price = scene.studio.card.quote(&order.asked()).expect("a price").amount;
    let cut = "sc01/sh0010".parse().expect("a cut");
    let ticket = Ticket { cut, number: 1, reserved: price, record: json!({ "number": 1 }) };
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let ended = scene.studio.at_desk(|desk| {
        desk.run(&scene.studio.card, &order, ticket, &(), &mut |made| {
            Err(Error::Write { path: made.path.clone(), source: full() })
        })
    });
    let error = ended.expect_err("the disk is full");
    assert!(matches!(error, Error::Job(jobs::Error::Keep(_))), "{error}");
    scene.provider.forget(true);
    assert_eq!(scene.studio.resume().expect("there is room"), [Ended::Done]);
    scene.is_made("runway");
    assert_eq!(scene.left(), 0);
}

#[test]
fn what_is_here_and_no_clip_is_fetched_again() {
    let scene = Scene::new(dialect("runway"));
    child(&scene, "run", Some("job:Named:1"));
    scene.studio.ledger().refresh().expect("readable");
    let clip = scene.studio.ledger().work_path(scene.take, "mp4");
    std::fs::write(&clip, &CLIP[..CLIP.len() / 2]).expect("room");
    assert_eq!(scene.studio.resume().expect("it is fetched"), [Ended::Done]);
    scene.is_made("runway");
}

#[test]
fn a_damaged_clip_that_was_taken_is_recorded_later_without_its_provider() {
    let mut clip = CLIP.clone();
    spoil(&mut clip);
    let scene = Scene::with_clip(dialect("runway"), clip);
    assert_eq!(child(&scene, "run", Some("job:Named:1")).signal(), Some(6));
    scene.provider.forget(true);
    scene.studio.ledger().refresh().expect("readable");
    assert_eq!(scene.studio.resume().expect("it is here"), [Ended::Done]);
    let record = scene.studio.ledger().record(scene.take).expect("it is recorded");
    assert_eq!(record.frames_hash, None);
}

#[test]
fn a_job_whose_clip_is_here_is_not_called_off() {
    for step in ["job:Named:1", "ledger:Indexed:3"] {
        let scene = Scene::new(dialect("runway"));
        assert_eq!(child(&scene, "run", Some(step)).signal(), Some(6), "{step}");
        scene.provider.forget(true);
        scene.studio.ledger().refresh().expect("readable");
        let ended = scene.studio.cancel().expect("it is looked for");
        assert!(matches!(ended.as_slice(), [Ended::Left { .. }]), "{step}: {ended:?}");
        assert_eq!(scene.studio.resume().expect("it is here"), [Ended::Done], "{step}");
        let take = scene.studio.ledger().take(scene.take).expect("readable");
        assert!(take.is_some(), "{step}: it is recorded");
    }
}

/// The clip as one of a codec that this program does not read.
fn foreign() -> Vec<u8> {
    let mut clip = CLIP.clone();
    let at = clip.windows(4).position(|word| word == b"avc1").expect("a name of its codec");
    let at =
        clip[at + 4..].windows(4).position(|word| word == b"avc1").map_or(at, |next| at + 4 + next);
    clip[at..at + 4].copy_from_slice(b"vp09");
    clip
}

#[test]
fn a_clip_of_another_codec_is_recorded_as_it_came() {
    for dialect in DIALECTS {
        let scene = Scene::with_clip(*dialect, foreign());
        let what = scene.name(&[]);
        assert_eq!(scene.run(&[]), Ended::Done, "{what}");
        scene.is_made(&what);
        let record = scene.studio.ledger().record(scene.take).expect("it is recorded");
        assert_eq!(record.frames_hash, None, "{what}");
        let report = Ledger::verify(&scene.studio.folder).expect("readable");
        assert_eq!((report.takes, report.unread), (1, 1), "{what}");
    }
}

#[test]
fn a_clip_that_is_damaged_at_its_provider_is_recorded_when_it_comes_like_that_twice() {
    for dialect in DIALECTS {
        let mut clip = CLIP.clone();
        spoil(&mut clip);
        let scene = Scene::with_clip(*dialect, clip);
        let what = scene.name(&[]);
        assert_eq!(scene.run(&[]), Ended::Done, "{what}");
        scene.is_made(&what);
        let record = scene.studio.ledger().record(scene.take).expect("it is recorded");
        assert_eq!(record.frames_hash, None, "{what}");
    }
}
