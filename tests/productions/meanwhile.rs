//! What people do to a production while it is rendered.

use std::fs;

use kinora_engine::production::Rendered;

use crate::film::Film;
use crate::shop::{Heard, Shop};

const PROJECT: &str = r#"
schema = 1
name = "Meanwhile"
size = [96, 64]
privacy = "any"

[provider.fal]
base = "http://FAL"
key_variable = "LIGHTHOUSE_KEY"
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

#[test]
fn a_cut_waits_again_where_the_take_that_it_goes_on_from_is_rejected() {
    for model in ["mini", "fal-seedance-2.0"] {
        let film = Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", FIRST)]);
        let shop = Shop::of(&["mini"]);
        assert_eq!(film.render(&shop).0, Rendered { made: 1, ..Rendered::default() });
        let scene = format!("{FIRST}{}", THEN.replace("MODEL", model));
        fs::write(film.path("scenes/sc01.toml"), &scene).expect("room");
        let mut rejects = |cut: &kinora_engine::id::CutId| {
            if cut.cut() == "sh0020" {
                let mut ledger = film.ledger();
                let first = "sc01/sh0010".parse().expect("a cut");
                let take = ledger.take_of(&first, 1).expect("an index").expect("it was made");
                ledger.reject(take.id, "too dark").expect("room");
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
