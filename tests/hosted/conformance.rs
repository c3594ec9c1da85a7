//! Success, refusals, errors, and everything that gets lost on the way, for every provider.

use std::time::Duration;

use kinora_engine::Kind;
use kinora_engine::hosted::jobs::Ended;
use kinora_engine::ledger::JobState;
use kinora_engine::money::Money;
use kinora_tests::server::{DIALECTS, Fault, Means};

use crate::scene::Scene;

/// What becomes of a question for a clip that nobody answered: it was begun, or it was not.
fn unclear(scene: &Scene, ended: &Ended, was_begun: bool, what: &str) {
    let dialect = scene.dialect;
    let jobs = scene.provider.jobs().len();
    match () {
        // It is found by our name, or asked for again under the same one.
        () if dialect.finds() && (was_begun || dialect.is_once()) => {
            assert_eq!(*ended, Ended::Done, "{what}");
            scene.is_made(what);
        }
        // It is looked for, and is not there.
        () if dialect.finds() => {
            assert!(matches!(ended, Ended::NotCreated { .. }), "{what}: {ended:?}");
            assert_eq!((jobs, scene.spent()), (0, Money::ZERO), "{what}");
        }
        () if scene.studio.card.is_free => {
            assert!(matches!(ended, Ended::Failed { .. }), "{what}: {ended:?}");
            assert_eq!((jobs, scene.spent()), (usize::from(was_begun), Money::ZERO), "{what}");
        }
        () => {
            assert!(matches!(ended, Ended::Unknown { .. }), "{what}: {ended:?}");
            let state = scene.job().state;
            assert!(matches!(state, JobState::Unknown { .. }), "{what}: {state:?}");
            let reserved = scene.studio.ledger().spent().expect("readable").reserved;
            assert_eq!((jobs, reserved), (usize::from(was_begun), scene.price()), "{what}");
        }
    }
}

#[test]
fn a_clip_is_made() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        assert_eq!(scene.run(&[]), Ended::Done, "{}", scene.name(&[]));
        scene.is_made(&scene.name(&[]));
        assert_eq!(scene.left(), 0, "nothing is left in the folder for work");
    }
}

#[test]
fn a_refusal_is_an_outcome_of_its_own() {
    for dialect in DIALECTS {
        for (fault, jobs) in [(Fault::Refuse, 0), (Fault::RefuseLater, 1)] {
            let scene = Scene::new(*dialect);
            let faults = [fault];
            let what = scene.name(&faults);
            let Ended::Refused { why } = scene.run(&faults) else { panic!("{what}") };
            assert!(why.contains("not this picture"), "{what}: {why}");
            assert_eq!(scene.provider.jobs().len(), jobs, "{what}");
            if jobs == 0 {
                assert_eq!(scene.spent(), Money::ZERO, "{what}");
            }
        }
    }
}

#[test]
fn every_documented_error_means_what_it_says() {
    for dialect in DIALECTS {
        let table = dialect.documented();
        assert!(table.len() >= 5, "{}", dialect.provider());
        for (index, row) in table.iter().enumerate() {
            let scene = Scene::new(*dialect);
            let ended = scene.run(&[Fault::Error(index)]);
            let what = format!("{} {:?}", dialect.provider(), row.said);
            let jobs = scene.provider.jobs().len();
            match (row.means, &ended) {
                (Means::Refused, Ended::Refused { .. })
                | (Means::NotCreated, Ended::NotCreated { .. }) => {
                    assert_eq!((jobs, scene.spent()), (0, Money::ZERO), "{what}");
                }
                (Means::Busy, Ended::Done) => scene.is_made(&what),
                (Means::Unclear, ended) => unclear(&scene, ended, false, &what),
                _ => panic!("{what}: {ended:?}"),
            }
        }
    }
}

#[test]
fn a_busy_provider_is_left_alone_as_long_as_it_wants() {
    for dialect in DIALECTS {
        for (faults, least) in [
            (vec![Fault::Busy(None), Fault::Busy(None)], 4),
            (vec![Fault::Busy(Some(70))], 70),
            (vec![Fault::Busy(Some(0)), Fault::Busy(None)], 2),
        ] {
            let scene = Scene::new(*dialect);
            let what = scene.name(&faults);
            assert_eq!(scene.run(&faults), Ended::Done, "{what}");
            scene.is_made(&what);
            let slept = scene.studio.clock.slept();
            assert!(slept >= Duration::from_secs(least), "{what}: {slept:?}");
        }
        let scene = Scene::new(*dialect);
        let ended = scene.run(&[Fault::Busy(Some(3600))]);
        assert!(matches!(ended, Ended::NotCreated { .. }), "{ended:?}");
        assert_eq!((scene.provider.jobs().len(), scene.spent()), (0, Money::ZERO));
    }
}

#[test]
fn what_is_lost_before_the_question_is_read_is_not_asked_for_blindly() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        let faults = [Fault::DropBefore];
        let ended = scene.run(&faults);
        unclear(&scene, &ended, false, &scene.name(&faults));
    }
}

#[test]
fn what_is_lost_after_the_question_was_read_is_found_or_left_to_people() {
    for dialect in DIALECTS {
        for fault in [Fault::DropAfter, Fault::Slow(Duration::from_millis(900))] {
            let mut scene = Scene::new(*dialect);
            scene.studio.patience.answer = Duration::from_millis(300);
            let faults = [fault];
            let ended = scene.run(&faults);
            unclear(&scene, &ended, true, &scene.name(&faults));
        }
        let scene = Scene::new(*dialect);
        let faults = [Fault::Slow(Duration::from_millis(300))];
        assert_eq!(scene.run(&faults), Ended::Done, "{}", scene.name(&faults));
        scene.is_made(&scene.name(&faults));
    }
}

#[test]
fn what_people_find_is_fetched() {
    for dialect in DIALECTS {
        if dialect.finds() {
            continue;
        }
        let scene = Scene::new(*dialect);
        scene.run(&[Fault::DropAfter]);
        if scene.studio.card.is_free {
            continue;
        }
        let (take, remote) = (scene.take, scene.provider.jobs()[0].id.clone());
        let told = kinora_engine::job::JobEvent::Submitted { take, remote };
        scene.studio.ledger().job(told).expect("room");
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done]);
        scene.is_made(&scene.name(&[Fault::DropAfter]));
    }
}

#[test]
fn a_job_is_asked_after_until_it_is_over() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        let faults = [Fault::NewWord, Fault::Broken, Fault::NewWord];
        assert_eq!(scene.run(&faults), Ended::Done, "{}", scene.name(&faults));
        scene.is_made(&scene.name(&faults));
        let scene = Scene::new(*dialect);
        let faults = [Fault::FailLater];
        let Ended::Failed { why } = scene.run(&faults) else { panic!("{}", scene.name(&faults)) };
        assert!(why.contains("out of memory at") && !why.contains("10.0.0.1"), "{why}");
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    for dialect in DIALECTS.iter().filter(|dialect| !dialect.is_inline()) {
        let scene = Scene::new(*dialect);
        let faults = [Fault::Truncate, Fault::Truncate];
        let what = scene.name(&faults);
        assert_eq!(scene.run(&faults), Ended::Done, "{what}");
        scene.is_made(&what);
        let asked = scene.provider.asked();
        let parts = asked.iter().filter(|asked| asked.header("range").is_some()).count();
        assert_eq!(parts, 2, "{what}");
    }
}

#[test]
fn what_is_no_clip_is_fetched_again_from_a_fresh_address() {
    for dialect in DIALECTS.iter().filter(|dialect| !dialect.is_inline()) {
        for fault in
            [Fault::Page, Fault::Garbage, Fault::Expired, Fault::TruncateUnsaid, Fault::Spoil]
        {
            let scene = Scene::new(*dialect);
            let faults = [fault];
            let what = scene.name(&faults);
            assert_eq!(scene.run(&faults), Ended::Done, "{what}");
            scene.is_made(&what);
        }
        // One that never comes stays open, and comes another day.
        let scene = Scene::new(*dialect);
        let faults = vec![Fault::Garbage; 4];
        let what = scene.name(&faults);
        let ended = scene.run(&faults);
        assert!(matches!(ended, Ended::Left { .. }), "{what}: {ended:?}");
        assert_eq!(scene.job().state, JobState::Submitted, "{what}");
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done], "{what}");
        scene.is_made(&what);
    }
}

#[test]
fn a_wrong_key_is_said_without_the_key() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        let faults = [Fault::EchoKey];
        let what = scene.name(&faults);
        let Ended::NotCreated { why, kind } = scene.run(&faults) else { panic!("{what}") };
        assert_eq!(kind, Kind::Config, "{what}");
        assert!(why.contains("wrong key") && why.contains("[key]"), "{what}: {why}");
        assert_eq!(scene.provider.jobs().len(), 0, "{what}");
    }
}
