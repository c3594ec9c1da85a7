//! Checkpoints that are broken: each is refused by name, with nothing written.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use crate::command::{Place, SMALL};

const TRANSFORMER: &str = "transformer/diffusion_pytorch_model.safetensors";

/// Changes tensors of the transformer, and returns what is said of a generation with it.
fn with_tensors(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> (Place, String) {
    let place = changed(change);
    let said = place.fails(&SMALL);
    (place, said)
}

/// A checkpoint with a transformer of changed tensors.
fn changed(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Place {
    let place = Place::new();
    let path = place.path("model").join(TRANSFORMER);
    let bytes = std::fs::read(&path).expect("the checkpoint is whole");
    let mut tensors =
        candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).expect("it is readable");
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, &path).expect("the copy is writable");
    place
}

fn bf16(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::BF16, &Device::Cpu).expect("zeros of any shape")
}

fn assert_says(said: &str, words: &[&str]) {
    assert!(said.starts_with("exit 3\n"), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_file_that_is_cut_short() {
    for length in [0, 7, 100, 40_000] {
        let place = Place::new();
        let path = place.path("model").join(TRANSFORMER);
        let bytes = std::fs::read(&path).expect("the checkpoint is whole");
        std::fs::write(&path, &bytes[..length]).expect("the copy is writable");
        assert_says(&place.fails(&SMALL), &[TRANSFORMER]);
    }
}

#[test]
fn a_component_that_is_missing() {
    for component in ["transformer", "vae", "text_encoder", "tokenizer"] {
        let place = Place::new();
        std::fs::remove_dir_all(place.path("model").join(component)).expect("the copy is writable");
        assert_says(&place.fails(&SMALL), &[component]);
    }
}

#[test]
fn classes_that_nothing_here_runs() {
    for (class, other) in [
        ("WanPipeline", "LuminaPipeline"),
        ("WanTransformer3DModel", "OtherModel"),
        ("AutoencoderKLWan", "AutoencoderKL"),
    ] {
        let place = Place::new();
        place.edit("model_index.json", class, other);
        assert_says(&place.fails(&SMALL), &[other]);
    }
}

#[test]
fn a_pipeline_that_is_not_as_it_says() {
    let place = Place::new();
    place.edit("model_index.json", "false", "\"perhaps\"");
    assert_says(&place.fails(&SMALL), &["model_index.json", "expand_timesteps", "perhaps"]);
}

#[test]
fn a_schedule_that_nothing_here_follows() {
    let place = Place::new();
    place.edit("scheduler/scheduler_config.json", "flow_prediction", "epsilon");
    assert_says(&place.fails(&SMALL), &["prediction_type", "flow_prediction"]);
}

#[test]
fn tensors_too_many_too_few_and_of_another_shape() {
    let key = "blocks.1.ffn.net.2.weight";
    let (_, said) = with_tensors(|tensors| {
        tensors.insert("blocks.0.extra.weight".to_owned(), bf16(&[2]));
    });
    assert_says(&said, &["blocks.0.extra.weight"]);
    let (_, said) = with_tensors(|tensors| {
        tensors.remove(key);
    });
    assert_says(&said, &[key]);
    let (_, said) = with_tensors(|tensors| {
        tensors.insert(key.to_owned(), bf16(&[32, 47]));
    });
    assert_says(&said, &[key]);
}

#[test]
fn a_weight_that_is_no_number() {
    for value in [f32::NAN, f32::INFINITY] {
        let key = "blocks.1.attn1.to_q.weight";
        let (place, said) = with_tensors(|tensors| {
            let mut values = vec![0f32; 32 * 32];
            values[517] = value;
            let tensor = Tensor::from_vec(values, (32, 32), &Device::Cpu)
                .and_then(|x| x.to_dtype(DType::BF16));
            tensors.insert(key.to_owned(), tensor.expect("a matrix of numbers"));
        });
        assert_says(&said, &[key]);
        assert_says(&place.fails(&["models", "verify", "model"]), &[key]);
    }
}

#[test]
fn numbers_that_run_out_of_range() {
    let place = changed(|tensors| {
        let bias = bf16(&[48]).affine(0.0, 1e6).expect("a number everywhere");
        tensors.insert("blocks.1.ffn.net.0.proj.bias".to_owned(), bias);
    });
    let said = place.fails(&[&SMALL[..], &["--dtype", "f16"]].concat());
    assert_says(&said, &["latents after step 1 are not finite", "hint: ", "--dtype"]);
}

#[test]
fn a_tokenizer_that_is_none() {
    for text in ["", "garbage", "{}", r#"{"model": {"type": "Unigram", "vocab": []}}"#] {
        let place = Place::new();
        std::fs::write(place.path("model/tokenizer/tokenizer.json"), text)
            .expect("the copy is writable");
        assert_says(&place.fails(&SMALL), &["tokenizer"]);
    }
}

#[test]
fn an_adapter_with_a_key_that_nothing_uses() {
    let place = Place::new();
    let tensors = HashMap::from([(
        "transformer.blocks.0.attn1.to_z.lora_A.weight".to_owned(),
        bf16(&[2, 32]),
    )]);
    candle_core::safetensors::save(&tensors, place.path("adapter.safetensors"))
        .expect("there is room");
    let said = place.fails(&[&SMALL[..], &["--lora", "adapter.safetensors:0.5"]].concat());
    assert_says(&said, &["adapter.safetensors", "blocks.0.attn1.to_z"]);
    let said = place.fails(&[&SMALL[..], &["--lora", "nowhere.safetensors"]].concat());
    assert_says(&said, &["nowhere.safetensors"]);
}
