//! Checkpoint folders and shards: recognised, or refused by name.

use std::fs;
use std::path::Path;

use kinora_models::cards::Layout;
use kinora_models::weights::{Checkpoint, Source};
use tempfile::TempDir;

use crate::files::{floats, safetensors};

const MODEL_INDEX: &str = r#"{
  "_class_name": "WanPipeline",
  "boundary_ratio": null,
  "scheduler": ["diffusers", "UniPCMultistepScheduler"],
  "text_encoder": ["transformers", "UMT5EncoderModel"],
  "tokenizer": ["transformers", "T5TokenizerFast"],
  "transformer": ["diffusers", "WanTransformer3DModel"],
  "transformer_2": [null, null],
  "vae": ["diffusers", "AutoencoderKLWan"]
}"#;

fn write(root: &Path, name: &str, content: &[u8]) {
    let path = root.join(name);
    let folder = path.parent().expect("because the path has a file name");
    fs::create_dir_all(folder).expect("because tests can write temporary files");
    fs::write(path, content).expect("because tests can write temporary files");
}

fn diffusers() -> TempDir {
    let folder = tempfile::tempdir().expect("because tests can write temporary files");
    let weights = floats(&[("w", &[1], &[0.0])]);
    for (name, content) in [
        ("model_index.json", MODEL_INDEX.as_bytes()),
        ("scheduler/scheduler_config.json", br#"{"_class_name": "UniPCMultistepScheduler"}"#),
        ("text_encoder/config.json", br#"{"architectures": ["UMT5EncoderModel"]}"#),
        ("text_encoder/model.safetensors", &weights),
        ("tokenizer/tokenizer.json", b"{}"),
        ("transformer/config.json", br#"{"_class_name": "WanTransformer3DModel"}"#),
        ("transformer/diffusion_pytorch_model.safetensors", &weights),
        ("vae/config.json", br#"{"_class_name": "AutoencoderKLWan"}"#),
        ("vae/diffusion_pytorch_model.safetensors", &weights),
    ] {
        write(folder.path(), name, content);
    }
    folder
}

fn original() -> TempDir {
    let folder = tempfile::tempdir().expect("because tests can write temporary files");
    for (name, content) in [
        ("config.json", br#"{"_class_name": "WanModel", "dim": 256}"#.as_slice()),
        ("diffusion_pytorch_model.safetensors.index.json", b"{}"),
        ("models_t5_umt5-xxl-enc-bf16.pth", b"PK"),
        ("Wan2.1_VAE.pth", b"PK"),
        ("google/umt5-xxl/tokenizer.json", b"{}"),
    ] {
        write(folder.path(), name, content);
    }
    folder
}

#[test]
fn both_layouts_are_recognised() {
    let folder = diffusers();
    let found = Checkpoint::open(folder.path()).expect("because the folder is complete");
    let at = |name: &str| folder.path().join(name);
    assert_eq!((found.layout, found.class.as_str()), (Layout::Diffusers, "WanPipeline"));
    assert_eq!(
        found.transformer.weights.path(),
        at("transformer/diffusion_pytorch_model.safetensors")
    );
    assert_eq!(found.text_encoder.weights.path(), at("text_encoder/model.safetensors"));
    assert_eq!(found.vae.config.map(|config| config.file), Some(at("vae/config.json")));
    assert_eq!(found.index.map(|index| index.text).as_deref(), Some(MODEL_INDEX));
    assert!(found.scheduler.is_some());

    let folder = original();
    let found = Checkpoint::open(folder.path()).expect("because the folder is complete");
    let at = |name: &str| folder.path().join(name);
    assert_eq!((found.layout, found.class.as_str()), (Layout::Original, "WanModel"));
    assert_eq!(
        found.transformer.weights.path(),
        at("diffusion_pytorch_model.safetensors.index.json")
    );
    assert_eq!(found.vae.weights.path(), at("Wan2.1_VAE.pth"));
    assert_eq!(found.tokenizer.path(), at("google/umt5-xxl/tokenizer.json"));
    assert!(found.index.is_none() && found.scheduler.is_none() && found.vae.config.is_none());

    // Wan 2.2 names its VAE otherwise.
    fs::rename(at("Wan2.1_VAE.pth"), at("Wan2.2_VAE.pth")).expect("because both are temporary");
    let found = Checkpoint::open(folder.path()).expect("because the folder is complete");
    assert_eq!(found.vae.weights.path(), at("Wan2.2_VAE.pth"));
}

/// The message for a folder that one change spoiled: a file written anew, or removed where there is no content.
fn refusal(folder: &TempDir, name: &str, content: Option<&str>) -> String {
    match content {
        Some(content) => write(folder.path(), name, content.as_bytes()),
        None => fs::remove_file(folder.path().join(name)).expect("because the file was there"),
    }
    let error = Checkpoint::open(folder.path()).expect_err("because the folder is spoiled");
    let message = error.to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

#[test]
fn a_spoiled_folder_is_refused_by_name() {
    let index = |from: &str, to: &str| MODEL_INDEX.replace(from, to);
    let cases = [
        ("vae/config.json", None, ": component vae is missing: expected vae/config.json"),
        (
            "transformer/diffusion_pytorch_model.safetensors",
            None,
            "component transformer is missing: expected transformer/diffusion_pytorch_model.safetensors",
        ),
        (
            "text_encoder/model.safetensors",
            None,
            "component text_encoder is missing: expected text_encoder/model.safetensors",
        ),
        (
            "tokenizer/tokenizer.json",
            None,
            "component tokenizer is missing: expected tokenizer/tokenizer.json",
        ),
        (
            "scheduler/scheduler_config.json",
            None,
            "component scheduler is missing: expected scheduler/scheduler_config.json",
        ),
        (
            "model_index.json",
            None,
            "not a checkpoint that is known: expected model_index.json or config.json",
        ),
        (
            "model_index.json",
            Some("{\n  \"_class_name\": ,\n}".to_owned()),
            "model_index.json, line 2: expected value",
        ),
        (
            "model_index.json",
            Some("[".repeat(100_000)),
            "model_index.json, line 1: invalid type: sequence",
        ),
        (
            "model_index.json",
            Some(format!("{{\"a\":{}", "[".repeat(100_000))),
            "model_index.json, line 1: recursion limit exceeded",
        ),
        ("model_index.json", Some("{}".to_owned()), "expected _class_name"),
        (
            "model_index.json",
            Some(index("WanPipeline", "HunyuanVideoPipeline")),
            "model_index.json: pipeline class HunyuanVideoPipeline is not yet supported",
        ),
        (
            "model_index.json",
            Some(index("[null, null]", r#"["diffusers", "WanTransformer3DModel"]"#)),
            "component transformer_2 is not yet supported",
        ),
        (
            "model_index.json",
            Some(index("AutoencoderKLWan", "AutoencoderTiny")),
            "vae AutoencoderTiny is not yet supported",
        ),
        (
            "model_index.json",
            Some(index("\"vae\"", "\"vae_2\"")),
            "component vae_2 is not yet supported",
        ),
        (
            "transformer/config.json",
            Some("{\"a\": 1,\n}".to_owned()),
            "transformer/config.json, line 2: trailing comma",
        ),
        (
            "transformer/config.json",
            Some(r#"{"_class_name": "WanVACETransformer3DModel"}"#.to_owned()),
            "transformer/config.json: class WanVACETransformer3DModel is not yet supported",
        ),
        (
            "transformer/config.json",
            Some(
                r#"{"_class_name": "WanTransformer3DModel", "quantization_config": {}}"#.to_owned(),
            ),
            "transformer/config.json: quantization_config is not yet supported",
        ),
    ];
    for (name, content, expected) in cases {
        let found = refusal(&diffusers(), name, content.as_deref());
        assert!(found.contains(expected), "{name}: {found}");
    }
    for (name, content, expected) in [
        ("Wan2.1_VAE.pth", None, "component vae is missing: expected Wan2.1_VAE.pth"),
        ("models_t5_umt5-xxl-enc-bf16.pth", None, "component text_encoder is missing"),
        ("google/umt5-xxl/tokenizer.json", None, "component tokenizer is missing"),
        (
            "diffusion_pytorch_model.safetensors.index.json",
            None,
            "expected diffusion_pytorch_model.safetensors",
        ),
        (
            "config.json",
            Some(r#"{"_class_name": "VaceWanModel"}"#),
            "config.json: class VaceWanModel is not yet supported",
        ),
        (
            "config.json",
            Some(r#"{"dim": 1}"#),
            "config.json: not a checkpoint that is known: expected _class_name",
        ),
    ] {
        let found = refusal(&original(), name, content);
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn other_ways_to_keep_a_checkpoint_are_refused_by_name() {
    let fp8 = r#"{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#;
    for (name, content, expected) in [
        ("wan.gguf", b"GGUF".to_vec(), "wan.gguf: GGUF is not yet supported"),
        (
            "wan.safetensors",
            floats(&[("w", &[1], &[0.0])]),
            "wan.safetensors: a single file as a checkpoint is not yet supported",
        ),
        (
            "wan.safetensors",
            safetensors(fp8, 1),
            "wan.safetensors: a single file in fp8 is not yet supported",
        ),
        ("wan.ckpt", b"anything".to_vec(), "wan.ckpt: not a checkpoint that is known"),
    ] {
        let folder = tempfile::tempdir().expect("because tests can write temporary files");
        write(folder.path(), name, &content);
        let file = Checkpoint::open(&folder.path().join(name)).expect_err("because it is one file");
        assert!(file.to_string().contains(expected), "{file}");
        let within = Checkpoint::open(folder.path()).expect_err("because it is one file");
        let is_known = !name.ends_with("ckpt");
        assert_eq!(within.to_string().contains(expected), is_known, "{within}");
    }
    let folder = diffusers();
    let weights = folder.path().join("transformer/diffusion_pytorch_model.safetensors");
    fs::rename(&weights, weights.with_extension("gguf")).expect("because the file was there");
    let found = Checkpoint::open(folder.path()).expect_err("because GGUF is not read").to_string();
    assert!(found.ends_with("diffusion_pytorch_model.gguf: GGUF is not yet supported"), "{found}");
    let found =
        Checkpoint::open(&folder.path().join("nowhere")).expect_err("because it is missing");
    assert!(found.to_string().contains("nowhere: No such file"), "{found}");
}

#[test]
fn shards_are_read_as_one() {
    let folder = tempfile::tempdir().expect("because tests can write temporary files");
    write(folder.path(), "1.safetensors", &floats(&[("a", &[1], &[1.0])]));
    write(folder.path(), "2.safetensors", &floats(&[("b", &[1], &[2.0]), ("c", &[1], &[3.0])]));
    let map = r#"{"metadata":{},"weight_map":{"a":"1.safetensors","c":"2.safetensors","b":"2.safetensors"}}"#;
    write(folder.path(), "m.safetensors.index.json", map.as_bytes());
    let source = Source::open(&folder.path().join("m.safetensors.index.json"));
    let source = source.expect("because the shards are right");
    assert_eq!((source.files().count(), source.size_bytes()), (2, 12));
    let weights = source.unplanned();
    for (name, value) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
        assert_eq!(weights.scalar(name).expect("because it is one number"), value);
    }
}

#[test]
fn shards_that_do_not_fit_their_index_are_refused() {
    let map = |pairs: &str| format!(r#"{{"weight_map":{{{pairs}}}}}"#);
    let cases = [
        (map(""), "the weight map is empty"),
        ("{}".to_owned(), "line 1: missing field `weight_map`"),
        ("{\n\"weight_map\": {\"a\": 1}}".to_owned(), "line 2: invalid type: integer"),
        (map(r#""a":"1.safetensors","a":"1.safetensors""#), "tensor a is listed twice"),
        (
            map(r#""a":"1.safetensors","b":"1.safetensors""#),
            "tensor b is missing from 1.safetensors",
        ),
        (map(r#""b":"2.safetensors""#), "tensor c of 2.safetensors is not listed"),
        (map(r#""a":"3.safetensors""#), "3.safetensors: No such file"),
        (map(r#""a":"empty.safetensors""#), "empty.safetensors: the file is empty"),
        (
            map(r#""a":"../1.safetensors""#),
            "tensor a: \"../1.safetensors\" is not the name of a file beside the index",
        ),
        (map(r#""a":"sub/1.safetensors""#), "is not the name of a file"),
        (map(r#""a":"/etc/passwd""#), "is not the name of a file"),
        (map(r#""a":"c:\\1.safetensors""#), "is not the name of a file"),
        (map(r#""a":"..""#), "is not the name of a file"),
        (map(r#""a":"""#), "is not the name of a file"),
        (map(r#""a":"1\u0000""#), "is not the name of a file"),
    ];
    for (index, expected) in cases {
        let folder = tempfile::tempdir().expect("because tests can write temporary files");
        write(folder.path(), "1.safetensors", &floats(&[("a", &[1], &[1.0])]));
        write(folder.path(), "2.safetensors", &floats(&[("b", &[1], &[2.0]), ("c", &[1], &[3.0])]));
        write(folder.path(), "empty.safetensors", b"");
        write(folder.path(), "m.safetensors.index.json", index.as_bytes());
        let found = Source::open(&folder.path().join("m.safetensors.index.json"));
        let found = found.expect_err("because index and shards disagree").to_string();
        assert!(found.contains(expected), "{index}: {found}");
    }
}
