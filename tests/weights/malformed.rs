//! Files that are wrong, each with one line that says so.

use kinora_models::weights::{Source, WeightsError};

use crate::files::{archive, floats, pth, safetensors, state_dict, storage, text, written};

/// The message for a file of this content; it is one line and begins with the file.
fn refusal(name: &str, content: &[u8]) -> String {
    let (_folder, path) = written(name, content);
    match Source::open(&path) {
        Ok(_) => panic!("a malformed {name} was read"),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains('\n'), "more than one line: {message}");
            let file = format!("{}", path.display());
            message.strip_prefix(&file).expect("because errors begin with the file").to_owned()
        }
    }
}

fn entry(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
}

#[test]
fn malformed_safetensors_are_refused() {
    let one = |entry: String| safetensors(&format!(r#"{{"w":{entry}}}"#), 8);
    let two = |first: &str, second: &str| {
        let (first, second) = (entry("U8", "[4]", first), entry("U8", "[4]", second));
        safetensors(&format!(r#"{{"a":{first},"b":{second}}}"#), 8)
    };
    let whole = floats(&[("w", &[2], &[1.0, 2.0])]);
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&(1u64 << 62).to_le_bytes());
    let mut long = whole.clone();
    long[0] += 60;
    let trailing = [whole.as_slice(), &[0]].concat();
    let nested = format!(r#"{{"w":{}"#, "[".repeat(100_000));
    let deep_dtype = format!(r#"{{"w":{{"dtype":{}"#, "{\"a\":".repeat(100_000));
    let good = entry("F32", "[2]", "[0,8]");
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("empty", Vec::new(), "the file is empty"),
        ("no room for a length", vec![1, 2, 3], "3 bytes are too few"),
        (
            "truncated header",
            whole[..20].to_vec(),
            "should have 54 bytes, the file has room for 12",
        ),
        ("truncated data", whole[..whole.len() - 1].to_vec(), "tensor w: ends at byte 8 of 7"),
        ("header longer than the file", long, "should have 114 bytes"),
        ("huge header", huge, "claims 4611686018427387904 bytes, more than 100000000"),
        ("not JSON", safetensors("{nonsense", 0), "invalid header: key must be a string"),
        ("not UTF-8", [&4u64.to_le_bytes()[..], b"{\"\xff\""].concat(), "invalid header"),
        ("a list", safetensors("[]", 0), "expected a map of tensors"),
        ("nested deeply", safetensors(&nested, 0), "invalid header: invalid type: sequence"),
        (
            "nested deeply in a field",
            safetensors(&deep_dtype, 0),
            "invalid type: map, expected a string",
        ),
        ("unknown field", one(good.replace("}", r#","x":1}"#)), "unknown field `x`"),
        (
            "missing field",
            one(r#"{"dtype":"F32","shape":[2]}"#.into()),
            "missing field `data_offsets`",
        ),
        ("negative", one(entry("F32", "[-2]", "[0,8]")), "invalid value: integer `-2`"),
        ("fraction", one(entry("F32", "[2.5]", "[0,8]")), "invalid type: floating point"),
        ("three offsets", one(entry("F32", "[2]", "[0,8,8]")), "invalid header"),
        (
            "listed twice",
            safetensors(&format!(r#"{{"w":{good},"w":{good}}}"#), 8),
            "tensor w is listed twice",
        ),
        ("unknown dtype", one(entry("F33", "[2]", "[0,8]")), "tensor w: unknown dtype F33"),
        (
            "no elements",
            one(entry("F32", "[2,0]", "[0,0]")),
            "tensor w: shape [2, 0] holds no elements",
        ),
        (
            "overflow",
            one(entry("F32", "[4294967296,4294967296]", "[0,8]")),
            "tensor w: shape [4294967296, 4294967296] is absurdly large",
        ),
        (
            "wrong size",
            one(entry("F32", "[3]", "[0,8]")),
            "tensor w: F32 [3] takes 12 bytes, found 0..8",
        ),
        ("half an element", one(entry("F32", "[2]", "[0,7]")), "takes 8 bytes, found 0..7"),
        ("backwards", one(entry("F32", "[2]", "[8,0]")), "takes 8 bytes, found 8..0"),
        (
            "past counting",
            one(entry("F32", "[2]", "[18446744073709551615,8]")),
            "tensor w: F32 [2] takes 8 bytes",
        ),
        ("out of range", one(entry("F32", "[4]", "[0,16]")), "tensor w: ends at byte 16 of 8"),
        (
            "overlap",
            two("[0,4]", "[2,6]"),
            "tensor b: begins at byte 2, within the one before it that ends at 4",
        ),
        (
            "hole",
            two("[0,4]", "[5,9]").into_iter().chain([0]).collect(),
            "tensor b: begins at byte 5, leaving a hole from 4",
        ),
        ("bytes left over", trailing, "the tensors take 8 bytes, the file has 9"),
        ("GGUF by content", b"GGUF\x03\0\0\0\0\0\0\0".to_vec(), "GGUF is not yet supported"),
    ];
    for (case, content, expected) in cases {
        let found = refusal("model.safetensors", content);
        assert!(found.contains(expected), "{case}: {found}");
    }
}

#[test]
fn malformed_archives_are_refused() {
    let pickle = state_dict(&storage(2), b"K\0K\x02\x85K\x01\x85\x89)");
    let whole = pth(&pickle, &[0; 8]);
    let (_folder, path) = written("whole.pth", &whole);
    assert!(Source::open(&path).is_ok(), "the file that the cases below spoil is right");
    let end = whole.len() - 22;
    let directory = whole.len() - 22 - 3 * 46 - "state/data.pklstate/byteorderstate/data/0".len();
    let spoiled = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let twice = archive(&[("data.pkl", &pickle), ("data/0", &[0; 8]), ("data/0", &[0; 8])]);
    let big_endian =
        archive(&[("s/data.pkl", &pickle), ("s/byteorder", b"big"), ("s/data/0", &[0; 8])]);
    let long = vec![b'N'; (1 << 20) + 1];
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("truncated", whole[..whole.len() - 1].to_vec(), "no zip directory at the end"),
        ("only a beginning", b"PK\x03\x04".to_vec(), "no zip directory at the end"),
        ("several files", spoiled(end + 4, &[1]), "split over several files"),
        ("count", spoiled(end + 8, &[4, 0, 4, 0]), "should list 4 members, found 3"),
        ("directory outside", spoiled(end + 16, &[0xff, 0xff, 0xff, 0x7f]), "no zip directory"),
        ("directory entry", spoiled(directory, b"XX"), "the zip directory is damaged"),
        (
            "compressed",
            spoiled(directory + 10, &[8]),
            "zip member state/data.pkl is compressed (method 8), expected stored",
        ),
        ("encrypted", spoiled(directory + 8, &[1]), "zip member state/data.pkl is encrypted"),
        ("member outside", spoiled(directory + 42, &[0xff, 0xff, 0xff, 0x7f]), "state/data.pkl: "),
        (
            "member too long",
            spoiled(directory + 20, &[0, 0, 0, 1, 0, 0, 0, 1]),
            "16777216 bytes at 44 are not within the file",
        ),
        (
            "64-bit sizes without a field",
            spoiled(directory + 20, &[0xff; 8]),
            "the zip 64-bit field is damaged",
        ),
        ("another local name", spoiled(30, b"t"), "its header and the directory disagree"),
        ("name not UTF-8", spoiled(directory + 46, &[0xff]), "not UTF-8"),
        ("listed twice", twice, "zip member data/0 is listed twice"),
        ("no pickle", archive(&[("state/data/0", &[0; 8])]), "should hold one data.pkl, found 0"),
        ("two pickles", archive(&[("a/data.pkl", &pickle), ("b/data.pkl", &pickle)]), "found 2"),
        ("byte order", big_endian, "byte order \"big\" is not supported"),
        (
            "long pickle",
            archive(&[("data.pkl", &long)]),
            "the pickle has 1048577 bytes, more than 1048576",
        ),
        ("legacy", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), "PyTorch before 1.6"),
    ];
    for (case, content, expected) in cases {
        let found = refusal("model.pth", content);
        assert!(found.contains(expected), "{case}: {found}");
    }
}

#[test]
fn pickles_with_code_or_odd_values_are_refused() {
    let plain = |arguments: &[u8]| state_dict(&storage(2), arguments);
    let item = |value: &[u8]| [b"\x80\x02}".as_slice(), &text("w"), value, b"s."].concat();
    let kind = text("storage");
    let float = b"ctorch\nFloatStorage\n".as_slice();
    let odd_storage = |parts: &[&[u8]]| state_dict(&parts.concat(), b"K\0K\x02\x85K\x01\x85\x89)");
    let deep = [vec![b'('; 100_000], vec![b't'; 100_000], vec![b'.']].concat();
    let deep_tuples = [b")".as_slice(), &[0x85; 100_000], b"."].concat();
    let wide = [b"(".as_slice(), &[b'N'; 1000], b"tQ."].concat();
    let call =
        |name: &str| [b"\x80\x02c", name.as_bytes(), &text("echo pwned"), b"\x85R."].concat();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("code", call("os\nsystem\n"), "pickle names os.system, which is not allowed"),
        ("code", call("builtins\neval\n"), "pickle names builtins.eval"),
        ("code by another way", b"\x80\x02(S'ls'\nios\nsystem\n.".to_vec(), "STRING"),
        ("instance", b"\x80\x02(ios\nsystem\n.".to_vec(), "pickle instruction INST at byte 3"),
        ("stack global", b"\x80\x02\x93.".to_vec(), "pickle instruction STACK_GLOBAL at byte 2"),
        ("extension", b"\x80\x02\x82\x01.".to_vec(), "EXT1"),
        ("unknown instruction", b"\x80\x02\xf0.".to_vec(), "pickle instruction 0xf0 at byte 2"),
        ("protocol", b"\x80\x04.".to_vec(), "pickle protocol 4, expected 2"),
        ("empty", Vec::new(), "the pickle ends too early"),
        ("no end", b"\x80\x02}".to_vec(), "the pickle ends too early"),
        ("text past the end", b"X\xff\xff\xff\xff".to_vec(), "the pickle ends too early"),
        ("name without a line", b"cos".to_vec(), "the pickle ends too early"),
        ("empty stack", b"\x80\x02.".to_vec(), "byte 2: expected a value on the stack"),
        ("hidden stack", b"N(.".to_vec(), "byte 2: expected a value on the stack"),
        ("no mark", b"Nt.".to_vec(), "byte 1: expected a mark"),
        ("nothing kept", b"h\x07.".to_vec(), "byte 0: expected a value kept before"),
        ("long number", b"\x8a\x09123456789.".to_vec(), "at most 64 bits"),
        ("odd items", b"}(Nu.".to_vec(), "expected keys with values"),
        ("items of nothing", b"N(NNu.".to_vec(), "expected a dictionary"),
        ("call of a tuple", b"))R.".to_vec(), "expected a function that state dicts use"),
        ("call without a tuple", b"NNR.".to_vec(), "expected a short tuple"),
        ("nested deeply", deep, "holds a tuple, expected a dictionary of tensors"),
        ("nested deeply", deep_tuples, "holds a tuple, expected a dictionary of tensors"),
        ("long tuple", wide, "expected a short tuple"),
        ("attributes", b"}}(NNub.".to_vec(), "a dictionary and its _metadata"),
        (
            "not a dictionary",
            b"K\x01.".to_vec(),
            "the pickle holds a number, expected a dictionary",
        ),
        ("a number as a key", b"}K\x01Ns.".to_vec(), "has a number for a key, expected a name"),
        ("a number as a value", item(b"K\x01"), "holds a number under w, expected a tensor"),
        ("nested dictionary", item(b"}"), "holds a dictionary under w, expected a tensor"),
        (
            "a storage as a value",
            item(&[b"(", storage(2).as_slice(), b"tQ"].concat()),
            "holds a storage under w",
        ),
        ("a float", item(b"G\0\0\0\0\0\0\0\0"), "BINFLOAT"),
        ("short storage", odd_storage(&[&kind, float, &text("0")]), "expected a storage: its type"),
        (
            "storage of code",
            odd_storage(&[&kind, b"ctorch\nQInt8Storage\n", &text("0"), &text("cpu"), b"K\x02"]),
            "pickle names torch.QInt8Storage",
        ),
        (
            "storage of no type",
            odd_storage(&[&kind, &text("float"), &text("0"), &text("cpu"), b"K\x02"]),
            "expected a storage",
        ),
        (
            "negative storage",
            odd_storage(&[&kind, float, &text("0"), &text("cpu"), b"J\xff\xff\xff\xff"]),
            "expected a storage",
        ),
        (
            "missing storage",
            odd_storage(&[&kind, float, &text("1"), &text("cpu"), b"K\x02"]),
            "tensor w: the archive has no storage \"1\"",
        ),
        (
            "short data",
            odd_storage(&[&kind, float, &text("0"), &text("cpu"), b"K\x03"]),
            "storage \"0\" should have 12 bytes, found 8",
        ),
        ("two arguments", plain(b"K\0)"), "expected a tensor: its storage, offset, shape"),
        (
            "shape is a number",
            plain(b"K\0K\x02K\x01\x85\x89)"),
            "expected a short tuple of numbers",
        ),
        (
            "shape of text",
            plain(&[b"K\0", text("2").as_slice(), b"\x85K\x01\x85\x89)"].concat()),
            "tuple of numbers",
        ),
        ("shape is negative", plain(b"K\0J\xff\xff\xff\xff\x85K\x01\x85\x89)"), "tuple of numbers"),
        (
            "offset is negative",
            plain(b"J\xff\xff\xff\xffK\x02\x85K\x01\x85\x89)"),
            "an offset that is not negative",
        ),
        ("flag is a number", plain(b"K\0K\x02\x85K\x01\x85K\x01)"), "a truth value and hooks"),
        (
            "no elements",
            plain(b"K\0K\0\x85K\x01\x85\x89)"),
            "tensor w: shape [0] holds no elements",
        ),
        (
            "transposed",
            plain(b"K\0K\x02K\x02\x86K\x01K\x02\x86\x89)"),
            "tensor w: strides [1, 2] of shape [2, 2] are not contiguous",
        ),
        ("strides of another rank", plain(b"K\0K\x02\x85)\x89)"), "are not contiguous"),
        (
            "past the storage",
            plain(b"K\x01K\x02\x85K\x01\x85\x89)"),
            "tensor w: shape [2] at element 1 does not fit storage \"0\"",
        ),
        (
            "offset past counting",
            plain(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x02\x85K\x01\x85\x89)"),
            "does not fit storage",
        ),
    ];
    for (case, pickle, expected) in cases {
        let found = refusal("model.pth", &pth(pickle, &[0; 8]));
        assert!(found.contains(expected), "{case}: {found}");
    }
}

#[test]
fn what_is_not_a_file_is_refused() {
    let (folder, path) = written("model.safetensors", b"{}");
    let found = Source::open(folder.path()).expect_err("because a folder is not a file");
    assert!(matches!(found, WeightsError::NotAFile { .. }), "{found}");
    let missing = path.with_file_name("other.safetensors");
    let found = Source::open(&missing).expect_err("because the file is missing").to_string();
    assert!(found.starts_with(&missing.display().to_string()), "{found}");
    assert!(found.contains("No such file"), "{found}");
}
