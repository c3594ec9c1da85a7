//! The Wan diffusion transformer: self-attention over all latent patches, cross-attention to the prompt.

use std::sync::Mutex;

use candle_core::{DType, Tensor};
use kinora_kernels::ops::{
    attention::{KeyValue, attention_rounded},
    matmul::Activation,
    modulate::{Residual, Rows, norm_modulate},
    norm::{layer_norm, layer_norm_rounded, rms_norm, rms_norm_rounded},
    operand::{Input, Operand},
    rope::{RopeTable, norm_rope},
};

use super::{
    Config,
    condition::{Conditioning, TextContext},
};
use crate::{
    Error, Result,
    faults::{self, Fault},
    nn::{Delta, Linear},
    parts::{Context, Denoiser, Placement, PromptEmbeds, Tap, Timesteps},
    weights::Weights,
};

/// Base of the frequencies of rotary position embedding.
const ROPE_THETA: f64 = 10_000.0;

/// A Wan transformer with its weights.
///
/// # Source
/// `diffusers/models/transformers/transformer_wan.py`, class `WanTransformer3DModel` (0.42.1).
#[derive(Debug)]
pub struct Transformer {
    config: Config,
    placement: Placement,
    patch_embedding: Linear,
    condition_embedder: Conditioning,
    blocks: Vec<Block>,
    /// `(2, dim)` in `f32`: shift and scale of the output.
    scale_shift_table: Tensor,
    proj_out: Linear,
    /// The table of the grid that was asked for last.
    rope: Mutex<Option<([usize; 3], RopeTable)>>,
}

impl Transformer {
    /// Reads the weights that [`Config::expected`] planned.
    ///
    /// # Errors
    /// A tensor that is not finite; a configuration with image conditioning, which is not supported yet.
    pub fn load(config: Config, weights: &Weights, placement: &Placement) -> Result<Self> {
        config.supported()?;
        let weights = weights.clone().on(&placement.device);
        let compute = placement.compute;
        let table = weights.tensor("scale_shift_table", DType::F32)?;
        let blocks = (0..config.num_layers)
            .map(|i| Block::load(&config, &weights.at(&format!("blocks.{i}")), compute))
            .collect::<Result<_>>()?;
        Ok(Self {
            // What little work the first and the last layer are is done in full precision.
            patch_embedding: Linear::load(&weights, &["patch_embedding"], DType::F32)?,
            proj_out: Linear::load(&weights, &["proj_out"], DType::F32)?,
            condition_embedder: Conditioning::load(
                &config,
                &weights.at("condition_embedder"),
                compute,
            )?,
            blocks,
            scale_shift_table: table.squeeze(0)?,
            rope: Mutex::new(None),
            placement: placement.clone(),
            config,
        })
    }

    /// The numbers of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn rope_table(&self, grid: [usize; 3]) -> Result<RopeTable> {
        let mut axes = self.config.rope_axes();
        if faults::is(Fault::RopeAxisSplit) {
            axes.rotate_left(1);
            return Ok(RopeTable::new(grid, axes, ROPE_THETA, &self.placement.device)?);
        }
        let mut cached = self.rope.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((known, table)) = &*cached
            && *known == grid
        {
            return Ok(table.clone());
        }
        let table = RopeTable::new(grid, axes, ROPE_THETA, &self.placement.device)?;
        *cached = Some((grid, table.clone()));
        Ok(table)
    }

    /// Tokens along each axis.
    fn grid(&self, latents: &Tensor) -> Result<[usize; 3]> {
        let patch = self.config.patch_size;
        let most = self.config.rope_max_seq_len;
        let wrong = || Error::Input {
            what: "latents",
            expected: format!(
                "({}, t, h, w), multiples of {patch:?}, up to {most} patches along each axis",
                self.config.in_channels
            ),
            found: latents.dims().to_vec(),
        };
        let (channels, t, h, w) = latents.dims4().map_err(|_| wrong())?;
        let sides = [t, h, w];
        let fits = |axis: usize| {
            sides[axis] % patch[axis] == 0 && (1..=most).contains(&(sides[axis] / patch[axis]))
        };
        if channels != self.config.in_channels || !(0..3).all(fits) {
            return Err(wrong());
        }
        Ok([t / patch[0], h / patch[1], w / patch[2]])
    }

    /// `(c, t, h, w) -> (tokens, c * patch)`
    fn patches(&self, latents: &Tensor, [t, h, w]: [usize; 3]) -> Result<Tensor> {
        let [pt, ph, pw] = self.config.patch_size;
        let channels = self.config.in_channels;
        let split = latents.to_device(&self.placement.device)?.to_dtype(DType::F32)?;
        let split = split.contiguous()?.reshape(vec![channels, t, pt, h, ph, w, pw])?;
        let tokens = split.permute(vec![1, 3, 5, 0, 2, 4, 6])?.contiguous()?;
        Ok(tokens.reshape((t * h * w, self.config.patch_values(channels)))?)
    }

    /// `(tokens, patch * c) -> (c, t, h, w)`
    fn unpatched(&self, tokens: &Tensor, [t, h, w]: [usize; 3]) -> Result<Tensor> {
        let [pt, ph, pw] = self.config.patch_size;
        let channels = self.config.out_channels;
        let split = tokens.to_dtype(DType::F32)?.reshape(vec![t, h, w, pt, ph, pw, channels])?;
        let clip = split.permute(vec![6, 0, 3, 1, 4, 2, 5])?.contiguous()?;
        Ok(clip.reshape((channels, t * pt, h * ph, w * pw))?)
    }

    fn tap_rope(&self, table: &RopeTable, tap: &mut dyn Tap) -> Result<()> {
        for (j, half) in [table.cos(), table.sin()].into_iter().enumerate() {
            let (tokens, pairs) = half.dims2()?;
            let both = half.unsqueeze(2)?.broadcast_as((tokens, pairs, 2))?.contiguous()?;
            tap.tensor(&format!("rope/{j}"), &both, &[1, tokens, 1, 2 * pairs])?;
        }
        Ok(())
    }
}

impl Denoiser for Transformer {
    fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    fn patch_size(&self) -> [usize; 3] {
        self.config.patch_size
    }

    fn prepare(&self, prompt: &PromptEmbeds, _tap: &mut dyn Tap) -> Result<Box<dyn Context>> {
        let padded = prompt.input_ids.len();
        let (tokens, width) = prompt.embeds.dims2()?;
        if width != self.config.text_dim || tokens > padded {
            return Err(Error::Input {
                what: "prompt_embeds",
                expected: format!("(up to {padded}, {})", self.config.text_dim),
                found: vec![tokens, width],
            });
        }
        let text = self.condition_embedder.text(prompt, &self.placement)?; // (rows, dim)
        let padding = padded - tokens;
        let key_values = self
            .blocks
            .iter()
            .map(|block| Ok(block.attn2.key_value(&text)?.with_last_repeated(padding)))
            .collect::<Result<_>>()?;
        Ok(Box::new(TextContext { text, padded, key_values }))
    }

    fn forward(
        &self,
        latents: &Tensor,
        timesteps: &Timesteps,
        context: &dyn Context,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        let context =
            context.as_any().downcast_ref::<TextContext>().ok_or(Error::ForeignContext)?;
        let Config { eps, .. } = self.config;
        let dim = self.config.dim();
        let grid = self.grid(latents)?;
        let tokens: usize = grid.iter().product();
        let wants_blocks = tap.wants_blocks();

        let table = self.rope_table(grid)?;
        if wants_blocks {
            self.tap_rope(&table, tap)?;
        }

        let patches = self.patches(latents, grid)?; // (c, t, h, w) -> (tokens, c * patch)
        let mut x = self.patch_embedding.forward(&patches)?; // (tokens, dim)
        x = x.to_dtype(self.placement.activations())?;
        if wants_blocks {
            let [t, h, w] = grid;
            tap.tensor("patch_embedding", &x.t()?.contiguous()?, &[1, dim, t, h, w])?;
        }

        // One row for each distinct timestep: (rows, dim) and (rows, 6, dim).
        let time = self.condition_embedder.time(timesteps, tokens, &self.placement.device)?;
        if wants_blocks {
            self.condition_embedder.tap(&time, context, tap)?;
        }

        for (i, (block, key_value)) in self.blocks.iter().zip(&context.key_values).enumerate() {
            x = block.forward(&x, key_value, &time.projection, &time.rows, &table)?;
            if wants_blocks {
                tap.tensor(&format!("blocks.{i}"), &x, &[1, tokens, dim])?;
            }
        }

        if wants_blocks {
            tap.tensor("norm_out", &layer_norm(&x, None, eps)?, &[1, tokens, dim])?;
        }
        let [shift, scale] = modulation(&self.scale_shift_table, &time.embedding.unsqueeze(1)?)?;
        let x = norm_modulate(&x, &scale, &shift, &time.rows, eps, DType::F32)?;
        let x = self.proj_out.forward(&x)?; // (tokens, patch * c)
        if wants_blocks {
            tap.tensor("proj_out", &x, &[1, tokens, x.dims()[1]])?;
        }
        self.unpatched(&x, grid)
    }

    fn adapt(&mut self, module: &str, delta: Delta) -> Result<()> {
        let found = match module {
            "patch_embedding" => Some((&mut self.patch_embedding, 0, 1)),
            "proj_out" => Some((&mut self.proj_out, 0, 1)),
            _ => match module.split_once('.') {
                Some(("condition_embedder", inner)) => self.condition_embedder.module(inner),
                Some(("blocks", inner)) => inner.split_once('.').and_then(|(i, inner)| {
                    let i: usize = i.parse().ok()?;
                    self.blocks.get_mut(i)?.module(inner)
                }),
                _ => None,
            },
        };
        let Some((linear, part, parts)) = found else {
            return Err(Error::NoSuchModule { module: module.to_owned() });
        };
        let rows = linear.n() / parts;
        linear.attach(module, part * rows..(part + 1) * rows, &delta)
    }
}

/// A linear layer, which of the modules in it is meant, and how many it holds.
pub(super) type Module<'a> = (&'a mut Linear, usize, usize);

/// Adds a table `(N, dim)` to rows `(rows, N or 1, dim)` and takes the N modulations `(rows, dim)` apart.
fn modulation<const N: usize>(table: &Tensor, rows: &Tensor) -> Result<[Tensor; N]> {
    let all = rows.broadcast_add(&table.unsqueeze(0)?)?; // (rows, N, dim)
    let mut parts = Vec::with_capacity(N);
    for part in 0..N {
        parts.push(all.narrow(1, part, 1)?.squeeze(1)?.contiguous()?);
    }
    Ok(parts.try_into().expect("because the loop makes N parts"))
}

#[derive(Debug)]
struct Block {
    eps: f64,
    /// Dtype of products.
    compute: DType,
    attn1: SelfAttention,
    /// Gain and offset before cross-attention, where the model has them.
    norm2: Option<(Tensor, Tensor)>,
    attn2: CrossAttention,
    ffn_in: Linear,
    ffn_out: Linear,
    /// `(6, dim)` in `f32`.
    scale_shift_table: Tensor,
}

impl Block {
    fn load(config: &Config, weights: &Weights, compute: DType) -> Result<Self> {
        let heads = config.num_attention_heads;
        let norm2 = if config.cross_attn_norm {
            let read = |leaf: &str| weights.tensor(leaf, DType::F32);
            Some((read("norm2.weight")?, read("norm2.bias")?))
        } else {
            None
        };
        Ok(Self {
            eps: config.eps,
            compute,
            attn1: SelfAttention {
                qkv: Linear::load(&weights.at("attn1"), &["to_q", "to_k", "to_v"], compute)?,
                inner: Attention::load(&weights.at("attn1"), heads, config.eps, compute)?,
            },
            norm2,
            attn2: CrossAttention {
                query: Linear::load(&weights.at("attn2"), &["to_q"], compute)?,
                kv: Linear::load(&weights.at("attn2"), &["to_k", "to_v"], compute)?,
                inner: Attention::load(&weights.at("attn2"), heads, config.eps, compute)?,
            },
            ffn_in: Linear::load(weights, &["ffn.net.0.proj"], compute)?,
            ffn_out: Linear::load(weights, &["ffn.net.2"], compute)?,
            scale_shift_table: weights.tensor("scale_shift_table", DType::F32)?.squeeze(0)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        text: &KeyValue,
        projection: &Tensor,
        rows: &Rows,
        table: &RopeTable,
    ) -> Result<Tensor> {
        let [shift, scale, gate, ffn_shift, ffn_scale, ffn_gate] =
            modulation(&self.scale_shift_table, projection)?;

        let normed = norm_modulate(x, &scale, &shift, rows, self.eps, self.compute)?;
        let gated = Residual { base: x, gate: Some((&gate, rows)) };
        let x = &self.attn1.forward(&normed, table, &gated)?;

        let plain = Residual { base: x, gate: None };
        let x = &match &self.norm2 {
            Some((gain, offset)) => {
                let normed = layer_norm_rounded(x, (gain, offset), self.eps, self.compute)?;
                self.attn2.forward(&normed, text, &plain)?
            }
            None => self.attn2.forward(x, text, &plain)?,
        };

        let normed = norm_modulate(x, &ffn_scale, &ffn_shift, rows, self.eps, self.compute)?;
        let gated = Residual { base: x, gate: Some((&ffn_gate, rows)) };
        // (tokens, dim) -> (tokens, ffn_dim) -> (tokens, dim)
        self.ffn_in.feed_forward(&normed, Activation::GeluTanh, &self.ffn_out, &gated)
    }

    fn module(&mut self, name: &str) -> Option<Module<'_>> {
        Some(match name {
            "attn1.to_q" => (&mut self.attn1.qkv, 0, 3),
            "attn1.to_k" => (&mut self.attn1.qkv, 1, 3),
            "attn1.to_v" => (&mut self.attn1.qkv, 2, 3),
            "attn1.to_out.0" => (&mut self.attn1.inner.out, 0, 1),
            "attn2.to_q" => (&mut self.attn2.query, 0, 1),
            "attn2.to_k" => (&mut self.attn2.kv, 0, 2),
            "attn2.to_v" => (&mut self.attn2.kv, 1, 2),
            "attn2.to_out.0" => (&mut self.attn2.inner.out, 0, 1),
            "ffn.net.0.proj" => (&mut self.ffn_in, 0, 1),
            "ffn.net.2" => (&mut self.ffn_out, 0, 1),
            _ => return None,
        })
    }
}

/// What self- and cross-attention share: the norms of query and key across all heads, and the way out.
#[derive(Debug)]
struct Attention {
    heads: usize,
    eps: f64,
    compute: DType,
    norm_q: Tensor,
    norm_k: Tensor,
    out: Linear,
}

impl Attention {
    fn load(weights: &Weights, heads: usize, eps: f64, compute: DType) -> Result<Self> {
        Ok(Self {
            heads,
            eps,
            compute,
            norm_q: weights.tensor("norm_q.weight", DType::F32)?,
            norm_k: weights.tensor("norm_k.weight", DType::F32)?,
            out: Linear::load(weights, &["to_out.0"], compute)?,
        })
    }

    /// `(tokens, dim) -> (tokens, heads, head_dim)`
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, dim) = x.dims2()?;
        Ok(x.reshape((tokens, self.heads, dim / self.heads))?)
    }

    /// `(tokens, heads * head_dim) -> (tokens, dim)`
    fn attend(
        &self,
        query: &Operand,
        key_value: &KeyValue,
        residual: &Residual<'_>,
    ) -> Result<Tensor> {
        let head_dim = query.dims()[1] / self.heads;
        let scale = (head_dim as f64).sqrt().recip();
        self.out.forward_residual(&attention_rounded(query, key_value, scale)?, residual)
    }
}

#[derive(Debug)]
struct SelfAttention {
    qkv: Linear,
    inner: Attention,
}

impl SelfAttention {
    fn forward(&self, x: &Operand, table: &RopeTable, residual: &Residual<'_>) -> Result<Tensor> {
        let Attention { heads, eps, compute, norm_q, norm_k, .. } = &self.inner;
        let qkv = self.qkv.forward(x)?; // (tokens, 3 * dim)
        let (tokens, dim) = (qkv.dims()[0], norm_q.elem_count());
        let query = norm_rope(&qkv.narrow(1, 0, dim)?, norm_q, *eps, table, *compute)?; // (tokens, dim)
        let key = norm_rope(&qkv.narrow(1, dim, dim)?, norm_k, *eps, table, *compute)?;
        let value = qkv.reshape((tokens, 3, *heads, dim / heads))?.narrow(1, 2, 1)?.squeeze(1)?;
        let key_value = KeyValue::new(&key, &value, *compute)?;
        self.inner.attend(&query, &key_value, residual)
    }
}

#[derive(Debug)]
struct CrossAttention {
    query: Linear,
    kv: Linear,
    inner: Attention,
}

impl CrossAttention {
    /// Keys and values of the text `(rows, dim)`.
    fn key_value(&self, text: &Tensor) -> Result<KeyValue> {
        let Attention { eps, compute, norm_k, .. } = &self.inner;
        let kv = self.kv.forward(text)?; // (rows, 2 * dim)
        let dim = norm_k.elem_count();
        let key = rms_norm(&kv.narrow(1, 0, dim)?, norm_k, *eps)?;
        let value = kv.narrow(1, dim, dim)?;
        Ok(KeyValue::new(&self.inner.split(&key)?, &self.inner.split(&value)?, *compute)?)
    }

    fn forward<'a>(
        &self,
        x: impl Into<Input<'a>>,
        text: &KeyValue,
        residual: &Residual<'_>,
    ) -> Result<Tensor> {
        let Attention { eps, compute, norm_q, .. } = &self.inner;
        let query = rms_norm_rounded(&self.query.forward(x)?, norm_q, *eps, *compute)?;
        self.inner.attend(&query, text, residual)
    }
}
