//! What people type, and what the store makes of it.

use std::fs;
use std::path::Path;

use kinora_engine::Hint;
use kinora_engine::cards::{Layout, find};
use kinora_engine::store::{Error, Found, Provenance, Store, StoreConfig};
use tempfile::TempDir;

const CARD: &str = "wan2.1-t2v-1.3b";
const COMMIT: &str = "0fad780a534b6463e45facd96134c9f345acfa5b";

fn store(home: &Path) -> Store {
    let var = |name: &str| (name == "HOME").then(|| home.as_os_str().to_owned());
    Store::new(StoreConfig::from_env(var).unwrap())
}

/// Puts empty files where a source's files go.
fn fill(folder: &Path, layout: Layout) {
    for pattern in &find(CARD).unwrap().source(layout).unwrap().files {
        let path = folder.join(pattern.replace('*', "x"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

fn cached(home: &Path, repo: &str) -> std::path::PathBuf {
    let repo = home.join(".cache/huggingface/hub").join(repo);
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    repo.join("snapshots").join(COMMIT)
}

#[test]
fn nowhere_names_everywhere() {
    let home = TempDir::new().unwrap();
    let error = store(home.path()).find(CARD).unwrap_err();
    let text = error.to_string().replace(home.path().to_str().unwrap(), "~");
    insta::assert_snapshot!(text, @"checkpoint wan2.1-t2v-1.3b not found; looked at ~/.local/share/kinora/models/wan2.1-t2v-1.3b (absent), ~/.local/share/kinora/models/Wan-AI/Wan2.1-T2V-1.3B-Diffusers (absent), ~/.local/share/kinora/models/Wan-AI/Wan2.1-T2V-1.3B (absent), ~/.cache/huggingface/hub/models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers (absent), ~/.cache/huggingface/hub/models--Wan-AI--Wan2.1-T2V-1.3B (absent)");
    assert!(error.hint().unwrap().contains("kinora models pull wan2.1-t2v-1.3b"));
    let error = store(home.path()).find("wan3").unwrap_err();
    assert!(matches!(&error, Error::Unknown { looked, .. } if looked.len() == 2), "{error}");
    assert!(store(home.path()).list().is_empty());
}

#[test]
fn the_cache_of_the_python_tools() {
    let home = TempDir::new().unwrap();
    let folder = cached(home.path(), "models--Wan-AI--Wan2.1-T2V-1.3B");
    fill(&folder, Layout::Original);
    let found = store(home.path()).find(CARD).unwrap();
    assert_eq!((found.path, found.card), (Some(folder.clone()), find(CARD)));
    let repo = "Wan-AI/Wan2.1-T2V-1.3B".to_owned();
    assert_eq!(found.provenance, Provenance::HubCache { repo, commit: COMMIT.to_owned() });

    // The card's first source wins, once it is whole.
    let first = cached(home.path(), "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers");
    fill(&first, Layout::Diffusers);
    assert_eq!(store(home.path()).find(CARD).unwrap().path, Some(first.clone()));
    fs::remove_file(first.join("vae/x.safetensors")).unwrap();
    assert_eq!(store(home.path()).find(CARD).unwrap().path, Some(folder));
    let error = store(home.path()).find("wan-ai/wan2.1-t2v-1.3b-diffusers").unwrap_err();
    assert!(error.to_string().contains("(lacks vae/*.safetensors)"), "{error}");
    assert_eq!(store(home.path()).list().len(), 1);
}

#[test]
fn the_model_that_the_program_carries() {
    let home = TempDir::new().unwrap();
    let own = home.path().join(".local/share/kinora/models/mini");
    fs::create_dir_all(&own).unwrap();
    let store = store(home.path());
    let mini = Found { path: None, card: find("mini"), provenance: Provenance::BuiltIn };
    assert_eq!(store.find("mini").unwrap(), mini);
    assert_eq!(store.find("Mini").unwrap(), mini);
    // A folder of that name is somebody's own, and found by its path.
    let found = store.find(own.to_str().unwrap()).unwrap();
    assert_eq!((found.path, found.card), (Some(own), None));
}

#[test]
fn repositories_of_no_card() {
    let home = TempDir::new().unwrap();
    let store = store(home.path());
    let looked = |name: &str| {
        let text = store.find(name).unwrap_err().to_string();
        let text = text.replace(home.path().to_str().unwrap(), "~");
        text.split_once("looked at ").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(looked("me/mini"), @"me/mini (absent), ~/.local/share/kinora/models/me/mini (absent), ~/.cache/huggingface/hub/models--me--mini (absent)");

    let folder = cached(home.path(), "models--me--mini");
    insta::assert_snapshot!(looked("me/mini"), @"me/mini (absent), ~/.local/share/kinora/models/me/mini (absent), ~/.cache/huggingface/hub/models--me--mini (lacks refs/main)");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), r#"{"architectures": ["BertModel"]}"#).unwrap();
    insta::assert_snapshot!(looked("me/mini"), @"me/mini (absent), ~/.local/share/kinora/models/me/mini (absent), ~/.cache/huggingface/hub/models--me--mini/snapshots/0fad780a534b6463e45facd96134c9f345acfa5b (lacks model_index.json)");
    assert!(store.list().is_empty(), "a language model is no checkpoint");
    assert!(store.find("./me/mini").is_err(), "a dot means a path");

    let repo = "me/mini".to_owned();
    let provenance = Provenance::HubCache { repo, commit: COMMIT.to_owned() };
    let found = Found { path: Some(folder.clone()), card: None, provenance };
    for (file, text) in
        [("config.json", r#"{"_class_name": "WanModel"}"#), ("model_index.json", "{}")]
    {
        fs::remove_file(folder.join("config.json")).ok();
        fs::write(folder.join(file), text).unwrap();
        assert_eq!(store.find("me/mini").unwrap(), found);
        assert_eq!(store.list(), std::slice::from_ref(&found));
    }

    // Without a reference, the only commit there is will do; of two, neither.
    fs::remove_dir_all(folder.parent().unwrap().with_file_name("refs")).unwrap();
    assert_eq!(store.find("me/mini").unwrap(), found);
    fs::create_dir(folder.with_file_name("1".repeat(40))).unwrap();
    assert!(looked("me/mini").ends_with("models--me--mini (lacks refs/main)"));
}

#[test]
fn provenance_of_a_path() {
    let home = TempDir::new().unwrap();
    let folder = cached(home.path(), "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers");
    fill(&folder, Layout::Diffusers);
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let store = store(home.path());
    for path in [&folder, &link] {
        let found = store.find(path.to_str().unwrap()).unwrap();
        assert_eq!((found.path.as_ref(), found.card), (Some(path), find(CARD)));
    }
    // A copy of the same files is nobody's: its shapes could be another checkpoint's.
    let copy = home.path().join("copy");
    fill(&copy, Layout::Diffusers);
    let found = store.find(copy.to_str().unwrap()).unwrap();
    assert_eq!((found.card, found.provenance), (None, Provenance::Path));
}

#[test]
fn kinoras_folder_comes_first() {
    let home = TempDir::new().unwrap();
    fill(&cached(home.path(), "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers"), Layout::Diffusers);
    let own = home.path().join(".local/share/kinora/models");
    fs::create_dir_all(own.join("my-film")).unwrap();
    let store = store(home.path());
    let found = store.find("my-film").unwrap();
    assert_eq!((found.card, found.path), (None, Some(own.join("my-film"))));
    assert_eq!(found.provenance, Provenance::KinoraFolder { name: "my-film".to_owned() });
    assert!(store.find("./my-film").is_err(), "a dot means a path");

    fs::create_dir_all(own.join(CARD)).unwrap();
    let found = store.find(CARD).unwrap();
    assert_eq!((found.card, found.path), (find(CARD), Some(own.join(CARD))));
    let by_path = store.find(own.join(CARD).to_str().unwrap()).unwrap();
    assert_eq!((by_path.card, by_path.provenance), (find(CARD), found.provenance));
    let all: Vec<_> = store.list().into_iter().filter_map(|found| found.path).collect();
    assert!(all.contains(&own.join("my-film")) && all.contains(&own.join(CARD)), "{all:?}");
}
