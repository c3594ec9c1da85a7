//! Jobs that are stopped, called off, forbidden or too expensive.

use std::thread;

use kinora_engine::Hint;
use kinora_engine::egress::Labelled;
use kinora_engine::hosted::jobs::{self, Ended};
use kinora_engine::ledger::{self, Caps, JobState};
use kinora_engine::privacy::Privacy;
use kinora_engine::{Error, Kind};
use kinora_tests::server::{DIALECTS, dialect};
use kinora_tests::studio;

use crate::scene::{Impatient, Scene};

#[test]
fn a_job_that_nobody_waits_for_goes_on_and_is_fetched_later() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        scene.provider.never_ready(true);
        let ended = scene.studio.run(&studio::order(scene.take), 1, &Impatient).expect("begun");
        assert!(matches!(ended, Ended::Left { .. }), "{ended:?}");
        assert_eq!(scene.job().state, JobState::Submitted);
        scene.provider.never_ready(false);
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done]);
        scene.is_made(dialect.provider());
        assert_eq!(scene.studio.resume().expect("all is over"), []);
    }
}

#[test]
fn a_job_is_called_off_over_there_where_that_is_possible() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        scene.provider.never_ready(true);
        scene.studio.run(&studio::order(scene.take), 1, &Impatient).expect("begun");
        let ended = scene.studio.cancel().expect("it can be asked");
        let is_cancelled = scene.provider.jobs()[0].is_cancelled;
        assert_eq!(is_cancelled, dialect.cancels(), "{}", dialect.provider());
        if is_cancelled {
            assert_eq!(ended, [Ended::Cancelled], "{}", dialect.provider());
            assert_eq!(scene.studio.cancel().expect("all is over"), []);
        } else {
            assert!(matches!(ended[..], [Ended::Left { .. }]), "{ended:?}");
            assert_eq!(scene.job().state, JobState::Submitted);
        }
        scene.is_sound("");
    }
}

#[test]
fn a_clip_that_is_ready_is_not_called_off() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        scene.studio.run(&studio::order(scene.take), 1, &Impatient).expect("begun");
        let ended = scene.studio.cancel().expect("it can be asked");
        assert!(matches!(ended[..], [Ended::Left { .. }]), "{ended:?}");
        assert!(!scene.provider.jobs()[0].is_cancelled);
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done]);
    }
}

#[test]
fn what_may_not_leave_is_not_asked_for() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        let mut order = studio::order(scene.take);
        order.negative = Some(Labelled::new("Jo".to_owned(), Privacy::LocalOnly));
        let error = scene.studio.run(&order, 1, &()).expect_err("it may not leave");
        assert_eq!(error.kind(), Kind::Policy, "{error}");
        assert!(scene.provider.asked().is_empty());
        assert_eq!(scene.studio.ledger().job_of(scene.take).expect("readable"), None);
    }
}

#[test]
fn without_a_key_nothing_is_asked() {
    let mut scene = Scene::new(dialect("fal"));
    scene.studio.key = None;
    let error = scene.studio.run(&studio::order(scene.take), 1, &()).expect_err("no key");
    assert!(matches!(error, Error::Job(jobs::Error::NoKey { .. })), "{error}");
    assert!(scene.provider.asked().is_empty());
}

#[test]
fn eight_jobs_at_once_keep_within_a_cap() {
    let mut scene = Scene::new(dialect("fal"));
    let price = scene.studio.card.quote(&studio::order(scene.take).asked()).expect("a price");
    let cap = price.amount.times(3.5);
    scene.studio.caps = Caps { production: Some(cap), ..Caps::default() };
    let results: Vec<Result<Ended, Error>> = thread::scope(|scope| {
        let begin = |number| {
            let studio = &scene.studio;
            scope.spawn(move || studio.run(&studio::order(studio::take()?), number, &()))
        };
        let threads: Vec<_> = (1..=8).map(begin).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let done = results.iter().filter(|result| matches!(result, Ok(Ended::Done))).count();
    let is_cap = |result: &&Result<Ended, Error>| {
        matches!(result, Err(Error::Job(jobs::Error::Ledger(ledger::Error::Cap { .. }))))
    };
    assert_eq!((done, results.iter().filter(is_cap).count()), (3, 5), "{results:?}");
    assert_eq!(scene.provider.jobs().len(), 3);
    let spent = scene.studio.ledger().spent().expect("readable");
    assert_eq!((spent.total, spent.reserved.micros()), (price.amount.times(3.0), 0));
}
