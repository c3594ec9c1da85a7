//! The cartoon world against the script that trains on it.

use std::path::PathBuf;

use kinora_engine::media::read_image;
use kinora_tests::world::{Draw, Scene, Wording, caption, render_at};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Case {
    width: usize,
    height: usize,
    sha256: Sums,
}

#[derive(Deserialize)]
struct Sums {
    frames: String,
    scenes: String,
    world: String,
}

/// A row of the golden.
#[derive(Deserialize)]
struct Row {
    char: String,
    colour: String,
    bg: String,
    action: String,
    size: f64,
    dx: f64,
    dy: f64,
    amp: f64,
    phase: f64,
    phase2: f64,
    caption: String,
    times: Vec<f32>,
}

impl Row {
    fn scene(&self) -> Scene {
        Scene {
            character: self.char.parse().expect("the character is one"),
            colour: self.colour.parse().expect("the colour is one"),
            background: self.bg.parse().expect("the background is one"),
            action: self.action.parse().expect("the action is one"),
            size: self.size,
            dx: self.dx,
            dy: self.dy,
            amp: self.amp,
            phase: self.phase,
            phase2: self.phase2,
        }
    }
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/mini-world").join(file)
}

/// Opens the golden; a file that is missing or has changed fails the test.
fn golden() -> (Case, Vec<Row>) {
    let text = std::fs::read_to_string(path("case.toml")).expect("the golden is there");
    let case: Case = toml::from_str(&text).expect("the golden says what it is");
    for (file, sum) in [
        ("frames.png", &case.sha256.frames),
        ("scenes.json", &case.sha256.scenes),
        ("../../../models/mini/train/world.py", &case.sha256.world),
    ] {
        let bytes = std::fs::read(path(file)).expect("the golden is whole");
        let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(&found, sum, "{file} has changed: ./x golden mini-world");
    }
    let rows = std::fs::read_to_string(path("scenes.json")).expect("the golden is whole");
    (case, serde_json::from_str(&rows).expect("the golden lists scenes"))
}

#[test]
fn scenes_look_as_the_script_draws_them() {
    let (case, rows) = golden();
    let sheet = read_image(&path("frames.png")).expect("the golden is a picture");
    let wide = sheet.width() * 3;
    for (number, row) in rows.iter().enumerate() {
        let clip = render_at(&row.scene(), &row.times, case.width, case.height);
        let mut worst = 0;
        for (at, frame) in clip.iter().enumerate() {
            for (y, ours) in frame.chunks_exact(case.width * 3).enumerate() {
                let start = (number * case.height + y) * wide + at * case.width * 3;
                let theirs = &sheet.data()[start..start + ours.len()];
                let apart = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
                worst = worst.max(apart.unwrap_or_default());
            }
        }
        assert!(worst <= 1, "scene {number}, {}: {worst} levels apart", row.caption);
    }
}

#[test]
fn plain_captions_are_the_script_s() {
    for row in golden().1 {
        assert_eq!(caption(&row.scene(), Wording::Plain, &mut Draw::new(0)), row.caption);
    }
}

#[test]
fn a_seed_draws_the_same_scenes_and_captions() {
    let draw = |seed| {
        let mut draw = Draw::new(seed);
        let scenes = (0..40).map(move |_| Scene::sample(&mut draw));
        let mut draw = Draw::new(seed);
        let told = scenes.map(move |scene| (caption(&scene, Wording::Whole, &mut draw), scene));
        told.collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn the_card_knows_the_words_of_the_captions() {
    let vocabulary = kinora_engine::cards::built_in().vocabulary.as_ref().expect("it has one");
    let mut draw = Draw::new(3);
    let mut unknown: Vec<String> = Vec::new();
    for _ in 0..1500 {
        let scene = Scene::sample(&mut draw);
        let caption = caption(&scene, Wording::Varied, &mut draw);
        unknown.extend(vocabulary.unknown(&caption).into_iter().map(str::to_owned));
    }
    // Now and then a caption has a word of random letters; none of these comes twice.
    unknown.sort();
    assert!(unknown.len() < 150, "{} unknown words", unknown.len());
    let again: Vec<_> = unknown.windows(2).filter(|two| two[0] == two[1]).collect();
    assert!(again.is_empty(), "{again:?}");
}
