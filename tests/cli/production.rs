//! A production from its beginning on: what `new`, `check` and `explain` print.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use kinora_engine::hash::Blake3;
use kinora_engine::ledger::Ledger;
use kinora_tests::takes;

use crate::command::{Place, text, without_numbers};

#[test]
fn a_new_production_is_right_and_every_value_of_a_cut_is_explained() {
    let place = Place::new();
    insta::assert_snapshot!(place.prints(&["new", "film"]), @r"
    film/characters/cat.toml
    film/scenes/sc01.toml
    film/project.toml
    ");
    insta::assert_snapshot!(place.prints(&["check", "-C", "film"]), @"Untitled: 1 scene, 2 cuts, 1 character, nothing wrong");
    insta::assert_snapshot!(place.prints(&["explain", "sh0020", "-C", "film/scenes"]), @r"
    sc01/sh0020
      type           action                                  cut, scenes/sc01.toml:16
      first_frame    take:sc01/sh0010/last                   cut, scenes/sc01.toml:19
      prompt         a red cat moves right in a snowy field  cut, scenes/sc01.toml:17
      privacy        local-only                              project, project.toml:6
      model          mini                                    project, project.toml:5
      size           96x64                                   card mini
      duration       17 frames                               card mini
      takes          1                                       default
      seed           886284679                               default
      steps          24                                      card mini
      guidance       4                                       card mini
      flow_shift     3                                       card mini
      sampler        unipc                                   card mini
    ");
    let json = place.prints(&["explain", "sc01/sh0010", "--model", "mini", "--json", "-C", "film"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["values"]["model"]["origin"], "command line");
    assert_eq!(json["values"]["prompt"]["value"], "a red cat jumps in a snowy field");
    let again = place.run(&["new", "film"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));
}

#[test]
fn everything_wrong_is_listed_by_line() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    let scene = place.path("film/scenes/sc01.toml");
    let wrong = std::fs::read_to_string(&scene).expect("there").replace("takes = 2", "take = 2");
    std::fs::write(&scene, wrong.replace("sh0010/last", "sh0015/last")).expect("room");
    let checked = place.run(&["check", "-C", "film"]);
    assert_eq!(checked.status.code(), Some(4));
    insta::assert_snapshot!(text(&checked.stdout), @r#"
    scenes/sc01.toml:12: unknown key `take` in scene.cut (did you mean `takes`?)
    scenes/sc01.toml:19: there is no cut sc01/sh0015 (did you mean "sc01/sh0010"?)
    "#);
    let explained = place.run(&["explain", "sh0010", "-C", "film"]);
    assert_eq!(explained.status.code(), Some(4));
    insta::assert_snapshot!(text(&explained.stderr), @r"
    error: scenes/sc01.toml:12: unknown key `take` in scene.cut (and 1 more: `kinora check` lists them)
    hint: did you mean `takes`?
    ");
    let none = place.run(&["check"]);
    assert_eq!(none.status.code(), Some(2));
    let unknown = place
        .run(&["new", "other"])
        .status
        .success()
        .then(|| place.run(&["explain", "sh0011", "-C", "other"]));
    insta::assert_snapshot!(text(&unknown.expect("room").stderr), @r#"
    error: there is no scene or cut "sh0011" in this production
    hint: did you mean sh0010?
    "#);
}

#[test]
fn what_is_missing_is_made_once_and_people_choose() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    let film = |arguments: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-C", "film"]).collect();
        place.run(&arguments)
    };
    let printed = |arguments: &[&str]| {
        let output = film(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).replace(&place.path("").display().to_string(), "")
    };
    insta::assert_snapshot!(without_numbers(&printed(&["render", "--dry-run", "--steps", "2"])), @r"
    sc01/sh0010      2 takes    mini             this machine  about N s  N GiB
    sc01/sh0020      1 take     mini             this machine  about N s  N GiB  after sc01/sh0010
    2 cuts: 3 takes on this machine, about N s, up to N GiB; up to 0.00 USD
    ");
    assert!(!place.path("film/.kinora").exists(), "a dry run leaves nothing");
    // Killed once the first take is told, it goes on where it was.
    let mut command = place.command(&["render", "--steps", "2", "-C", "film"]);
    let mut killed =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut told = String::new();
    let stdout = killed.stdout.as_mut().expect("it is piped");
    BufReader::new(stdout).read_line(&mut told).expect("it tells");
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    assert!(told.contains("sc01_sh0010_t001.mp4"), "{told}");
    printed(&["render", "--steps", "2"]);
    assert_eq!(printed(&["render", "--steps", "2"]), "", "nothing is missing");
    assert_eq!(printed(&["takes"]).lines().count(), 3);
    insta::assert_snapshot!(printed(&["pick", "sh0010:2"]), @"take 2 of sc01/sh0010 is picked");
    insta::assert_snapshot!(printed(&["rate", "sc01/sh0010:2", "4"]), @"take 2 of sc01/sh0010 has 4 of 5 stars");
    insta::assert_snapshot!(printed(&["reject", "sh0020:1", "--why", "too dark"]), @"take 1 of sc01/sh0020 is rejected");
    insta::assert_snapshot!(printed(&["note", "sh0010:2", " the hand on the left "]), @"take 2 of sc01/sh0010 has a note");
    let notes = printed(&["note", "sh0010:2"]);
    assert_eq!(notes.split_once("  ").expect("a day and a note").1, "the hand on the left\n");
    // The cut that went on from take 1 now goes on from take 2, and the rejected take does not count.
    insta::assert_snapshot!(without_numbers(&printed(&["render", "--dry-run", "--steps", "2"])), @r"
    sc01/sh0020      1 take     mini             this machine  about N s  N GiB
    1 cut: 1 take on this machine, about N s, up to N GiB; up to 0.00 USD
    ");
    insta::assert_snapshot!(printed(&["takes", "--limit", "3"]), @r"
    sc01/sh0010:1        mini             seed 954798693         film/renders/sc01/sh0010/sc01_sh0010_t001.mp4
    sc01/sh0010:2        mini             seed 954798694   ****  film/renders/sc01/sh0010/sc01_sh0010_t002.mp4  picked
    sc01/sh0020:1        mini             seed 886284679         film/renders/sc01/sh0020/sc01_sh0020_t001.mp4  rejected: too dark
    ");
    assert!(printed(&["diff", "sh0010:1", "sh0010:2"]).starts_with("seed: 954798693 | 954798694"));
    assert_eq!(printed(&["replay", "sh0010:2", "--verify"]), "latents equal\nframes  equal\n");
    assert_eq!(printed(&["replay", "sh0020:1", "--verify"]), "latents equal\nframes  equal\n");
    assert!(printed(&["ledger", "verify"]).ends_with("3 takes are as they were written\n"));
    let whole = printed(&["ledger", "export"]);
    std::fs::remove_file(place.path("film/.kinora/ledger.sqlite")).expect("there");
    printed(&["ledger", "rebuild"]);
    assert_eq!(printed(&["ledger", "export"]), whole);
    // Two takes of other steps than those there are.
    assert!(printed(&["render", "sh0020", "--dry-run"]).contains("1 take "));
    let log = place.path("film/.kinora/events.jsonl");
    let altered = std::fs::read_to_string(&log).expect("there").replace("too dark", "too dork");
    std::fs::write(&log, altered).expect("room");
    let verified = film(&["ledger", "verify"]);
    assert_eq!(verified.status.code(), Some(3), "{}", text(&verified.stdout));
}

#[test]
fn a_cut_that_cannot_be_made_stops_no_other() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    let scene = place.path("film/scenes/sc01.toml");
    let large = std::fs::read_to_string(&scene).expect("there");
    let large = large
        .replace("  takes = 2", "  size = [97, 64]")
        .replace("sh0010/last\"", "sh0010/last\"\n  steps = 2");
    let large = large.replace("  first_frame = \"take:sh0010/last\"\n", "");
    std::fs::write(&scene, large).expect("room");
    let rendered = place.run(&["render", "-C", "film"]);
    assert_eq!(rendered.status.code(), Some(2), "{}", text(&rendered.stderr));
    let told = text(&rendered.stderr);
    assert!(told.contains("sc01/sh0010 take 1 failed: size 97x64"), "{told}");
    assert!(told.ends_with("1 cut failed, 1 take was made\n"), "{told}");
    assert!(text(&rendered.stdout).ends_with("sc01_sh0020_t001.mp4\n"));
}

#[test]
fn of_very_many_takes_each_cut_has_a_line() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    let mut ledger = Ledger::open(&place.path("film")).expect("it opens");
    for number in 1..=201 {
        let cut = if number % 3 == 0 { "sc01/sh0020" } else { "sc01/sh0010" };
        let cut = cut.parse().expect("a cut");
        let take = takes::id().expect("random numbers");
        let media = takes::clip(&ledger, take, &format!("frames {number}")).expect("room");
        let record = takes::record(take, &cut, number, Blake3::of(b"request"), media);
        ledger.record_take(&record).expect("room");
        match number {
            4 => ledger.pick(take).expect("room"),
            5 | 6 => ledger.reject(take, "dark").expect("room"),
            _ => {}
        }
    }
    let listed = place.run(&["takes", "-C", "film"]);
    insta::assert_snapshot!(text(&listed.stdout), @r"
    sc01/sh0010          133 takes, 1 rejected, take 4 is picked
    sc01/sh0020          66 takes, 1 rejected
    ");
    insta::assert_snapshot!(text(&listed.stderr), @"201 takes of 2 cuts; `kinora takes CUT` lists those of one, --limit N the first ones");
    assert_eq!(place.prints(&["takes", "sh0010", "-C", "film"]).lines().count(), 134);
    assert_eq!(place.prints(&["takes", "--limit", "150", "-C", "film"]).lines().count(), 150);
    assert_eq!(place.prints(&["takes", "--json", "-C", "film"]).lines().count(), 200);
}
