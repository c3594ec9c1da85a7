//! The rule against a model of it, and against mistakes put into it on purpose.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use kinora_engine::egress::{
    Address, Body, Consent, Egress, Labelled, Method, Payload, Purpose, Send,
};
use kinora_engine::faults::{Fault, inject};
use kinora_engine::privacy::Privacy;
use kinora_engine::production::{Error, Production};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};
use tempfile::TempDir;

use crate::model;
use crate::tree::{Errand, FILES, HOSTS, Question, Tree, question, tree};

const CASES: u32 = 10_000;

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The production was not read.
    Refused,
    Denied,
    Allowed,
}

fn of_the_model(tree: &Tree, question: &Question) -> Verdict {
    match (model::is_refused(tree), model::is_allowed(tree, question)) {
        (true, _) => Verdict::Refused,
        (false, false) => Verdict::Denied,
        (false, true) => Verdict::Allowed,
    }
}

/// What the engine says, from the files on.
fn of_the_engine(folder: &Path, tree: &Tree, question: &Question) -> Verdict {
    fs::write(folder.join("project.toml"), tree.text()).expect("room");
    let production = match Production::load(folder) {
        Ok(production) => production,
        Err(Error::Invalid { problems }) => {
            let of_labels = |what: &str| what.starts_with("privacy ");
            assert!(problems.iter().all(|problem| of_labels(&problem.what)), "{problems:?}");
            return Verdict::Refused;
        }
        Err(error) => panic!("{error}"),
    };
    let labels: Vec<Privacy> =
        production.cuts().map(|(scene, cut)| production.label_of(scene, cut).privacy).collect();
    let thing = |index: &proptest::sample::Index| {
        Labelled::new("x", labels[index.index(labels.len())].clone())
    };
    let mut payload = Payload::about(&thing(&question.cut));
    if matches!(question.errand, Errand::Take | Errand::Put) {
        payload = payload.and("prompt", &thing(&question.cut));
        for other in &question.others {
            payload = payload.and("image-1.png", &thing(other));
        }
    }
    let mut door = Egress::new(question.is_offline);
    if question.has_log {
        door = door.log_in(folder);
    }
    for consented in &question.consents {
        door.allow(Consent {
            host: HOSTS[consented.host].to_owned(),
            purpose: purpose(consented.is_generation),
            redirect_hosts: consented.redirects.iter().map(|&host| host.to_owned()).collect(),
        });
    }
    let address = Address::parse(&format!("https://{}/v1", HOSTS[question.host])).expect("right");
    let method = match question.errand {
        Errand::Poll => Method::Get,
        Errand::Take | Errand::Unlabelled => Method::Post,
        Errand::Put => Method::Put,
        Errand::Stop => Method::Delete,
    };
    let mut ask = Send::new(method, &address, purpose(question.is_generation), &payload);
    if !matches!(question.errand, Errand::Poll | Errand::Stop) {
        ask = ask.body(Body::Json(b"{}".to_vec()));
    }
    if door.check(&ask).is_ok() { Verdict::Allowed } else { Verdict::Denied }
}

fn purpose(is_generation: bool) -> Purpose {
    if is_generation { Purpose::Generation } else { Purpose::Checkpoint }
}

/// Looks for a case in which the engine and the model disagree, and returns it, made smaller in so many steps, with how many
/// there were of each verdict.
fn disagreement(max_shrink_iters: u32) -> (Option<String>, [u32; 3]) {
    let folder = TempDir::new().expect("room");
    fs::create_dir(folder.path().join("refs")).expect("room");
    for file in 0..FILES {
        fs::write(folder.path().join(format!("refs/{file}.png")), "").expect("room");
    }
    let counts = Cell::new([0; 3]);
    let config =
        Config { cases: CASES, max_shrink_iters, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&(tree(), question()), |(tree, question)| {
        let expected = of_the_model(&tree, &question);
        let mut seen = counts.get();
        seen[expected as usize] += 1;
        counts.set(seen);
        match of_the_engine(folder.path(), &tree, &question) {
            found if found == expected => Ok(()),
            found => Err(TestCaseError::fail(format!("{found:?}, not {expected:?}"))),
        }
    });
    let found = match result {
        Ok(()) => None,
        Err(TestError::Fail(why, (tree, question))) => {
            Some(format!("{why}\n{}\n{question:#?}", tree.text()))
        }
        Err(error) => panic!("{error}"),
    };
    (found, counts.get())
}

#[test]
fn the_rule_is_what_its_model_says() {
    let (found, [refused, denied, allowed]) = disagreement(500);
    assert_eq!(found, None);
    assert_eq!(refused + denied + allowed, CASES);
    assert!(refused >= 1000 && denied >= 2000 && allowed >= 1000, "{refused} {denied} {allowed}");
}

#[test]
fn every_mistake_in_the_rule_is_found() {
    for fault in [
        Fault::LastLabel,
        Fault::ReferencesForgotten,
        Fault::HostBySuffix,
        Fault::PurposeIgnored,
        Fault::AnyPart,
        Fault::TakenWhereFetched,
    ] {
        let injected = inject(fault);
        let (found, _) = disagreement(0);
        drop(injected);
        assert!(found.is_some(), "{fault:?} is not found");
    }
}
