//! Which model a cut is made on, as people ask for it.

use crate::command::{Place, text, without_numbers};

const PROJECT: &str = r#"schema = 1
name = "Routes"
size = [96, 64]
privacy = "any"

[provider.kling]
key_variable = "TEST_KLING_KEY"

[provider.render]
provider = "openai-compatible"
base = "https://render.lan:8000"
models = ["Wan-AI/Wan2.2-T2V"]
second = "0.02"

[budget]
production = "1"

[routing]
crowd = [{ model = "render", why = "our own server has room" }]
"#;

const SCENE: &str = r#"[[scene]]
id = "sc01"

  [[scene.cut]]
  id = "sh0010"
  prompt = "two cars chase each other"

  [[scene.cut]]
  id = "sh0020"
  type = "crowd"
  prompt = "a market"
  takes = 2

  [[scene.cut]]
  id = "sh0030"
  prompt = "a fight on the stairs"
  privacy = "local-only"

  [[scene.cut]]
  id = "sh0040"
  prompt = "rain"
  model = "veo-3.1"

  [[scene.cut]]
  id = "sh0050"
  type = "action"
  prompt = "they run"
  takes = 4
"#;

fn film() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path("film/scenes")).expect("room");
    std::fs::write(place.path("film/project.toml"), PROJECT).expect("room");
    std::fs::write(place.path("film/scenes/sc01.toml"), SCENE).expect("room");
    place
}

fn output(place: &Place, arguments: &[&str]) -> std::process::Output {
    let mut command = place.command(arguments);
    command.args(["-C", "film"]).env("TEST_KLING_KEY", "k").output().expect("it starts")
}

#[test]
fn every_cut_has_its_model_and_what_it_costs() {
    let place = film();
    let routed = output(&place, &["route"]);
    insta::assert_snapshot!(without_numbers(&text(&routed.stdout)), @r#"
    sc01/sh0010      kling-3.0-omni   first choice   api-singapore.klingai.com  up to 0.42 USD  (two-characters: its words: each other)
    sc01/sh0020      render           first choice   render.lan:8000  up to 0.10 USD  (crowd: the cut says so)
    sc01/sh0030      mini             next local     this machine  about N s  N GiB  (action: its words: fight)
    sc01/sh0040      cannot be made: cut sc01/sh0040 names veo-3.1, which cannot make it: the production does not allow google-cloud; there is no key for google-cloud; up to 2.40 USD, and 0.38 is left for the production (set up a server of google-cloud in project.toml; set up a key for google-cloud; raise the budget of the production, or ask for a shorter or smaller clip)
    sc01/sh0050      mini             next local     this machine  about N s  N GiB  (action: the cut says so)
    "#);
    insta::assert_snapshot!(text(&routed.stderr), @"error: 1 cut cannot be made");
    assert_eq!(routed.status.code(), Some(7));
    let planned = output(&place, &["render", "--dry-run"]);
    insta::assert_snapshot!(without_numbers(&text(&planned.stdout)), @r#"
    sc01/sh0010      1 take     kling-3.0-omni   api-singapore.klingai.com  up to 0.42 USD
    sc01/sh0020      2 takes    render           render.lan:8000  up to 0.20 USD
    sc01/sh0030      1 take     mini             this machine  about N s  N GiB
    sc01/sh0050      4 takes    mini             this machine  about N s  N GiB
    sc01/sh0040      1 take     cannot be made: cut sc01/sh0040 names veo-3.1, which cannot make it: the production does not allow google-cloud; there is no key for google-cloud; up to 2.40 USD, and 0.38 is left for the production (set up a server of google-cloud in project.toml; set up a key for google-cloud; raise the budget of the production, or ask for a shorter or smaller clip)
    5 cuts: 5 takes on this machine, about N s, up to N GiB; 3 takes by providers; up to 0.62 USD of 1.00 left; 1 cut cannot be made
    "#);
    let explained = text(&output(&place, &["route", "sh0020", "--explain"]).stdout);
    insta::assert_snapshot!(explained.lines().take(6).collect::<Vec<_>>().join("\n"), @r#"
    sc01/sh0020: render (first choice)
      type crowd: the cut says so
      1. render, Wan-AI/Wan2.2-T2V on render.lan:8000: first choice, ahead of the next by preference
         for      privacy: the label any admits render.lan:8000
         for      provider: the production allows openai-compatible
         for      key: openai-compatible can be asked: its key is there, or it needs none
    "#);
    let json = text(&output(&place, &["route", "sh0030", "--json"]).stdout);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["work"]["model"], "mini");
    assert_eq!(json["route"]["kind"]["kind"], "action");
    let offline = text(&output(&place, &["route", "sh0020", "--offline"]).stdout);
    assert!(offline.contains("mini"), "{offline}");
}

#[test]
fn what_is_wrong_with_servers_and_preferences_is_listed_by_line() {
    let place = film();
    let wrong = PROJECT
        .replace("[provider.kling]\nkey_variable", "[provider.klink]\nkey_varable")
        .replace("base = \"https://render.lan:8000\"\n", "")
        .replace("crowd = [{ model", "crows = [{ modle");
    std::fs::write(place.path("film/project.toml"), wrong).expect("room");
    let checked = output(&place, &["check"]);
    insta::assert_snapshot!(text(&checked.stdout), @r#"
    project.toml:6: there is no provider "klink" (did you mean "kling"?)
    project.toml:7: unknown key `key_varable` in provider.klink (did you mean `key_variable`?)
    project.toml:9: a server of one's own needs a `base` (write `base = "https://host:port"`)
    project.toml:18: a preferred model needs a `model`
    project.toml:18: routing: "crows" is no type of cut (did you mean crowd?)
    project.toml:18: unknown key `modle` in routing.crows (did you mean `model`?)
    "#);
}

#[test]
fn what_speaks_against_a_named_model_is_said_once() {
    let place = film();
    let project = format!("{PROJECT}\n[use]\ncommercial = true\n");
    std::fs::write(place.path("film/project.toml"), project).expect("room");
    let scene = "[[scene]]\nid = \"sc01\"\n\n[[scene.cut]]\nid = \"sh0010\"\nprompt = \"rain\"\n";
    let write = |model: &str| {
        let scene = format!("{scene}model = \"{model}\"\n");
        std::fs::write(place.path("film/scenes/sc01.toml"), scene).expect("room");
    };
    write("render");
    let planned = output(&place, &["render", "--dry-run"]);
    assert_eq!(planned.status.code(), Some(0), "{}", text(&planned.stderr));
    insta::assert_snapshot!(text(&planned.stderr), @"warning: sc01/sh0010 names render: commercial: nobody here read whether LicenseRef-Own-Server allows commercial use");
    let json = text(&output(&place, &["route", "--json"]).stdout);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["warnings"][0]["rule"], "commercial");
    write("auto");
    assert_eq!(text(&output(&place, &["render", "--dry-run"]).stderr), "");
}
