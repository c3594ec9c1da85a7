//! Twelve cuts with mixed privacy, two characters and five dollars.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kinora_engine::egress;
use kinora_engine::ledger::{Filter, Place};
use kinora_engine::money::Money;
use kinora_tests::server::Fault;

use crate::film::{Film, text};

/// Two steps and eight providers' takes at a time.
const RENDER: [&str; 5] = ["render", "--steps", "2", "--parallel", "8"];

/// The model that each cut is planned on, and where.
fn planned(plan: &str) -> BTreeMap<String, (String, String)> {
    let lines = plan.lines().filter(|line| line.starts_with("sc"));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.map(|words| (words[0].to_owned(), (words[3].to_owned(), words[4].to_owned()))).collect()
}

/// The same of the takes that there are.
fn made(film: &Film) -> BTreeMap<String, (String, String)> {
    let takes = film.ledger().takes(&Filter::default()).expect("an index");
    let place = |place: &Place| match place {
        Place::Local => "this".to_owned(),
        Place::Hosted { host, .. } if host == film.fal.host() => "FAL".to_owned(),
        Place::Hosted { host, .. } if host == film.barn.host() => "BARN".to_owned(),
        Place::Hosted { host, .. } => host.clone(),
    };
    let made =
        takes.iter().map(|take| (take.cut.to_string(), (take.model.clone(), place(&take.place))));
    made.collect()
}

fn dollars(text: &str) -> Money {
    text.parse().expect("an amount")
}

#[test]
fn twelve_cuts_are_made_as_they_were_planned() {
    let film = Film::new("lighthouse");
    let plan = film.prints(&["render", "--dry-run", "--steps", "2"]);
    let shown: Vec<String> = plan
        .lines()
        .map(|line| match line.split_once("  about ") {
            Some((line, rest)) => {
                format!("{line}{}", rest.find("  after").map_or("", |at| &rest[at..]))
            }
            None => line.split_once(", about ").map_or(line, |(line, _)| line).to_owned(),
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    sc01/sh0010      1 take     mini             this machine
    sc01/sh0020      1 take     mini             this machine  after sc01/sh0010
    sc04/sh0040      1 take     mini             this machine
    sc02/sh0010      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc02/sh0020      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc02/sh0030      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc02/sh0040      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc03/sh0020      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc04/sh0010      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc04/sh0020      1 take     fal-seedance-2.0 FAL  up to 0.673 USD
    sc03/sh0010      1 take     barn             BARN  up to 0.00 USD
    sc04/sh0030      1 take     barn             BARN  up to 0.00 USD
    12 cuts: 3 takes on this machine
    ");
    assert!(plan.contains("9 takes by providers; up to 4.711 USD of 5.00 left"), "{plan}");
    assert!(!film.path(".kinora").exists() && film.fal.asked().is_empty(), "nothing was begun");

    film.prints(&RENDER);
    assert_eq!(made(&film), planned(&plan));
    assert_eq!((film.fal.jobs().len(), film.barn.jobs().len()), (7, 2));
    let spent = film.ledger().spent().expect("an index");
    assert_eq!((spent.total, spent.reserved), (dollars("4.711"), Money::ZERO));

    // What is private was seen by nobody, and what is the studio's by its own server alone.
    let seen = |provider: &kinora_tests::server::FakeProvider| {
        let asked = provider.asked().into_iter();
        asked.map(|asked| String::from_utf8_lossy(&asked.body).into_owned()).collect::<String>()
    };
    let (fal, barn) = (seen(&film.fal), seen(&film.barn));
    assert!(fal.contains("an orange fish and a gull") && barn.contains("villagers carry a boat"));
    assert!(barn.contains("as the set will be built") && !fal.contains("as the set"));
    for private in ["yellow star", "blue robot"] {
        assert!(!fal.contains(private) && !barn.contains(private), "{private}");
    }
    let log = film.path(".kinora").join(egress::log::NAME);
    egress::log::verify(&log).expect("it is as it was written");
    assert!(film.prints(&["ledger", "verify"]).contains("12 takes are as they were written"));

    // A take says why it was made where it was made.
    let ledger = film.ledger();
    let cut = "sc04/sh0030".parse().expect("a cut");
    let take = ledger.take_of(&cut, 1).expect("an index").expect("it was made");
    let record = ledger.record(take.id).expect("a manifest");
    let reasons = record.route["reasons"].as_array().expect("reasons");
    assert!(!reasons.is_empty() && record.route["step"].is_string(), "{}", record.route);
    assert_eq!((record.privacy.as_str(), record.egress.len()), ("any", 1));
    drop(ledger);

    let again = film.run(&RENDER);
    assert_eq!(text(&again.stderr), "nothing is missing\n");
    assert_eq!((film.fal.jobs().len(), film.barn.jobs().len()), (7, 2));

    // A log that is gone as a whole is missed: the ledger knows what was asked for.
    assert!(film.prints(&["egress", "verify"]).starts_with("as it was written"));
    for file in [log.clone(), log.with_added_extension("head")] {
        std::fs::remove_file(file).expect("it was written");
    }
    let missed = film.run(&["egress", "verify"]);
    assert_eq!(missed.status.code(), Some(3), "{}", text(&missed.stderr));
    assert!(text(&missed.stderr).contains("no line asks"), "{}", text(&missed.stderr));
}

#[test]
fn what_a_stopped_rendering_asked_for_is_waited_for_again() {
    let film = Film::new("lighthouse");
    film.fal.never_ready(true);
    let mut command = film.command(&["render", "sc02", "--parallel", "8"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let begun = Instant::now();
    let is_begun = || film.fal.jobs().len() == 4;
    while !is_begun() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_begun(), "four takes are asked for");
    let stopped =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    // It counts as begun, and is not asked for a second time.
    assert!(film.prints(&["render", "sc02", "--dry-run"]).starts_with("0 cuts"), "it is away");
    film.fal.never_ready(false);
    film.prints(&["render", "sc02", "--parallel", "8"]);
    assert_eq!(film.fal.jobs().len(), 4);
    assert_eq!(made(&film).len(), 4);
}

#[test]
fn a_job_is_called_off_at_its_provider() {
    let film = Film::new("lighthouse");
    film.fal.never_ready(true);
    let mut command = film.command(&["render", "sc02", "--parallel", "8"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while film.fal.jobs().len() < 4 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let listed = film.prints(&["jobs"]);
    let known = listed.lines().find(|line| line.contains(" submitted ")).expect("one has its name");
    let take = known.split(' ').next().expect("a name");
    let told = film.prints(&["jobs", "cancel", take]);
    assert!(told.ends_with(" is called off\n"), "{told}");
    assert_eq!(film.fal.jobs().iter().filter(|job| job.is_cancelled).count(), 1);
    assert!(!film.prints(&["jobs"]).contains(take), "it is over");
    let again = film.run(&["jobs", "cancel", take]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
}

#[test]
fn what_a_provider_refuses_stops_no_other() {
    let film = Film::new("lighthouse");
    film.fal.break_next([Fault::Refuse]);
    let output = film.run(&["render", "sc02", "--parallel", "4"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains(" take 1 failed: the provider does not make this picture: "), "{told}");
    assert!(told.ends_with("error: 1 cut failed, 3 takes were made\n"), "{told}");
    assert_eq!(film.ledger().spent().expect("an index").reserved, Money::ZERO);
}
