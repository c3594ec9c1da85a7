//! What holds whatever is asked, whatever there is and whatever binds.

use std::collections::BTreeSet;

use kinora_engine::hosted::{self, Task};
use kinora_engine::privacy::Privacy;
use kinora_engine::router::{
    Candidate, CutKind, Fit, Left, Place, Proposal, RULES, Route, Step, Words, propose, route,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;

use crate::world::{World, smaller, too_large, usd};

fn privacy() -> impl Strategy<Value = Privacy> {
    let hosts: Vec<String> = hosted::cards().iter().map(|card| card.host.clone()).collect();
    prop_oneof![
        1 => Just(Privacy::LocalOnly),
        5 => Just(Privacy::Any),
        3 => subsequence(hosts, 0..9).prop_map(Privacy::studio),
    ]
}

fn fit() -> impl Strategy<Value = Fit> {
    select(vec![Fit::Fits { memory_bytes: 1 << 30 }, smaller(), too_large(), Fit::Unknown])
}

fn need() -> impl Strategy<Value = World> {
    let tasks =
        vec![Task::Text, Task::Text, Task::FirstFrame, Task::FirstLastFrame, Task::References];
    let cut = (
        select(CutKind::ALL.to_vec()),
        any::<bool>(),
        select(tasks),
        prop_oneof![3 => Just(0), 1 => 1..4u32],
        prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)],
        prop::bool::weighted(0.1),
        prop_oneof![
            6 => select(vec![3.0, 5.0, 5.0625, 8.0]),
            1 => select(vec![0.0, 9.0, 16.0, 31.0, f64::NAN, f64::INFINITY, -1.0]),
        ],
        prop_oneof![
            3 => Just((1280, 720)),
            1 => select(vec![(720, 1280), (96, 64), (3840, 2160), (2390, 1000), (1, 9999)]),
        ],
        select(vec![None, Some(24.0), Some(16.0), Some(f64::NAN)]),
        0..3u32,
    );
    cut.prop_map(
        |(kind, is_said, task, references, audio, shots, seconds, (w, h), fps, pictures)| {
            let mut world = World::new();
            world.need.kind = Proposal { is_said, ..Proposal::said(kind) };
            world.need.task = task;
            world.need.references = references;
            world.need.audio = audio;
            world.need.multi_shot = shots;
            world.seconds(seconds);
            world.size(w, h);
            world.need.fps = fps;
            if pictures > 0 {
                world.knows("mina", &["wan"], 0);
                world.knows("ren", &[], pictures);
            }
            world
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let names: Vec<&'static str> = hosted::cards().iter().map(|card| card.name.as_str()).collect();
    let keyed = subsequence(names, 0..24);
    let locals = subsequence(vec!["wan2.1-t2v-14b", "wan2.1-t2v-1.3b", "mini"], 0..=3);
    let amount = || {
        let some = select(vec![usd("0"), usd("0.42"), usd("1"), usd("100")]);
        prop_oneof![4 => Just(None), 1 => some]
    };
    let models = (
        keyed.prop_flat_map(|names| {
            let keys = prop::collection::vec(prop::bool::weighted(0.8), names.len());
            (Just(names), keys)
        }),
        locals.prop_flat_map(|names| {
            let here =
                (prop::bool::weighted(0.8), fit(), select(vec![None, Some(50.0), Some(500.0)]));
            (Just(names.clone()), prop::collection::vec(here, names.len()))
        }),
    );
    let policy = (
        privacy(),
        prop_oneof![
            4 => Just(None),
            1 => select(vec![Some(Vec::new()), Some(vec!["kling".to_owned(), "fal".to_owned()])]),
        ],
        any::<bool>(),
        select(vec![None, Some("DE".to_owned()), Some("??".to_owned())]),
        (amount(), amount(), amount()),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.7),
        prop_oneof![4 => Just(None), 1 => select(vec![Some(100.0), Some(f64::NAN)])],
    );
    let kept = prop::collection::vec(
        (
            select(vec!["action", "filler", "what"]),
            select(vec!["kling-3.0", "mini"]),
            0..20u32,
            0..20u32,
        ),
        0..4,
    );
    (need(), models, policy, kept).prop_map(|(mut world, (hosted, local), policy, kept)| {
        world.hosted = hosted.0.into_iter().zip(hosted.1).collect();
        world.local = local.0.into_iter().zip(local.1).map(|(n, (i, f, s))| (n, i, f, s)).collect();
        let (privacy, providers, commercial, territory, left, offline, unverified, deadline) =
            policy;
        world.policy.privacy = privacy;
        world.policy.providers = providers;
        world.policy.commercial = commercial;
        world.policy.territory = territory;
        world.policy.left = Left { production: left.0, day: left.1, cut: left.2 };
        world.policy.offline = offline;
        world.policy.accepts_unverified = unverified;
        world.need.deadline_secs = deadline;
        for (kind, model, kept, of) in kept {
            world.kept(kind, model, kept, of);
        }
        world
    })
}

fn possible(route: &Route) -> BTreeSet<String> {
    let possible = route.ranked.iter().filter(|ranked| ranked.step.is_some());
    possible.map(|ranked| ranked.name.clone()).collect()
}

fn hosts(route: &Route) -> BTreeSet<String> {
    let possible = route.ranked.iter().filter(|ranked| ranked.step.is_some());
    possible.filter_map(|ranked| ranked.host.clone()).collect()
}

fn chosen(world: &World, candidates: &[Candidate]) -> Route {
    route(&world.need, candidates, &world.policy, &world.evidence)
}

#[test]
fn the_worlds_leave_something_to_choose() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut none, mut some, mut many) = (0, 0, 0);
    for _ in 0..400 {
        let tree = world().new_tree(&mut runner).expect("a world");
        match possible(&tree.current().route(RULES)).len() {
            0 => none += 1,
            1 | 2 => some += 1,
            _ => many += 1,
        }
    }
    assert!(none >= 40 && some >= 80 && many >= 80, "{none} {some} {many}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_tighter_label_never_adds_a_host(world in world(), other in privacy()) {
        let before = world.route(RULES);
        for host in hosts(&before) {
            prop_assert!(world.policy.privacy.admits(&host));
        }
        let mut tighter = world.clone();
        tighter.policy.privacy = world.policy.privacy.meet(&other);
        let after = tighter.route(RULES);
        prop_assert!(hosts(&after).is_subset(&hosts(&before)));
        prop_assert!(possible(&after).is_subset(&possible(&before)));
    }

    #[test]
    fn one_more_model_makes_no_other_impossible(world in world(), at in any::<prop::sample::Index>()) {
        let all = world.candidates();
        prop_assume!(!all.is_empty());
        let mut fewer = all.clone();
        fewer.remove(at.index(all.len()));
        let (before, after) = (chosen(&world, &fewer), chosen(&world, &all));
        prop_assert!(possible(&before).is_subset(&possible(&after)));
        prop_assert!(before.chosen.is_none() || after.chosen.is_some());
    }

    #[test]
    fn the_order_of_the_models_changes_nothing(
        (world, shuffled) in world().prop_flat_map(|world| {
            let mut all = world.candidates();
            // Two of one name, which only the rest of them tells apart.
            all.extend(all.first().cloned().map(|mut twin| { twin.title.push('2'); twin }));
            (Just(world), Just(all).prop_shuffle())
        })
    ) {
        let mut sorted = shuffled.clone();
        sorted.sort_by_key(|candidate| format!("{candidate:?}"));
        prop_assert_eq!(chosen(&world, &sorted), chosen(&world, &shuffled));
    }

    #[test]
    fn a_named_model_is_chosen_or_none_is(world in world(), at in any::<prop::sample::Index>()) {
        let mut world = world;
        let all = world.candidates();
        prop_assume!(!all.is_empty());
        let name = all[at.index(all.len())].name.clone();
        let free = possible(&world.route(RULES));
        world.need.model = Some(name.clone());
        let route = world.route(RULES);
        prop_assert!(route.fallback.is_empty());
        match route.choice() {
            Ok(choice) => prop_assert!(choice.model == name && free.contains(&name)),
            Err(error) => {
                prop_assert!(!free.contains(&name));
                prop_assert!(error.to_string().contains(&name));
            }
        }
    }

    #[test]
    fn steps_come_in_their_order(world in world()) {
        let route = world.route(RULES);
        let steps: Vec<Step> = route.chosen.iter().chain(&route.fallback).map(|choice| choice.step).collect();
        let toys = |name: &str| name == "mini";
        let real: Vec<Step> = route.chosen.iter().chain(&route.fallback)
            .filter(|choice| !toys(&choice.model)).map(|choice| choice.step).collect();
        prop_assert!(real.is_sorted(), "{:?}", steps);
        prop_assert!(steps.iter().skip(1).all(|step| *step != Step::First));
        let names: Vec<&String> = route.chosen.iter().chain(&route.fallback).map(|choice| &choice.model).collect();
        prop_assert!(names.iter().position(|name| toys(name)).is_none_or(|at| at + 1 == names.len()));
        prop_assert_eq!(route.ranked.len(), world.candidates().len());
        prop_assert_eq!(names.len(), possible(&route).len());
    }

    #[test]
    fn nothing_that_costs_more_than_is_left_is_possible(world in world()) {
        let route = world.route(RULES);
        let caps = world.policy.left;
        let possible = possible(&route);
        for candidate in world.candidates().iter().filter(|it| possible.contains(&it.name)) {
            let Place::Hosted { price, has_key, .. } = candidate.place.clone() else { continue };
            prop_assert!(has_key && !world.policy.offline);
            for cap in [caps.production, caps.day, caps.cut].into_iter().flatten() {
                prop_assert!(price.is_some_and(|price| price <= cap));
            }
        }
    }

    #[test]
    fn any_words_propose_a_type(intent in "\\PC*", prompt in "[a-z -']*", characters in 0..9usize) {
        let words = Words { intent: &intent, prompt: &prompt, characters, ..Words::default() };
        prop_assert_eq!(propose(&words), propose(&words));
    }
}
