//! A production from its beginning on: what `new`, `check` and `explain` print.

use crate::command::{Place, text};

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
