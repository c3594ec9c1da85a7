//! A model that a cut could be made on, as far as a choice depends on it.

use kinora_cards::{Card, Size};
use serde::Serialize;

use super::need::Need;
use crate::hosted::{Asked, Aspect, Audio, HostedCard, Lengths, MultiShot, Retires, Task};
use crate::money::Money;

/// A model that a cut could be made on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The name people type.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// The architecture or make.
    pub family: String,
    /// Where it runs.
    pub place: Place,
    /// What a clip may be made from.
    pub tasks: Vec<Task>,
    /// What it cannot do.
    pub limits: Limits,
    /// Sound.
    pub audio: Audio,
    /// Several shots in one clip.
    pub multi_shot: MultiShot,
    /// Its terms.
    pub terms: Terms,
    /// Whether it takes adapters of its family.
    pub takes_adapters: bool,
    /// Whether it is the small model that the program carries, for trying things out.
    pub is_toy: bool,
}

/// Where a model runs, and what that takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On this machine.
    Local {
        /// Whether its files are here.
        installed: bool,
        /// Whether the cut fits into memory.
        fits: Fit,
        /// Estimated seconds of work.
        seconds: Option<f64>,
    },
    /// At a provider.
    Hosted {
        /// Who runs it.
        provider: String,
        /// The host that is asked, with its port where that is not the usual one.
        host: String,
        /// What the cut costs at most.
        price: Option<Money>,
        /// Whether a key is there, or none is needed.
        has_key: bool,
        /// What is wrong with the place that should hold the key, where that is known.
        why_no_key: Option<String>,
        /// Whether the provider itself says what is known of it, the price above all.
        verified: bool,
        /// When the provider ends it.
        retires: Option<Retires>,
    },
}

/// Whether a cut fits into the memory of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// It fits.
    Fits {
        /// What it takes.
        memory_bytes: u64,
    },
    /// A smaller plan fits.
    Smaller {
        /// Which, as people read it.
        plan: String,
    },
    /// Nothing fits.
    No {
        /// What it takes at least.
        needed: u64,
        /// What there is.
        available: u64,
    },
    /// Nobody measured.
    Unknown,
}

/// What a model cannot do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Lengths that it makes; `None` for any.
    pub seconds: Option<Lengths>,
    /// The length that it was trained on, where it makes longer clips that drift.
    pub trained_seconds: Option<f64>,
    /// Shorter sides, ascending, in which it makes this cut; `None` for any.
    pub short_sides: Option<Vec<u32>>,
    /// Shapes; none where it makes any.
    pub aspects: Vec<Aspect>,
    /// What width and height are a multiple of.
    pub multiple_of: u32,
    /// Frames a second, where they are known and cannot be chosen.
    pub fps: Option<u32>,
    /// Most reference pictures.
    pub max_references: u32,
    /// Whether reference pictures may go along with a first frame.
    pub references_with_frames: bool,
    /// Why it makes nothing like this cut, where it said so itself.
    pub refuses: Option<String>,
}

/// Under which terms a model may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// What they are called.
    pub name: String,
    /// Whether they allow commercial use; `None` where nobody read them.
    pub commercial_use: Option<bool>,
    /// Regions that they leave out, as people write them.
    pub excluded: Vec<String>,
}

impl Candidate {
    /// A checkpoint on this machine.
    pub fn local(card: &Card, installed: bool, fits: Fit, seconds: Option<f64>) -> Self {
        let task = |task: &kinora_cards::Task| match task {
            kinora_cards::Task::T2v => Task::Text,
            kinora_cards::Task::I2v => Task::FirstFrame,
        };
        let defaults = &card.defaults;
        Self {
            name: card.name.clone(),
            title: card.title.clone(),
            family: card.family.clone(),
            place: Place::Local { installed: installed || card.built_in, fits, seconds },
            tasks: card.tasks.iter().map(task).collect(),
            limits: Limits {
                seconds: None,
                trained_seconds: Some(
                    f64::from(defaults.num_frames.0) / f64::from(defaults.fps.max(1)),
                ),
                short_sides: None,
                aspects: Vec::new(),
                multiple_of: card.limits.multiple_of,
                fps: Some(defaults.fps),
                max_references: 0,
                references_with_frames: false,
                refuses: None,
            },
            audio: Audio::Never,
            multi_shot: MultiShot::No,
            terms: Terms {
                name: card.licence.spdx.clone(),
                commercial_use: Some(card.licence.commercial_use),
                excluded: card.licence.excluded_regions.clone(),
            },
            takes_adapters: true,
            is_toy: card.built_in,
        }
    }

    /// The same, where a key may be there and cannot be read.
    #[must_use]
    pub fn without_key(mut self, why: &str) -> Self {
        if let Place::Hosted { why_no_key, .. } = &mut self.place {
            *why_no_key = Some(why.to_owned());
        }
        self
    }

    /// A hosted model, for a cut: sizes and price depend on what is asked.
    pub fn hosted(card: &HostedCard, need: &Need, has_key: bool) -> Self {
        let asked = card.asked(need);
        let price = card.quote(&asked);
        let is_any_size = card.resolutions.is_empty();
        let short_sides = || card.resolutions_for(&asked).map(|size| size.short_side).collect();
        Self {
            name: card.name.clone(),
            title: card.title.clone(),
            family: card.family.clone(),
            place: Place::Hosted {
                provider: card.provider.clone(),
                host: card.host.clone(),
                price: price.map(|price| price.amount),
                has_key: has_key || !card.needs_key,
                why_no_key: None,
                verified: price.map_or(card.verified, |price| price.verified),
                retires: card.retires,
            },
            tasks: card.tasks.clone(),
            limits: Limits {
                seconds: Some(card.lengths(&asked).clone()),
                trained_seconds: None,
                short_sides: (!is_any_size).then(short_sides),
                aspects: card.aspects.clone(),
                multiple_of: 1,
                fps: card.fps,
                max_references: card.max_references,
                references_with_frames: card.references_with_frames,
                refuses: None,
            },
            audio: card.audio,
            multi_shot: card.multi_shot,
            terms: Terms {
                name: card.licence.spdx.clone(),
                commercial_use: card.commercial_use,
                excluded: card.licence.excluded_regions.clone(),
            },
            takes_adapters: false,
            is_toy: false,
        }
    }

    /// Whether it runs on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local { .. })
    }

    /// The host that would be asked.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Local { .. } => None,
            Place::Hosted { host, .. } => Some(host),
        }
    }

    /// The key among these under which an adapter for it is listed: its family, or the beginning of its name.
    pub fn adapter<'a>(&self, keys: &'a [String]) -> Option<&'a str> {
        let fits = |key: &&String| {
            let rest = self.name.strip_prefix(key.as_str());
            **key == self.family
                || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        keys.iter().filter(|_| self.takes_adapters).find(fits).map(String::as_str)
    }

    /// Whether it makes clips that are long enough for a cut.
    pub fn makes_length(&self, need: &Need) -> bool {
        let (seconds, lengths) = (need.seconds(self.limits.fps), self.limits.seconds.as_ref());
        seconds.zip(lengths).is_none_or(|(seconds, lengths)| lengths.holding(seconds).is_some())
    }

    /// How many reference pictures it takes for a clip made from these frames.
    pub fn room_for_references(&self, task: Task) -> u32 {
        let mixes = task.frames() == 0 || self.limits.references_with_frames;
        if mixes { self.limits.max_references } else { 0 }
    }
}

impl HostedCard {
    /// Seconds of a clip of which nobody says how long it is to be, where it makes such.
    const SECONDS: f64 = 5.0;
    /// Size of its pictures where nobody says.
    const SIZE: Size = Size { width: 1280, height: 720 };

    /// What would be asked of it for a cut: pictures of the cut, and those of the characters that there is room for.
    pub fn asked(&self, need: &Need) -> Asked {
        let mixes = need.task.frames() == 0 || self.references_with_frames;
        let room = if mixes { self.max_references } else { 0 };
        let wanted = need.characters.iter().map(|known| known.references);
        let wanted = wanted.fold(need.references, u32::saturating_add);
        let references = wanted.min(room).max(need.references);
        let task = match need.task {
            Task::Text if references > 0 => Task::References,
            task => task,
        };
        let mut asked = Asked {
            task,
            seconds: Self::SECONDS,
            size: need.size.unwrap_or(Self::SIZE),
            audio: need.audio == Some(true),
            references,
        };
        let lengths = self.lengths(&asked);
        let own = lengths.holding(Self::SECONDS).unwrap_or_else(|| lengths.longest());
        asked.seconds = need.seconds(self.fps).unwrap_or(f64::from(own));
        asked
    }
}
