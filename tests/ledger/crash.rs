//! A process that ends between any two steps of anything that can be done to a ledger.

use std::collections::BTreeSet;

use kinora_engine::ledger::steps::Step;

use crate::deeds::{DEEDS, act};
use crate::other::{command, said};
use crate::place::Place;

/// What was done is in the ledger whole or not at all, and from the moment on at which the event was told it is. Whoever does
/// it again where it was not finds nothing in the way.
#[test]
fn what_a_process_did_when_it_ended_is_done_or_not_done() {
    let template = Place::eventful();
    let before = template.said();
    let mut seen = BTreeSet::new();
    for deed in DEEDS {
        let place = template.copy();
        let traced = command(&format!("trace {deed}"), place.path()).output().expect("it starts");
        let steps = said(&traced.stdout);
        let after = place.said();
        assert!(!steps.is_empty(), "{deed} has steps");
        for (at, step) in steps.iter().enumerate() {
            seen.insert(step.clone());
            let when = format!("{deed} ended at its step {at}, {step}");
            let place = template.copy();
            let mut crash = command(&format!("crash {deed} {at}"), place.path());
            assert!(!crash.status().expect("it starts").success(), "{when}: it did not end");
            place.is_sound(&when);
            let now = place.said();
            if steps[..=at].iter().any(|step| step == "Told") {
                assert_eq!(now, after, "{when}");
            } else {
                assert_eq!(now, before, "{when}");
                act(place.path(), deed).expect("nothing is in the way");
                assert_eq!(place.said(), after, "{when}, and was done again");
            }
            place.clear(&when);
            assert_eq!(place.said(), after, "{when}, and was cleared up after");
        }
    }
    let all: BTreeSet<String> = Step::ALL.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(seen, all, "every step was one that a process ended at");
}

/// A take that was told is recorded once more, by somebody who was not told, and is there once.
#[test]
fn a_take_that_was_told_can_be_recorded_again() {
    let template = Place::eventful();
    for step in 0.. {
        let place = template.copy();
        let mut crash = command(&format!("crash take {step}"), place.path());
        if crash.status().expect("it starts").success() {
            assert!(step > 5, "a take has steps");
            break;
        }
        for _ in 0..2 {
            act(place.path(), "take").expect("the same take");
        }
        assert_eq!(place.takes().len(), 4);
        place.clear("recorded again");
    }
}
