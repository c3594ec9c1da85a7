//! What is done instead where a model makes nothing: which one is next, and which is not.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use kinora_engine::Kind;
use kinora_engine::money::Money;
use kinora_engine::production::Rendered;
use kinora_tests::server::{FakeProvider, Fault};

use crate::film::{ACTION as SCENE, Film, text};
use crate::shop::Shop;

/// Of fal's documented errors, that of an account without money.
const NO_MONEY: usize = 1;

/// Fal before the barn, and both before this machine. With a dollar, which the first choice takes two thirds of.
const PROJECT: &str = r#"
schema = 1
name = "Instead"
size = [96, 64]
privacy = "any"

# fal

# barn
second = "0.1"

[budget]
production = "1"

[routing]
action = [
  { model = "fal-seedance-2.0", why = "it moves" },
  { model = "barn", why = "it is near" },
]
"#;

const CUT: &str = "sc01/sh0010";

fn film(scene: &str) -> Film {
    Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", scene)])
}

fn asked_for(provider: &FakeProvider) -> usize {
    provider.asked().iter().filter(|asked| asked.method == "POST").count()
}

/// The models that a take says were tried before, and what came of them.
fn tried(film: &Film, number: u32) -> Vec<(String, String)> {
    let route = film.record(CUT, number).route;
    let tried = route["tried"].as_array().cloned().expect("it says so");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    tried.iter().map(|one| (word(&one["model"]), word(&one["why"]))).collect()
}

#[test]
fn the_next_provider_makes_what_the_first_one_did_not_begin() {
    let film = film(SCENE);
    film.fal.break_next([Fault::Error(NO_MONEY)]);
    let (rendered, heard) = film.render(&Shop::default());
    insta::assert_snapshot!(heard.join("\n"), @r"
    sc01/sh0010 take 1 begins on fal-seedance-2.0
    sc01/sh0010 take 1 failed: the provider did not begin it: balance; next is barn
    sc01/sh0010 take 2 begins on barn
    sc01/sh0010 take 2 is made by barn
    ");
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() });
    let why = "the provider did not begin it: balance";
    assert_eq!(tried(&film, 2), [("fal-seedance-2.0".to_owned(), why.to_owned())]);
    assert_eq!(film.record(CUT, 2).route["step"], "hosted");
    // Both reservations together are more than there is: the first was given back before the second.
    let spent = film.ledger().spent().expect("an index");
    assert_eq!((spent.total, spent.reserved), (film.record(CUT, 2).cost, Money::ZERO));
    assert_eq!(film.render(&Shop::default()).0, Rendered::default(), "nothing is missing");
}

#[test]
fn a_job_that_went_wrong_is_made_elsewhere_and_as_often_as_it_went_wrong() {
    let film = film(&SCENE.replace("type =", "takes = 2\n  type =").replace("5s", "4s"));
    std::fs::write(
        film.path("project.toml"),
        std::fs::read_to_string(film.path("project.toml"))
            .expect("it is there")
            .replace("\"1\"", "\"3\""),
    )
    .expect("room");
    film.fal.break_next([Fault::FailLater]);
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!(rendered, Rendered { made: 2, ..Rendered::default() }, "{heard:#?}");
    assert_eq!((film.fal.jobs().len(), film.barn.jobs().len()), (2, 1));
    assert_eq!(tried(&film, 3).len(), 1);
    assert_eq!(film.ledger().spent().expect("an index").reserved, Money::ZERO);
}

#[test]
fn this_machine_makes_what_a_provider_did_not() {
    let film = film(SCENE);
    film.fal.break_next([Fault::Error(NO_MONEY)]);
    let shop = Shop::of(&["mini", "wan2.1-t2v-1.3b"]);
    let (rendered, heard) = film.render(&shop);
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() }, "{heard:#?}");
    let record = film.record(CUT, 2);
    assert_eq!(
        (record.model.as_str(), &record.route["step"]),
        ("wan2.1-t2v-1.3b", &"next-local".into())
    );
    assert_eq!(tried(&film, 2)[0].0, "fal-seedance-2.0");
    assert_eq!(film.barn.asked().len(), 0);
}

#[test]
fn a_cartoon_is_no_fallback() {
    let film = film(SCENE);
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    let (before, after) = project.split_once("[provider.barn]").expect("it is there");
    let (_, after) = after.split_once("[budget]").expect("it is there");
    let after = after.replace("\"1\"", "\"0.70\"");
    std::fs::write(film.path("project.toml"), format!("{before}[budget]{after}")).expect("room");
    // Each of fal's models in its turn.
    film.fal.break_next([Fault::Error(NO_MONEY), Fault::Error(NO_MONEY), Fault::Error(NO_MONEY)]);
    let (rendered, heard) = film.render(&Shop::of(&["mini"]));
    assert_eq!((rendered.made, rendered.failed), (0, 1), "{heard:#?}");
    assert!(heard.last().is_some_and(|last| last.ends_with("did not begin it: balance")));
}

#[test]
fn a_picture_that_is_refused_is_shown_to_nobody_else() {
    // What is refused later may have cost what was reserved, and there is no money left for the barn.
    for (fault, others) in
        [(Fault::Refuse, "barn, fal-minimax-h3)"), (Fault::RefuseLater, "fal-minimax-h3)")]
    {
        let film = film(SCENE);
        film.fal.break_next([fault]);
        let (rendered, heard) = film.render(&Shop::default());
        assert_eq!((rendered.made, rendered.failed), (0, 1), "{heard:#?}");
        let last = heard.last().expect("something was told");
        assert!(last.contains("the provider does not make this picture"), "{last}");
        let hint = "(nobody else was shown it: change the words, or name another model: ";
        assert!(last.ends_with(&format!("{hint}{others}")), "{last}");
        assert_eq!((asked_for(&film.fal), film.barn.asked().len()), (1, 0));
    }
}

#[test]
fn what_nobody_knows_of_is_not_made_elsewhere() {
    let film = film(SCENE);
    film.fal.break_next([Fault::DropAfter]);
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!((rendered.left, rendered.made, rendered.failed), (1, 0, 0), "{heard:#?}");
    assert_eq!(film.barn.asked().len(), 0);
    assert!(film.ledger().spent().expect("an index").reserved > Money::ZERO);
}

#[test]
fn a_model_that_the_cut_names_has_no_fallback() {
    let film = film(&SCENE.replace("type =", "model = \"fal-seedance-2.0\"\n  type ="));
    film.fal.break_next([Fault::Error(NO_MONEY)]);
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!((rendered.made, rendered.failed), (0, 1), "{heard:#?}");
    assert_eq!((asked_for(&film.fal), film.barn.asked().len()), (1, 0));
}

#[test]
fn what_there_is_no_money_for_is_not_tried() {
    let film = film(SCENE);
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    // The barn first, and nothing of fal's for what is left.
    let project = project.replace("{ model = \"fal-seedance-2.0\", why = \"it moves\" },", "");
    let project = project.replace("\"0.1\"", "\"0.01\"").replace("\"1\"", "\"0.1\"");
    std::fs::write(film.path("project.toml"), project).expect("room");
    film.barn.break_next([Fault::Error(3)]);
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!((rendered.made, rendered.failed), (0, 1), "{heard:#?}");
    assert!(
        heard.last().is_some_and(|last| last.contains("did not begin it: model")),
        "{heard:#?}"
    );
    assert_eq!(film.fal.asked().len(), 0);
}

/// Begins a rendering that is killed once `is_so`.
fn killed(film: &Film, is_so: &dyn Fn() -> bool) {
    let mut command = film.command(&["render"]);
    let mut child: Child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while !is_so() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_so(), "it came so far");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn a_killed_rendering_goes_on_with_the_next_model_and_makes_nothing_twice() {
    let film = film(SCENE);
    film.fal.never_ready(true);
    killed(&film, &|| film.fal.jobs().iter().any(|job| job.polls > 0));
    film.fal.never_ready(false);
    film.fal.break_next([Fault::FailLater]);
    // The job of the one that was killed goes wrong now, and the barn is next. It is killed too.
    film.barn.never_ready(true);
    killed(&film, &|| film.barn.jobs().iter().any(|job| job.polls > 0));
    film.barn.never_ready(false);
    let output = film.run(&["render"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((film.fal.jobs().len(), film.barn.jobs().len()), (1, 1));
    assert_eq!(tried(&film, 2)[0].0, "fal-seedance-2.0");
    assert_eq!(film.ledger().spent().expect("an index").reserved, Money::ZERO);
}

#[test]
fn what_was_tried_before_a_rendering_was_killed_is_not_tried_again() {
    let film = film(SCENE);
    film.fal.break_next([Fault::Error(NO_MONEY)]);
    film.barn.never_ready(true);
    killed(&film, &|| film.barn.jobs().iter().any(|job| job.polls > 0));
    film.barn.never_ready(false);
    film.barn.break_next([Fault::FailLater]);
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() }, "{heard:#?}");
    let models: Vec<String> = tried(&film, 3).into_iter().map(|(model, _)| model).collect();
    assert_eq!(models, ["fal-seedance-2.0", "barn"]);
    assert_eq!(film.record(CUT, 3).model, "fal-minimax-h3");
    assert_eq!((asked_for(&film.fal), film.barn.jobs().len()), (2, 1));
}

#[test]
fn the_next_model_of_this_machine_makes_what_memory_failed() {
    let scene = SCENE.replace("5s", "81 frames");
    let film = film(&scene);
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    let project = project.replace("fal-seedance-2.0", "wan2.1-t2v-14b");
    std::fs::write(film.path("project.toml"), project).expect("room");
    let shop = Shop::of(&["mini", "wan2.1-t2v-1.3b", "wan2.1-t2v-14b"]);
    let (rendered, heard) = film.render(&shop.runs_short("wan2.1-t2v-14b", 1));
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() }, "{heard:#?}");
    let record = film.record(CUT, 2);
    let (model, step) = (record.model.as_str(), &record.route["step"]);
    assert_eq!((model, step), ("wan2.1-t2v-1.3b", &"next-local".into()));
    assert_eq!(tried(&film, 2)[0].0, "wan2.1-t2v-14b");
    assert!(tried(&film, 2)[0].1.contains("needs 3.0 GiB of memory"), "{:?}", tried(&film, 2));
    let failures = film.ledger().failures(&CUT.parse().expect("a cut")).expect("an index");
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].failure.number, failures[0].failure.kind), (1, Kind::Resources));
}

#[test]
fn a_smaller_plan_is_tried_after_memory_failed_and_the_take_says_so() {
    let film = film(&SCENE.replace("5s", "81 frames"));
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    let project = project.replace("fal-seedance-2.0", "wan2.1-t2v-14b");
    std::fs::write(film.path("project.toml"), project).expect("room");
    let shop = Shop::of(&["wan2.1-t2v-1.3b", "wan2.1-t2v-14b"]).with_most_frames(33);
    let (rendered, heard) = film.render(&shop.runs_short("wan2.1-t2v-14b", 1));
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() }, "{heard:#?}");
    let record = film.record(CUT, 2);
    assert_eq!(record.route["step"], "smaller-local");
    assert_eq!(record.approximations, ["made smaller: 96x64 pixels and 33 frames"]);
    assert_eq!(tried(&film, 2)[0].0, "wan2.1-t2v-14b");
}

#[test]
fn a_provider_makes_what_this_machine_has_no_memory_for() {
    let film = film(SCENE);
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    let project = project.replace("fal-seedance-2.0", "wan2.1-t2v-1.3b");
    std::fs::write(film.path("project.toml"), project).expect("room");
    let shop = Shop::of(&["wan2.1-t2v-1.3b"]).runs_short("wan2.1-t2v-1.3b", 1);
    let (rendered, heard) = film.render(&shop);
    assert_eq!(rendered, Rendered { made: 1, ..Rendered::default() }, "{heard:#?}");
    assert_eq!(film.record(CUT, 2).model, "barn");
    assert_eq!(tried(&film, 2)[0].0, "wan2.1-t2v-1.3b");
}
