//! What is asked for, and the recipe it resolves to.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use kinora_cards::{Card, Frames, Grid, SamplerKind, Size};
use serde::{Deserialize, Serialize};

use crate::media::{Filter, Fps};
use crate::{Error, Result};

/// What the picture should not be: three different wishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NegativePrompt {
    /// Nothing was said: the card's own, where the checkpoint has a card.
    #[default]
    Absent,
    /// Explicitly none.
    Empty,
    /// This.
    Text(String),
}

impl NegativePrompt {
    /// The wish behind an optional text.
    pub fn from_option(text: Option<String>) -> Self {
        match text {
            None => Self::Absent,
            Some(text) if text.is_empty() => Self::Empty,
            Some(text) => Self::Text(text),
        }
    }
}

/// A LoRA file and its strength.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// The file.
    pub path: PathBuf,
    /// Strength; 1 is as trained.
    pub scale: f64,
}

/// How much larger the file shows a clip than the model made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enlarge {
    /// Times, from 1 to 64.
    pub factor: u32,
    /// How pixels between pixels are made.
    pub filter: Filter,
}

impl Enlarge {
    /// The largest factor.
    pub const MOST: u32 = 64;

    /// Checks the factor.
    ///
    /// # Errors
    /// [`Error::Value`].
    pub fn check(self) -> Result<Self> {
        if (1..=Self::MOST).contains(&self.factor) {
            return Ok(self);
        }
        let found = f64::from(self.factor);
        Err(Error::Value { name: "enlargement", found, expected: "a whole number from 1 to 64" })
    }
}

/// A clip to make. What is `None` comes from the card, the checkpoint's folder or the family.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What the picture should be.
    pub prompt: String,
    /// What it should not be.
    pub negative: NegativePrompt,
    /// Width and height in pixels.
    pub size: Option<Size>,
    /// Frames.
    pub num_frames: Option<Frames>,
    /// Frames per second.
    pub fps: Option<Fps>,
    /// Denoising steps.
    pub num_inference_steps: Option<u32>,
    /// Strength of classifier-free guidance; 1 or less turns it off.
    pub guidance_scale: Option<f64>,
    /// Shift of the noise schedule.
    pub flow_shift: Option<f64>,
    /// Sampler.
    pub sampler: Option<SamplerKind>,
    /// Seed of the noise.
    pub seed: u64,
    /// Picture to begin with.
    pub image: Option<PathBuf>,
    /// Adapters, applied in order.
    pub loras: Vec<Lora>,
    /// How much larger than it was made it is written.
    pub enlarge: Option<Enlarge>,
    /// File to take the initial latents from, instead of noise from the seed.
    pub init_latents: Option<PathBuf>,
    /// File to write the final latents to.
    pub save_latents: Option<PathBuf>,
    /// File to write every intermediate tensor to.
    pub trace: Option<PathBuf>,
    /// Whether the trace holds the output of every block of the first step.
    pub trace_blocks: bool,
}

/// Where a value of a recipe was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// With the request.
    Request,
    /// In the checkpoint's card.
    Card,
    /// In the checkpoint's folder.
    Folder,
    /// In the family's defaults.
    Family,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Card => "card",
            Self::Folder => "folder",
            Self::Family => "family",
        })
    }
}

/// A value and where it was said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was said.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    fn first(said: [(Option<T>, Origin); 3], family: T) -> Self {
        said.into_iter()
            .find_map(|(value, origin)| value.map(|value| Self { value, origin }))
            .unwrap_or(Self { value: family, origin: Origin::Family })
    }
}

/// What the folder of a checkpoint says of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FolderRecipe {
    /// Shift of its scheduler.
    pub flow_shift: Option<f64>,
    /// Class of its scheduler.
    pub sampler: Option<SamplerKind>,
}

/// The resolved numbers of one generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the picture should be.
    pub prompt: String,
    /// What it should not be.
    pub negative_prompt: Sourced<String>,
    /// Width in pixels.
    pub width: Sourced<u32>,
    /// Height in pixels.
    pub height: Sourced<u32>,
    /// Frames.
    pub num_frames: Sourced<u32>,
    /// Frames per second, numerator and denominator.
    pub fps: Sourced<(u32, u32)>,
    /// Denoising steps.
    pub num_inference_steps: Sourced<u32>,
    /// Strength of classifier-free guidance.
    pub guidance_scale: Sourced<f64>,
    /// Shift of the noise schedule.
    pub flow_shift: Sourced<f64>,
    /// Sampler.
    pub sampler: Sourced<SamplerKind>,
    /// Seed of the noise.
    pub seed: u64,
}

/// The shifts that are followed: outside, the schedule is all noise or none.
pub(crate) const FLOW_SHIFTS: RangeInclusive<f64> = 1e-3..=1e3;

/// Most denoising steps that are taken for meant.
const MAX_STEPS: u32 = 1000;

impl Recipe {
    /// Resolves a request: what it says, else the card, else the folder, else the family, whose defaults are those of
    /// diffusers' `WanPipeline`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a size or a number of frames the model cannot make, [`Error::Value`] for a number out of range.
    pub fn resolve(
        request: &Request,
        card: Option<&Card>,
        folder: FolderRecipe,
        grid: &Grid,
    ) -> Result<Self> {
        use Origin::{Card as C, Folder as F, Request as R};
        let card = card.map(|card| &card.defaults);
        let size = Sourced::first(
            [
                (request.size, R),
                (card.map(|c| Size { width: c.width, height: c.height }), C),
                (None, F),
            ],
            Size { width: 832, height: 480 },
        );
        let num_frames = Sourced::first(
            [(request.num_frames, R), (card.map(|c| c.num_frames), C), (None, F)],
            Frames(81),
        );
        let fps = Sourced::first(
            [
                (request.fps.map(|f| (f.num(), f.den())), R),
                (card.map(|c| (c.fps, 1)), C),
                (None, F),
            ],
            (16, 1),
        );
        let num_inference_steps = Sourced::first(
            [(request.num_inference_steps, R), (card.map(|c| c.num_inference_steps), C), (None, F)],
            50,
        );
        let guidance_scale = Sourced::first(
            [(request.guidance_scale, R), (card.map(|c| c.guidance_scale), C), (None, F)],
            5.0,
        );
        let flow_shift = Sourced::first(
            [(request.flow_shift, R), (card.map(|c| c.flow_shift), C), (folder.flow_shift, F)],
            3.0,
        );
        let sampler = Sourced::first(
            [(request.sampler, R), (card.map(|c| c.sampler), C), (folder.sampler, F)],
            SamplerKind::UniPc,
        );
        let negative_prompt = Sourced::first(
            [
                (
                    match &request.negative {
                        NegativePrompt::Absent => None,
                        NegativePrompt::Empty => Some(String::new()),
                        NegativePrompt::Text(text) => Some(text.clone()),
                    },
                    R,
                ),
                (card.map(|c| c.negative_prompt.clone()), C),
                (None, F),
            ],
            String::new(),
        );
        grid.tokens(size.value, num_frames.value)?;
        let range = |name: &'static str, found: f64, fits: bool, expected: &'static str| {
            if fits { Ok(()) } else { Err(Error::Value { name, found, expected }) }
        };
        let steps = num_inference_steps.value;
        range("steps", f64::from(steps), (1..=MAX_STEPS).contains(&steps), "1 to 1000")?;
        let scale = guidance_scale.value;
        range(
            "guidance",
            scale,
            scale.is_finite() && scale.abs() <= 1000.0,
            "a number up to 1000",
        )?;
        let shift = flow_shift.value;
        range("flow shift", shift, FLOW_SHIFTS.contains(&shift), "a number from 0.001 to 1000")?;
        Ok(Self {
            prompt: request.prompt.clone(),
            negative_prompt,
            width: Sourced { value: size.value.width, origin: size.origin },
            height: Sourced { value: size.value.height, origin: size.origin },
            num_frames: Sourced { value: num_frames.value.0, origin: num_frames.origin },
            fps,
            num_inference_steps,
            guidance_scale,
            flow_shift,
            sampler,
            seed: request.seed,
        })
    }

    /// The size of the clip.
    pub fn size(&self) -> Size {
        Size { width: self.width.value, height: self.height.value }
    }

    /// The number of frames.
    pub fn frames(&self) -> Frames {
        Frames(self.num_frames.value)
    }

    /// The frame rate.
    ///
    /// # Errors
    /// A rate out of range.
    pub fn fps(&self) -> Result<Fps> {
        Ok(Fps::new(self.fps.value.0, self.fps.value.1)?)
    }

    /// Whether the denoiser runs a second time, without the prompt.
    pub fn is_guided(&self) -> bool {
        self.guidance_scale.value > 1.0
    }
}
