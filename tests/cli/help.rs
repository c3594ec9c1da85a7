//! What is printed where nothing fails.

use crate::command::{Place, SMALL, text};

#[test]
fn help_is_one_screen() {
    let place = Place::new();
    let short = place.prints(&["--help"]);
    assert!(short.lines().count() <= 24, "{short}");
    for verb in ["generate", "replay", "models", "doctor", "demo"] {
        assert!(short.lines().any(|line| line.trim_start().starts_with(verb)), "{short}");
        let help = place.prints(&[verb, "--help"]);
        assert!(help.lines().count() <= 50, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn a_card_is_shown_with_its_recipe_and_licence() {
    let shown = Place::new().prints(&["models", "show", "wan2.1-t2v-1.3b"]);
    for words in ["832x480", "4n+1", "multiples of 16", "Apache-2.0", "diffusers layout"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_checkpoint_is_inspected_and_verified() {
    let place = Place::new();
    insta::assert_snapshot!(place.prints(&["models", "inspect", "model"]), @r"
    WanPipeline in the diffusers layout
    text encoder  22 tensors (22 BF16), 0.000 billion values, 0.00 GB
      model/text_encoder/model.safetensors
    denoiser      69 tensors (69 BF16), 0.000 billion values, 0.00 GB
      model/transformer/diffusion_pytorch_model.safetensors
    VAE           146 tensors (146 BF16), 0.000 billion values, 0.00 GB
      model/vae/diffusion_pytorch_model.safetensors
    ");
    assert!(
        place.prints(&["models", "verify", "model"]).starts_with("every tensor is accounted for")
    );
}

#[test]
fn a_clip_is_made_and_made_again() {
    let place = Place::new();
    let made = place.run(&SMALL);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert_eq!(text(&made.stdout), "out.mp4\n");
    insta::assert_snapshot!(place.prints(&["replay", "out.mp4", "--verify"]), @r"
    latents equal
    frames  equal
    ");
    let json = place.prints(&[&SMALL[..], &["--json"]].concat());
    for line in json.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(event["event"].is_string() && event["event"] != "unknown", "{line}");
    }
    assert!(json.lines().last().is_some_and(|line| line.contains(r#""event":"take""#)), "{json}");
}

#[test]
fn a_clip_of_other_weights_is_not_made_again() {
    let place = Place::new();
    place.prints(&SMALL);
    place.edit("scheduler/scheduler_config.json", "5.0", "4.0");
    assert!(place.prints(&["replay", "out.mp4", "--verify"]).contains("latents equal"));
    let path = place.path("model/vae/diffusion_pytorch_model.safetensors");
    let mut bytes = std::fs::read(&path).expect("the checkpoint is whole");
    for byte in bytes.iter_mut().rev().step_by(2).take(4000) {
        *byte ^= 0x80; // the sign of a weight
    }
    std::fs::write(&path, bytes).expect("the copy is writable");
    let output = place.run(&["replay", "out.mp4", "--verify"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "latents equal\nframes  different\n");
    let stderr = text(&output.stderr);
    assert!(stderr.ends_with("hint: a file it was made from has changed\n"), "{stderr}");
}
