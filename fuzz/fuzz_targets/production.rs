//! Bytes as the files of a production: `./x fuzz production`, or `cargo fuzz run production`.
//!
//! Files are parted by lines of three dashes: the project, a scene, characters. What is wrong is said with its file, and what is
//! right is resolved for every cut.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kinora_engine::production::{Error, Production, Settings};

const FILES: [&str; 4] =
    ["project.toml", "scenes/one.toml", "characters/ada.toml", "characters/bo.toml"];

/// A folder of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("kinora-fuzz-{}", std::process::id()));
    for inside in ["scenes", "characters"] {
        fs::create_dir_all(folder.join(inside)).expect("a folder");
    }
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read(bytes));

fn read(bytes: &[u8]) {
    let mut parts = parts(bytes).into_iter();
    for file in FILES {
        let path = FOLDER.join(file);
        match parts.next() {
            Some(part) => fs::write(path, part).expect("a file"),
            None => drop(fs::remove_file(path)),
        }
    }
    match Production::load(&FOLDER) {
        Ok(production) => resolve(&production),
        Err(Error::Invalid { problems }) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let file = Path::new(&*problem.place.file);
                assert!(file.extension().is_some_and(|end| end == "toml"), "{problem}");
                assert!(!problem.what.is_empty(), "{problem}");
            }
        }
        // A file that is no text.
        Err(error @ Error::Read { .. }) => assert!(error.to_string().contains(".toml"), "{error}"),
        Err(error) => panic!("{error}"),
    }
}

fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match parts.last_mut() {
            Some(part) if line != b"---\n" => part.extend_from_slice(line),
            _ => parts.push(Vec::new()),
        }
    }
    parts
}

fn resolve(production: &Production) {
    let settings = Settings::default();
    for (_, cut) in production.cuts() {
        for card in [None, kinora_engine::cards::cards().first()] {
            let resolved = production.resolve(&cut.id, &settings, card).expect("a cut of it");
            for line in resolved.explain() {
                assert!(!line.name.is_empty() && !line.origin.is_empty());
            }
        }
    }
}
