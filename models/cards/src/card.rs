//! One checkpoint as data.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, FrameRule, Frames, Licence, Result, Size, Vocabulary};

/// One checkpoint: where it is, its family, its recipe, its limits, its licence. A card picks, it never computes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Rises when a number of this card changes; what was made with the card keeps it.
    pub version: u32,
    /// The name people type: lower-case letters, digits, `.` and `-`.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// The architecture, a folder of the models crate.
    pub family: String,
    /// What the checkpoint was trained to do.
    pub tasks: Vec<Task>,
    /// The program carries the checkpoint: there is nothing to fetch.
    #[serde(default)]
    pub built_in: bool,
    /// Where the checkpoint is published; the first is the one to fetch.
    pub sources: Vec<Source>,
    /// The terms of the weights.
    pub licence: Licence,
    /// The official recipe.
    pub defaults: Defaults,
    /// What the checkpoint cannot do.
    pub limits: Limits,
    /// What the checkpoint weighs.
    pub memory: Memory,
    /// The words of a model that knows few.
    pub vocabulary: Option<Vocabulary>,
}

/// What a checkpoint was trained to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Text to video.
    T2v,
    /// First frame and text to video.
    I2v,
}

/// One place a checkpoint is published at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// How the files are laid out.
    pub layout: Layout,
    /// The repository on the Hugging Face hub, `organisation/name`.
    pub repo: String,
    /// The branch, tag or commit.
    pub revision: String,
    /// The files that are needed: paths, where `*` stands for any letters but `/`.
    pub files: Vec<String>,
    /// SHA-256 of files by path, in lower-case hexadecimal; they hold whatever the hub says.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
    /// Hosts that the hub may redirect to: `host`, `host:port`, or `*.domain` for every host below a domain.
    pub redirect_hosts: Vec<String>,
}

/// How the files of a checkpoint are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A folder of components with a `model_index.json`.
    Diffusers,
    /// The folder its authors published.
    Original,
}

/// The recipe of a generation where nobody says otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Denoiser steps.
    pub num_inference_steps: u32,
    /// Scale of classifier-free guidance; 1 turns it off.
    pub guidance_scale: f64,
    /// Shift of the flow-matching schedule.
    pub flow_shift: f64,
    /// The sampler.
    pub sampler: SamplerKind,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Pixels from left to right.
    pub width: u32,
    /// Frames of a clip.
    pub num_frames: Frames,
    /// Frames in a second.
    pub fps: u32,
    /// What the clip should not be, where the negative prompt is absent (not where it is empty).
    pub negative_prompt: String,
}

/// The samplers a card may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum SamplerKind {
    /// UniPC, order 2, bh2, on flow-matching sigmas.
    #[serde(rename = "unipc")]
    UniPc,
    /// Euler on flow-matching sigmas.
    #[serde(rename = "euler")]
    Euler,
}

/// What a checkpoint cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Which numbers of frames it makes.
    pub frames: FrameRule,
    /// What width and height must be a multiple of.
    pub multiple_of: u32,
}

/// What a checkpoint weighs, and what must stay precise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Parameters of the denoiser.
    pub denoiser_params: u64,
    /// Parameters of the text encoder.
    pub text_encoder_params: u64,
    /// Parameters of the VAE.
    pub vae_params: u64,
    /// The list of denoiser modules that streaming moves one by one.
    pub offload_unit: String,
    /// Parts of canonical names whose tensors stay f32 in a half-precision denoiser.
    pub keep_f32: Vec<String>,
}

impl Card {
    /// Reads a card and checks that its numbers make sense.
    ///
    /// # Errors
    /// [`Error::Syntax`] for text that is not a card, [`Error::Field`] for a value that makes no sense,
    /// [`Error::Frames`] and [`Error::Size`] for defaults outside the card's own limits.
    pub fn parse(text: &str) -> Result<Self> {
        let card: Self = toml::from_str(text)?;
        card.check()?;
        Ok(card)
    }

    /// Returns whether this card has that name or a repository of that name, whatever the case of the letters.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.source_called(name).is_some()
    }

    /// Returns the source whose repository has that name, whatever the case of the letters.
    pub fn source_called(&self, repo: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.repo.eq_ignore_ascii_case(repo))
    }

    /// Returns the source of a layout.
    pub fn source(&self, layout: Layout) -> Option<&Source> {
        self.sources.iter().find(|source| source.layout == layout)
    }

    fn check(&self) -> Result<()> {
        let name_fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        self.field("name", &self.name, "lower-case letters, digits, dots and dashes", || {
            !self.name.is_empty() && !self.name.starts_with('.') && self.name.chars().all(name_fits)
        })?;
        let sources = self.sources.len();
        self.field("sources", &sources, "at least one, or none and built_in", || {
            (sources == 0) == self.built_in
        })?;
        for source in &self.sources {
            source.check(self)?;
        }
        let defaults = &self.defaults;
        let steps = defaults.num_inference_steps;
        self.field("defaults.num_inference_steps", &steps, "at least 1", || steps > 0)?;
        self.field("defaults.fps", &defaults.fps, "at least 1", || defaults.fps > 0)?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let scale = defaults.guidance_scale;
        self.field("defaults.guidance_scale", &scale, "a positive number", || positive(scale))?;
        let shift = defaults.flow_shift;
        self.field("defaults.flow_shift", &shift, "a positive number", || positive(shift))?;
        let of = self.limits.multiple_of;
        self.field("limits.multiple_of", &of, "at least 1", || of > 0)?;
        self.limits.check(defaults.size(), defaults.num_frames)
    }

    fn field(
        &self,
        field: &str,
        found: &dyn fmt::Display,
        expected: &'static str,
        fits: impl FnOnce() -> bool,
    ) -> Result<()> {
        if fits() {
            return Ok(());
        }
        Err(Error::Field {
            card: self.name.clone(),
            field: field.to_owned(),
            found: found.to_string(),
            expected,
        })
    }
}

impl Source {
    /// Returns whether the checkpoint needs the file at this path.
    pub fn needs(&self, path: &str) -> bool {
        self.files.iter().any(|pattern| path_fits(pattern, path))
    }

    fn check(&self, card: &Card) -> Result<()> {
        let part_fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        card.field("sources.repo", &self.repo, "organisation/name", || {
            self.repo.split('/').count() == 2 && self.repo.split('/').all(part_fits)
        })?;
        card.field("sources.revision", &self.revision, "a branch, tag or commit", || {
            part_fits(&self.revision)
        })?;
        for host in &self.redirect_hosts {
            card.field("sources.redirect_hosts", host, "host, host:port or *.domain", || {
                let name = host.strip_prefix("*.").unwrap_or(host);
                name.contains('.')
                    && !name.starts_with('.')
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c))
            })?;
        }
        for (path, sha256) in &self.sha256 {
            card.field("sources.sha256", sha256, "64 lower-case hexadecimal digits", || {
                let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                sha256.len() == 64 && sha256.chars().all(digit)
            })?;
            card.field("sources.sha256", path, "a path that files names", || self.needs(path))?;
        }
        Ok(())
    }
}

impl Defaults {
    /// Returns the size of the pictures.
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }
}

impl Limits {
    /// Checks the size and the number of frames of a clip.
    ///
    /// # Errors
    /// [`Error::Frames`] and [`Error::Size`] name the nearest valid values.
    pub fn check(&self, size: Size, frames: Frames) -> Result<()> {
        size.check(self.multiple_of)?;
        self.frames.check(frames)
    }
}

impl SamplerKind {
    /// Every sampler.
    pub const ALL: [Self; 2] = [Self::UniPc, Self::Euler];

    /// Returns the name people type.
    pub fn name(self) -> &'static str {
        match self {
            Self::UniPc => "unipc",
            Self::Euler => "euler",
        }
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SamplerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Sampler {
            found: text.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}

impl Layout {
    /// Returns the name people type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diffusers => "diffusers",
            Self::Original => "original",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::T2v => "t2v",
            Self::I2v => "i2v",
        })
    }
}

/// Returns whether a host fits a pattern of [`Source::redirect_hosts`], whatever the case of the letters.
///
/// `host` is a name or, off the usual port, `name:port`.
pub fn host_fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        // What is left of `*.domain` begins with a dot, so `evildomain` is not below `domain`.
        Some(domain) => {
            let name =
                host.len().checked_sub(domain.len()).and_then(|at| host.split_at_checked(at));
            name.is_some_and(|(name, rest)| !name.is_empty() && rest.eq_ignore_ascii_case(domain))
        }
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// Returns whether a path fits a pattern of [`Source::files`], where `*` stands for any letters but `/`.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path.strip_prefix(head).is_some_and(|rest| {
            let reach = rest.find('/').unwrap_or(rest.len());
            (0..=reach).any(|skip| rest.get(skip..).is_some_and(|rest| path_fits(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::cards;

    const TEXT: &str = include_str!("../wan2.1-t2v-1.3b.toml");

    fn card() -> Card {
        Card::parse(TEXT).expect("because the built-in card is right")
    }

    #[test]
    fn negative_prompts_are_verbatim() {
        let official = "ce96e0324e4b54ce4b6e867f669ca520952e1a34cc116543516b1897f0d3c47e";
        for card in cards().iter().filter(|card| card.name.starts_with("wan2.1")) {
            let hash = Sha256::digest(&card.defaults.negative_prompt);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, official, "{}", card.name);
        }
    }

    #[test]
    fn a_card_survives_being_written() {
        let text = toml::to_string(&card()).expect("because a card is plain data");
        assert_eq!(Card::parse(&text).ok(), Some(card()));
    }

    #[test]
    fn wrong_cards_are_refused_by_field() {
        for (from, to, message) in [
            ("version = 1", "version = 1\ncolour = 2", "unknown field `colour`"),
            ("\"unipc\"", "\"ddim\"", "unknown variant `ddim`"),
            ("\"4n+1\"", "\"4n+5\"", "frame rule \"4n+5\""),
            ("num_frames = 81", "num_frames = 80", "the nearest are 77 and 81"),
            ("width = 832", "width = 830", "the nearest is 832x480"),
            ("fps = 16", "fps = 0", "defaults.fps is 0, expected at least 1"),
            ("flow_shift = 5.0", "flow_shift = nan", "defaults.flow_shift is NaN"),
            ("\"wan2.1-t2v-1.3b\"", "\"../wan\"", "name is ../wan"),
            ("T2V-1.3B-Diffusers\"", "T2V/../..\"", "sources.repo is"),
            ("\"*.hf.co\"", "\"*.\"", "sources.redirect_hosts is *."),
            (
                "[licence]",
                "[sources.sha256]\n\"config.json\" = \"12\"\n\n[licence]",
                "64 lower-case",
            ),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let error = Card::parse(&TEXT.replacen(from, to, 1)).expect_err("because it is wrong");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn needed_files() {
        let card = card();
        let source = card.source(Layout::Diffusers).expect("because the card has one");
        for (path, needed) in [
            ("model_index.json", true),
            ("transformer/diffusion_pytorch_model-00001-of-00002.safetensors", true),
            ("tokenizer/spiece.model", true),
            ("README.md", false),
            ("assets/logo.png", false),
            ("transformer/deep/config.json", false),
            ("vae/config.json.bak", false),
            ("xmodel_index.json", false),
        ] {
            assert_eq!(source.needs(path), needed, "{path}");
        }
        assert!(path_fits("a*b*c", "aXbbYc") && path_fits("*é*", "aéb"));
        assert!(!path_fits("a*b*c", "aXc"));
    }

    #[test]
    fn redirect_hosts() {
        let patterns = ["hub.test", "*.cdn.test", "a.test:81"];
        for (host, allowed) in [
            ("hub.test", true),
            ("HUB.test", true),
            ("eu.cdn.test", true),
            ("a.test:81", true),
            ("a.test", false),
            ("cdn.test", false),
            (".cdn.test", false),
            ("evilcdn.test", false),
            ("hub.test.evil.test", false),
            ("hub.test:81", false),
            ("é.test", false),
        ] {
            let fits = patterns.iter().any(|pattern| host_fits(pattern, host));
            assert_eq!(fits, allowed, "{host}");
        }
    }

    #[test]
    fn samplers_by_name() {
        for kind in SamplerKind::ALL {
            assert_eq!(kind.to_string().parse::<SamplerKind>().ok(), Some(kind));
        }
        let error = "dpm".parse::<SamplerKind>().expect_err("because there is none");
        assert_eq!(error.to_string(), "sampler \"dpm\": expected one of unipc, euler");
    }
}
