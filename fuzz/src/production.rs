//! The files of a production, read together.

use std::cell::OnceCell;
use std::fs;

use kinora_engine::cards::built_in;
use kinora_engine::production::{Error, Production, Settings};
use tempfile::TempDir;

/// The files, in the order in which an input holds them, each behind a line of its own: `===`.
pub const FILES: [&str; 5] =
    ["project.toml", "characters/a.toml", "characters/b.toml", "scenes/a.toml", "scenes/b.toml"];

/// What stands between two files.
const BETWEEN: &[u8] = b"\n===\n";

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Reads a production. What is wrong with it is said with file and line; of what is right everything can be asked.
pub fn check(bytes: &[u8]) {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| {
            let folder = TempDir::new().expect("room");
            for room in ["characters", "scenes"] {
                fs::create_dir(folder.path().join(room)).expect("room");
            }
            folder
        });
        let mut rest = Some(bytes);
        let mut lines = Vec::new();
        for file in FILES {
            let path = folder.path().join(file);
            let Some(text) = rest else {
                // The one before is not of this production.
                let _ = fs::remove_file(path);
                continue;
            };
            let end = text.windows(BETWEEN.len()).position(|window| window == BETWEEN);
            let here = end.map_or(text, |end| &text[..end]);
            rest = end.map(|end| &text[end + BETWEEN.len()..]);
            lines.push((file, 1 + here.iter().filter(|byte| **byte == b'\n').count()));
            fs::write(path, here).expect("room");
        }
        match Production::load(folder.path()) {
            Ok(production) => ask(&production),
            Err(Error::Invalid { problems }) => {
                assert!(!problems.is_empty(), "something is wrong");
                for problem in problems {
                    let place = &problem.place;
                    let file = lines.iter().find(|(file, _)| *file == &*place.file);
                    let (_, lines) = file.unwrap_or_else(|| panic!("no file of these: {place}"));
                    assert!(place.line as usize <= *lines, "beyond its end: {place}");
                    assert!(!problem.what.is_empty(), "{place} says nothing");
                }
            }
            Err(error) => {
                let error = error.to_string();
                assert!(FILES.iter().any(|file| error.contains(file)), "which file? {error}");
            }
        }
    });
}

/// Asks everything that `kinora check`, `explain` and `render --dry-run` ask before they look at a model.
fn ask(production: &Production) {
    let typed = Settings::default();
    for (scene, cut) in production.cuts() {
        let (_, found) = production.cut(&cut.id).expect("it is there");
        assert_eq!(found.id, cut.id);
        for card in [None, Some(built_in())] {
            let resolved = production.resolve(&cut.id, &typed, card).expect("it is there");
            assert!(!resolved.explain().is_empty());
            if let Some(card) = card {
                assert!(resolved.frames(card).0 > 0, "a cut without frames");
            }
        }
        let whole = production.label().privacy;
        assert!(production.label_of(scene, cut).privacy.is_within(&whole), "labels only tighten");
        let chosen = production.select(&[cut.id.to_string()]).expect("it is there");
        assert_eq!(chosen.len(), 1);
    }
}
