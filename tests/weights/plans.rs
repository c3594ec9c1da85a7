//! Every tensor accounted for both ways before one is read, and what is read is checked.

use candle_core::DType;
use kinora_models::weights::{Expected, KeyMap, Source, StoredDtype, Weights, WeightsError};

use crate::files::{floats, pth, safetensors, state_dict, storage, text, written};

const STATE_DICT: &[u8] = include_bytes!("fixtures/state.pth");

fn expected(tensors: &[(&str, &[usize])]) -> Expected {
    let mut expected = Expected::new();
    for (name, shape) in tensors {
        expected.add(*name, *shape);
    }
    expected
}

/// The plan's message for a file of these tensors, after its path.
fn difference(file: &[u8], expected: &Expected, map: Option<&KeyMap>) -> Option<String> {
    let (_folder, path) = written("model.safetensors", file);
    let source = Source::open(&path).expect("because the file is right");
    let source = match map {
        Some(map) => source.renamed(map).expect("because the names differ"),
        None => source,
    };
    let message = source.plan(expected).err()?.to_string();
    let after = message.strip_prefix(&path.display().to_string());
    Some(after.expect("because the message begins with the file").to_owned())
}

#[test]
fn one_line_lists_every_difference() {
    let header = r#"{"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},
        "count":{"dtype":"I64","shape":[1],"data_offsets":[2,10]},
        "small":{"dtype":"F32","shape":[1],"data_offsets":[10,14]},
        "extra":{"dtype":"F32","shape":[1],"data_offsets":[14,18]},
        "unused":{"dtype":"F32","shape":[1],"data_offsets":[18,22]}}"#;
    let mut expected =
        expected(&[("half", &[1]), ("count", &[1]), ("small", &[2]), ("gone", &[3])]);
    expected.ignore("unused");
    let found = difference(&safetensors(header, 22), &expected, None);
    let message = ": the tensors are not those of the configuration: 1 missing: gone [3]; \
        1 unexpected: extra in model.safetensors; \
        1 misshapen: small in model.safetensors expected [2] found [1]; \
        1 not yet supported: count in model.safetensors expected F32, F16 or BF16 found I64";
    assert_eq!(found.as_deref(), Some(message));
}

#[test]
fn a_long_list_is_cut() {
    let mut expected = Expected::new();
    for block in 10..30 {
        expected.add(format!("blocks.{block}.norm"), [1]);
    }
    let found = difference(&floats(&[("x", &[1], &[0.0])]), &expected, None).unwrap_or_default();
    assert!(found.contains("20 missing: blocks.10.norm [1], "), "{found}");
    assert!(found.contains("blocks.17.norm [1] and 12 more; 1 unexpected: x"), "{found}");
}

#[test]
fn foreign_names_are_shown_beside_the_canonical_ones() {
    let map = "[[rule]]\nfrom = 'a.{i}'\nto = 'alpha.{i}'";
    let map = KeyMap::parse(map, &[]).expect("because the map is right");
    let file = floats(&[("a.0", &[1], &[0.0]), ("b.0", &[1], &[0.0])]);
    let found = difference(&file, &expected(&[("alpha.0", &[2])]), Some(&map)).unwrap_or_default();
    assert!(found.contains("1 unexpected: b.0 in"), "{found}");
    assert!(found.contains("alpha.0 (stored as a.0) in model.safetensors expected [2]"), "{found}");
}

#[test]
fn a_foreign_file_is_read_under_canonical_names() -> kinora_models::Result<()> {
    let map = "[words]\np = ['weight', 'bias']\n[[rule]]\nfrom = 'q.{i}.{p}'\nto = 'to_q.{i}.{p}'";
    let map = KeyMap::parse(map, &[]).expect("because the map is right");
    let file = floats(&[("q.0.weight", &[2], &[1.0, 2.0]), ("q.1.bias", &[1], &[f32::NAN])]);
    let (_folder, path) = written("m.safetensors", &file);
    let source = Source::open(&path)?.renamed(&map)?;
    let names: Vec<String> = source.inventory().iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["to_q.0.weight", "to_q.1.bias"]);
    let weights = source.plan(&expected(&[("to_q.0.weight", &[2]), ("to_q.1.bias", &[1])]))?;
    assert_eq!(weights.at("to_q.0").tensor("weight", DType::F32)?.to_vec1::<f32>()?, [1.0, 2.0]);
    let found = weights.view("to_q.1.bias").map(|_| ()).map_err(|error| error.to_string());
    assert!(found.is_err_and(|error| error.contains("tensor q.1.bias: expected finite values")));
    Ok(())
}

#[test]
fn two_names_for_one_tensor_are_refused() {
    let map = "[[rule]]\nfrom = 'a'\nto = 'w'\n[[rule]]\nfrom = 'b'\nto = 'w'";
    let map = KeyMap::parse(map, &[]).expect("because the map is right");
    let (_folder, path) =
        written("m.safetensors", &floats(&[("a", &[1], &[0.]), ("b", &[1], &[0.])]));
    let source = Source::open(&path).expect("because the file is right");
    let found = source.renamed(&map).expect_err("because both become w").to_string();
    assert!(found.ends_with("tensors b and a have one canonical name"), "{found}");
}

#[test]
fn a_tied_tensor_is_read_under_its_name_wherever_it_is() {
    let mut tied = expected(&[("shared", &[1])]);
    tied.tie("shared", "embed");
    for (file, value) in [
        (floats(&[("shared", &[1], &[1.0])]), 1.0),
        (floats(&[("embed", &[1], &[2.0])]), 2.0),
        (floats(&[("embed", &[1], &[2.0]), ("shared", &[1], &[1.0])]), 1.0),
    ] {
        let (_folder, path) = written("m.safetensors", &file);
        let weights = Source::open(&path).and_then(|source| source.plan(&tied));
        let found = weights.and_then(|weights| weights.scalar("shared"));
        assert_eq!(found.expect("because the plan is clean"), value);
    }
    let found = difference(&floats(&[("embed", &[2], &[0., 0.])]), &tied, None).unwrap_or_default();
    assert!(found.contains("1 misshapen: embed in"), "{found}");
}

/// The readable weights of a file, together with the folder it is in.
fn weights(file: &[u8]) -> (tempfile::TempDir, Weights) {
    let (folder, path) = written("model", file);
    let source = Source::open(&path).expect("because the file is right");
    (folder, source.unplanned())
}

#[test]
fn values_that_are_not_finite_are_named() {
    for (dtype, bytes, index, shown) in [
        ("F32", [0u8, 0, 0, 0, 0, 0, 0x80, 0xff].as_slice(), 1, "-inf"),
        ("F32", &[0xff, 0xff, 0x7f, 0x7f, 1, 0, 0x80, 0x7f], 1, "NaN"),
        ("BF16", &[0, 0, 0x7f, 0x7f, 0x80, 0x7f, 0, 0], 2, "inf"),
        ("F16", &[0xff, 0x7b, 0, 0, 0, 0, 0, 0xfe], 3, "NaN"),
        ("F64", &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f], 0, "inf"),
    ] {
        let elements =
            bytes.len() / StoredDtype::from_name(dtype).map_or(1, |dtype| dtype.size_bytes());
        let header =
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":[{elements}],"data_offsets":[0,8]}}}}"#);
        let file = [safetensors(&header, 0).as_slice(), bytes].concat();
        let (_folder, weights) = weights(&file);
        let found = weights.view("w").expect_err("because a value is not finite").to_string();
        let expected = format!("tensor w: expected finite values, found {shown} at index {index}");
        assert!(found.ends_with(&expected), "{dtype}: {found}");
    }
}

#[test]
fn a_bad_value_is_found_anywhere_in_a_large_tensor() {
    for index in [0, 1023, 1024, 2047, 4999] {
        let mut values = vec![1.0; 5000];
        values[index] = f32::NAN;
        let (_folder, weights) = weights(&floats(&[("w", &[5000], &values)]));
        match weights.tensor("w", DType::F32) {
            Err(kinora_models::Error::Weights(WeightsError::NotFinite {
                index: found, ..
            })) => {
                assert_eq!(found, index);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_state_dict_of_torch_is_read_in_place() -> kinora_models::Result<()> {
    let (_folder, weights) = weights(STATE_DICT);
    let names = [
        ("conv.weight", StoredDtype::F32),
        ("norm.bias", StoredDtype::BF16),
        ("half", StoredDtype::F16),
    ];
    for (name, dtype) in names {
        assert_eq!(weights.dtype(name)?, dtype);
    }
    let all: Vec<&str> = weights.names().collect();
    let expected = ["conv.bias", "conv.weight", "half", "norm.bias", "norm.weight", "row", "steps"];
    assert_eq!(all, expected);
    assert_eq!(weights.tensor("row", DType::F32)?.to_vec1::<f32>()?, [4.0, 5.0, 6.0, 7.0]);
    let norm = weights.at("norm");
    assert_eq!(norm.tensor("weight", DType::F32)?.to_vec1::<f32>()?, [1.0; 3]);
    assert_eq!(weights.tensor("conv.weight", DType::BF16)?.dims(), [3, 2, 1, 1]);
    assert_eq!(weights.scalar("steps")?, 7.0);
    let refused = weights.tensor("steps", DType::F32).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|error| error.ends_with("tensor steps: I64 is not yet supported")));
    let refused = weights.scalar("row").map_err(|error| error.to_string());
    assert!(refused.is_err_and(|error| error.ends_with("expected one element, found shape [4]")));
    let refused = norm.view("gamma").map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(refused, Err("tensor norm.gamma is not part of the load plan".to_owned()));
    Ok(())
}

#[test]
fn data_that_is_not_aligned_is_read() -> kinora_models::Result<()> {
    // One byte before the numbers puts them at odd addresses.
    let header = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#;
    let mut file = safetensors(header, 1);
    file.extend([1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
    let (_folder, weights) = weights(&file);
    assert_eq!(weights.tensor("w", DType::F32)?.to_vec1::<f32>()?, [1.5, -2.0]);
    Ok(())
}

#[test]
fn a_value_that_f16_cannot_hold_is_named() -> kinora_models::Result<()> {
    let (_folder, weights) =
        weights(&floats(&[("w", &[2], &[65504.0, 1.0]), ("x", &[2], &[0.0, -65536.0])]));
    assert_eq!(weights.tensor("w", DType::F16)?.dtype(), DType::F16);
    let found = weights.tensor("x", DType::F16).map_err(|error| error.to_string());
    assert!(found.is_err_and(|error| error.ends_with("tensor x: 65536 does not fit f16")));
    Ok(())
}

#[test]
fn a_parameter_is_read_as_its_tensor() -> kinora_models::Result<()> {
    let (kind, key, device) = (text("storage"), text("0"), text("cpu"));
    let pickle = [
        b"\x80\x02}".as_slice(),
        &text("w"),
        b"ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor_v2\n((",
        &kind,
        b"ctorch\nFloatStorage\n",
        &key,
        &device,
        b"K\x02tQK\x01K\x01\x85K\x01\x85\x89)tR\x88)tRs.",
    ]
    .concat();
    let (_folder, weights) = weights(&pth(&pickle, &[0, 0, 0, 0, 0, 0, 0x80, 0x3f]));
    assert_eq!(weights.tensor("w", DType::F32)?.to_vec1::<f32>()?, [1.0]);
    Ok(())
}

#[test]
fn an_archive_with_64_bit_sizes_is_read() -> kinora_models::Result<()> {
    let narrow = pth(
        &state_dict(&storage(2), b"K\0K\x02\x85K\x01\x85\x89)"),
        &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40],
    );
    let (_folder, weights) = weights(&widened(&narrow));
    assert_eq!(weights.tensor("w", DType::F32)?.to_vec1::<f32>()?, [1.0, 2.0]);
    Ok(())
}

/// The same archive with every size and offset of its directory in 64 bits, as files of more than 4 GiB have them.
fn widened(archive: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let bytes: [u8; 4] = archive[at..at + 4].try_into().expect("because it is four bytes");
        u32::from_le_bytes(bytes)
    };
    let end = archive.len() - 22;
    let start = number(end + 16) as usize;
    let mut file = archive[..start].to_vec();
    let (mut at, mut members) = (start, 0u64);
    while at < end {
        let name = 46 + (number(at + 28) & 0xffff) as usize;
        let mut entry = archive[at..at + name].to_vec();
        entry[20..28].fill(0xff);
        entry[42..46].fill(0xff);
        entry[30] = 28;
        file.extend(entry);
        file.extend([1, 0, 24, 0]);
        for field in [at + 24, at + 20, at + 42] {
            file.extend(u64::from(number(field)).to_le_bytes());
        }
        at += name;
        members += 1;
    }
    let (size, record) = ((file.len() - start) as u64, file.len() as u64);
    file.extend(b"PK\x06\x06");
    file.extend(44u64.to_le_bytes());
    file.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [members, members, size, start as u64] {
        file.extend(field.to_le_bytes());
    }
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(record.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([0xff; 12]);
    file.extend([0; 2]);
    file
}
