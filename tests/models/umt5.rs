//! UMT5 against transformers' `UMT5EncoderModel`, and its configuration against published shapes.

use candle_core::{DType, Device, Tensor};
use kinora_models::Result;
use kinora_models::faults::{self, Fault};
use kinora_models::parts::{Placement, Tap};
use kinora_models::text::umt5::{Config, Umt5};

use crate::golden::{Golden, agree, inventory, relative_l2};

/// Numbers of true tokens of the golden's prompts.
const PROMPTS: [usize; 3] = [1, 7, 60];

fn load(golden: &Golden, compute: DType) -> Umt5 {
    let config = Config::from_json(&golden.config).expect("the golden's configuration is valid");
    let weights = golden.weights(&config.expected());
    let placement = Placement { device: Device::Cpu, compute };
    Umt5::load(&config, &weights, &placement).expect("the golden's weights fit")
}

fn ids(golden: &Golden, tokens: usize) -> Vec<u32> {
    let ids = golden.tensor(&format!("{tokens}.ids")).to_vec1::<f32>().expect("ids are a row");
    ids.into_iter().map(|id| id as u32).collect()
}

fn encode(model: &Umt5, golden: &Golden, tokens: usize) -> Tensor {
    model.encode(&ids(golden, tokens), &mut ()).expect("the golden's ids are in its table")
}

/// Holds every layer against the golden.
struct Layers<'a> {
    golden: &'a Golden,
    tokens: usize,
    heard: usize,
}

impl Tap for Layers<'_> {
    fn wants_blocks(&self) -> bool {
        true
    }

    fn tensor(&mut self, name: &str, value: &Tensor, shape: &[usize]) -> Result<()> {
        assert_eq!(shape.iter().product::<usize>(), value.elem_count());
        let name = format!("{}.{name}", self.tokens);
        agree(value, &self.golden.tensor(&name), &name);
        self.heard += 1;
        Ok(())
    }
}

#[test]
fn prompts_of_every_length_encode_as_in_transformers() {
    let golden = Golden::open("umt5");
    let model = load(&golden, DType::F32);
    for tokens in PROMPTS {
        let mut layers = Layers { golden: &golden, tokens, heard: 0 };
        let ours = model.encode(&ids(&golden, tokens), &mut layers).expect("ids encode");
        assert_eq!(layers.heard, 3);
        agree(&ours, &golden.tensor(&format!("{tokens}.out")), &format!("{tokens} tokens"));
    }
}

#[test]
fn narrow_products_err_no_more_than_those_of_transformers() {
    let golden = Golden::open("umt5");
    let model = load(&golden, DType::BF16);
    let error = relative_l2(&encode(&model, &golden, 60), &golden.tensor("60.out"));
    let theirs = golden.error_bf16.expect("the golden says how far transformers is off");
    assert!(error > 1e-5 && error <= 1.2 * theirs, "{error:e}, theirs {theirs:e}");
}

#[test]
fn a_shared_bias_turns_the_golden_red() {
    let golden = Golden::open("umt5");
    let model = load(&golden, DType::F32);
    let _fault = faults::inject(Fault::SharedBias);
    let error = relative_l2(&encode(&model, &golden, 60), &golden.tensor("60.out"));
    assert!(error > 1e-2, "{error:e}");
}

#[test]
fn an_id_without_a_row_is_refused() {
    let golden = Golden::open("umt5");
    let refused = load(&golden, DType::F32).encode(&[3, 64], &mut ());
    let message = refused.map_err(|error| error.to_string()).err();
    assert_eq!(
        message.as_deref(),
        Some("token id: expected a row of shared.weight [64, 32], found [64]")
    );
}

#[test]
fn the_published_shapes_tell_the_configuration_and_the_other_way_round() -> Result<()> {
    let published = inventory("transformers-umt5-xxl-encoder");
    let config = Config::detect(&published)?;
    assert_eq!((config.num_heads, config.d_kv, config.num_layers), (64, 64, 24));
    let expected = config.expected();
    for (name, shape) in expected.iter() {
        let found = published.get(name).map(|listed| listed.shape.as_slice());
        assert_eq!(found, Some(shape), "{name}");
    }
    // The class lists its embedding under two names.
    assert_eq!(expected.iter().count() + 1, published.len());
    Ok(())
}
