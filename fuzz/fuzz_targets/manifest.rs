//! Bytes as the manifest of a take: `./x fuzz manifest`, or `cargo fuzz run manifest`.
//!
//! One that is read is written as it was read, and what can be replayed of it is asked for.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use kinora_engine::{read_manifest, replay_request};

/// A file of this process: a manifest lies beside a take.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("kinora-fuzz-{}.json", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("a file");
    match read_manifest(&FILE) {
        Ok(manifest) => {
            let text = serde_json::to_string(&manifest).expect("JSON");
            fs::write(&*FILE, &text).expect("a file");
            let again = read_manifest(&FILE).expect("what was written");
            assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
            if let Ok(request) = replay_request(&manifest) {
                assert_eq!(request.prompt, manifest.recipe.prompt);
            }
        }
        Err(error) => {
            let file = FILE.file_name().expect("a name").to_string_lossy();
            assert!(error.to_string().contains(&*file), "{error}");
        }
    }
});
