//! What a Wan VAE is made of, read from its configuration or from the shapes of its weights.

use serde_json::{Map, Value};

use crate::weights::{Expected, Inventory};
use crate::{Error, Result};

/// The configuration of a VAE of Wan 2.1.
///
/// # Source
/// The fields and their values where a configuration lacks them: huggingface/diffusers, class `AutoencoderKLWan`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Channels of the encoder's finest level.
    pub base_dim: usize,
    /// Channels of the decoder's finest level.
    pub decoder_base_dim: usize,
    /// Latent channels.
    pub z_dim: usize,
    /// Channels of each level from the finest, in units of the finest.
    pub dim_mult: Vec<usize>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub num_res_blocks: usize,
    /// Whether the step from each level to the next coarser one halves time too (`temperal_downsample`).
    pub temporal_downsample: Vec<bool>,
    /// Mean of each latent channel.
    pub latents_mean: Vec<f32>,
    /// Standard deviation of each latent channel.
    pub latents_std: Vec<f32>,
}

/// Channels of a picture.
pub(super) const PICTURE_CHANNELS: usize = 3;

const CLASS: &str = "AutoencoderKLWan";

/// The statistics of the published 16-channel latents (class defaults of diffusers' `AutoencoderKLWan`).
const LATENTS_MEAN: [f32; 16] = [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517,
    -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
];
const LATENTS_STD: [f32; 16] = [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579,
    1.6382, 1.1253, 2.8251, 1.9160,
];

/// More than any level, block or channel count that was ever published.
const MOST_LEVELS: usize = 8;
const MOST_BLOCKS: usize = 16;
const MOST_CHANNELS: usize = 8192;

impl Default for Config {
    /// The published VAE of Wan 2.1.
    fn default() -> Self {
        Self {
            base_dim: 96,
            decoder_base_dim: 96,
            z_dim: 16,
            dim_mult: vec![1, 2, 4, 4],
            num_res_blocks: 2,
            temporal_downsample: vec![false, true, true],
            latents_mean: LATENTS_MEAN.to_vec(),
            latents_std: LATENTS_STD.to_vec(),
        }
    }
}

impl Config {
    /// Reads the `config.json` of a diffusers folder. A field it lacks has the value of [`Config::default`]; names
    /// that start with an underscore are notes.
    ///
    /// # Errors
    /// [`Error::Config`] with the field that is unknown, not yet supported or has an impossible value.
    pub fn from_json(text: &str) -> Result<Self> {
        let fields: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| refuse("config.json", "a JSON object", &error.to_string()))?;
        let mut config = Self::default();
        let mut decoder_base_dim = None;
        let mut factors = (None, None);
        for (name, value) in &fields {
            match name.as_str() {
                "_class_name" => only(name, value, &Value::from(CLASS))?,
                "base_dim" => config.base_dim = count(name, value, MOST_CHANNELS)?,
                "decoder_base_dim" if value.is_null() => {}
                "decoder_base_dim" => decoder_base_dim = Some(count(name, value, MOST_CHANNELS)?),
                "z_dim" => config.z_dim = count(name, value, MOST_CHANNELS)?,
                "dim_mult" => {
                    config.dim_mult = list(name, value, |value| count(name, value, MOST_CHANNELS))?;
                }
                "num_res_blocks" => config.num_res_blocks = count(name, value, MOST_BLOCKS)?,
                "temperal_downsample" => {
                    config.temporal_downsample = list(name, value, |value| {
                        value.as_bool().ok_or_else(|| wrong(name, "true or false", value))
                    })?;
                }
                "latents_mean" => config.latents_mean = list(name, value, |v| real(name, v))?,
                "latents_std" => config.latents_std = list(name, value, |v| real(name, v))?,
                // Only training drops values out.
                "dropout" => drop(real(name, value)?),
                "scale_factor_temporal" if !value.is_null() => factors.0 = Some((name, value)),
                "scale_factor_spatial" if !value.is_null() => factors.1 = Some((name, value)),
                "scale_factor_temporal" | "scale_factor_spatial" => {}
                "attn_scales" => only(name, value, &Value::Array(Vec::new()))?,
                "is_residual" => only(name, value, &Value::from(false))?,
                "patch_size" => only(name, value, &Value::Null)?,
                "in_channels" | "out_channels" => {
                    only(name, value, &Value::from(PICTURE_CHANNELS))?;
                }
                note if note.starts_with('_') => {}
                _ => return Err(wrong(name, "no such field", value)),
            }
        }
        config.decoder_base_dim = decoder_base_dim.unwrap_or(config.base_dim);
        config.check()?;
        for (factor, field) in
            [(config.temporal_factor(), factors.0), (config.spatial_factor(), factors.1)]
        {
            if let Some((name, value)) = field {
                only(name, value, &Value::from(factor))?;
            }
        }
        Ok(config)
    }

    /// Derives the configuration from the tensors of the original release (`Wan2.1_VAE.pth`), under its own names.
    ///
    /// # Errors
    /// [`Error::Config`] with the tensor that is missing or of an impossible shape.
    pub fn detect(inventory: &Inventory) -> Result<Self> {
        let dim = |name: &str, axis: usize| {
            let shape = inventory.get(name).map(|listed| listed.shape.as_slice());
            let found = || shape.map_or("nothing".to_owned(), |shape| format!("{shape:?}"));
            shape
                .and_then(|shape| shape.get(axis).copied())
                .ok_or_else(|| refuse(name, "a convolution of Wan 2.1's VAE", &found()))
        };
        // The decoder is one row: each level holds its residual blocks and, but for the finest, what comes between.
        let up = |i: usize, part: &str| format!("decoder.upsamples.{i}.{part}");
        let has = |name: &str| inventory.get(name).is_some();
        let is_block = |i: usize| has(&up(i, "residual.2.weight"));
        let is_step = |i: usize| has(&up(i, "resample.1.weight"));
        let per_level = (0..).take_while(|&i| is_block(i)).count();
        let mut config = Self { num_res_blocks: per_level.saturating_sub(1), ..Self::default() };
        config.base_dim = dim("encoder.conv1.weight", 0)?;
        config.decoder_base_dim = config.base_dim;
        config.z_dim = dim("conv2.weight", 0)?;
        config.dim_mult = Vec::new();
        config.temporal_downsample = Vec::new();
        for level in 0..MOST_LEVELS {
            let start = level * (per_level + 1);
            let channels = dim(&up(start, "residual.2.weight"), 0)?;
            config.dim_mult.insert(0, channels / config.base_dim.max(1));
            let step = start + per_level;
            if !is_step(step) {
                break;
            }
            config.temporal_downsample.insert(0, has(&up(step, "time_conv.weight")));
        }
        config.check()?;
        Ok(config)
    }

    /// Frames of a clip that a latent covers, after the first.
    pub fn temporal_factor(&self) -> usize {
        1 << self.temporal_downsample.iter().filter(|halves| **halves).count()
    }

    /// Rows, and columns, of a picture that a latent covers.
    pub fn spatial_factor(&self) -> usize {
        1 << self.temporal_downsample.len()
    }

    /// Channels of each level of the encoder, from the finest.
    pub(super) fn encoder_dims(&self) -> Vec<usize> {
        self.dim_mult.iter().map(|times| times * self.base_dim).collect()
    }

    /// Channels of each level of the decoder, from the coarsest.
    pub(super) fn decoder_dims(&self) -> Vec<usize> {
        self.dim_mult.iter().rev().map(|times| times * self.decoder_base_dim).collect()
    }

    /// Whether time doubles after each level of the decoder but the last, from the coarsest.
    pub(super) fn temporal_upsample(&self) -> Vec<bool> {
        self.temporal_downsample.iter().rev().copied().collect()
    }

    /// Every tensor of the model, by canonical name.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected::new();
        let mut asked = Asked { expected: &mut expected };
        let z = self.z_dim;
        let dims = self.encoder_dims();
        asked.conv("encoder.conv_in", dims[0], PICTURE_CHANNELS, &[3, 3, 3]);
        let (mut index, mut inputs) = (0, dims[0]);
        for (level, &dim) in dims.iter().enumerate() {
            for _ in 0..self.num_res_blocks {
                asked.resnet(&format!("encoder.down_blocks.{index}"), dim, inputs);
                (index, inputs) = (index + 1, dim);
            }
            if let Some(halves) = self.temporal_downsample.get(level) {
                let name = format!("encoder.down_blocks.{index}");
                asked.conv(&format!("{name}.resample.1"), dim, dim, &[3, 3]);
                if *halves {
                    asked.conv(&format!("{name}.time_conv"), dim, dim, &[3, 1, 1]);
                }
                index += 1;
            }
        }
        asked.ends("encoder", inputs, inputs, 2 * z);
        asked.conv("quant_conv", 2 * z, 2 * z, &[1, 1, 1]);

        let dims = self.decoder_dims();
        asked.conv("post_quant_conv", z, z, &[1, 1, 1]);
        asked.conv("decoder.conv_in", dims[0], z, &[3, 3, 3]);
        let doubles = self.temporal_upsample();
        let mut inputs = dims[0];
        for (level, &dim) in dims.iter().enumerate() {
            let name = format!("decoder.up_blocks.{level}");
            for block in 0..=self.num_res_blocks {
                asked.resnet(&format!("{name}.resnets.{block}"), dim, inputs);
                inputs = dim;
            }
            if let Some(doubles) = doubles.get(level) {
                inputs = dim / 2;
                let name = format!("{name}.upsamplers.0");
                asked.conv(&format!("{name}.resample.1"), inputs, dim, &[3, 3]);
                if *doubles {
                    asked.conv(&format!("{name}.time_conv"), 2 * dim, dim, &[3, 1, 1]);
                }
            }
        }
        asked.ends("decoder", dims[0], inputs, PICTURE_CHANNELS);
        expected
    }

    /// Whether the numbers go together.
    fn check(&self) -> Result<()> {
        let levels = self.dim_mult.len();
        if levels == 0 || levels > MOST_LEVELS {
            return Err(refuse(
                "dim_mult",
                &format!("1 to {MOST_LEVELS} levels"),
                &levels.to_string(),
            ));
        }
        for (field, base) in
            [("base_dim", self.base_dim), ("decoder_base_dim", self.decoder_base_dim)]
        {
            if base == 0 {
                return Err(refuse(field, "at least 1", "0"));
            }
            for (level, times) in self.dim_mult.iter().enumerate() {
                let channels = base.saturating_mul(*times);
                // The decoder halves the channels of each level on the way to the next finer one.
                let is_halved = level > 0;
                if channels == 0 || channels > MOST_CHANNELS || (is_halved && channels % 2 == 1) {
                    let expected = format!(
                        "even multiples of {field} {base} after the first, up to {MOST_CHANNELS}"
                    );
                    return Err(refuse("dim_mult", &expected, &times.to_string()));
                }
            }
        }
        if self.num_res_blocks == 0 || self.num_res_blocks > MOST_BLOCKS {
            let expected = format!("1 to {MOST_BLOCKS}");
            return Err(refuse("num_res_blocks", &expected, &self.num_res_blocks.to_string()));
        }
        if self.temporal_downsample.len() != levels - 1 {
            return Err(refuse(
                "temperal_downsample",
                &format!("{} values, one fewer than dim_mult", levels - 1),
                &self.temporal_downsample.len().to_string(),
            ));
        }
        for (field, values) in
            [("latents_mean", &self.latents_mean), ("latents_std", &self.latents_std)]
        {
            if values.len() != self.z_dim {
                let expected = format!("{} values, one for each of z_dim", self.z_dim);
                return Err(refuse(field, &expected, &values.len().to_string()));
            }
        }
        if let Some(std) = self.latents_std.iter().find(|std| **std <= 0.0) {
            return Err(refuse("latents_std", "positive numbers", &std.to_string()));
        }
        Ok(())
    }
}

/// Collects the tensors a configuration asks for.
struct Asked<'a> {
    expected: &'a mut Expected,
}

impl Asked<'_> {
    fn conv(&mut self, name: &str, n: usize, c: usize, kernel: &[usize]) {
        self.expected.add(format!("{name}.weight"), [&[n, c], kernel].concat());
        self.expected.add(format!("{name}.bias"), [n]);
    }

    fn resnet(&mut self, name: &str, n: usize, c: usize) {
        self.expected.add(format!("{name}.norm1.gamma"), [c, 1, 1, 1]);
        self.conv(&format!("{name}.conv1"), n, c, &[3, 3, 3]);
        self.expected.add(format!("{name}.norm2.gamma"), [n, 1, 1, 1]);
        self.conv(&format!("{name}.conv2"), n, n, &[3, 3, 3]);
        if n != c {
            self.conv(&format!("{name}.conv_shortcut"), n, c, &[1, 1, 1]);
        }
    }

    /// The coarsest level in the middle, and the last norm and convolution.
    fn ends(&mut self, side: &str, middle: usize, last: usize, n: usize) {
        let block = format!("{side}.mid_block");
        self.resnet(&format!("{block}.resnets.0"), middle, middle);
        self.expected.add(format!("{block}.attentions.0.norm.gamma"), [middle, 1, 1]);
        self.conv(&format!("{block}.attentions.0.to_qkv"), 3 * middle, middle, &[1, 1]);
        self.conv(&format!("{block}.attentions.0.proj"), middle, middle, &[1, 1]);
        self.resnet(&format!("{block}.resnets.1"), middle, middle);
        self.expected.add(format!("{side}.norm_out.gamma"), [last, 1, 1, 1]);
        self.conv(&format!("{side}.conv_out"), n, last, &[3, 3, 3]);
    }
}

fn refuse(field: &str, expected: &str, found: &str) -> Error {
    let [field, expected, found] = [field, expected, found].map(str::to_owned);
    Error::Config { class: CLASS, field, expected, found }
}

fn wrong(field: &str, expected: &str, found: &Value) -> Error {
    refuse(field, expected, &found.to_string())
}

/// Accepts one value; any other is not yet supported.
fn only(field: &str, found: &Value, supported: &Value) -> Result<()> {
    if found == supported {
        return Ok(());
    }
    Err(wrong(field, &format!("{supported} (anything else is not yet supported)"), found))
}

fn count(field: &str, value: &Value, most: usize) -> Result<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| wrong(field, &format!("an integer from 1 to {most}"), value))
}

fn real(field: &str, value: &Value) -> Result<f32> {
    let number = value.as_f64().map(|number| number as f32);
    number.filter(|number| number.is_finite()).ok_or_else(|| wrong(field, "a number", value))
}

fn list<T>(field: &str, value: &Value, item: impl Fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    let values = value.as_array().ok_or_else(|| wrong(field, "a list", value))?;
    values.iter().map(item).collect()
}
