//! The model that the program carries, as a newcomer meets it: nothing named, nothing fetched.

use serde_json::Value;

use crate::command::{Place, text};

const PROMPT: &str = "a red cat jumps in a snowy field";

/// A short generation: fewer steps than the default.
const SHORT: [&str; 8] = ["generate", PROMPT, "-o", "cat.mp4", "--steps", "4", "--frames", "5"];

fn manifest(place: &Place, name: &str) -> Value {
    let json = std::fs::read_to_string(place.path(name)).expect("a manifest lies beside the clip");
    serde_json::from_str(&json).expect("a manifest is JSON")
}

#[test]
fn a_sentence_is_enough() {
    let place = Place::new();
    let made = place.run(&SHORT);
    let told = text(&made.stderr);
    assert_eq!((made.status.code(), text(&made.stdout).as_str()), (Some(0), "cat.mp4\n"), "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("no model is named")).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(lines[0].contains("kinora models pull wan2.1-t2v-1.3b"), "{told}");
    assert!(!told.contains("not in it") && !told.contains("no card"), "{told}");
    let manifest = manifest(&place, "cat.mp4.json");
    assert_eq!((&manifest["model"], &manifest["card"]), (&"mini".into(), &"mini".into()));
    assert_eq!(manifest["recipe"]["width"]["value"], 96);
    assert!(place.prints(&["replay", "cat.mp4", "--verify"]).contains("frames  equal"));
}

#[test]
fn a_model_that_is_configured_or_named_goes_first() {
    let place = Place::new();
    let with = |value: &str, options: &[&str]| {
        let arguments = [&SHORT[..], options].concat();
        place.command(&arguments).env("KINORA_MODEL", value).output().expect("it starts")
    };
    let configured = with("model", &["--size", "64x64"]);
    let told = text(&configured.stderr);
    assert_eq!(configured.status.code(), Some(0), "{told}");
    assert!(!told.contains("no model is named"), "{told}");
    assert_ne!(manifest(&place, "cat.mp4.json")["model"], "mini");

    let named = with("nowhere", &["--model", "mini"]);
    assert_eq!(named.status.code(), Some(0), "{}", text(&named.stderr));
    assert!(!text(&named.stderr).contains("no model is named"));
    assert_eq!(manifest(&place, "cat.mp4.json")["model"], "mini");

    let wrong = with("nowhere", &[]);
    assert!(text(&wrong.stderr).contains("KINORA_MODEL"), "{}", text(&wrong.stderr));
    assert_eq!(wrong.status.code(), Some(3), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains("nowhere"), "{}", text(&wrong.stderr));
    assert_eq!(with("", &[]).status.code(), Some(0), "an empty name names none");
}

#[test]
fn words_outside_its_world_get_a_gentle_note() {
    let place = Place::new();
    let arguments = ["generate", "a red dog in Paris", "-o", "dog.mp4", "--steps", "1"];
    let made = place.run(&arguments);
    let told = text(&made.stderr);
    assert_eq!(made.status.code(), Some(0), "{told}");
    assert!(told.contains("the words dog and Paris are not in it"), "{told}");
    let shown = place.prints(&["models", "show", "mini"]);
    for words in ["crimson", "kitten", "in a snowy field", "spins", "inside this program", PROMPT] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn it_is_listed_inspected_and_verified_but_never_fetched() {
    let place = Place::new();
    let listed = place.prints(&["models", "list"]);
    let mini = listed.lines().find(|line| line.starts_with("mini ")).expect("it is listed");
    assert!(mini.ends_with("inside this program"), "{listed}");
    let inspected = place.prints(&["models", "inspect", "mini"]);
    assert!(
        inspected.contains("mini/transformer/diffusion_pytorch_model.safetensors"),
        "{inspected}"
    );
    let verified = place.run(&["models", "verify", "mini"]);
    let told = text(&verified.stderr);
    assert!(text(&verified.stdout).starts_with("every tensor"), "{told}");
    let mut of_vae = told.lines().filter(|line| line.contains("mini/vae/"));
    assert!(of_vae.next().is_some_and(|line| !line.contains(" 100 %")), "{told}");
    assert!(of_vae.next_back().is_some_and(|line| line.contains(": 100 % of ")), "{told}");
    let pull = place.run(&["models", "pull", "mini"]);
    assert_eq!(pull.status.code(), Some(2));
    assert!(text(&pull.stderr).contains("inside this program"), "{}", text(&pull.stderr));
}

#[test]
fn a_clip_is_enlarged_and_the_manifest_says_so() {
    let place = Place::new();
    let small = [&SHORT[..], &["--enlarge", "3:nearest"]].concat();
    place.prints(&small);
    let manifest = manifest(&place, "cat.mp4.json");
    assert_eq!(manifest["enlarge"]["factor"], 3);
    assert_eq!(manifest["enlarge"]["filter"], "nearest");
    let (frames, _) = kinora_engine::media::read_video(&place.path("cat.mp4")).expect("it plays");
    assert_eq!((frames.width(), frames.height(), frames.count()), (288, 192, 5));
    assert!(place.prints(&["replay", "cat.mp4", "--verify"]).contains("frames  equal"));
    place.prints(&["replay", "cat.mp4"]);
    let (again, _) =
        kinora_engine::media::read_video(&place.path("cat.replay.mp4")).expect("it plays");
    assert_eq!((again.width(), again.height()), (288, 192));
    let large = ["--size", "832x480"];
    for wrong in [&["0"][..], &["65"], &["3:cubic"], &["x"], &["64", large[0], large[1]]] {
        let refused = place.run(&[&SHORT[..], &["--enlarge"], wrong].concat());
        let wrong = wrong.join(" ");
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {}", text(&refused.stderr));
    }
}

#[test]
fn the_demo_prints_each_path() {
    let place = Place::new();
    let printed = place.prints(&["demo"]);
    let paths: Vec<&str> = printed.lines().collect();
    assert_eq!(
        paths,
        ["cat.mp4", "ghost.mp4", "robot.mp4", "fish.mp4", "sheet.png"]
            .map(|name| format!("kinora-demo/{name}"))
    );
    for path in &paths {
        assert!(place.path(path).is_file(), "{path}");
    }
    let sheet = kinora_engine::media::read_image(&place.path(paths[4])).expect("it is a picture");
    assert_eq!((sheet.width(), sheet.height()), (5 * 294 + 6, 4 * 198 + 6));
    // Four clips, and no two of them the same.
    let row =
        |n: usize| &sheet.data()[(6 + n * 198) * sheet.width() * 3..][..192 * sheet.width() * 3];
    assert!((0..4).all(|a| (0..a).all(|b| row(a) != row(b))));
    assert!(
        place.prints(&["replay", "kinora-demo/fish.mp4", "--verify"]).contains("frames  equal")
    );
    // Another seed makes other clips; again, over what is there.
    place.prints(&["demo", "-o", "other", "--seed", "1"]);
    let latents =
        |folder: &str| manifest(&place, &format!("{folder}/cat.mp4.json"))["latent_hash"].clone();
    assert_ne!(latents("other"), latents("kinora-demo"));
    assert_eq!(place.prints(&["demo"]), printed);
}
