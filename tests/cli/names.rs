//! Names typed after `kinora`, of repositories that are in the Hugging Face cache.

use std::fs;

use crate::command::{Place, SMALL, text};

const COMMIT: &str = "0fad780a534b6463e45facd96134c9f345acfa5b";
const CARD: &str = "wan2.1-t2v-1.3b";
const LINE: &str = "no card is known for ";

/// Puts the checkpoint of a place into the cache, as this repository; returns the snapshot's folder.
fn cache(place: &Place, repo: &str) -> String {
    let repo = place.path("user/.cache/huggingface/hub").join(repo);
    fs::create_dir_all(repo.join("refs")).expect("there is room");
    fs::create_dir_all(repo.join("snapshots")).expect("there is room");
    fs::write(repo.join("refs/main"), COMMIT).expect("there is room");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::rename(place.path("model"), &snapshot).expect("there is room");
    snapshot.display().to_string()
}

/// What a small generation with a model says on standard error.
fn told(place: &Place, model: &str, options: &[&str]) -> String {
    let mut arguments = SMALL.to_vec();
    arguments[3] = model;
    arguments.extend(options);
    let output = place.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_repository_without_a_card() {
    let place = Place::new();
    let snapshot = cache(&place, "models--me--mini");
    let listed = place.prints(&["models", "list"]);
    let words: Vec<&str> =
        listed.lines().last().expect("something is listed").split_whitespace().collect();
    assert_eq!(words, ["me/mini", "no", "card", &snapshot]);
    assert!(place.prints(&["models", "inspect", "me/mini"]).contains(&snapshot));
    assert!(place.prints(&["models", "verify", "me/mini"]).starts_with("every tensor"));
    let lines = told(&place, "me/mini", &[]);
    let at: Vec<usize> = lines.match_indices(LINE).map(|(at, _)| at).collect();
    assert_eq!(at.len(), 1, "{lines}");
    assert!(at[0] < lines.find("reading the prompt").expect("it is told"), "{lines}");
    assert!(!told(&place, "me/mini", &["--json"]).contains(LINE), "JSON is for programs");
}

#[test]
fn a_card_by_its_name_and_its_repository() {
    let place = Place::new();
    let snapshot = cache(&place, "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers");
    for name in [CARD, "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"] {
        assert!(place.prints(&["models", "inspect", name]).contains(&snapshot));
        assert!(place.prints(&["models", "verify", name]).starts_with("every tensor"));
    }
    assert!(!told(&place, CARD, &[]).contains(LINE));
}

#[test]
fn a_failure_is_one_line_with_a_card_or_without() {
    let place = Place::new();
    let said = text(&place.run(&[&SMALL[..], &["--memory", "1MB"]].concat()).stderr);
    assert!(said.starts_with("error: ") && !said.contains(LINE), "{said}");
    for verb in ["inspect", "verify"] {
        let said = place.fails(&["models", verb, CARD]);
        assert!(said.contains(&format!("hint: `kinora models pull {CARD}`")), "{said}");
    }
}
