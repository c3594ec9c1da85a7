//! No bytes make a reader panic.

use std::path::Path;

use kinora_models::weights::{Source, read_header};
use proptest::prelude::*;

use crate::files::{floats, written};

const STATE_DICT: &[u8] = include_bytes!("fixtures/state.pth");

fn safetensors() -> Vec<u8> {
    floats(&[("proj.weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), ("proj.bias", &[2], &[5.0, 6.0])])
}

/// Opens a file and reads all of it that opens. Says whether it opened.
fn read(path: &Path) -> bool {
    let Ok(source) = Source::open(path) else { return false };
    let inventory = source.inventory();
    let weights = source.unplanned();
    for (name, tensor) in inventory.iter() {
        let size = tensor.dtype.map_or(0, |dtype| dtype.size_bytes());
        let expected_bytes = tensor.shape.iter().product::<usize>() * size;
        if let Ok(view) = weights.view(name) {
            assert_eq!(view.bytes.len(), expected_bytes, "{name}");
        }
        weights.release(name).expect("because every tensor is within the file");
    }
    true
}

#[test]
fn the_files_that_are_spoiled_below_are_right() {
    for (name, whole) in [("a.pth", STATE_DICT.to_vec()), ("a.safetensors", safetensors())] {
        let (_folder, path) = written(name, &whole);
        assert!(read(&path), "{name}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    for whole in [STATE_DICT.to_vec(), safetensors()] {
        for length in 0..whole.len() {
            let found = read_header(&whole[..length]);
            assert!(found.is_err(), "read from {length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn no_changed_bit_panics_or_leads_out_of_the_file() {
    for mut file in [STATE_DICT.to_vec(), safetensors()] {
        for at in 0..file.len() {
            let kept = file[at];
            for changed in [0x00, 0xff].into_iter().chain((0..8).map(|bit| kept ^ (1 << bit))) {
                file[at] = changed;
                let entries = read_header(&file).unwrap_or_default();
                assert!(entries.values().all(|entry| file.get(entry.range.clone()).is_some()));
            }
            file[at] = kept;
        }
    }
}

proptest! {
    #[test]
    fn no_set_of_changes_panics(
        is_pickle: bool,
        edits in prop::collection::vec((0usize..4096, any::<u8>()), 1..12),
        cut in prop::option::of(0usize..4096),
        inserted in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut file = if is_pickle { STATE_DICT.to_vec() } else { safetensors() };
        let length = file.len();
        for (at, byte) in edits {
            file[at % length] = byte;
        }
        if let Some(at) = cut {
            file.splice(at % length..at % length, inserted);
        }
        let (_folder, path) = written("a", &file);
        read(&path);
    }

    #[test]
    fn no_bytes_panic(start in prop::sample::select(vec![&b"PK\x03\x04"[..], b"", b"\x10\0\0\0\0\0\0\0{"]), rest: Vec<u8>) {
        let (_folder, path) = written("a", &[start, rest.as_slice()].concat());
        read(&path);
    }
}
