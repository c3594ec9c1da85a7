//! What is printed where nothing fails.

use kinora_tests::hub::{CARD, FakeHub, HubFile};
use sha2::{Digest, Sha256};

use crate::command::{Place, SMALL, text};

#[test]
fn help_is_one_screen() {
    let place = Place::new();
    let short = place.prints(&["--help"]);
    assert!(short.lines().count() <= 32, "{short}");
    for verb in [
        "generate", "replay", "new", "check", "explain", "route", "render", "takes", "pick",
        "reject", "rate", "note", "diff", "jobs", "keys", "ledger", "egress", "models", "doctor",
        "demo",
    ] {
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
    text encoder  22 tensors (22 BF16), 0.02 million values, 43.4 kB
      model/text_encoder/model.safetensors
    denoiser      69 tensors (69 BF16), 0.04 million values, 71.3 kB
      model/transformer/diffusion_pytorch_model.safetensors
    VAE           146 tensors (146 BF16), 0.09 million values, 185.5 kB
      model/vae/diffusion_pytorch_model.safetensors
    ");
    let verified = place.run(&["models", "verify", "model"]);
    let (said, told) = (text(&verified.stdout), text(&verified.stderr));
    assert!(said.starts_with("every tensor is accounted for"), "{said}");
    for part in ["text_encoder/model", "transformer/diffusion_pytorch_model"] {
        let lines = told.lines().filter(|line| line.contains(part));
        assert!(
            lines.clone().next_back().is_some_and(|line| line.contains(": 100 % of ")),
            "{told}"
        );
        assert!(lines.count() <= 11, "{told}");
    }
}

#[test]
fn a_pull_tells_how_far_it_is_where_there_is_no_terminal() {
    let place = Place::new();
    let content = vec![7; 3 << 20];
    let etag = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let large = "vae/model.safetensors";
    let file = HubFile { path: large.to_owned(), content, etag, is_large: false };
    let hub = FakeHub::of_a_card(vec![file]).expect("it starts");
    let pulled = place
        .command(&["models", "pull", CARD])
        .env("HF_HUB_OFFLINE", "0")
        .env("HF_ENDPOINT", hub.endpoint())
        .output()
        .expect("the command starts");
    let told = text(&pulled.stderr);
    assert_eq!(pulled.status.code(), Some(0), "{told}");
    assert!(told.contains("  scheduler/config.json: 100 % of 6 B\n"), "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| line.contains(large)).collect();
    assert!((2..=11).contains(&lines.len()), "{told}");
    assert_eq!(lines.last(), Some(&"  vae/model.safetensors: 100 % of 3.00 MiB"));
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
    let last: serde_json::Value =
        json.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("a last line");
    assert_eq!(last["event"], "take");
    assert_eq!(last.get("padded"), Some(&serde_json::Value::Null), "{json}");
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
