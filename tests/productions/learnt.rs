//! What experience changes: a file of what was kept elsewhere, and how long takes took here.

use kinora_engine::ledger::{Filter, Ledger};
use kinora_engine::production::{Cut, Production, Settings, Work};

use crate::film::{ACTION as SCENE, Film};
use crate::shop::Shop;

const PROJECT: &str = r#"
schema = 1
name = "Learnt"
size = [96, 64]
privacy = "any"

# fal

# barn

[routing]
action = [{ model = "fal-seedance-2.0", why = "it moves" }]
"#;

const KEPT: &str = r#"
[[rate]]
type = "action"
model = "barn"
kept = 9
of = 10

[[rate]]
type = "action"
model = "fal-seedance-2.0"
kept = 0
of = 10
"#;

/// The model that each cut is planned on, and how many seconds that takes.
fn planned(film: &Film, shop: &Shop, takes: u32) -> Vec<(String, Option<f64>)> {
    let production = Production::load(&film.path("")).expect("nothing is wrong");
    let cuts: Vec<&Cut> = production.cuts().map(|(_, cut)| cut).collect();
    let said = |value| kinora_engine::production::Said {
        value,
        place: kinora_engine::production::Place::whole(""),
    };
    let typed = Settings { takes: Some(said(takes)), ..Settings::default() };
    let ledger = Ledger::open_existing(&film.path("")).expect("an index");
    let plan = production.plan(&cuts, &typed, shop, ledger.as_ref()).expect("files");
    let mut plan: Vec<_> = plan.iter().map(|planned| (&planned.want.cut, &planned.work)).collect();
    plan.sort_by_key(|(cut, _)| cut.to_string());
    let work = plan.into_iter().map(|(_, work)| work.as_ref().expect("each can be made"));
    work.map(|work| match work {
        Work::Local(local) => (local.model.clone(), local.seconds),
        Work::Hosted(hosted) => (hosted.card.name.clone(), None),
    })
    .collect()
}

#[test]
fn what_was_kept_elsewhere_leads_to_another_model() {
    let film = Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", SCENE)]);
    assert_eq!(planned(&film, &Shop::default(), 1)[0].0, "fal-seedance-2.0");
    let project = std::fs::read_to_string(film.path("project.toml")).expect("it is there");
    let project = project.replace("privacy =", "evidence = \"kept.toml\"\nprivacy =");
    std::fs::write(film.path("project.toml"), project).expect("room");
    std::fs::write(film.path("kept.toml"), KEPT).expect("room");
    assert_eq!(planned(&film, &Shop::default(), 1)[0].0, "barn");
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!(rendered.made, 1, "{heard:#?}");
    let record = film.record("sc01/sh0010", 1);
    assert_eq!(record.model, "barn");
    let reasons = record.route["reasons"].as_array().cloned().expect("reasons");
    let kept = reasons.iter().find(|reason| reason["rule"] == "keep-rate").expect("it counts");
    assert_eq!(kept["text"], "9 of 10 of its takes of type action were kept");
    assert!(film.fal.asked().is_empty());
}

#[test]
fn takes_that_were_made_say_how_long_the_next_ones_take() {
    let large = SCENE.replace("sc01", "sc02").replace("5s", "161 frames");
    let film = Film::of(&[
        ("project.toml", "schema = 1\nname = \"Paces\"\nsize = [96, 64]\n"),
        ("scenes/sc01.toml", &SCENE.replace("5s", "17 frames")),
        ("scenes/sc02.toml", &large),
    ]);
    let shop = Shop::of(&["wan2.1-t2v-1.3b"]);
    let before = planned(&film, &shop, 1);
    let [(_, Some(small)), (_, Some(large))] = before[..] else { panic!("{before:?}") };
    assert!(small > 1.0 && large > small, "by what there is to compute");
    film.render(&shop);
    let takes = film.ledger().takes(&Filter::default()).expect("an index");
    assert_eq!(takes.len(), 2);
    let took = |scene: &str| {
        let take = takes.iter().find(|take| take.cut.to_string().starts_with(scene));
        take.expect("it was made").seconds
    };
    let after = planned(&film, &shop, 2);
    let [(_, Some(small_now)), (_, Some(large_now))] = after[..] else { panic!("{after:?}") };
    // Each is as long as the operations there are, at the pace of one of the two takes.
    let ratio = large / small;
    assert!((large_now / small_now / ratio - 1.0).abs() < 1e-9, "{large_now} {small_now} {ratio}");
    let paces = [took("sc01") / small, took("sc02") / large];
    let now = small_now / small;
    assert!(paces.iter().any(|pace| (pace / now - 1.0).abs() < 1e-9), "{paces:?} {now}");
    assert!(small_now < small / 2.0, "it draws stripes faster than Wan would");
}
