//! Routes as people and programs read them, and the errors of those that lead nowhere.

use kinora_engine::privacy::Privacy;
use kinora_engine::router::{CutKind, Error, RULES, Route};
use kinora_engine::{Hint, Kind};

use crate::world::{World, of, too_large};

fn route(change: impl FnOnce(&mut World)) -> Route {
    let mut world = World::new();
    change(&mut world);
    world.route(RULES)
}

#[test]
fn a_route_is_explained() {
    let route = route(|world| {
        world.kind(CutKind::Action);
        world.local.truncate(1);
        world.hosted.truncate(2);
        world.knows("mina", &["wan2.1"], 0);
        world.local[0].2 = too_large();
        world.need.fps = Some(24.0);
    });
    insta::assert_snapshot!(route.to_string(), @r#"
    sc02/sh0020: kling-3.0 (hosted)
      type action: the cut says so
      wan2.1-t2v-14b would come first, if this machine could
      1. kling-3.0, Kling 3.0 on api-singapore.klingai.com: hosted
         for      privacy: the label any admits api-singapore.klingai.com
         for      key: kling can be asked: its key is there, or it needs none
         for      task: it makes clips from words
         for      length: a clip of 5 s holds 5.0 s
         for      size: it makes 720 lines, asked are 720
         for      shape: it makes the shape, as 16:9
         against  characters: it knows mina by words only
         for      preference: choice 1 for action: Kling moves bodies fast without tearing them
         for      price: 0.42 USD is the provider's own word
         for      fps: it makes 24 frames a second
         against  local: it is at api-singapore.klingai.com
         against  cost: it costs up to 0.42 USD
      2. wan2.1-t2v-14b, Wan 2.1 text-to-video 14B on this machine: cannot make it
         for      privacy: nothing leaves this machine
         for      task: it makes clips from words
         for      length: it was trained on 5.1 s, asked are 5.0 s
         for      size: it makes 1280x720
         for      installed: its files are here
         forbids  memory: it needs 40.0 GiB of memory, and there are 24.0 GiB (ask for fewer frames or smaller pictures, or free memory)
         for      characters: it knows mina by an adapter for wan2.1
         for      preference: choice 4 for action: the large Wan, where the others may not be asked
         against  fps: it makes 16 frames a second, the film has 24
         for      local: it is on this machine
         for      cost: it costs no money
      3. kling-4.0, Kling 4.0 on api-singapore.klingai.com: cannot make it
         for      privacy: the label any admits api-singapore.klingai.com
         for      key: kling can be asked: its key is there, or it needs none
         for      task: it makes clips from words
         for      length: a clip of 5 s holds 5.0 s
         for      size: it makes 720 lines, asked are 720
         for      shape: it makes the shape, as 16:9
         against  characters: it knows mina by words only
         for      preference: choice 1 for action: Kling moves bodies fast without tearing them
         forbids  price: 0.835 USD is what others say (accept prices that are not verified)
         for      fps: it makes 24 frames a second
         against  local: it is at api-singapore.klingai.com
         against  cost: it costs up to 0.835 USD
    "#);
}

#[test]
fn what_speaks_against_a_named_model_is_a_warning() {
    let warned = |change: &dyn Fn(&mut World)| {
        let route = route(|world| {
            world.need.model = Some("wan2.1-t2v-1.3b".to_owned());
            world.touch =
                |all| of(all, "wan2.1-t2v-1.3b").terms.excluded = vec!["Korea".to_owned()];
            change(world);
        });
        let warnings = route.warnings();
        warnings.iter().map(|one| format!("{}: {}", one.rule, one.text)).collect::<Vec<_>>()
    };
    let territory = "territory: its terms leave out Korea, and the production says no territory";
    assert_eq!(warned(&|_| {}), [territory]);
    let long = "length: it was trained on 5.1 s: one of 9.0 s may drift";
    // That others are preferred, or cheaper, is no warning: the strongest reason comes first.
    assert_eq!(warned(&|world| world.seconds(9.0)), [territory, long]);
    let fps = "fps: it makes 16 frames a second, the film has 24";
    assert_eq!(warned(&|world| world.need.fps = Some(24.0)), [territory, fps]);
    // What is forbidden is no warning, and neither is what speaks against a choice of the program's own.
    assert!(warned(&|world| world.policy.territory = Some("KR".to_owned())).is_empty());
    assert!(warned(&|world| world.need.model = None).is_empty());
}

#[test]
fn a_route_is_written_as_json() {
    let route = route(|world| {
        world.local.truncate(1);
        world.hosted.truncate(1);
        world.hosted[0].1 = false;
    });
    let json = serde_json::to_string_pretty(&route).expect("plain data");
    insta::assert_snapshot!(json, @r#"
    {
      "cut": "sc02/sh0020",
      "kind": {
        "kind": "filler",
        "is_said": true,
        "why": "the cut says so"
      },
      "named": null,
      "wish": "wan2.1-t2v-14b",
      "chosen": {
        "model": "wan2.1-t2v-14b",
        "step": "first"
      },
      "fallback": [],
      "ranked": [
        {
          "name": "wan2.1-t2v-14b",
          "title": "Wan 2.1 text-to-video 14B",
          "host": null,
          "step": "first",
          "ahead_by": null,
          "reasons": [
            {
              "rule": "privacy",
              "stance": "for",
              "text": "nothing leaves this machine"
            },
            {
              "rule": "task",
              "stance": "for",
              "text": "it makes clips from words"
            },
            {
              "rule": "length",
              "stance": "for",
              "text": "it was trained on 5.1 s, asked are 5.0 s"
            },
            {
              "rule": "size",
              "stance": "for",
              "text": "it makes 1280x720"
            },
            {
              "rule": "installed",
              "stance": "for",
              "text": "its files are here"
            },
            {
              "rule": "memory",
              "stance": "for",
              "text": "it fits into memory, with 20.0 GiB"
            },
            {
              "rule": "preference",
              "stance": "for",
              "text": "choice 1 for filler: a passable picture costs nothing on this machine"
            },
            {
              "rule": "local",
              "stance": "for",
              "text": "it is on this machine"
            },
            {
              "rule": "cost",
              "stance": "for",
              "text": "it costs no money"
            }
          ]
        },
        {
          "name": "kling-3.0",
          "title": "Kling 3.0",
          "host": "api-singapore.klingai.com",
          "step": null,
          "ahead_by": null,
          "reasons": [
            {
              "rule": "privacy",
              "stance": "for",
              "text": "the label any admits api-singapore.klingai.com"
            },
            {
              "rule": "key",
              "stance": "forbids",
              "text": "there is no key for kling",
              "change": "set up a key for kling"
            },
            {
              "rule": "task",
              "stance": "for",
              "text": "it makes clips from words"
            },
            {
              "rule": "length",
              "stance": "for",
              "text": "a clip of 5 s holds 5.0 s"
            },
            {
              "rule": "size",
              "stance": "for",
              "text": "it makes 720 lines, asked are 720"
            },
            {
              "rule": "shape",
              "stance": "for",
              "text": "it makes the shape, as 16:9"
            },
            {
              "rule": "preference",
              "stance": "against",
              "text": "not among the preferred ones for filler"
            },
            {
              "rule": "price",
              "stance": "for",
              "text": "0.42 USD is the provider's own word"
            },
            {
              "rule": "local",
              "stance": "against",
              "text": "it is at api-singapore.klingai.com"
            },
            {
              "rule": "cost",
              "stance": "against",
              "text": "it costs up to 0.42 USD"
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn what_leads_nowhere_says_why() {
    let error = |change: fn(&mut World)| route(change).choice().expect_err("none is possible");
    let private = error(|world| {
        world.policy.privacy = Privacy::LocalOnly;
        world.local.clear();
        world.hosted.truncate(1);
    });
    assert_eq!(private.kind(), Kind::Policy);
    assert_eq!(
        private.to_string(),
        "cut sc02/sh0020: no model can make it; the nearest is kling-3.0: the label local-only does not admit api-singapore.klingai.com"
    );
    assert_eq!(
        private.hint().as_deref(),
        Some(
            "label the cut and all that it is made from `any`, or `studio`; `kinora route sc02/sh0020 --explain` says more"
        )
    );
    let large = error(|world| {
        world.need.model = Some("wan2.1-t2v-14b".to_owned());
        world.local[0].2 = too_large();
    });
    assert!(matches!(large, Error::Named { .. }));
    assert_eq!(large.kind(), Kind::Resources);
    assert_eq!(
        large.to_string(),
        "cut sc02/sh0020 names wan2.1-t2v-14b, which cannot make it: it needs 40.0 GiB of memory, and there are 24.0 GiB"
    );
    let unknown = error(|world| world.need.model = Some("klin-3.0".to_owned()));
    assert_eq!(unknown.kind(), Kind::Input);
    assert_eq!(unknown.to_string(), "cut sc02/sh0020 names klin-3.0, and there is no such model");
    assert_eq!(unknown.hint().as_deref(), Some("did you mean kling-3.0?"));
    let none = error(|world| {
        world.local.clear();
        world.hosted.clear();
    });
    assert_eq!(none.to_string(), "cut sc02/sh0020: no model can make it, for there is none");
    assert!(none.hint().is_some_and(|hint| hint.contains("models list")));
}
