//! What a Wan VAE is made of, read from its configuration or from the shapes of its weights.

use serde_json::{Map, Value};

use super::statistics::{MEAN_21, STD_21};
use crate::{Error, Result};

/// The configuration of a VAE of Wan 2.1 or 2.2.
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
    /// Whether a level's input is carried around all of its blocks, as in Wan 2.2.
    pub is_residual: bool,
    /// Rows, and columns, of pixels that lie in the channels of one (`patch_size`, of which none is 1).
    pub patch_size: usize,
}

/// Channels of a picture.
pub(super) const PICTURE_CHANNELS: usize = 3;

const CLASS: &str = "AutoencoderKLWan";

/// More than any level, block or channel count that was ever published.
pub(super) const MOST_LEVELS: usize = 8;
const MOST_BLOCKS: usize = 16;
const MOST_CHANNELS: usize = 8192;
const MOST_PATCH: usize = 8;

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
            latents_mean: MEAN_21.to_vec(),
            latents_std: STD_21.to_vec(),
            is_residual: false,
            patch_size: 1,
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
        let class_default = Value::from(PICTURE_CHANNELS);
        let mut pictures = [("in_channels", &class_default), ("out_channels", &class_default)];
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
                    config.temporal_downsample = list(name, value, |value| flag(name, value))?;
                }
                "latents_mean" => config.latents_mean = list(name, value, |v| real(name, v))?,
                "latents_std" => config.latents_std = list(name, value, |v| real(name, v))?,
                // Only training drops values out.
                "dropout" => drop(real(name, value)?),
                "scale_factor_temporal" if !value.is_null() => factors.0 = Some((name, value)),
                "scale_factor_spatial" if !value.is_null() => factors.1 = Some((name, value)),
                "scale_factor_temporal" | "scale_factor_spatial" => {}
                "attn_scales" => only(name, value, &Value::Array(Vec::new()))?,
                "is_residual" => config.is_residual = flag(name, value)?,
                "patch_size" if value.is_null() => {}
                "patch_size" => config.patch_size = count(name, value, MOST_PATCH)?,
                "in_channels" => pictures[0].1 = value,
                "out_channels" => pictures[1].1 = value,
                // Published with Wan 2.2; the class knows it no more, and frames are clamped everywhere.
                "clip_output" => drop(flag(name, value)?),
                note if note.starts_with('_') => {}
                _ => return Err(wrong(name, "no such field", value)),
            }
        }
        config.decoder_base_dim = decoder_base_dim.unwrap_or(config.base_dim);
        config.check()?;
        let picture = PICTURE_CHANNELS * config.patch_size * config.patch_size;
        for (name, value) in pictures {
            only(name, value, &Value::from(picture))?;
        }
        for (factor, field) in
            [(config.temporal_factor(), factors.0), (config.spatial_factor(), factors.1)]
        {
            if let Some((name, value)) = field {
                only(name, value, &Value::from(factor))?;
            }
        }
        Ok(config)
    }

    /// Frames of a clip that a latent covers, after the first.
    pub fn temporal_factor(&self) -> usize {
        1 << self.temporal_downsample.iter().filter(|halves| **halves).count()
    }

    /// Rows, and columns, of a picture that a latent covers.
    pub fn spatial_factor(&self) -> usize {
        self.patch_size << self.temporal_downsample.len()
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

    /// Channels that a level of the decoder hands on to the next finer one.
    pub(super) fn handed_on(&self, dim: usize) -> usize {
        if self.is_residual { dim } else { dim / 2 }
    }

    /// Whether the numbers go together.
    pub(super) fn check(&self) -> Result<()> {
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
                // The decoder of Wan 2.1 halves the channels of each level on the way to the next finer one.
                let is_halved = level > 0 && !self.is_residual;
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
        if self.patch_size == 0 || self.patch_size > MOST_PATCH {
            let expected = format!("1 to {MOST_PATCH}");
            return Err(refuse("patch_size", &expected, &self.patch_size.to_string()));
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
        if self.is_residual { self.check_shortcuts() } else { Ok(()) }
    }

    /// Whether what goes around each level comes out whole: means on the way down, copies on the way up.
    fn check_shortcuts(&self) -> Result<()> {
        let square = |changes_time: Option<&bool>| changes_time.map_or(1, |c| 4 << usize::from(*c));
        let whole = |values: usize, parts: usize, side: &str, level: usize| {
            if values.is_multiple_of(parts) {
                return Ok(());
            }
            let expected = format!("a divisor of {values} channels at level {level} of the {side}");
            Err(refuse("dim_mult", &expected, &parts.to_string()))
        };
        let mut inputs = self.base_dim;
        for (level, dim) in self.encoder_dims().into_iter().enumerate() {
            let values = inputs * square(self.temporal_downsample.get(level));
            whole(values, dim, "encoder", level)?;
            inputs = dim;
        }
        let dims = self.decoder_dims();
        let mut inputs = dims[0];
        for (level, (dim, doubles)) in dims.iter().zip(self.temporal_upsample()).enumerate() {
            whole(dim * square(Some(&doubles)), inputs, "decoder", level)?;
            inputs = *dim;
        }
        Ok(())
    }
}

pub(super) fn refuse(field: &str, expected: &str, found: &str) -> Error {
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

fn flag(field: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(field, "true or false", value))
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
