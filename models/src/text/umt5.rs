//! UMT5, the encoder half: every layer with a relative position bias of its own.

use candle_core::{DType, Tensor};
use kinora_kernels::ops::{
    attention::{KeyValue, attention},
    norm::rms_norm,
};

use crate::{
    Result,
    faults::{self, Fault},
    fields::{Fields, wrong},
    nn::Linear,
    parts::{Placement, Tap},
    weights::{Expected, Inventory, Weights},
};

/// Class of the encoder.
const CLASS: &str = "UMT5EncoderModel";

/// Numbers of a UMT5 encoder.
///
/// # Source
/// `transformers/models/umt5/configuration_umt5.py` (5.23.0), whose field names these are.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the model.
    pub d_model: usize,
    /// Width of a head.
    pub d_kv: usize,
    /// Width inside the feed-forward.
    pub d_ff: usize,
    /// Layers.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Rows of each layer's table of position biases.
    pub relative_attention_num_buckets: usize,
    /// Distance from which on all positions share the last bucket.
    pub relative_attention_max_distance: usize,
    /// Added to denominators of every norm.
    pub layer_norm_epsilon: f64,
}

/// What the original release's class fixes and no shape tells.
///
/// # Source
/// `wan/modules/t5.py` of Wan-Video/Wan2.1 (9737cba): `T5RelativeEmbedding(max_dist=128)`, `T5LayerNorm(eps=1e-6)`.
const ORIGINAL_MAX_DISTANCE: usize = 128;
const ORIGINAL_EPSILON: f64 = 1e-6;

impl Config {
    /// Reads the `config.json` of a transformers folder.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field that is missing, absurd or not supported.
    pub fn from_json(text: &str) -> Result<Self> {
        let fields = Fields::parse(CLASS, text)?;
        fields.word("feed_forward_proj", &["gated-gelu"])?;
        let width = 1..=1 << 17;
        Self {
            vocab_size: fields.count("vocab_size", 1..=1 << 24)?,
            d_model: fields.count("d_model", width.clone())?,
            d_kv: fields.count("d_kv", 1..=4096)?,
            d_ff: fields.count("d_ff", width)?,
            num_layers: fields.count("num_layers", 1..=512)?,
            num_heads: fields.count("num_heads", 1..=1024)?,
            relative_attention_num_buckets: fields
                .count("relative_attention_num_buckets", 4..=4096)?,
            relative_attention_max_distance: fields
                .count("relative_attention_max_distance", 2..=1 << 20)?,
            layer_norm_epsilon: fields.epsilon("layer_norm_epsilon")?,
        }
        .checked()
    }

    /// Takes the numbers from the shapes of the tensors, by their canonical names: the original release has no file
    /// that says them.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the tensor that is missing or of an absurd shape.
    pub fn detect(inventory: &Inventory) -> Result<Self> {
        let matrix = |name: &str| match inventory.get(name).map(|listed| listed.shape.as_slice()) {
            Some(&[n, k]) if n > 0 && k > 0 => Ok([n, k]),
            found => {
                Err(wrong(CLASS, name, "a matrix", format!("{:?}", found.unwrap_or_default())))
            }
        };
        let attention = "encoder.block.0.layer.0.SelfAttention";
        let [vocab_size, d_model] = matrix("shared.weight")?;
        let [buckets, num_heads] = matrix(&format!("{attention}.relative_attention_bias.weight"))?;
        let query = format!("{attention}.q.weight");
        let [inner, _] = matrix(&query)?;
        if !inner.is_multiple_of(num_heads) {
            let expected = format!("rows for each of {num_heads} heads");
            return Err(wrong(CLASS, &query, expected, inner.to_string()));
        }
        let [d_ff, _] = matrix("encoder.block.0.layer.1.DenseReluDense.wi_0.weight")?;
        let layer = |i: usize| format!("encoder.block.{i}.layer.0.layer_norm.weight");
        Self {
            vocab_size,
            d_model,
            d_kv: inner / num_heads,
            d_ff,
            num_layers: (0..).take_while(|&i| inventory.get(&layer(i)).is_some()).count(),
            num_heads,
            relative_attention_num_buckets: buckets,
            relative_attention_max_distance: ORIGINAL_MAX_DISTANCE,
            layer_norm_epsilon: ORIGINAL_EPSILON,
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        let buckets = self.relative_attention_num_buckets;
        if !buckets.is_multiple_of(4) {
            let expected = "a multiple of 4";
            let field = "relative_attention_num_buckets";
            return Err(wrong(CLASS, field, expected, buckets.to_string()));
        }
        if self.relative_attention_max_distance <= buckets / 4 {
            let expected = format!("more than {}", buckets / 4);
            let found = self.relative_attention_max_distance.to_string();
            return Err(wrong(CLASS, "relative_attention_max_distance", expected, found));
        }
        Ok(self)
    }

    /// Every tensor of the encoder by its canonical name.
    pub fn expected(&self) -> Expected {
        let (model, inner) = (self.d_model, self.num_heads * self.d_kv);
        let mut expected = Expected::new();
        expected.add("shared.weight", [self.vocab_size, model]);
        expected.tie("shared.weight", "encoder.embed_tokens.weight");
        expected.add("encoder.final_layer_norm.weight", [model]);
        for layer in (0..self.num_layers).map(|i| format!("encoder.block.{i}.layer")) {
            let attention = format!("{layer}.0.SelfAttention");
            for projection in ["q", "k", "v"] {
                expected.add(format!("{attention}.{projection}.weight"), [inner, model]);
            }
            expected.add(format!("{attention}.o.weight"), [model, inner]);
            expected.add(
                format!("{attention}.relative_attention_bias.weight"),
                [self.relative_attention_num_buckets, self.num_heads],
            );
            let dense = format!("{layer}.1.DenseReluDense");
            expected.add(format!("{dense}.wi_0.weight"), [self.d_ff, model]);
            expected.add(format!("{dense}.wi_1.weight"), [self.d_ff, model]);
            expected.add(format!("{dense}.wo.weight"), [model, self.d_ff]);
            expected.add(format!("{layer}.0.layer_norm.weight"), [model]);
            expected.add(format!("{layer}.1.layer_norm.weight"), [model]);
        }
        expected
    }

    /// The bucket of each distance from a query to a key, `tokens` by `tokens`, row after row.
    fn buckets(&self, tokens: usize) -> Vec<u32> {
        let one_way = self.relative_attention_num_buckets / 2;
        let exact = one_way / 2;
        let span = (self.relative_attention_max_distance as f64 / exact as f64).ln() as f32;
        let bucket = |distance: usize| {
            if distance < exact {
                return distance;
            }
            // Rounded to f32 where the reference rounds, so that no distance falls into a neighbouring bucket.
            let ratio = (distance as f32 / exact as f32).ln() / span;
            (exact + (ratio * (one_way - exact) as f32) as usize).min(one_way - 1)
        };
        let mut buckets = Vec::with_capacity(tokens * tokens);
        for query in 0..tokens {
            for key in 0..tokens {
                let ahead = if key > query { one_way } else { 0 };
                buckets.push((ahead + bucket(key.abs_diff(query))) as u32);
            }
        }
        buckets
    }
}

/// A UMT5 encoder with its weights. Activations are `f32`; rows of the embedding table stay in the mapped file and are
/// read as prompts name them.
///
/// # Source
/// `transformers/models/umt5/modeling_umt5.py` (5.23.0). The reference keeps `wo` in `f32` when it loads a checkpoint
/// in f16; here every product accumulates in `f32` and its result is never rounded to a narrower type.
#[derive(Debug)]
pub struct Umt5 {
    config: Config,
    placement: Placement,
    weights: Weights,
    layers: Vec<Layer>,
    final_layer_norm: Tensor,
}

impl Umt5 {
    /// Reads the weights that [`Config::expected`] planned.
    ///
    /// # Errors
    /// A tensor that is not finite.
    pub fn load(config: &Config, weights: &Weights, placement: &Placement) -> Result<Self> {
        let weights = weights.clone().on(&placement.device);
        let encoder = weights.at("encoder");
        let layers = (0..config.num_layers)
            .map(|i| Layer::load(config, &encoder.at(&format!("block.{i}.layer")), placement))
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            placement: placement.clone(),
            layers,
            final_layer_norm: encoder.tensor("final_layer_norm.weight", DType::F32)?,
            weights,
        })
    }

    /// The numbers of the encoder.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Encodes true tokens. Padding is neither computed nor seen: masked keys weigh nothing.
    ///
    /// # Shapes
    /// The result is `(tokens, d_model)` in `f32`.
    ///
    /// # Errors
    /// An id without a row in the embedding table, a row that is not finite.
    pub fn encode(&self, ids: &[u32], tap: &mut dyn Tap) -> Result<Tensor> {
        let (tokens, width) = (ids.len(), self.config.d_model);
        let buckets = Tensor::new(self.config.buckets(tokens), &self.placement.device)?;
        let mut x = self.weights.rows("shared.weight", ids, DType::F32)?; // (tokens, d_model)
        for (i, layer) in self.layers.iter().enumerate() {
            let biased = if faults::is(Fault::SharedBias) { &self.layers[0] } else { layer };
            x = layer.forward(&x, &biased.bias(&buckets, tokens)?)?;
            if tap.wants_blocks() {
                tap.tensor(&format!("encoder.block.{i}"), &x, &[1, tokens, width])?;
            }
        }
        Ok(rms_norm(&x, &self.final_layer_norm, self.config.layer_norm_epsilon)?)
    }
}

#[derive(Debug)]
struct Layer {
    heads: usize,
    eps: f64,
    compute: DType,
    attention_norm: Tensor,
    qkv: Linear,
    out: Linear,
    /// `(buckets, heads)`.
    relative_attention_bias: Tensor,
    feed_forward_norm: Tensor,
    /// `wi_0`, which is activated, and `wi_1`.
    gate_and_up: Linear,
    down: Linear,
}

impl Layer {
    fn load(config: &Config, weights: &Weights, placement: &Placement) -> Result<Self> {
        let compute = placement.compute;
        let attention = weights.at("0.SelfAttention");
        let dense = weights.at("1.DenseReluDense");
        Ok(Self {
            heads: config.num_heads,
            eps: config.layer_norm_epsilon,
            compute,
            attention_norm: weights.tensor("0.layer_norm.weight", DType::F32)?,
            qkv: Linear::load(&attention, &["q", "k", "v"], compute)?,
            out: Linear::load(&attention, &["o"], compute)?,
            relative_attention_bias: attention
                .tensor("relative_attention_bias.weight", DType::F32)?,
            feed_forward_norm: weights.tensor("1.layer_norm.weight", DType::F32)?,
            gate_and_up: Linear::load(&dense, &["wi_0", "wi_1"], compute)?,
            down: Linear::load(&dense, &["wo"], compute)?,
        })
    }

    /// `(heads, tokens, tokens)`
    fn bias(&self, buckets: &Tensor, tokens: usize) -> Result<Tensor> {
        let table = self.relative_attention_bias.t()?.contiguous()?; // (heads, buckets)
        Ok(table.index_select(buckets, 1)?.reshape((self.heads, tokens, tokens))?)
    }

    fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let normed = rms_norm(x, &self.attention_norm, self.eps)?;
        let qkv = self.qkv.forward(&normed)?; // (tokens, 3 * heads * d_kv)
        let (tokens, three) = qkv.dims2()?;
        let inner = three / 3;
        let part = |i: usize| -> Result<Tensor> {
            let part = qkv.narrow(1, i * inner, inner)?.contiguous()?;
            Ok(part.reshape((tokens, self.heads, inner / self.heads))?)
        };
        let key_value = KeyValue::new(&part(1)?, &part(2)?, self.compute)?;
        // Scores are not scaled.
        let attended = attention(&part(0)?, &key_value, 1.0, Some(bias))?;
        let x = (x + self.out.forward(&attended.flatten_from(1)?)?)?;

        let normed = rms_norm(&x, &self.feed_forward_norm, self.eps)?;
        let both = self.gate_and_up.forward(&normed)?; // (tokens, 2 * d_ff)
        let d_ff = both.dims()[1] / 2;
        let gate = both.narrow(1, 0, d_ff)?.contiguous()?.gelu()?;
        let fed = self.down.forward(&(gate * both.narrow(1, d_ff, d_ff)?)?)?;
        Ok((x + fed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_fall_into_the_buckets_of_the_reference() -> Result<()> {
        let config = Config::from_json(
            r#"{"vocab_size": 8, "d_model": 4, "d_kv": 2, "d_ff": 8, "num_layers": 1, "num_heads": 2,
            "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
            "layer_norm_epsilon": 1e-6, "feed_forward_proj": "gated-gelu"}"#,
        )?;
        // The first distance of each bucket, from `UMT5Attention._relative_position_bucket` in torch.
        let first = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        let tokens = 512;
        let buckets = config.buckets(tokens);
        for distance in 0..tokens {
            let expected = first.iter().filter(|&&start| start <= distance).count() as u32 - 1;
            let ahead = if distance > 0 { 16 } else { 0 };
            assert_eq!(buckets[distance], expected + ahead, "{distance} ahead");
            assert_eq!(buckets[distance * tokens], expected, "{distance} behind");
        }
        Ok(())
    }

    #[test]
    fn a_field_that_cannot_be_is_named() {
        let text = r#"{"vocab_size": 8, "d_model": 0}"#;
        let error = Config::from_json(text).expect_err("because no model is zero wide");
        assert!(error.to_string().contains("d_model"), "{error}");
    }
}
