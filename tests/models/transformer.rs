//! The Wan transformer against diffusers' `WanTransformer3DModel`, and its configuration against published shapes.

use candle_core::{DType, Device, Tensor};
use kinora_models::faults::{self, Fault};
use kinora_models::nn::Delta;
use kinora_models::parts::{Denoiser, Placement, PromptEmbeds, Tap, Timesteps};
use kinora_models::wan::{Config, Transformer};
use kinora_models::weights::{Inventory, KeyMap};
use kinora_models::{Error, Result};

use crate::golden::{Golden, agree, inventory, relative_l2};

const CASES: [&str; 3] =
    ["wan-transformer", "wan-transformer-per-token", "wan-transformer-unpadded"];

fn config(golden: &Golden) -> Config {
    Config::from_json(&golden.config).expect("the golden's configuration is valid")
}

fn load(golden: &Golden, compute: DType) -> Transformer {
    let config = config(golden);
    let weights = golden.weights(&config.expected());
    let placement = Placement { device: Device::Cpu, compute };
    Transformer::load(config, &weights, &placement).expect("the golden's weights fit")
}

fn prompt(golden: &Golden) -> PromptEmbeds {
    let embeds = golden.tensor("prompt");
    let tokens = embeds.dims()[0];
    let rows = golden.tensor("rows").to_vec1::<f32>().expect("one number")[0] as usize;
    PromptEmbeds { input_ids: vec![0; rows], tokens, embeds }
}

fn forward(model: &Transformer, golden: &Golden, tap: &mut dyn Tap) -> Tensor {
    let timesteps = golden.tensor("timestep").to_vec1::<f32>().expect("timesteps are a row");
    let timesteps = match timesteps.as_slice() {
        &[timestep] => Timesteps::Clip(timestep),
        each => Timesteps::Token(each.to_vec()),
    };
    let context = model.prepare(&prompt(golden), tap).expect("the golden's prompt fits");
    let latents = golden.tensor("latents");
    model.forward(&latents, &timesteps, context.as_ref(), tap).expect("the golden's latents fit")
}

/// Holds every module's output against the golden.
struct Modules<'a> {
    golden: &'a Golden,
    heard: Vec<String>,
}

impl Tap for Modules<'_> {
    fn wants_blocks(&self) -> bool {
        true
    }

    fn tensor(&mut self, name: &str, value: &Tensor, shape: &[usize]) -> Result<()> {
        let ours = value.reshape(shape)?;
        let theirs = self.golden.tensor(&format!("block:{name}"));
        let ours = if name == "condition_embedder/2" {
            // The golden keeps one row of padding; all of them are to be equal to it.
            let kept = theirs.dims()[1];
            for row in kept..shape[1] {
                let row = ours.narrow(1, row, 1)?;
                agree(&row, &theirs.narrow(1, kept - 1, 1)?, "a row of padding");
            }
            ours.narrow(1, 0, kept)?
        } else {
            ours
        };
        agree(&ours, &theirs, name);
        self.heard.push(name.to_owned());
        Ok(())
    }
}

#[test]
fn every_module_computes_what_diffusers_computes() {
    for case in CASES {
        let golden = Golden::open(case);
        let model = load(&golden, DType::F32);
        let mut modules = Modules { golden: &golden, heard: Vec::new() };
        agree(&forward(&model, &golden, &mut modules), &golden.tensor("out"), case);
        let blocks = (0..model.config().num_layers).map(|i| format!("blocks.{i}"));
        let mut expected: Vec<String> = ["rope/0", "rope/1", "patch_embedding"]
            .into_iter()
            .chain((0..3).map(|j| {
                ["condition_embedder/0", "condition_embedder/1", "condition_embedder/2"][j]
            }))
            .map(str::to_owned)
            .collect();
        expected.extend(blocks);
        expected.extend(["norm_out".to_owned(), "proj_out".to_owned()]);
        assert_eq!(modules.heard, expected, "{case}");
        agree(&forward(&model, &golden, &mut ()), &golden.tensor("out"), case);
    }
}

#[test]
fn narrow_products_err_no_more_than_those_of_diffusers() {
    for (case, compute) in CASES.into_iter().flat_map(|c| [(c, DType::BF16), (c, DType::F16)]) {
        let golden = Golden::open(case);
        let ours = forward(&load(&golden, compute), &golden, &mut ());
        let error = relative_l2(&ours, &golden.tensor("out"));
        let theirs = golden.error_bf16.expect("the golden says how far diffusers is off");
        assert!(error > 1e-6 && error <= 1.2 * theirs, "{case}: {error:e}, theirs {theirs:e}");
    }
}

#[test]
fn a_wrong_axis_split_turns_the_golden_red() {
    let golden = Golden::open(CASES[0]);
    let model = load(&golden, DType::F32);
    let faulty = {
        let _fault = faults::inject(Fault::RopeAxisSplit);
        forward(&model, &golden, &mut ())
    };
    let error = relative_l2(&faulty, &golden.tensor("out"));
    assert!(error > 1e-4, "{error:e}");
    agree(&forward(&model, &golden, &mut ()), &golden.tensor("out"), "after the fault");
}

/// Every module that an adapter can name, and how it is told that the right rows of the right layer changed: what
/// changes is the part of the model that stands behind it.
#[test]
fn a_change_reaches_the_module_it_names_and_no_other() {
    let golden = Golden::open(CASES[0]);
    let config = config(&golden);
    let shapes: Vec<(String, Vec<usize>)> = config
        .expected()
        .iter()
        .filter_map(|(name, shape)| {
            let module = name.strip_suffix(".weight").filter(|_| shape.len() > 1)?;
            Some((module.to_owned(), shape.to_vec()))
        })
        .collect();
    assert_eq!(shapes.len(), 2 + 5 + 10 * config.num_layers);
    let before = forward(&load(&golden, DType::F32), &golden, &mut ());
    let mut seen: Vec<Vec<u32>> = vec![bits(&before)];
    for (module, shape) in shapes {
        let (outputs, inputs) = (shape[0], shape[1..].iter().product::<usize>());
        let mut model = load(&golden, DType::F32);
        let full = |rows, columns, value| {
            Tensor::full(value, (rows, columns), &Device::Cpu).expect("a constant")
        };
        let delta = Delta { down: full(1, inputs, 0.5f32), up: ramp(outputs), scale: 0.25 };
        let silent = Delta { scale: 0.0, ..delta.clone() };
        model.adapt(&module, silent).expect("the change fits");
        assert_eq!(bits(&forward(&model, &golden, &mut ())), seen[0], "{module} at scale 0");
        model.adapt(&module, delta).expect("the change fits");
        let after = bits(&forward(&model, &golden, &mut ()));
        assert!(!seen.contains(&after), "{module} changes nothing, or what another changes");
        seen.push(after);
        let misfit = Delta { down: full(1, inputs + 1, 0.5f32), up: ramp(outputs), scale: 1.0 };
        assert!(matches!(model.adapt(&module, misfit), Err(Error::DeltaShape { .. })), "{module}");
    }
    let mut model = load(&golden, DType::F32);
    for module in ["blocks.2.attn1.to_q", "blocks.0.attn1", "norm_out", "blocks.x.ffn.net.2", ""] {
        let delta = Delta { down: ramp(1), up: ramp(1), scale: 1.0 };
        assert!(matches!(model.adapt(module, delta), Err(Error::NoSuchModule { .. })), "{module}");
    }
}

/// `(n, 1)`, every row another number.
fn ramp(n: usize) -> Tensor {
    let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin()).collect();
    Tensor::from_vec(values, (n, 1), &Device::Cpu).expect("a column")
}

fn bits(x: &Tensor) -> Vec<u32> {
    let values = x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("a tensor has values");
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let golden = Golden::open(CASES[0]);
    let model = load(&golden, DType::F32);
    let context = model.prepare(&prompt(&golden), &mut ()).expect("the golden's prompt fits");
    for shape in [[5, 3, 4, 6], [4, 3, 5, 6], [4, 0, 4, 6], [4, 1, 2, 2050]] {
        let latents = Tensor::zeros(&shape, DType::F32, &Device::Cpu).expect("zeros");
        let refused = model.forward(&latents, &Timesteps::Clip(1.0), context.as_ref(), &mut ());
        assert!(matches!(refused, Err(Error::Input { what: "latents", .. })), "{shape:?}");
    }
    let short = Timesteps::Token(vec![1.0; 17]);
    let refused = model.forward(&golden.tensor("latents"), &short, context.as_ref(), &mut ());
    assert!(matches!(refused, Err(Error::Input { what: "timesteps", .. })));
    let narrow = PromptEmbeds { embeds: ramp(5), ..prompt(&golden) };
    assert!(matches!(model.prepare(&narrow, &mut ()), Err(Error::Input { .. })));
}

#[test]
fn image_features_are_refused_by_field_before_a_weight_is_read() {
    let golden = Golden::open(CASES[0]);
    let weights = golden.weights(&config(&golden).expected());
    let placement = Placement { device: Device::Cpu, compute: DType::F32 };
    let cases = [
        ("image_dim", Config { image_dim: Some(1280), ..config(&golden) }),
        ("added_kv_proj_dim", Config { added_kv_proj_dim: Some(56), ..config(&golden) }),
    ];
    for (field, config) in cases {
        let refused = Transformer::load(config, &weights, &placement);
        let message = refused.map_err(|error| error.to_string()).err().unwrap_or_default();
        assert!(message.contains(&format!("{field}: expected nothing")), "{message}");
    }
}

/// Published configurations: name, width, heads, blocks, feed-forward, channels in and out, image features.
type Published = (&'static str, usize, usize, usize, usize, [usize; 2], Option<usize>);
const PUBLISHED: [Published; 7] = [
    ("wan2.1-t2v-1.3b", 1536, 12, 30, 8960, [16, 16], None),
    ("wan2.1-t2v-14b", 5120, 40, 40, 13824, [16, 16], None),
    ("wan2.2-t2v-a14b-expert", 5120, 40, 40, 13824, [16, 16], None),
    ("wan2.2-i2v-a14b-expert", 5120, 40, 40, 13824, [36, 16], None),
    ("wan2.2-ti2v-5b", 3072, 24, 30, 14336, [48, 48], None),
    ("wan2.1-i2v-14b", 5120, 40, 40, 13824, [36, 16], Some(1280)),
    ("wan2.1-flf2v-14b", 5120, 40, 40, 13824, [36, 16], Some(1280)),
];

#[test]
fn published_configurations_ask_for_the_published_tensors() {
    for (name, dim, heads, layers, ffn, [channels_in, channels_out], image) in PUBLISHED {
        let added = image.map(|_| dim);
        let tokens = (name == "wan2.1-flf2v-14b").then_some(514);
        let text = serde_json::json!({
            "_class_name": "WanTransformer3DModel", "patch_size": [1, 2, 2], "num_attention_heads": heads,
            "attention_head_dim": 128, "in_channels": channels_in, "out_channels": channels_out, "text_dim": 4096,
            "freq_dim": 256, "ffn_dim": ffn, "num_layers": layers, "cross_attn_norm": true,
            "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "image_dim": image, "added_kv_proj_dim": added,
            "rope_max_seq_len": 1024, "pos_embed_seq_len": tokens,
        });
        let config = Config::from_json(&text.to_string()).expect("a published configuration");
        assert_eq!((config.dim(), config.rope_axes()), (dim, [44, 42, 42]));
        let expected = config.expected();
        let published = inventory(&format!("diffusers-{name}"));
        for (tensor, shape) in expected.iter() {
            let found = published.get(tensor).map(|listed| listed.shape.as_slice());
            assert_eq!(found, Some(shape), "{name}: {tensor}");
        }
        assert_eq!(expected.iter().count(), published.len(), "{name}");

        // The original release says less; its shapes say the rest.
        let original = serde_json::json!({
            "_class_name": "WanModel", "dim": dim, "eps": 1e-6, "ffn_dim": ffn, "freq_dim": 256, "in_dim": channels_in,
            "model_type": "t2v", "num_heads": heads, "num_layers": layers, "out_dim": channels_out, "text_len": 512,
        });
        let found = Config::from_original(&original.to_string(), &canonical(name));
        assert_eq!(found.expect("a published configuration"), config, "{name}");
    }
}

fn canonical(name: &str) -> Inventory {
    let text = include_str!("../../models/src/wan/keys/original-transformer.toml");
    let map = KeyMap::parse(text, &[]).expect("the map is right");
    let mut canonical = Inventory::default();
    for (name, listed) in inventory(&format!("original-{name}")).iter() {
        let name = map.forward(name).expect("the map names every tensor");
        canonical.add(name, listed.shape.clone(), None);
    }
    canonical
}

#[test]
fn configurations_that_cannot_be_are_refused_by_field() {
    let golden = Golden::open(CASES[0]);
    let cases = [
        ("num_attention_heads", "0", "a whole number from 1 to 1024, found 0"),
        ("num_attention_heads", "1e30", "a whole number from 1 to 1024, found 1e+30"),
        ("num_layers", "-1", "a whole number from 1 to 512, found -1"),
        ("num_layers", "\"two\"", "a whole number from 1 to 512, found \"two\""),
        ("attention_head_dim", "27", "heads of an even width, found 27"),
        (
            "ffn_dim",
            "18446744073709551615",
            "a whole number from 1 to 131072, found 18446744073709551615",
        ),
        ("freq_dim", "17", "an even number, found 17"),
        ("patch_size", "[1, 0, 2]", "three whole numbers from 1 to 16, found [1,0,2]"),
        ("patch_size", "null", "three whole numbers from 1 to 16, found null"),
        ("qk_norm", "\"layer_norm\"", "rms_norm_across_heads, found \"layer_norm\""),
        ("eps", "0", "a number between 0 and 1, found 0"),
        ("cross_attn_norm", "1", "true or false, found 1"),
    ];
    for (field, value, expected) in cases {
        let mut fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&golden.config).expect("the golden's configuration is JSON");
        fields.insert(field.to_owned(), serde_json::from_str(value).expect("a value"));
        let text = serde_json::Value::Object(fields).to_string();
        let refused = Config::from_json(&text).map_err(|error| error.to_string()).err();
        let expected = format!("WanTransformer3DModel: {field}: expected {expected}");
        assert_eq!(refused, Some(expected), "{field} {value}");
    }
}
