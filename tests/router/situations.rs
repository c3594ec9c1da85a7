//! Situations, each with what comes of it. A table: it may pass 600 lines, for a row is a row.

use kinora_engine::hosted::{self, Retires, Task};
use kinora_engine::privacy::Privacy;
use kinora_engine::router::{Candidate, CutKind, Fit, Place, RULES, Stance};

use crate::world::{World, brief, decision, of, smaller, too_large, usd};

/// A situation: its name and what is different in it.
pub(crate) type Situation = (&'static str, fn(&mut World));

macro_rules! situations {
    ($($name:ident: $change:expr => @$expected:literal)*) => {
        pub(crate) const SITUATIONS: &[Situation] = &[$((stringify!($name), $change)),*];

        $(#[test]
        fn $name() {
            let mut world = World::new();
            let change: fn(&mut World) = $change;
            change(&mut world);
            insta::assert_snapshot!(brief(&world.route(RULES)), @$expected);
        })*
    };
}

situations! {
    // Types of cuts, where everything is allowed and here.
    filler: |_| {} => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    close_up: |w| w.kind(CutKind::CloseUp) => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    dialogue: |w| w.kind(CutKind::Dialogue) => @"
        veo-3.1: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    walk: |w| w.kind(CutKind::Walk) => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    crowd: |w| w.kind(CutKind::Crowd) => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by preference
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    insert: |w| w.kind(CutKind::Insert) => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    establishing: |w| w.kind(CutKind::Establishing) => @"
        veo-3.1: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    camera_move: |w| w.kind(CutKind::CameraMove) => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    two_characters: |w| w.kind(CutKind::TwoCharacters) => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    action: |w| w.kind(CutKind::Action) => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    atmosphere: |w| w.kind(CutKind::Atmosphere) => @"
        veo-3.1: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    transition: |w| { w.kind(CutKind::Transition); w.need.task = Task::FirstLastFrame } => @"
        kling-3.0: first choice, by preference
        seedance-2.0: hosted, by preference
        veo-3.1: hosted
        - kling-4.0: price
        - wan2.1-t2v-1.3b: frames
        - wan2.1-t2v-14b: frames
        - mini: frames
    "
    multi_shot_said: |w| w.kind(CutKind::MultiShot) => @"
        seedance-2.0: first choice, by preference
        kling-3.0: hosted
        - wan2.1-t2v-1.3b: shots
        - wan2.1-t2v-14b: shots
        - kling-4.0: price
        - veo-3.1: shots
        - mini: shots
    "
    multi_shot_proposed: |w| { w.kind(CutKind::MultiShot); w.need.kind.is_said = false } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-1.3b: next local, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "

    // Privacy.
    private_action: |w| { w.kind(CutKind::Action); w.policy.privacy = Privacy::LocalOnly } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    private_atmosphere: |w| { w.kind(CutKind::Atmosphere); w.policy.privacy = Privacy::LocalOnly } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - veo-3.1: privacy
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - kling-4.0: privacy, price
    "
    private_with_too_little_memory: |w| {
        w.policy.privacy = Privacy::LocalOnly;
        for (_, _, fits, _) in &mut w.local { *fits = too_large() }
    } => @"
        - wan2.1-t2v-1.3b: memory
        - wan2.1-t2v-14b: memory
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - mini: memory
        - kling-4.0: privacy, price
    "
    private_with_nothing_installed: |w| { w.policy.privacy = Privacy::LocalOnly; w.nothing_installed() } => @"
        mini: next local
        - wan2.1-t2v-1.3b: installed
        - wan2.1-t2v-14b: installed
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    studio_with_its_own_server: |w| {
        w.kind(CutKind::Action);
        w.policy.privacy = Privacy::studio(["render.lan:8000"]);
        w.touch = with_server;
    } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        render: hosted, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    studio_that_trusts_kling: |w| {
        w.kind(CutKind::Action);
        w.policy.privacy = Privacy::studio(["api-singapore.klingai.com"]);
    } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-4.0: price
        - seedance-2.0: privacy
        - veo-3.1: privacy
    "
    studio_of_no_hosts: |w| { w.kind(CutKind::Action); w.policy.privacy = Privacy::studio([] as [&str; 0]) } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "

    // Providers, keys, network.
    one_provider: |w| { w.kind(CutKind::Action); w.policy.providers = Some(vec!["ark".to_owned()]) } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: provider
        - veo-3.1: provider
        - kling-4.0: provider, price
    "
    no_provider: |w| { w.kind(CutKind::Action); w.policy.providers = Some(Vec::new()) } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: provider
        - seedance-2.0: provider
        - veo-3.1: provider
        - kling-4.0: provider, price
    "
    no_key_for_the_preferred: |w| { w.kind(CutKind::Action); w.hosted[0].1 = false } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by step
        mini: next local
        - kling-3.0: key
        - kling-4.0: price
    "
    no_keys: |w| { w.kind(CutKind::Dialogue); for (_, has_key) in &mut w.hosted { *has_key = false } } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - veo-3.1: key
        - kling-3.0: key
        - seedance-2.0: key
        - kling-4.0: key, price
    "
    offline: |w| { w.kind(CutKind::Action); w.policy.offline = true } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: offline
        - seedance-2.0: offline
        - veo-3.1: offline
        - kling-4.0: offline, price
    "
    offline_with_nothing_installed: |w| { w.policy.offline = true; w.local.pop(); w.nothing_installed() } => @"
        - wan2.1-t2v-1.3b: installed
        - wan2.1-t2v-14b: installed
        - kling-3.0: offline
        - seedance-2.0: offline
        - veo-3.1: offline
        - kling-4.0: offline, price
    "
    free_server_beside_local: |w| { w.prefer("filler = []"); w.touch = with_server } => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        render: hosted, by cost
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "

    // A named model.
    named: |w| w.need.model = Some("seedance-2.0".to_owned()) => @"
        seedance-2.0: first choice
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: model
        - kling-3.0: model
        - veo-3.1: model
        - mini: model
        - kling-4.0: model, price
    "
    named_in_capitals: |w| w.need.model = Some("KLING-3.0".to_owned()) => @"
        kling-3.0: first choice
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: model
        - seedance-2.0: model
        - veo-3.1: model
        - mini: model
        - kling-4.0: model, price
    "
    named_auto: |w| w.need.model = Some("auto".to_owned()) => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    named_and_private: |w| {
        w.need.model = Some("kling-3.0".to_owned());
        w.policy.privacy = Privacy::LocalOnly;
    } => @"
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: model
        - kling-3.0: privacy
        - mini: model
        - seedance-2.0: model, privacy
        - veo-3.1: model, privacy
        - kling-4.0: model, privacy, price
    "
    named_and_too_large: |w| {
        w.need.model = Some("wan2.1-t2v-14b".to_owned());
        w.local[0].2 = too_large();
    } => @"
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: memory
        - kling-3.0: model
        - seedance-2.0: model
        - veo-3.1: model
        - mini: model
        - kling-4.0: model, price
    "
    named_with_a_smaller_plan: |w| {
        w.need.model = Some("wan2.1-t2v-14b".to_owned());
        w.local[0].2 = smaller();
    } => @"
        wan2.1-t2v-14b: smaller local
        - wan2.1-t2v-1.3b: model
        - kling-3.0: model
        - seedance-2.0: model
        - veo-3.1: model
        - mini: model
        - kling-4.0: model, price
    "
    named_toy: |w| w.need.model = Some("mini".to_owned()) => @"
        mini: first choice
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: model
        - kling-3.0: model
        - seedance-2.0: model
        - veo-3.1: model
        - kling-4.0: model, price
    "
    named_and_unknown: |w| w.need.model = Some("kling-3".to_owned()) => @"
        - wan2.1-t2v-1.3b: model
        - wan2.1-t2v-14b: model
        - kling-3.0: model
        - seedance-2.0: model
        - veo-3.1: model
        - mini: model
        - kling-4.0: model, price
    "

    // Frames, references, sound, shots.
    first_frame: |w| w.need.task = Task::FirstFrame => @"
        kling-3.0: first choice, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - wan2.1-t2v-1.3b: frames
        - wan2.1-t2v-14b: frames
        - kling-4.0: price
    "
    first_frame_in_private: |w| { w.need.task = Task::FirstFrame; w.policy.privacy = Privacy::LocalOnly } => @"
        mini: first choice
        - wan2.1-t2v-1.3b: frames
        - wan2.1-t2v-14b: frames
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    first_and_last_frame: |w| { w.need.task = Task::FirstLastFrame; w.hosted.push(("kling-3.0-turbo", true)) } => @"
        kling-3.0: first choice, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted
        - wan2.1-t2v-1.3b: frames
        - wan2.1-t2v-14b: frames
        - kling-3.0-turbo: frames
        - kling-4.0: price
        - mini: frames
    "
    only_from_a_first_frame: |w| {
        w.policy.privacy = Privacy::LocalOnly;
        w.touch = |all| of(all, "wan2.1-t2v-14b").tasks = vec![Task::FirstFrame];
    } => @"
        wan2.1-t2v-1.3b: first choice, by toy
        mini: next local
        - wan2.1-t2v-14b: task
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    references: |w| w.need.references = 3 => @"
        seedance-2.0: first choice, by cost
        veo-3.1: hosted
        - wan2.1-t2v-1.3b: references
        - wan2.1-t2v-14b: references
        - kling-3.0: references
        - kling-4.0: price
        - mini: references
    "
    many_references: |w| { w.need.references = 12; w.hosted.push(("seedance-2.5", true)) } => @"
        seedance-2.5: first choice
        - wan2.1-t2v-1.3b: references
        - wan2.1-t2v-14b: references
        - kling-3.0: references
        - seedance-2.0: references
        - veo-3.1: references
        - mini: references
        - kling-4.0: references, price
    "
    one_reference: |w| { w.need.references = 1; w.policy.privacy = Privacy::LocalOnly } => @"
        - wan2.1-t2v-1.3b: references
        - wan2.1-t2v-14b: references
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - mini: references
        - kling-3.0: privacy, references
        - kling-4.0: privacy, price
    "
    references_with_a_first_frame: |w| {
        w.need.references = 2;
        w.need.task = Task::FirstFrame;
        w.hosted.push(("kling-3.0-omni", true));
    } => @"
        kling-3.0-omni: first choice
        - kling-3.0: references
        - seedance-2.0: references
        - kling-4.0: price
        - veo-3.1: references
        - mini: references
        - wan2.1-t2v-1.3b: frames, references
        - wan2.1-t2v-14b: frames, references
    "
    sound: |w| w.need.audio = Some(true) => @"
        kling-3.0: first choice, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted
        - wan2.1-t2v-1.3b: audio
        - wan2.1-t2v-14b: audio
        - kling-4.0: price
        - mini: audio
    "
    sound_in_private: |w| { w.need.audio = Some(true); w.policy.privacy = Privacy::LocalOnly } => @"
        - wan2.1-t2v-1.3b: audio
        - wan2.1-t2v-14b: audio
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - mini: audio
        - kling-4.0: privacy, price
    "
    silence: |w| {
        w.kind(CutKind::Action);
        w.need.audio = Some(false);
        w.hosted = vec![("kling-3.0", true), ("kling-3.0-turbo", true)];
        w.touch = |all| price(all, "kling-3.0", "0.90");
    } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0-turbo: hosted, by step
        mini: next local
    "
    several_shots: |w| { w.need.multi_shot = true; w.hosted.push(("kling-2.6", true)) } => @"
        kling-3.0: first choice, by cost
        seedance-2.0: hosted
        - wan2.1-t2v-1.3b: shots
        - wan2.1-t2v-14b: shots
        - kling-2.6: shots
        - kling-4.0: price
        - veo-3.1: shots
        - mini: shots
    "
    several_shots_in_private: |w| { w.need.multi_shot = true; w.policy.privacy = Privacy::LocalOnly } => @"
        - wan2.1-t2v-1.3b: shots
        - wan2.1-t2v-14b: shots
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - mini: shots
        - kling-4.0: privacy, price
        - veo-3.1: privacy, shots
    "

    // Length, size, shape, speed.
    ten_seconds: |w| { w.prefer("filler = []"); w.seconds(10.0) } => @"
        kling-3.0: first choice, by length
        wan2.1-t2v-1.3b: next local, by name
        wan2.1-t2v-14b: next local, by step
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
        - veo-3.1: length
    "
    six_seconds: |w| w.seconds(6.0) => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    twenty_seconds: |w| { w.seconds(20.0); w.hosted.push(("seedance-2.5", true)) } => @"
        seedance-2.5: first choice, by length
        wan2.1-t2v-1.3b: next local, by name
        wan2.1-t2v-14b: next local, by step
        mini: next local
        - kling-4.0: price
        - kling-3.0: length
        - seedance-2.0: length
        - veo-3.1: length
    "
    nobody_says_how_long_or_how_large: |w| { w.need.length = None; w.need.size = None } => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    two_minutes: |w| { w.seconds(120.0); w.local.clear() } => @"
        - kling-3.0: length
        - kling-4.0: length
        - seedance-2.0: length
        - veo-3.1: length
    "
    ultra_high_definition: |w| {
        w.kind(CutKind::Crowd);
        w.size(3840, 2160);
        w.hosted.push(("seedance-2.0-fast", true));
        w.touch = |all| price(all, "seedance-2.0-fast", "0.01");
    } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by preference
        kling-3.0: hosted, by size
        seedance-2.0-fast: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    upright: |w| { w.kind(CutKind::Action); w.size(720, 1280) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    wide: |w| { w.kind(CutKind::Action); w.size(2390, 1000) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    square: |w| { w.kind(CutKind::Atmosphere); w.size(1024, 1024) } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by shape
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    a_ribbon: |w| { w.kind(CutKind::Atmosphere); w.size(4000, 1000) } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by step
        mini: next local
        - veo-3.1: shape
        - kling-3.0: shape
        - kling-4.0: price
    "
    odd_sides: |w| { w.size(1920, 1080); w.policy.privacy = Privacy::LocalOnly } => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    sound_at_a_size_without: |w| {
        w.need.task = Task::FirstLastFrame;
        w.hosted = vec![("kling-2.6", true), ("kling-2.5-turbo", true)];
        w.touch = |all| of(all, "kling-2.6").limits.short_sides = Some(Vec::new());
    } => @"
        kling-2.5-turbo: first choice
        - wan2.1-t2v-1.3b: frames
        - wan2.1-t2v-14b: frames
        - kling-2.6: size
        - mini: frames
    "
    film_speed: |w| {
        w.need.fps = Some(24.0);
        w.policy.privacy = Privacy::LocalOnly;
        w.touch = |all| of(all, "wan2.1-t2v-14b").limits.fps = Some(24);
    } => @"
        wan2.1-t2v-14b: first choice, by fps
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "

    // This machine.
    too_large_for_the_best: |w| { w.kind(CutKind::CloseUp); w.local[0].2 = too_large() } => @"
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - wan2.1-t2v-14b: memory
        - kling-4.0: price
    "
    smaller_plan_after_the_next_that_fits: |w| { w.kind(CutKind::CloseUp); w.local[0].2 = smaller() } => @"
        wan2.1-t2v-1.3b: next local, by step
        wan2.1-t2v-14b: smaller local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    smaller_plans_only: |w| { w.local[0].2 = smaller(); w.local[1].2 = smaller() } => @"
        wan2.1-t2v-1.3b: smaller local, by name
        wan2.1-t2v-14b: smaller local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    hosted_where_nothing_fits: |w| { w.local[0].2 = too_large(); w.local[1].2 = too_large() } => @"
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - wan2.1-t2v-1.3b: memory
        - wan2.1-t2v-14b: memory
        - kling-4.0: price
    "
    hosted_where_nothing_is_installed: |w| w.nothing_installed() => @"
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - wan2.1-t2v-1.3b: installed
        - wan2.1-t2v-14b: installed
        - kling-4.0: price
    "
    nobody_measured: |w| { w.kind(CutKind::CloseUp); w.local[0].2 = Fit::Unknown; w.local[0].3 = None } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    in_time: |w| { w.kind(CutKind::CloseUp); w.need.deadline_secs = Some(100.0) } => @"
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        veo-3.1: hosted, by preference
        seedance-2.0: hosted, by step
        mini: next local
        - wan2.1-t2v-14b: deadline
        - kling-4.0: price
    "
    never_in_time: |w| { w.need.deadline_secs = Some(1.0); w.policy.privacy = Privacy::LocalOnly } => @"
        - wan2.1-t2v-1.3b: deadline
        - wan2.1-t2v-14b: deadline
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - mini: deadline
        - kling-4.0: privacy, price
    "
    time_unknown: |w| { w.need.deadline_secs = Some(100.0); w.local[0].3 = None } => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    only_the_small_one: |w| { w.policy.privacy = Privacy::LocalOnly; w.local.remove(0); w.local.remove(0); } => @"
        mini: first choice
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "

    // Money.
    cap_of_the_cut: |w| { w.kind(CutKind::Crowd); w.policy.left.cut = usd("0.50") } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: cut-budget
        - veo-3.1: cut-budget
        - kling-4.0: cut-budget, price
    "
    cap_of_the_day: |w| { w.kind(CutKind::Crowd); w.policy.left.day = usd("0.50") } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: day-budget
        - veo-3.1: day-budget
        - kling-4.0: day-budget, price
    "
    cap_of_the_production: |w| { w.kind(CutKind::Crowd); w.policy.left.production = usd("0.50") } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: production-budget
        - veo-3.1: production-budget
        - kling-4.0: production-budget, price
    "
    nothing_left: |w| { w.kind(CutKind::Crowd); w.policy.left.production = usd("0") } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: production-budget
        - veo-3.1: production-budget
        - kling-3.0: production-budget
        - kling-4.0: production-budget, price
    "
    four_takes_cost_four_times_as_much: |w| {
        w.kind(CutKind::Crowd);
        w.policy.left.production = usd("0.50");
        w.need.takes = 4;
    } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: production-budget
        - veo-3.1: production-budget
        - kling-3.0: production-budget
        - kling-4.0: production-budget, price
    "
    exactly_enough: |w| { w.kind(CutKind::Action); w.policy.left.cut = usd("0.42") } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - seedance-2.0: cut-budget
        - veo-3.1: cut-budget
        - kling-4.0: cut-budget, price
    "
    unknown_price_under_a_cap: |w| {
        w.kind(CutKind::Atmosphere);
        w.policy.accepts_unverified = true;
        w.policy.left.day = usd("5");
        w.hosted = vec![("luma-ray-3.2", true), ("veo-3.1", true)];
    } => @"
        veo-3.1: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        mini: next local
        - luma-ray-3.2: day-budget
    "
    unverified_prices_accepted: |w| { w.kind(CutKind::Action); w.policy.accepts_unverified = true } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-4.0: hosted, by preference
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
    "
    the_cheaper_of_two: |w| { w.kind(CutKind::Crowd); w.hosted.push(("fal-seedance-2.0", true)) } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        fal-seedance-2.0: hosted, by preference
        veo-3.1: hosted, by preference
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "

    // Terms.
    commercial: |w| {
        w.policy.commercial = true;
        w.touch = |all| of(all, "wan2.1-t2v-14b").terms.commercial_use = Some(false);
    } => @"
        wan2.1-t2v-1.3b: first choice, by preference
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - wan2.1-t2v-14b: commercial
        - kling-4.0: price
    "
    terms_that_nobody_read: |w| { w.kind(CutKind::Action); w.policy.commercial = true } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    left_out_here: |w| { w.policy.territory = Some("DE".to_owned()); w.touch = |all| leaves_out_the_union(all) } => @"
        wan2.1-t2v-1.3b: first choice, by preference
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - wan2.1-t2v-14b: territory
        - kling-4.0: price
    "
    left_out_elsewhere: |w| { w.policy.territory = Some("JP".to_owned()); w.touch = |all| leaves_out_the_union(all) } => @"
        wan2.1-t2v-1.3b: first choice, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    left_out_somewhere: |w| w.touch = |all| leaves_out_the_union(all) => @"
        wan2.1-t2v-1.3b: first choice, by territory
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by cost
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    retired_for_sure: |w| {
        w.kind(CutKind::Atmosphere);
        w.touch = |all| retires(all, 2026, true);
    } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by step
        mini: next local
        - veo-3.1: retired
        - kling-4.0: price
    "
    retired_as_some_say: |w| {
        w.kind(CutKind::Atmosphere);
        w.policy.today = jiff::civil::date(2026, 12, 1);
        w.hosted.push(("runway-veo-3.1", true));
        w.policy.accepts_unverified = true;
    } => @"
        runway-veo-3.1: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by preference
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by price
        kling-4.0: hosted, by step
        mini: next local
    "

    // Characters.
    an_adapter_of_the_family: |w| { w.kind(CutKind::Action); w.knows("mina", &["wan"], 0) } => @"
        wan2.1-t2v-14b: first choice, by preference
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    an_adapter_of_one_size: |w| { w.knows("mina", &["wan2.1-t2v-1.3b"], 0); w.policy.privacy = Privacy::LocalOnly } => @"
        wan2.1-t2v-1.3b: first choice, by characters
        wan2.1-t2v-14b: next local, by step
        mini: next local
        - kling-3.0: privacy
        - seedance-2.0: privacy
        - veo-3.1: privacy
        - kling-4.0: privacy, price
    "
    an_adapter_of_another_version: |w| { w.kind(CutKind::Action); w.knows("mina", &["wan2.2"], 0) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    pictures: |w| { w.kind(CutKind::Action); w.knows("mina", &[], 2) } => @"
        seedance-2.0: first choice, by characters
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by characters
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    an_adapter_and_pictures: |w| {
        w.kind(CutKind::Action);
        w.knows("mina", &["wan2.1"], 2);
        w.hosted.push(("kling-3.0-omni", true));
    } => @"
        kling-3.0-omni: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by characters
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    more_pictures_than_there_is_room: |w| {
        w.kind(CutKind::TwoCharacters);
        w.knows("mina", &[], 3);
        w.knows("ren", &[], 3);
    } => @"
        seedance-2.0: first choice, by characters
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by characters
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    characters_of_words: |w| { w.kind(CutKind::Action); w.knows("mina", &[], 0) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "

    // Experience and preferences.
    kept_outweighs_preferred: |w| { w.kind(CutKind::Action); w.kept("fight", "wan2.1-t2v-14b", 9, 10) } => @"
        wan2.1-t2v-14b: first choice, by keep-rate
        wan2.1-t2v-1.3b: next local, by step
        kling-3.0: hosted, by preference
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    rejected_outweighs_preferred: |w| { w.kind(CutKind::Action); w.kept("action", "kling-3.0", 1, 12) } => @"
        seedance-2.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        veo-3.1: hosted, by keep-rate
        kling-3.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    too_few_to_count: |w| { w.kind(CutKind::Action); w.kept("action", "kling-3.0", 0, 4) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    kept_in_another_type: |w| { w.kind(CutKind::Action); w.kept("walk", "kling-3.0", 0, 40) } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    as_many_kept_as_not: |w| {
        w.kind(CutKind::Action);
        w.kept("action", "kling-3.0", 5, 10);
        w.kept("action", "seedance-2.0", 4, 10);
    } => @"
        kling-3.0: first choice, by preference
        wan2.1-t2v-14b: next local, by preference
        wan2.1-t2v-1.3b: next local, by step
        seedance-2.0: hosted, by preference
        veo-3.1: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    a_line_of_ones_own: |w| {
        w.kind(CutKind::Action);
        w.prefer("action = [{ model = \"veo-*\", why = \"it suits this film\" }]");
    } => @"
        veo-3.1: first choice, by preference
        wan2.1-t2v-1.3b: next local, by name
        wan2.1-t2v-14b: next local, by step
        kling-3.0: hosted, by cost
        seedance-2.0: hosted, by step
        mini: next local
        - kling-4.0: price
    "
    no_models: |w| { w.local.clear(); w.hosted.clear() } => @""
}

fn with_server(all: &mut Vec<Candidate>) {
    let card = hosted::server("render", "render.lan:8000", "wan2.2").expect("a card");
    all.push(Candidate::hosted(&card, &World::new().need, false));
}

fn leaves_out_the_union(all: &mut [Candidate]) {
    let excluded = ["European Union", "United Kingdom", "South Korea"];
    of(all, "wan2.1-t2v-14b").terms.excluded = excluded.map(str::to_owned).to_vec();
}

fn price(all: &mut [Candidate], name: &str, amount: &str) {
    if let Place::Hosted { price, .. } = &mut of(all, name).place {
        *price = usd(amount);
    }
}

fn retires(all: &mut [Candidate], year: i16, verified: bool) {
    if let Place::Hosted { retires, .. } = &mut of(all, "veo-3.1").place {
        *retires = Some(Retires { on: jiff::civil::date(year, 10, 1), verified });
    }
}

#[test]
fn there_are_enough_situations() {
    assert!(SITUATIONS.len() >= 60, "{}", SITUATIONS.len());
}

#[test]
fn every_rule_speaks_for_and_against() {
    for rule in RULES {
        let (mut speaks_for, mut speaks_against) = (false, false);
        for (_, change) in SITUATIONS {
            let mut world = World::new();
            change(&mut world);
            for reason in world.route(RULES).ranked.iter().flat_map(|ranked| &ranked.reasons) {
                let is_for = reason.stance == Stance::For;
                speaks_for |= reason.rule == rule.name && is_for;
                speaks_against |= reason.rule == rule.name && !is_for;
            }
        }
        assert!(speaks_for, "no situation in which {} speaks for a model", rule.name);
        assert!(speaks_against, "no situation in which {} speaks against a model", rule.name);
    }
}

#[test]
fn without_any_one_rule_something_else_is_decided() {
    for left_out in RULES {
        let rules: Vec<_> =
            RULES.iter().filter(|rule| rule.name != left_out.name).copied().collect();
        assert_eq!(rules.len(), RULES.len() - 1, "{} stands twice", left_out.name);
        let differs = SITUATIONS.iter().any(|(_, change)| {
            let mut world = World::new();
            change(&mut world);
            decision(&world.route(RULES)) != decision(&world.route(&rules))
        });
        assert!(differs, "nothing depends on the rule {}", left_out.name);
    }
}

#[test]
fn every_forbidding_reason_says_what_would_have_to_change() {
    for (name, change) in SITUATIONS {
        let mut world = World::new();
        change(&mut world);
        let route = world.route(RULES);
        for reason in route.ranked.iter().flat_map(|ranked| &ranked.reasons) {
            let forbids = reason.stance == Stance::Forbids;
            assert_eq!(reason.change.is_some(), forbids, "{name}: {}", reason.rule);
        }
        for ranked in &route.ranked {
            assert_eq!(ranked.step.is_none(), ranked.forbidden_by().count() > 0, "{name}");
        }
    }
}
