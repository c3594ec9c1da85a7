//! A tiny checkpoint of random weights, for seeing that everything works before a real one is here.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use kinora_models::text::umt5;
use kinora_models::wan;
use kinora_models::weights::Expected;
use serde_json::{Value, json};

use super::latents::write_tensors;
use super::noise;
use crate::{Error, Result};

/// Rows of the encoder's table; the tokenizer has a few pieces fewer.
const VOCABULARY: usize = 64;

/// Writes a checkpoint in the diffusers layout: the classes of Wan 2.1 at a size that runs in seconds.
///
/// # Errors
/// What the disk says.
pub fn write_demo_model(folder: &Path) -> Result<()> {
    let config = |name: &str, file: &str, value: &Value| -> Result<String> {
        let path = folder.join(name).join(file);
        let text = format!("{value:#}\n");
        let failed = |source| Error::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&path, &text).map_err(failed)?;
        Ok(text)
    };
    config("", "model_index.json", &index())?;
    config("scheduler", "scheduler_config.json", &scheduler())?;
    config("tokenizer", "tokenizer.json", &tokenizer())?;
    let text = config("text_encoder", "config.json", &text_encoder())?;
    let transformer = config("transformer", "config.json", &transformer())?;
    let vae = config("vae", "config.json", &vae())?;
    let weights = |name: &str, file: &str, expected: &Expected| {
        write_tensors(&folder.join(name).join(file), &random(name, expected)?)
    };
    let model = "model.safetensors";
    weights("text_encoder", model, &umt5::Config::from_json(&text)?.expected())?;
    let model = "diffusion_pytorch_model.safetensors";
    weights("transformer", model, &wan::Config::from_json(&transformer)?.expected())?;
    weights("vae", model, &wan::vae::Config::from_json(&vae)?.expected())
}

/// Random values of a sane size for every tensor: gains near one, matrices that keep the size of what they multiply.
fn random(part: &str, expected: &Expected) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for (name, shape) in expected.iter() {
        let hash = blake3::hash(format!("{part}/{name}").as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        let noise = noise::randn(u64::from_le_bytes(seed), shape);
        let rows = shape.first().copied().unwrap_or(1).max(1);
        let fan_in = (noise.len() / rows).max(1) as f32;
        let is_gain = name.ends_with("gamma") || (name.ends_with("weight") && shape.len() == 1);
        let (base, gain) = match () {
            () if is_gain => (1.0, 0.05),
            () if shape.len() <= 1 => (0.0, 0.02),
            // Frames stay off black and white.
            () if name == "decoder.conv_out.weight" => (0.0, 0.5 / fan_in.sqrt()),
            () if name.contains("SelfAttention.q") => (0.0, 0.125 / fan_in.sqrt()),
            () => (0.0, 1.0 / fan_in.sqrt()),
        };
        let values = noise.into_iter().map(|x| base + gain * x).collect::<Vec<f32>>();
        tensors.insert(name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    Ok(tensors)
}

fn index() -> Value {
    json!({
        "_class_name": "WanPipeline",
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
    })
}

fn scheduler() -> Value {
    json!({
        "_class_name": "UniPCMultistepScheduler",
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": true,
        "flow_shift": 3.0,
        "num_train_timesteps": 1000,
    })
}

fn text_encoder() -> Value {
    json!({
        "architectures": ["UMT5EncoderModel"],
        "model_type": "umt5",
        "vocab_size": VOCABULARY,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "gated-gelu",
        "layer_norm_epsilon": 1e-6,
    })
}

fn transformer() -> Value {
    json!({
        "_class_name": "WanTransformer3DModel",
        "patch_size": [1, 2, 2],
        "num_attention_heads": 4,
        "attention_head_dim": 32,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": 64,
        "freq_dim": 256,
        "ffn_dim": 512,
        "num_layers": 4,
        "cross_attn_norm": true,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
        "image_dim": null,
        "added_kv_proj_dim": null,
        "rope_max_seq_len": 1024,
        "pos_embed_seq_len": null,
    })
}

fn vae() -> Value {
    json!({
        "_class_name": "AutoencoderKLWan",
        "base_dim": 16,
        "z_dim": 16,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 1,
        "attn_scales": [],
        "temperal_downsample": [false, true, true],
    })
}

/// A tokenizer that spells: one piece a letter, space as its own.
fn tokenizer() -> Value {
    let special = ["<pad>", "</s>", "<unk>"];
    let spelled = std::iter::once('▁').chain('!'..='?').chain('a'..='z').map(String::from);
    let vocabulary: Vec<Value> = special
        .iter()
        .map(|piece| json!([piece, 0.0]))
        .chain(spelled.take(VOCABULARY - special.len()).map(|piece| json!([piece, -4.0])))
        .collect();
    let added = |(id, content): (usize, &&str)| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let space =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let ends = json!([{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]);
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": special.iter().enumerate().map(added).collect::<Vec<Value>>(),
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": ends,
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false},
    })
}
