//! LoRA files in both namings, alone and stacked, against the reference; and the files that are refused.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use candle_core::{DType, Device, Tensor};
use kinora_engine::generator::Generator;
use kinora_engine::observe::{Event, Observer, Stage};
use kinora_engine::request::{Lora, Request};
use kinora_engine::{Hint, Kind};
use kinora_models::faults::{self, Fault};
use tempfile::TempDir;

use crate::golden::{self, Golden, Tensors, relative_l2};

fn lora(name: &str, scale: f64) -> Lora {
    Lora { path: golden::path(&format!("{name}.safetensors")), scale }
}

fn with(loras: Vec<Lora>) -> Request {
    Request { loras, ..Golden::open().request() }
}

fn stacked() -> Request {
    with(vec![lora("first-comfyui", 0.75), lora("second-comfyui", -0.5)])
}

/// The largest relative L2 of the denoiser's outputs and inputs.
fn worst(ours: &Tensors, theirs: &Tensors) -> f64 {
    assert!(theirs.len() > 10);
    theirs
        .iter()
        .filter(|(name, _)| !name.ends_with("encoder_hidden_states"))
        .map(|(name, theirs)| relative_l2(&ours[name], theirs))
        .fold(0.0, f64::max)
}

#[test]
fn two_adapters_together_are_the_references() {
    let theirs = Golden::open().run("lora");
    let error = worst(&golden::trace(&golden::path("model"), stacked()), &theirs);
    assert!(error <= 1e-4, "{error:e}");
}

#[test]
fn an_alpha_that_is_not_read_is_noticed() {
    let theirs = Golden::open().run("lora");
    let injected = faults::inject(Fault::AlphaIgnored);
    let error = worst(&golden::trace(&golden::path("model"), stacked()), &theirs);
    drop(injected);
    assert!(error > 1e-2, "{error:e}");
}

#[test]
fn both_namings_of_one_change_give_the_same_bits() {
    let hash = |name| {
        golden::generate(&with(vec![lora(name, 0.75)]), golden::exact()).manifest.latent_hash
    };
    assert_eq!(hash("first-peft"), hash("first-comfyui"));
    assert_ne!(hash("first-peft"), hash("second-comfyui"));
}

#[test]
fn a_strength_of_zero_is_no_adapter_at_all() {
    let hash = |loras| golden::generate(&with(loras), golden::exact()).manifest.latent_hash;
    assert_eq!(hash(vec![lora("first-peft", 0.0)]), hash(Vec::new()));
    assert_ne!(hash(vec![lora("first-peft", 1.0)]), hash(Vec::new()));
}

#[test]
fn the_manifest_names_adapters_in_their_order() {
    let request = stacked();
    let records = golden::generate(&request, golden::exact()).manifest.loras;
    let named: Vec<&Lora> = records.iter().map(|record| &record.lora).collect();
    assert_eq!(named, request.loras.iter().collect::<Vec<_>>());
    assert_ne!(records[0].blake3, records[1].blake3);
}

/// Writes a changed copy of the PEFT file and returns what a generation with it is refused for.
fn refusal(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> String {
    let place = TempDir::new().expect("there is room for an adapter");
    let mut tensors = golden::load(&golden::path("first-peft.safetensors")).into_iter().collect();
    change(&mut tensors);
    let path: PathBuf = place.path().join("broken.safetensors");
    candle_core::safetensors::save(&tensors, &path).expect("there is room for an adapter");
    let request = with(vec![Lora { path, scale: 1.0 }]);
    let generator = golden::open(&golden::path("model"), golden::exact());
    let told = Stages::default();
    let error = generator.generate(&request, &told).expect_err("the adapter does not fit");
    let told = told.0.into_inner().expect("no thread panicked");
    assert_eq!(told, [Stage::Plan], "it is refused before any work");
    assert_eq!(error.kind(), Kind::Input);
    error.to_string().replace(&place.path().display().to_string(), "DIR")
}

/// Keeps the stages it hears of.
#[derive(Default)]
struct Stages(Mutex<Vec<Stage>>);

impl Observer for Stages {
    fn on(&self, event: &Event) -> ControlFlow<()> {
        if let Event::Stage(stage) = event {
            self.0.lock().expect("no thread panicked").push(*stage);
        }
        ControlFlow::Continue(())
    }
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros of any shape")
}

const MODULE: &str = "transformer.blocks.0.attn1.to_q";

#[test]
fn a_key_that_nothing_uses_is_refused_by_name() {
    let said = refusal(|tensors| {
        tensors.insert("transformer.blocks.0.attn1.to_z.lora_A.dora".to_owned(), zeros(&[2, 2]));
    });
    insta::assert_snapshot!(said, @"DIR/broken.safetensors has a key that nothing here can use: transformer.blocks.0.attn1.to_z.lora_A.dora");
    let said = refusal(|tensors| {
        tensors.insert("transformer.blocks.9.attn1.to_q.lora_A.weight".to_owned(), zeros(&[2, 32]));
        tensors.insert("transformer.blocks.9.attn1.to_q.lora_B.weight".to_owned(), zeros(&[32, 2]));
    });
    assert!(said.contains("blocks.9.attn1.to_q"), "{said}");
}

#[test]
fn half_a_change_is_refused() {
    let said = refusal(|tensors| {
        tensors.remove(&format!("{MODULE}.lora_B.weight"));
    });
    insta::assert_snapshot!(said, @"DIR/broken.safetensors has transformer.blocks.0.attn1.to_q.lora_A.weight but no transformer.blocks.0.attn1.to_q, its up half");
}

#[test]
fn changes_that_do_not_fit_are_refused() {
    for shape in [vec![2, 31], vec![3, 32], vec![2, 32, 1], vec![0, 32]] {
        let said = refusal(|tensors| {
            tensors.insert(format!("{MODULE}.lora_A.weight"), zeros(&shape));
        });
        assert!(said.contains("blocks.0.attn1.to_q"), "{shape:?}: {said}");
    }
    let said = refusal(|tensors| {
        let hole = (zeros(&[2, 32]) / 0.0).expect("a quotient of any number");
        tensors.insert(format!("{MODULE}.lora_A.weight"), hole);
    });
    assert!(said.contains("to_q.lora_A.weight: expected finite values, found NaN"), "{said}");
    insta::assert_snapshot!(refusal(HashMap::clear), @"DIR/broken.safetensors changes nothing: it holds no tensor");
}

#[test]
fn files_that_are_no_adapters_are_refused() {
    let generator = golden::open(&golden::path("model"), golden::exact());
    for file in ["no-such.safetensors", "model/tokenizer/tokenizer.json", "unipc.safetensors"] {
        let request = with(vec![Lora { path: golden::path(file), scale: 1.0 }]);
        let error = generator.generate(&request, &()).expect_err("this is no adapter");
        assert_eq!(error.kind(), Kind::Input, "{error}");
        let name = Path::new(file).file_name().and_then(|name| name.to_str());
        assert!(name.is_some_and(|name| error.to_string().contains(name)), "{error}");
    }
}
