//! Providers that do not know a job any more, for a while or for good: what was paid for is not paid for again.

use std::time::Duration;

use kinora_engine::egress::Token;
use kinora_engine::hosted::jobs::{self, Ended};
use kinora_engine::job::Outcome;
use kinora_engine::ledger::JobState;
use kinora_engine::{Error, Hint, Kind};
use kinora_tests::server::{DIALECTS, FakeProvider, Fault, KEY, dialect};
use kinora_tests::studio::Studio;
use serde_json::json;

use crate::aborted::child;
use crate::scene::Scene;

#[test]
fn a_provider_that_is_away_for_some_minutes_loses_no_paid_job() {
    for dialect in DIALECTS {
        let away = vec![Fault::NotFound; 12];
        let mut between = vec![Fault::NotFound; 3];
        between.extend([Fault::Broken, Fault::NotFound, Fault::NewWord]);
        between.extend(vec![Fault::NotFound; 3]);
        for faults in [away, between] {
            let scene = Scene::new(*dialect);
            // What costs nothing is not waited for.
            if scene.studio.card.is_free && faults.len() == 12 {
                continue;
            }
            let what = scene.name(&faults);
            assert_eq!(scene.run(&faults), Ended::Done, "{what}");
            scene.is_made(&what);
        }
    }
}

#[test]
fn a_paid_job_that_its_provider_forgot_is_left_to_people_and_fetched_when_it_is_known_again() {
    for dialect in DIALECTS {
        let mut scene = Scene::new(*dialect);
        scene.studio.patience.lost = Duration::from_secs(60);
        let what = scene.name(&[]);
        scene.provider.never_ready(true);
        scene.begin();
        scene.provider.forget(true);
        let ended = scene.studio.resume().expect("it goes on");
        if scene.studio.card.is_free {
            assert!(matches!(&ended[..], [Ended::Failed { .. }]), "{what}: {ended:?}");
            continue;
        }
        let is_unknown = |ended: &[Ended]| {
            assert!(matches!(ended, [Ended::Unknown { .. }]), "{what}: {ended:?}");
            let state = scene.job().state;
            assert!(matches!(state, JobState::Unknown { .. }), "{what}: {state:?}");
            let spent = scene.studio.ledger().spent().expect("readable");
            assert_eq!(spent.reserved, scene.price(), "{what}");
        };
        is_unknown(&ended);
        // Once more is enough from now on, and calling it off does not mean that it never was.
        let asked = scene.provider.asked().len();
        is_unknown(&scene.studio.resume().expect("it is asked after"));
        assert_eq!(scene.provider.asked().len(), asked + 1, "{what}");
        let ended = scene.studio.cancel().expect("it can be asked");
        assert!(matches!(&ended[..], [Ended::Left { .. }]), "{what}: {ended:?}");
        is_unknown(&scene.studio.resume().expect("it is asked after"));
        scene.provider.forget(false);
        scene.provider.never_ready(false);
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done], "{what}");
        scene.is_made(&what);
    }
}

#[test]
fn a_clip_that_its_provider_says_was_removed_is_given_up() {
    let scene = Scene::new(dialect("replicate"));
    let removed = json!({ "status": "succeeded", "output": null, "data_removed": true });
    let Ended::Failed { why } = scene.run(&[Fault::Says(200, removed)]) else { panic!("a clip") };
    assert!(why.contains("removed after an hour"), "{why}");
    let state = scene.job().state;
    let JobState::Settled { outcome: Outcome::Failed { .. }, spent, .. } = state else {
        panic!("{state:?}")
    };
    assert_eq!(spent, scene.price(), "it was made, and is paid for");
}

#[test]
fn a_job_is_asked_after_only_where_it_was_asked_for() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        let what = scene.name(&[]);
        scene.provider.never_ready(true);
        scene.begin();
        let other = FakeProvider::start(*dialect, Vec::new()).expect("this machine listens");
        let mut moved =
            Studio::open(&scene.studio.folder, *dialect, other.host()).expect("a ledger");
        moved.card.name.clone_from(&scene.studio.card.name);
        for error in
            [moved.resume().expect_err("elsewhere"), moved.cancel().expect_err("elsewhere")]
        {
            assert!(matches!(error, Error::Job(jobs::Error::Moved { .. })), "{what}: {error}");
            assert_eq!(error.kind(), Kind::Config, "{what}");
            let text = error.to_string();
            assert!([scene.provider.host(), other.host()].iter().all(|host| text.contains(host)));
        }
        assert!(other.asked().is_empty(), "{what}");
        assert_eq!(scene.job().state, JobState::Submitted, "{what}");
        scene.provider.never_ready(false);
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done], "{what}");
        scene.is_made(&what);
    }
}

#[test]
fn the_empty_list_of_another_account_does_not_say_that_there_is_no_job() {
    for dialect in DIALECTS.iter().filter(|dialect| dialect.finds()) {
        let mut scene = Scene::new(*dialect);
        let what = scene.name(&[]);
        // The process ends before it knows the name of the job.
        child(&scene, "run", Some("job:Answered:1"));
        scene.studio.ledger().refresh().expect("readable");
        scene.studio.key = Token::new("the-key-of-another-account");
        scene.provider.forget(true);
        let is_unknown = |ended: &[Ended]| matches!(ended, [Ended::Unknown { .. }]);
        assert!(is_unknown(&scene.studio.resume().expect("it is looked for")), "{what}");
        assert!(is_unknown(&scene.studio.cancel().expect("it is looked for")), "{what}");
        let spent = scene.studio.ledger().spent().expect("readable");
        assert_eq!(spent.reserved, scene.price(), "{what}");
        scene.studio.key = Token::new(KEY);
        scene.provider.forget(false);
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done], "{what}");
        scene.is_made(&what);
    }
}
