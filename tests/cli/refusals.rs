//! Requests that make no sense, and what is said of them.

use crate::command::{Place, SMALL};

/// What is said of the small generation with more options.
fn refused(options: &[&str]) -> String {
    Place::new().fails(&[&SMALL[..], options].concat())
}

/// What is said of a generation with these options alone.
fn alone(options: &[&str]) -> String {
    Place::new().fails(&[&["generate", "a cat", "--model", "model"], options].concat())
}

#[test]
fn a_model_that_is_not_here() {
    insta::assert_snapshot!(Place::new().fails(&["generate", "a cat", "-m", "nosuch", "-o", "out.mp4"]), @r#"
    exit 3
    error: model "nosuch": neither a card (wan2.1-t2v-1.3b, wan2.1-t2v-14b, mini) nor a path; looked at nosuch (absent), DIR/user/.local/share/kinora/models/nosuch (absent)
    hint: `kinora models list` shows what there is
    "#);
}

#[test]
fn frames_and_sizes_off_the_grid() {
    insta::assert_snapshot!(alone(&["-o", "out.mp4", "--frames", "6"]), @r"
    exit 2
    error: 6 frames: expected 4n+1, the nearest are 5 and 9
    ");
    insta::assert_snapshot!(alone(&["-o", "out.mp4", "--size", "big"]), @r#"
    exit 2
    error: unknown size "big", known: WIDTHxHEIGHT, such as 832x480
    "#);
    insta::assert_snapshot!(alone(&["-o", "out.mp4", "--size", "42x32"]), @r"
    exit 2
    error: size 42x32: width and height must be positive multiples of 16, the nearest is 48x32
    ");
}

#[test]
fn clips_larger_than_the_model_can_turn() {
    for (options, name) in [
        (["--size", "2147483648x2147483648", "--frames", "1"], "width"),
        (["--size", "48x1048576", "--frames", "1"], "height"),
        (["--size", "48x32", "--frames", "4294967293"], "frames"),
    ] {
        let said = alone(&[&["-o", "out.png", "--vae-tile", "64"], &options[..]].concat());
        assert!(said.starts_with(&format!("exit 2\nerror: {name} is ")), "{said}");
    }
}

#[test]
fn words_that_are_not_known() {
    insta::assert_snapshot!(refused(&["--dtype", "f64"]), @r#"
    exit 2
    error: unknown dtype "f64", known: f32, bf16, f16
    "#);
    insta::assert_snapshot!(refused(&["--device", "gpu"]), @r#"
    exit 2
    error: unknown device "gpu", known: auto, cpu, cuda, cuda:N, metal
    "#);
    insta::assert_snapshot!(refused(&["--sampler", "ddim"]), @r#"
    exit 2
    error: unknown sampler "ddim", known: unipc, euler
    "#);
    insta::assert_snapshot!(refused(&["--memory", "lots"]), @r#"
    exit 2
    error: unknown memory size "lots", known: 8GB, 512MB, 1.5GiB
    "#);
}

#[test]
fn numbers_out_of_range() {
    for options in [
        ["--threads", "0"],
        ["--threads", "1000000"],
        ["--guidance", "nan"],
        ["--flow-shift", "-1"],
        ["--flow-shift", "1000000"],
        ["--fps", "0.000001"],
        ["--save-latents", "out.mp4"],
        ["--trace", "out.mp4.json"],
        ["--fps", "0"],
    ] {
        let said = refused(&options);
        assert!(said.starts_with("exit 2\n"), "{options:?}: {said}");
    }
}

#[test]
fn adapters_are_looked_at_before_any_work() {
    let place = Place::new();
    let arguments = [&SMALL[..], &["--lora", "none.safetensors"]].concat();
    let said = place.fails(&arguments);
    assert!(said.contains("/none.safetensors: "), "{said}");
    let told = crate::command::text(&place.run(&arguments).stderr);
    assert_eq!(told.lines().next(), Some("opening the model"));
    assert!(told.lines().nth(1).is_some_and(|line| line.starts_with("error: ")), "{told}");
}

#[test]
fn an_adapter_whose_strength_is_no_number() {
    for adapter in ["model/x:nan", "model/x:inf", "model/x:1e999"] {
        let said = refused(&["--lora", adapter]);
        assert!(said.starts_with("exit 2\nerror: the strength of --lora is "), "{said}");
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    insta::assert_snapshot!(alone(&["--frames", "5", "--size", "48x32", "-o", "nowhere/out.mp4"]), @r"
    exit 2
    error: write nowhere/out.mp4: folder nowhere does not exist
    hint: mkdir -p nowhere
    ");
    insta::assert_snapshot!(alone(&["--frames", "5", "--size", "48x32", "-o", "http://host/out.mp4"]), @r"
    exit 2
    error: use http://host/out.mp4: not a local file
    hint: name a file on this machine
    ");
    insta::assert_snapshot!(alone(&["--frames", "5", "--size", "48x32", "-o", "out.gif"]), @r"
    exit 2
    error: write out.gif: unknown ending, expected one of .mp4, .mkv, .png or a folder ending in /
    hint: for a folder of PNG frames, write out.gif/
    ");
}

#[test]
fn a_picture_for_a_model_that_takes_none() {
    insta::assert_snapshot!(refused(&["--image", "first.png"]), @r"
    exit 2
    error: model model takes no picture to begin with
    hint: leave out --image, or use a model with image input
    ");
}

#[test]
fn too_little_memory() {
    insta::assert_snapshot!(refused(&["--memory", "1MB"]), @r"
    exit 5
    error: stage text needs 0.1 GiB of memory (0.0 GiB of weights), 0.0 GiB can be used
    ");
}

#[test]
fn cards_and_files_that_are_not_there() {
    let place = Place::new();
    insta::assert_snapshot!(place.fails(&["models", "show", "nope"]), @r#"
    exit 2
    error: no card is called "nope"
    hint: cards: wan2.1-t2v-1.3b, wan2.1-t2v-14b, mini
    "#);
    for arguments in
        [&["replay", "none.mp4"][..], &["models", "inspect", "none"], &["models", "verify", "none"]]
    {
        let said = place.fails(arguments);
        assert!(said.starts_with("exit 3\n") && said.contains("none"), "{said}");
    }
}
