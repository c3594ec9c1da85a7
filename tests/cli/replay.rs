//! A clip is made again from its manifest: from any folder, and only of the files it was made from.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use crate::command::{Place, SMALL, text};

const EQUAL: &str = "latents equal\nframes  equal\n";

/// The small generation with another output and more options.
fn make(place: &Place, output: &str, options: &[&str]) {
    let mut arguments = SMALL;
    arguments[5] = output;
    place.prints(&[&arguments, options].concat());
}

/// Writes an adapter of one matrix.
fn adapter(place: &Place, value: f32) {
    let matrix = |shape: (usize, usize)| {
        let filled = Tensor::full(value, shape, &Device::Cpu).and_then(|x| x.to_dtype(DType::BF16));
        filled.expect("a matrix of one value")
    };
    let key = |part: &str| format!("transformer.blocks.0.attn1.to_q.{part}.weight");
    let tensors =
        HashMap::from([(key("lora_A"), matrix((2, 32))), (key("lora_B"), matrix((32, 2)))]);
    candle_core::safetensors::save(&tensors, place.path("adapter.safetensors"))
        .expect("there is room");
}

/// A clip of an adapter and of noise from a file, every path relative.
fn clip_of_files() -> Place {
    let place = Place::new();
    adapter(&place, 0.25);
    make(&place, "noise.mp4", &["--save-latents", "noise.safetensors"]);
    let files = ["--lora", "adapter.safetensors:0.5", "--init-latents", "noise.safetensors"];
    make(&place, "clip.mp4", &files);
    place
}

#[test]
fn from_any_working_directory() {
    let place = clip_of_files();
    std::fs::create_dir(place.path("elsewhere")).expect("there is room");
    let again = place
        .command(&["replay", "../clip.mp4", "--verify"])
        .current_dir(place.path("elsewhere"))
        .output()
        .expect("the command starts");
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout), EQUAL);
}

#[test]
fn of_a_file_that_has_changed() {
    let place = clip_of_files();
    let refused = |file: &str| {
        let output = place.run(&["replay", "clip.mp4"]);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(3), ""));
        let file = place.path(file).display().to_string();
        assert!(stderr.starts_with("error: ") && stderr.contains(&file), "{stderr}");
        assert!(stderr.ends_with("hint: put back the file that the clip was made from\n"));
        stderr
    };
    let noise = std::fs::read(place.path("noise.safetensors")).expect("it was written");
    let mut other = noise.clone();
    *other.last_mut().expect("it holds numbers") ^= 1;
    std::fs::write(place.path("noise.safetensors"), other).expect("there is room");
    let said = refused("noise.safetensors");
    assert!(said.contains(": expected ") && said.contains(", found "), "{said}");
    std::fs::write(place.path("noise.safetensors"), noise).expect("there is room");
    adapter(&place, 0.5);
    refused("adapter.safetensors");
    std::fs::remove_file(place.path("adapter.safetensors")).expect("it was there");
    refused("adapter.safetensors");
    assert!(!place.path("clip.replay.mp4").exists());
}

#[test]
fn of_a_manifest_of_another_version() {
    let place = Place::new();
    make(&place, "clip.mp4", &[]);
    let written = std::fs::read_to_string(place.path("clip.mp4.json")).expect("it is beside");
    let other = written.replacen("\"schema\": 1,", "\"schema\": 2, \"news\": true,", 1);
    std::fs::write(place.path("other.json"), other).expect("there is room");
    insta::assert_snapshot!(place.fails(&["replay", "other.json", "--verify"]), @r"
    exit 3
    error: schema in other.json: expected 1, found 2
    ");
}

#[test]
fn into_a_file_beside_the_original() {
    let place = Place::new();
    make(&place, "clip.mp4", &[]);
    make(&place, "shots/", &[]);
    assert_eq!(place.prints(&["replay", "clip.mp4"]), "clip.replay.mp4\n");
    std::fs::remove_file(place.path("clip.replay.mp4")).expect("it was written");
    assert_eq!(place.prints(&["replay", "clip.mp4.json"]), "clip.replay.mp4\n");
    for folder in ["shots/", "shots", "shots/manifest.json"] {
        let printed = place.prints(&["replay", folder]);
        assert_eq!(printed.trim_end().trim_end_matches('/'), "shots.replay", "{folder}");
        assert!(place.path("shots.replay/frame_00005.png").is_file(), "{folder}");
        std::fs::remove_dir_all(place.path("shots.replay")).expect("it was written");
    }
    let within = place.command(&["replay", "."]).current_dir(place.path("shots")).output();
    assert_eq!(within.expect("the command starts").status.code(), Some(0));
    assert!(place.path("shots.replay/frame_00005.png").is_file());
}
