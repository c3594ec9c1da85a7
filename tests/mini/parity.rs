//! The embedded model's clips against those that the reference's pipelines make with the same weights, prompts and seeds.

use std::path::PathBuf;

use kinora_engine::generator::Generator;
use kinora_engine::local::{LocalGenerator, LocalOptions, Precision};
use kinora_engine::media::read_image;
use kinora_engine::request::Request;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Case {
    at: Vec<usize>,
    sha256: String,
    digest: String,
    clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct Clip {
    prompt: String,
    seed: u64,
    image: bool,
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn clips_are_those_of_the_reference() {
    let folder = top().join("golden/mini-clips");
    let text = std::fs::read_to_string(folder.join("case.toml")).expect("the golden is there");
    let case: Case = toml::from_str(&text).expect("the golden says what it is");
    let digest = include_str!("../../models/mini/digest.txt").trim_end();
    assert_eq!(case.digest, digest, "the weights have changed: ./x golden mini-clips");
    let bytes = std::fs::read(folder.join("frames.png")).expect("the golden is whole");
    let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(found, case.sha256, "frames.png has changed: ./x golden mini-clips");
    let sheet = read_image(&folder.join("frames.png")).expect("the golden is a picture");

    let options = LocalOptions { precision: Precision::F32, ..LocalOptions::default() };
    let model = LocalGenerator::built_in(options).expect("the program is whole");
    for (row, clip) in case.clips.iter().enumerate() {
        let request = Request {
            prompt: clip.prompt.clone(),
            seed: clip.seed,
            image: clip.image.then(|| top().join("../models/mini/picture.png")),
            ..Request::default()
        };
        let frames = model.generate(&request, &()).expect("the model is small").frames;
        let (width, height) = (frames.width(), frames.height());
        let all: Vec<&[u8]> = frames.iter().collect();
        let mut sum = 0;
        for (column, &at) in case.at.iter().enumerate() {
            for (y, ours) in all[at].chunks_exact(width * 3).enumerate() {
                let start = ((row * height + y) * case.at.len() + column) * width * 3;
                let theirs = &sheet.data()[start..start + ours.len()];
                sum += ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            }
        }
        let mean = sum as f64 / (case.at.len() * width * height * 3) as f64;
        assert!(mean <= 0.05, "{}: {mean:.4} levels apart in the mean", clip.prompt);
    }
}
