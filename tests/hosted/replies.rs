//! Documented answers of every provider, damaged: bytes changed, cut off, and values in their JSON put in the place of others.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::hostile::check;

/// The answers that fuzzing begins with.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/replies");
    let entries = fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry"));
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an answer")).collect()
});

/// Values that stand where another was expected.
fn odd(which: Index) -> Value {
    let deep = (0..200).fold(json!(null), |inner, _| json!([inner]));
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!(".."),
        json!("a\u{0}b"),
        json!("x".repeat(5000)),
        json!("(1026)"),
        json!([]),
        json!({}),
        json!([[{ "type": "video", "url": 3 }]]),
        deep,
    ];
    which.get(&odd).clone()
}

/// Every place in a value.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

fn split(seed: &[u8]) -> (&[u8], Value) {
    let end = seed.iter().position(|byte| *byte == b'\n').expect("a first line");
    (&seed[..=end], serde_json::from_slice(&seed[end..]).expect("JSON"))
}

#[test]
fn documented_answers_are_read() {
    assert!(SEEDS.len() >= 40, "{} answers", SEEDS.len());
    for seed in SEEDS.iter() {
        split(seed);
        check(seed);
    }
}

proptest! {
    #[test]
    fn bytes_that_changed(
        seed in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..12),
        cut in any::<Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = seed.get(SEEDS.as_slice()).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes);
    }

    #[test]
    fn values_in_the_place_of_others(
        seed in any::<Index>(),
        status in 100u16..600,
        is_kept in any::<bool>(),
        changes in prop::collection::vec((any::<Index>(), any::<Index>()), 1..5),
    ) {
        let seed: &Vec<u8> = seed.get(SEEDS.as_slice());
        let (line, mut json) = split(seed);
        for (place, value) in changes {
            let mut all = Vec::new();
            places(&json, "", &mut all);
            let place = place.get(&all).clone();
            if let Some(found) = json.pointer_mut(&place) {
                *found = odd(value);
            }
        }
        let mut bytes = line.to_vec();
        if !is_kept {
            let words: Vec<&str> = str::from_utf8(line).expect("text").split(' ').collect();
            bytes = format!("{} {} {status}\n", words[0], words[1]).into_bytes();
        }
        bytes.extend_from_slice(json.to_string().as_bytes());
        check(&bytes);
    }
}
