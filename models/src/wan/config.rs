//! Numbers of a Wan transformer, as its configuration or its shapes give them.

use crate::{
    Result,
    fields::{Fields, wrong},
    weights::{Expected, Inventory},
};

/// Class of the transformer in a diffusers folder, and in the original release.
const DIFFUSERS: &str = "WanTransformer3DModel";
const ORIGINAL: &str = "WanModel";

/// The largest width, depth and channel count that is believed; each is several times that of any published model.
const WIDTH_LIMIT: usize = 1 << 17;
const DEPTH_LIMIT: usize = 512;
const CHANNEL_LIMIT: usize = 4096;

/// Numbers of a Wan transformer.
///
/// # Source
/// `diffusers/models/transformers/transformer_wan.py` (0.42.1), whose field names these are, and `wan/modules/model.py`
/// of Wan-Video/Wan2.1 (9737cba).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Latent pixels a token covers: frames, rows, columns.
    pub patch_size: [usize; 3],
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of a head.
    pub attention_head_dim: usize,
    /// Latent channels in, with those of conditions.
    pub in_channels: usize,
    /// Latent channels out.
    pub out_channels: usize,
    /// Width of the text encoder's output.
    pub text_dim: usize,
    /// Width of the sinusoidal timestep embedding.
    pub freq_dim: usize,
    /// Width inside the feed-forward.
    pub ffn_dim: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Whether the input of cross-attention is normalised.
    pub cross_attn_norm: bool,
    /// Added to denominators of every norm.
    pub eps: f64,
    /// Width of the image encoder's output; image-to-video of Wan 2.1 only.
    pub image_dim: Option<usize>,
    /// Width of what the added key and value projections read.
    pub added_kv_proj_dim: Option<usize>,
    /// Positions along each axis that rotary embedding knows.
    pub rope_max_seq_len: usize,
    /// Image tokens that have a position embedding; first-and-last-frame models only.
    pub pos_embed_seq_len: Option<usize>,
}

impl Config {
    /// Reads the `config.json` of a diffusers folder.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field that is missing, absurd or not supported.
    pub fn from_json(text: &str) -> Result<Self> {
        let fields = Fields::parse(DIFFUSERS, text)?;
        let patch = fields.get("patch_size").and_then(|value| value.as_array());
        let patch: Option<Vec<usize>> = patch.and_then(|sides| {
            let side = |side: &serde_json::Value| usize::try_from(side.as_u64()?).ok();
            sides.iter().map(side).collect()
        });
        let patch_size = match patch.as_deref() {
            Some(&[t, h, w]) if [t, h, w].iter().all(|side| (1..=16).contains(side)) => [t, h, w],
            _ => return Err(fields.wrong("patch_size", "three whole numbers from 1 to 16")),
        };
        fields.word("qk_norm", &["rms_norm_across_heads"])?;
        let in_channels = fields.count("in_channels", 1..=CHANNEL_LIMIT)?;
        let width = 1..=WIDTH_LIMIT;
        let config = Self {
            patch_size,
            num_attention_heads: fields.count("num_attention_heads", 1..=1024)?,
            attention_head_dim: fields.count("attention_head_dim", 2..=1024)?,
            in_channels,
            out_channels: fields
                .optional_count("out_channels", 1..=CHANNEL_LIMIT)?
                .unwrap_or(in_channels),
            text_dim: fields.count("text_dim", width.clone())?,
            freq_dim: fields.count("freq_dim", 2..=WIDTH_LIMIT)?,
            ffn_dim: fields.count("ffn_dim", width.clone())?,
            num_layers: fields.count("num_layers", 1..=DEPTH_LIMIT)?,
            cross_attn_norm: fields.flag("cross_attn_norm")?,
            eps: fields.epsilon("eps")?,
            image_dim: fields.optional_count("image_dim", width.clone())?,
            added_kv_proj_dim: fields.optional_count("added_kv_proj_dim", width)?,
            rope_max_seq_len: fields
                .optional_count("rope_max_seq_len", 1..=1 << 20)?
                .unwrap_or(1024),
            pos_embed_seq_len: fields.optional_count("pos_embed_seq_len", 1..=1 << 16)?,
        };
        config.checked(DIFFUSERS, "attention_head_dim")
    }

    /// Reads the `config.json` of the original release; what it leaves out comes from the shapes of the tensors, by
    /// their canonical names.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field that is missing, absurd or not supported.
    pub fn from_original(text: &str, inventory: &Inventory) -> Result<Self> {
        let fields = Fields::parse(ORIGINAL, text)?;
        fields.word("model_type", &["t2v", "i2v", "flf2v", "ti2v"])?;
        if fields.get("text_len").is_some() {
            fields.count("text_len", 512..=512)?;
        }
        let dim = fields.count("dim", 1..=WIDTH_LIMIT)?;
        let heads = fields.count("num_heads", 1..=1024)?;
        if !dim.is_multiple_of(heads) {
            return Err(fields.wrong("num_heads", format!("a divisor of dim {dim}")));
        }
        let shape = |name: &str| inventory.get(name).map(|listed| listed.shape.as_slice());
        let from_shape = |name: &str, rank: usize, axis: usize, limit: usize| {
            let found = shape(name).unwrap_or_default();
            match found.get(axis) {
                Some(&side) if found.len() == rank && (1..=limit).contains(&side) => Ok(side),
                _ => Err(wrong(
                    ORIGINAL,
                    name,
                    format!("a tensor of rank {rank}, no side above {limit}"),
                    format!("{found:?}"),
                )),
            }
        };
        let patch = |axis| from_shape("patch_embedding.weight", 5, axis, CHANNEL_LIMIT);
        let image = "condition_embedder.image_embedder";
        let config = Self {
            patch_size: [patch(2)?, patch(3)?, patch(4)?],
            num_attention_heads: heads,
            attention_head_dim: dim / heads,
            in_channels: fields.count("in_dim", 1..=CHANNEL_LIMIT)?,
            out_channels: fields.count("out_dim", 1..=CHANNEL_LIMIT)?,
            text_dim: from_shape(
                "condition_embedder.text_embedder.linear_1.weight",
                2,
                1,
                WIDTH_LIMIT,
            )?,
            freq_dim: fields.count("freq_dim", 2..=WIDTH_LIMIT)?,
            ffn_dim: fields.count("ffn_dim", 1..=WIDTH_LIMIT)?,
            num_layers: fields.count("num_layers", 1..=DEPTH_LIMIT)?,
            cross_attn_norm: shape("blocks.0.norm2.weight").is_some(),
            eps: fields.epsilon("eps")?,
            image_dim: shape(&format!("{image}.norm1.weight")).map(|side| side.iter().product()),
            added_kv_proj_dim: shape("blocks.0.attn2.add_k_proj.weight")
                .and_then(|sides| sides.get(1).copied()),
            rope_max_seq_len: 1024,
            pos_embed_seq_len: shape(&format!("{image}.pos_embed"))
                .and_then(|sides| sides.get(1).copied()),
        };
        config.checked(ORIGINAL, "num_heads")
    }

    fn checked(self, class: &'static str, head_field: &str) -> Result<Self> {
        let head_dim = self.attention_head_dim;
        if head_dim % 2 == 1 {
            let found = head_dim.to_string();
            return Err(wrong(class, head_field, "heads of an even width", found));
        }
        if self.dim() > WIDTH_LIMIT {
            let expected = format!("a width of all heads up to {WIDTH_LIMIT}");
            return Err(wrong(class, head_field, expected, self.dim().to_string()));
        }
        if self.freq_dim % 2 == 1 {
            return Err(wrong(class, "freq_dim", "an even number", self.freq_dim.to_string()));
        }
        Ok(self)
    }

    /// Refuses what [`Config::expected`] accounts for and no forward pass computes yet: conditioning on the features of
    /// an image encoder.
    pub(super) fn supported(&self) -> Result<()> {
        let image = [("image_dim", self.image_dim), ("added_kv_proj_dim", self.added_kv_proj_dim)];
        for (field, value) in image {
            if let Some(value) = value {
                let expected = "nothing: image encoders are not yet supported";
                return Err(wrong(DIFFUSERS, field, expected, value.to_string()));
            }
        }
        Ok(())
    }

    /// Width of the model: all heads side by side.
    pub fn dim(&self) -> usize {
        self.num_attention_heads * self.attention_head_dim
    }

    /// Numbers in a patch of `channels` channels.
    pub(super) fn patch_values(&self, channels: usize) -> usize {
        channels * self.patch_size.iter().product::<usize>()
    }

    /// How many values of each head turn with time, height and width.
    pub fn rope_axes(&self) -> [usize; 3] {
        let side = 2 * (self.attention_head_dim / 6);
        [self.attention_head_dim - 2 * side, side, side]
    }

    /// Every tensor of the model by its canonical name.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected::new();
        let dim = self.dim();
        let [pt, ph, pw] = self.patch_size;
        expected.add("patch_embedding.weight", [dim, self.in_channels, pt, ph, pw]);
        expected.add("patch_embedding.bias", [dim]);
        expected.add("scale_shift_table", [1, 2, dim]);
        linear(&mut expected, "proj_out", self.patch_values(self.out_channels), dim);

        let embedder = |name: &str| format!("condition_embedder.{name}");
        linear(&mut expected, &embedder("time_embedder.linear_1"), dim, self.freq_dim);
        linear(&mut expected, &embedder("time_embedder.linear_2"), dim, dim);
        linear(&mut expected, &embedder("time_proj"), 6 * dim, dim);
        linear(&mut expected, &embedder("text_embedder.linear_1"), dim, self.text_dim);
        linear(&mut expected, &embedder("text_embedder.linear_2"), dim, dim);
        if let Some(image_dim) = self.image_dim {
            norm(&mut expected, &embedder("image_embedder.norm1"), image_dim);
            linear(&mut expected, &embedder("image_embedder.ff.net.0.proj"), image_dim, image_dim);
            linear(&mut expected, &embedder("image_embedder.ff.net.2"), dim, image_dim);
            norm(&mut expected, &embedder("image_embedder.norm2"), dim);
            if let Some(tokens) = self.pos_embed_seq_len {
                expected.add(embedder("image_embedder.pos_embed"), [1, tokens, image_dim]);
            }
        }

        for block in (0..self.num_layers).map(|i| format!("blocks.{i}")) {
            expected.add(format!("{block}.scale_shift_table"), [1, 6, dim]);
            for attention in ["attn1", "attn2"] {
                for projection in ["to_q", "to_k", "to_v", "to_out.0"] {
                    linear(&mut expected, &format!("{block}.{attention}.{projection}"), dim, dim);
                }
                expected.add(format!("{block}.{attention}.norm_q.weight"), [dim]);
                expected.add(format!("{block}.{attention}.norm_k.weight"), [dim]);
            }
            if let Some(added) = self.added_kv_proj_dim {
                linear(&mut expected, &format!("{block}.attn2.add_k_proj"), dim, added);
                linear(&mut expected, &format!("{block}.attn2.add_v_proj"), dim, added);
                expected.add(format!("{block}.attn2.norm_added_k.weight"), [dim]);
                // Published files hold the norm of a query that nothing asks.
                expected.ignore(format!("{block}.attn2.norm_added_q.weight"));
            }
            if self.cross_attn_norm {
                norm(&mut expected, &format!("{block}.norm2"), dim);
            }
            linear(&mut expected, &format!("{block}.ffn.net.0.proj"), self.ffn_dim, dim);
            linear(&mut expected, &format!("{block}.ffn.net.2"), dim, self.ffn_dim);
        }
        expected
    }
}

fn linear(expected: &mut Expected, name: &str, outputs: usize, inputs: usize) {
    expected.add(format!("{name}.weight"), [outputs, inputs]);
    expected.add(format!("{name}.bias"), [outputs]);
}

fn norm(expected: &mut Expected, name: &str, width: usize) {
    expected.add(format!("{name}.weight"), [width]);
    expected.add(format!("{name}.bias"), [width]);
}
