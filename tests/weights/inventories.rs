//! Key maps against the names and shapes of every published Wan configuration, without weights.

use std::path::Path;

use kinora_models::weights::{Inventory, KeyMap};
use proptest::prelude::*;

const TRANSFORMER: &str = include_str!("../../models/src/wan/keys/original-transformer.toml");
const UMT5: &str = include_str!("../../models/src/wan/keys/original-umt5.toml");
const VAE21: &str = include_str!("../../models/src/wan/keys/original-vae21.toml");
const VAE22: &str = include_str!("../../models/src/wan/keys/original-vae22.toml");

/// Every published configuration that both sides have: map, inventory in original and in canonical names.
fn published() -> Vec<(KeyMap, String, String)> {
    let map = |text, numbers: &[(&str, u32)]| {
        KeyMap::parse(text, numbers).expect("because the maps of the repository are right")
    };
    let transformers = [
        "wan2.1-t2v-1.3b",
        "wan2.1-t2v-14b",
        "wan2.1-i2v-14b",
        "wan2.1-flf2v-14b",
        "wan2.1-vace-1.3b",
        "wan2.1-vace-14b",
        "wan2.2-t2v-a14b-expert",
        "wan2.2-i2v-a14b-expert",
        "wan2.2-ti2v-5b",
    ];
    let mut all: Vec<_> = transformers
        .into_iter()
        .map(|name| {
            (map(TRANSFORMER, &[]), format!("original-{name}"), format!("diffusers-{name}"))
        })
        .collect();
    let vae = |text, name| {
        (map(text, &[("res", 2)]), format!("original-{name}"), format!("diffusers-{name}"))
    };
    all.push(vae(VAE21, "wan2.1-vae"));
    all.push(vae(VAE22, "wan2.2-vae"));
    let umt5 = ("original-umt5-xxl-encoder".into(), "transformers-umt5-xxl-encoder".into());
    all.push((map(UMT5, &[]), umt5.0, umt5.1));
    all
}

fn inventory(name: &str) -> Inventory {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory");
    let text = std::fs::read_to_string(folder.join(format!("{name}.txt")))
        .expect("because the inventory is in the repository");
    Inventory::parse(&text).expect("because the inventory is a list of names and shapes")
}

#[test]
fn original_names_map_to_exactly_the_canonical_ones() {
    for (map, original, canonical) in published() {
        let mut mapped = Inventory::default();
        for (name, tensor) in inventory(&original).iter() {
            let name =
                map.forward(name).unwrap_or_else(|| panic!("{original}: no rule for {name}"));
            assert!(
                mapped.add(&name, tensor.shape.clone(), None),
                "{original}: two tensors at {name}"
            );
        }
        if original.contains("umt5") {
            // The class lists its embedding under two names; the original has it once.
            let tied = mapped.get("shared.weight").expect("because the encoder embeds tokens");
            let shape = tied.shape.clone();
            mapped.add("encoder.embed_tokens.weight", shape, None);
        }
        let expected = inventory(&canonical);
        assert!(!expected.is_empty());
        for (name, tensor) in expected.iter() {
            assert_eq!(mapped.get(name), Some(tensor), "{canonical}: {name}");
        }
        assert_eq!(mapped.len(), expected.len(), "{original} has more than {canonical}");
    }
}

#[test]
fn canonical_names_map_back_to_the_original_ones() {
    for (map, original, _) in published() {
        for (name, _) in inventory(&original).iter() {
            let canonical = map.forward(name).expect("because the other test says so");
            assert_eq!(map.inverse(&canonical).as_deref(), Some(name), "{original}: {canonical}");
        }
    }
}

#[test]
fn the_vae_map_counts_blocks_for_any_depth() {
    let cases = [
        (1, "decoder.upsamples.4.residual.2.bias", "decoder.up_blocks.1.resnets.1.conv1.bias"),
        (
            1,
            "decoder.upsamples.5.time_conv.bias",
            "decoder.up_blocks.1.upsamplers.0.time_conv.bias",
        ),
        (
            3,
            "decoder.upsamples.8.shortcut.weight",
            "decoder.up_blocks.1.resnets.3.conv_shortcut.weight",
        ),
        (
            3,
            "decoder.upsamples.4.resample.1.bias",
            "decoder.up_blocks.0.upsamplers.0.resample.1.bias",
        ),
    ];
    for (res, original, canonical) in cases {
        let map = KeyMap::parse(VAE21, &[("res", res)]).expect("because the map is right");
        assert_eq!(map.forward(original).as_deref(), Some(canonical));
        assert_eq!(map.inverse(canonical).as_deref(), Some(original));
    }
}

#[test]
fn every_inventory_of_the_folder_is_read() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory");
    let mut read = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path)?;
            let inventory = Inventory::parse(&text);
            let lines = text.lines().filter(|line| !line.starts_with('#')).count();
            assert_eq!(inventory.map(|inventory| inventory.len()), Some(lines), "{path:?}");
            read += 1;
        }
    }
    assert_eq!(read, 25);
    Ok(())
}

proptest! {
    /// Whatever a map renames, it renames back, also with numbers that no published model has.
    #[test]
    fn renaming_is_undone_by_its_inverse(
        which in 0usize..12,
        line in any::<prop::sample::Index>(),
        numbers in prop::collection::vec(0u32..200, 4),
        res in 1u32..5,
    ) {
        let (map, original, _) = published().swap_remove(which);
        let map = match original.as_str() {
            "original-wan2.1-vae" => KeyMap::parse(VAE21, &[("res", res)]),
            "original-wan2.2-vae" => KeyMap::parse(VAE22, &[("res", res)]),
            _ => Ok(map),
        }?;
        let inventory = inventory(&original);
        let (name, _) = inventory.iter().nth(line.index(inventory.len())).expect("because it is in range");
        let mut numbers = numbers.into_iter();
        let changed: Vec<String> = name
            .split('.')
            .map(|part| match part.parse::<u32>() {
                Ok(_) => numbers.next().unwrap_or_default().to_string(),
                Err(_) => part.to_owned(),
            })
            .collect();
        let changed = changed.join(".");
        for name in [name, changed.as_str()] {
            if let Some(canonical) = map.forward(name) {
                prop_assert_eq!(map.inverse(&canonical), Some(name.to_owned()));
            }
        }
    }
}
