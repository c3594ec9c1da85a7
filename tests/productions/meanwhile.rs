//! What people do to a production while it is rendered.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kinora_engine::id::CutId;
use kinora_engine::media::{self, Frames};
use kinora_engine::production::Rendered;
use kinora_tests::server::Fault;

use crate::film::Film;
use crate::shop::{Heard, Shop};

const PROJECT: &str = r#"
schema = 1
name = "Meanwhile"
size = [96, 64]
privacy = "any"

# fal
"#;

const FIRST: &str = r#"
[[scene]]
id = "sc01"

  [[scene.cut]]
  id = "sh0010"
  model = "mini"
  prompt = "a boat leaves"
"#;

const THEN: &str = r#"
  [[scene.cut]]
  id = "sh0020"
  model = "mini"
  prompt = "gulls"

  [[scene.cut]]
  id = "sh0030"
  model = "MODEL"
  duration = "5s"
  prompt = "the boat hits the rocks"
  first_frame = "take:sh0010/last"
"#;

/// Rejects the first take of the first cut.
fn reject_first(film: &Film) {
    let mut ledger = film.ledger();
    let first = "sc01/sh0010".parse().expect("a cut");
    let take = ledger.take_of(&first, 1).expect("an index").expect("it was made");
    ledger.reject(take.id, "too dark").expect("room");
}

/// Waits until something is so.
fn wait_until(what: &str, is_so: &dyn Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_cut_waits_again_where_the_take_that_it_goes_on_from_is_rejected() {
    for model in ["mini", "fal-seedance-2.0"] {
        let film = Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", FIRST)]);
        let shop = Shop::of(&["mini"]);
        assert_eq!(film.render(&shop).0, Rendered { made: 1, ..Rendered::default() });
        let scene = format!("{FIRST}{}", THEN.replace("MODEL", model));
        fs::write(film.path("scenes/sc01.toml"), &scene).expect("room");
        let mut rejects = |cut: &CutId| {
            if cut.cut() == "sh0020" {
                reject_first(&film);
            }
        };
        let mut heard = Heard { meanwhile: Some(&mut rejects), ..Heard::default() };
        let rendered = film.render_while(&shop, &mut heard);
        let lines = heard.lines.join("\n");
        assert_eq!(rendered, Rendered { made: 1, waiting: 1, ..Rendered::default() }, "{lines}");
        assert!(!lines.contains("sh0030"), "{lines}");
        assert_eq!(film.fal.asked().len(), 0);
        // It is made again first, and what goes on from it follows.
        assert_eq!(film.render(&shop).0, Rendered { made: 2, ..Rendered::default() });
    }
}

#[test]
fn a_take_is_not_made_from_a_picture_that_changed_before_its_turn() {
    let scene = r#"
[[scene]]
id = "sc01"

  [[scene.cut]]
  id = "sh0010"
  model = "fal-seedance-2.0"
  duration = "5s"
  prompt = "the boat hits the rocks"
  first_frame = "refs/boat.png"
"#;
    let film = Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", scene)]);
    let draw = |colour: u8| {
        let frames = Frames::new(48, 32, vec![colour; 48 * 32 * 3]).expect("a picture");
        fs::create_dir_all(film.path("refs")).expect("room");
        media::write_picture(&frames, &film.path("refs/boat.png")).expect("room");
    };
    draw(1);
    let mut redraws = |_: &CutId| draw(2);
    let mut heard = Heard { meanwhile: Some(&mut redraws), ..Heard::default() };
    let rendered = film.render_while(&Shop::default(), &mut heard);
    assert_eq!(rendered, Rendered { failed: 1, ..Rendered::default() }, "{:#?}", heard.lines);
    let last = heard.lines.last().expect("something was told");
    assert!(last.contains("boat.png was changed while its take waited for its turn"), "{last}");
    assert_eq!(film.fal.asked().len(), 0, "nothing was asked for");
    assert_eq!(film.render(&Shop::default()).0, Rendered { made: 1, ..Rendered::default() });
    assert_eq!(film.render(&Shop::default()).0, Rendered::default(), "it is of the cut as it is");
}

#[test]
fn a_cut_that_waits_while_its_old_job_fails_is_made_once() {
    let project = format!(
        r#"{PROJECT}
# barn
second = "0.1"

[routing]
action = [
  {{ model = "fal-seedance-2.0", why = "it moves" }},
  {{ model = "barn", why = "it is near" }},
]
"#
    );
    let then = r#"
  [[scene.cut]]
  id = "sh0030"
  type = "action"
  duration = "5s"
  prompt = "the boat hits the rocks"
  first_frame = "take:sh0010/last"
"#;
    let gulls = "\n  [[scene.cut]]\n  id = \"sh0005\"\n  model = \"mini\"\n  prompt = \"gulls\"\n";
    let film =
        Film::of(&[("project.toml", &project), ("scenes/sc01.toml", &format!("{FIRST}{then}"))]);
    // The job of the last cut is left open.
    film.fal.never_ready(true);
    let mut command = film.command(&["render"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("it is asked for", &|| film.fal.jobs().len() == 1);
    let stop = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stop.is_ok_and(|status| status.success()));
    child.wait_with_output().expect("it ends");
    // The cut before it is to be made again, after another one, and meanwhile the job fails.
    reject_first(&film);
    let head = "[[scene]]\nid = \"sc01\"\n";
    let scene = format!("{FIRST}{then}").replacen(head, &format!("{head}{gulls}"), 1);
    fs::write(film.path("scenes/sc01.toml"), scene).expect("room");
    film.fal.never_ready(false);
    film.fal.break_next([Fault::FailLater]);
    let asked = film.fal.asked().len();
    let mut waits = |cut: &CutId| {
        if cut.cut() == "sh0005" {
            wait_until("it is asked after", &|| film.fal.asked().len() > asked);
            // The answer takes its way.
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    let mut heard = Heard { meanwhile: Some(&mut waits), ..Heard::default() };
    let rendered = film.render_while(&Shop::of(&["mini"]), &mut heard);
    assert_eq!(rendered, Rendered { made: 3, ..Rendered::default() }, "{:#?}", heard.lines);
    assert_eq!((film.fal.jobs().len(), film.barn.jobs().len()), (1, 1), "{:#?}", heard.lines);
}
