//! Manifests: that of a clip, and that of a take in a ledger.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use kinora_engine::ledger::{Error, Ledger, TakeRecord};
use kinora_engine::{read_manifest, replay_request};
use tempfile::TempDir;

thread_local! {
    static PLACE: RefCell<Option<(TempDir, Ledger, u32)>> = const { RefCell::new(None) };
}

/// How many takes one ledger is given before another one is begun.
const MOST: u32 = 200;

/// Reads a manifest of either kind. One of a clip can be made again or says what is in the way; one of a take is refused, or kept
/// as it is.
pub fn check(bytes: &[u8]) {
    PLACE.with_borrow_mut(|place| {
        if place.as_ref().is_none_or(|(_, _, used)| *used >= MOST) {
            let folder = TempDir::new().expect("room");
            let ledger = Ledger::open(folder.path()).expect("room");
            *place = Some((folder, ledger, 0));
        }
        let (folder, ledger, used) = place.as_mut().expect("it was just made");
        clip(folder.path(), bytes);
        if let Ok(record) = serde_json::from_slice::<TakeRecord>(bytes) {
            *used += 1;
            take(ledger, record);
        }
    });
}

fn clip(folder: &Path, bytes: &[u8]) {
    let path = folder.join("clip.json");
    fs::write(&path, bytes).expect("room");
    match read_manifest(&path) {
        Ok(manifest) => {
            let text = serde_json::to_vec(&manifest).expect("it was read");
            assert_eq!(serde_json::from_slice(&text).ok(), Some(manifest.clone()), "kept as it is");
            if let Ok(request) = replay_request(&manifest) {
                assert_eq!(request.seed, manifest.recipe.seed);
            }
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("clip.json"), "which file? {error}");
        }
    }
}

fn take(ledger: &mut Ledger, mut record: TakeRecord) {
    let clip = ledger.work_path(record.id, "mp4");
    fs::write(&clip, "frames").expect("room");
    let media = ledger.import_media(&clip).expect("room");
    fs::remove_file(&clip).expect("it has its name still");
    let extension = std::mem::take(&mut record.media.extension);
    record.media = kinora_engine::ledger::Media { extension, ..media };
    match ledger.record_take(&record) {
        Ok(()) => {
            let kept = ledger.record(record.id).expect("it was recorded");
            assert_eq!(kept, record, "kept as it is");
            let row = ledger.take(record.id).expect("readable").expect("it was recorded");
            assert_eq!(row.created, record.created);
        }
        Err(error) => {
            let is_refusal = matches!(
                error,
                Error::Record { .. }
                    | Error::Recorded { .. }
                    | Error::Number { .. }
                    | Error::NoTake { .. }
                    | Error::Manifest { .. }
            );
            assert!(is_refusal, "{error}");
        }
    }
}
