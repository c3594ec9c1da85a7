//! What the cards of models come to when a cut is to be made on them.

use kinora_engine::cards;
use kinora_engine::hosted::{self, Task};
use kinora_engine::production::Length;
use kinora_engine::router::{Candidate, Fit, Need, Place};

use crate::world::{World, usd};

fn hosted(name: &str, need: &Need) -> Candidate {
    Candidate::hosted(hosted::find(name).expect("a built-in card"), need, false)
}

fn price(candidate: &Candidate) -> (Option<kinora_engine::money::Money>, bool, bool) {
    match candidate.place {
        Place::Hosted { price, verified, has_key, .. } => (price, verified, has_key),
        Place::Local { .. } => panic!("{} is local", candidate.name),
    }
}

#[test]
fn a_hosted_model_is_priced_for_the_cut() {
    let mut world = World::new();
    assert_eq!(price(&hosted("kling-3.0", &world.need)), (usd("0.42"), true, false));
    world.need.audio = Some(true);
    assert_eq!(price(&hosted("kling-3.0", &world.need)), (usd("0.63"), true, false));
    world.need.audio = None;
    // Two seconds at its own speed, in the shortest clip that it makes; and its own length where nobody says one.
    world.need.length = Some(Length::Frames(48));
    assert_eq!(price(&hosted("kling-3.0", &world.need)), (usd("0.252"), true, false));
    world.need.length = None;
    assert_eq!(price(&hosted("kling-3.0", &world.need)), (usd("0.42"), true, false));
    world.seconds(7.0);
    assert_eq!(price(&hosted("kling-o1", &world.need)), (usd("0.84"), true, false));
    // Its characters' pictures go along, so a clip of seven seconds is one of seven, not of ten.
    world.knows("mina", &[], 2);
    assert_eq!(price(&hosted("kling-o1", &world.need)), (usd("0.588"), true, false));
    // Beyond five pictures each costs extra; only as many are sent as there is room for.
    world.knows("ren", &[], 40);
    world.seconds(4.0);
    assert_eq!(price(&hosted("minimax-h3", &world.need)), (usd("0.48"), true, false));
    // Beside a first frame there is no room for them, and a frame is a picture as well.
    world.need.task = Task::FirstFrame;
    let minimax = hosted("minimax-h3", &world.need);
    assert_eq!(price(&minimax), (usd("0.32"), true, false));
    assert_eq!(
        (minimax.room_for_references(Task::FirstFrame), minimax.room_for_references(Task::Text)),
        (0, 9)
    );
    let own = hosted::server("render", "render.lan:8000", "wan2.2").expect("a card");
    assert_eq!(price(&Candidate::hosted(&own, &world.need, false)), (usd("0"), true, true));
}

#[test]
fn sizes_are_those_in_which_the_cut_is_made() {
    let mut world = World::new();
    let sides = |world: &World, name| hosted(name, &world.need).limits.short_sides;
    assert_eq!(sides(&world, "kling-2.6"), Some(vec![720, 1080]));
    world.need.task = Task::FirstLastFrame;
    assert_eq!(sides(&world, "kling-2.6"), Some(vec![1080]));
    world.need.audio = Some(true);
    assert_eq!(sides(&world, "kling-2.6"), Some(vec![1080]));
}

#[test]
fn a_checkpoint_says_what_it_was_trained_for() {
    let local = |name, installed| {
        let card = cards::find(name).expect("a built-in card");
        Candidate::local(card, installed, Fit::Unknown, None)
    };
    let (mini, wan) = (local("mini", false), local("wan2.1-t2v-14b", false));
    assert!(matches!(mini.place, Place::Local { installed: true, .. }), "it is in the program");
    assert!(matches!(wan.place, Place::Local { installed: false, .. }));
    assert_eq!((mini.is_toy, wan.is_toy), (true, false));
    assert_eq!(mini.tasks, [Task::Text, Task::FirstFrame]);
    assert_eq!(wan.tasks, [Task::Text]);
    assert_eq!(wan.limits.trained_seconds, Some(81.0 / 16.0));
    for (key, fits) in [
        ("wan", true),
        ("wan2.1", true),
        ("wan2.1-t2v-14b", true),
        ("wan2", true),
        ("wan2.1-t2v-1", false),
        ("wan2.2", false),
        ("", false),
    ] {
        let keys = [key.to_owned()];
        assert_eq!(wan.adapter(&keys), fits.then_some(key), "{key}");
    }
    assert_eq!(hosted("kling-3.0", &World::new().need).adapter(&["kling".to_owned()]), None);
}
