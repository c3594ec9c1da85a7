//! One hosted model as data: where it is asked for, what it makes, what that costs.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use kinora_cards::{Licence, Size};
use serde::{Deserialize, Serialize};

use super::{Aspect, Audio, Lengths, MultiShot, Resolution, Task};
use crate::money::Money;
use crate::{Hint, Kind};

/// One hosted model: where it is asked for, what it makes, what that costs. Facts of a day, named in `checked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostedCard {
    /// The name people type.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// The architecture or make, such as `kling`.
    pub family: String,
    /// Who runs it.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// The provider's way of being asked for it, where there are several.
    pub api: Option<String>,
    /// The host that is asked, with its port where that is not the usual one.
    pub host: String,
    /// Whether the provider asks for a key.
    pub needs_key: bool,
    /// The day the facts were looked up.
    pub checked: Date,
    /// Whether what the card says was read at the provider or in its code. Otherwise it is hearsay, the price above all.
    pub verified: bool,
    /// The provider's terms.
    pub licence: Licence,
    /// Whether the terms say that what is made may be used commercially; `None` where nobody read them.
    pub commercial_use: Option<bool>,
    /// What a clip may be made from.
    pub tasks: Vec<Task>,
    /// Lengths of a clip.
    pub seconds: Lengths,
    /// Lengths of a clip with reference pictures, where they differ.
    pub seconds_with_references: Option<Lengths>,
    /// Sizes, ascending. None where the server takes what it is asked for.
    pub resolutions: Vec<Resolution>,
    /// Shapes. None where the server takes what it is asked for.
    pub aspects: Vec<Aspect>,
    /// Frames a second, where they are known.
    pub fps: Option<u32>,
    /// Most reference pictures.
    pub max_references: u32,
    /// Whether reference pictures may go along with a first frame.
    pub references_with_frames: bool,
    /// Sound.
    pub audio: Audio,
    /// Several shots in one clip.
    pub multi_shot: MultiShot,
    /// Whether it takes a seed.
    pub seed: bool,
    /// Whether it takes a negative prompt.
    pub negative: bool,
    /// The most letters of a prompt, as the provider counts them.
    pub max_prompt: Option<u32>,
    /// Whether it costs nothing: a server of one's own.
    pub is_free: bool,
    /// Dollars for a second of any size, where no size has a price of its own.
    pub second: Option<Money>,
    /// The least that a clip costs.
    pub minimum: Option<Money>,
    /// Pictures that cost nothing extra.
    pub free_pictures: u32,
    /// Dollars for each picture beyond those.
    pub picture: Option<Money>,
    /// When the provider ends it.
    pub retires: Option<Retires>,
}

/// When a provider ends a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retires {
    /// The first day without it.
    pub on: Date,
    /// Whether the provider says so itself, or somebody else.
    pub verified: bool,
}

/// A clip as far as its price depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// What it is made from.
    pub task: Task,
    /// Length.
    pub seconds: f64,
    /// Size of the pictures.
    pub size: Size,
    /// Whether it is to have sound.
    pub audio: bool,
    /// Reference pictures.
    pub references: u32,
}

/// What a clip costs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// How much.
    pub amount: Money,
    /// Whether the provider says so itself.
    pub verified: bool,
}

impl HostedCard {
    /// The most that a clip of that length, size and sound costs, made from words alone; `None` where nobody knows.
    pub fn price(&self, seconds: f64, size: Size, audio: bool) -> Option<Money> {
        let asked = Asked { task: Task::Text, seconds, size, audio, references: 0 };
        Some(self.quote(&asked)?.amount)
    }

    /// The most that a clip costs, rounded up to whole seconds; `None` where nobody knows, or it is not made.
    pub fn quote(&self, asked: &Asked) -> Option<Price> {
        if self.is_free {
            return Some(Price { amount: Money::ZERO, verified: true });
        }
        let seconds = self.lengths(asked).holding(asked.seconds)?;
        let resolution = self.resolution(asked);
        let of_size = resolution.and_then(|size| size.second(self.has_audio(asked.audio)));
        let second = of_size.or(self.second)?;
        let pictures = (asked.task.frames() + asked.references).saturating_sub(self.free_pictures);
        let extra = self.picture.map_or(Money::ZERO, |each| each.times(f64::from(pictures)));
        let amount =
            (second.times(f64::from(seconds)) + extra).max(self.minimum.unwrap_or_default());
        Some(Price {
            amount,
            verified: self.verified && !resolution.is_some_and(|size| size.unverified),
        })
    }

    /// The lengths that a clip like that may have.
    pub fn lengths(&self, asked: &Asked) -> &Lengths {
        let with = self.seconds_with_references.as_ref().filter(|_| asked.references > 0);
        with.unwrap_or(&self.seconds)
    }

    /// The size that a clip is asked in: the smallest that is large enough, or else the largest.
    pub fn resolution(&self, asked: &Asked) -> Option<&Resolution> {
        let wanted = asked.size.width.min(asked.size.height);
        let mut largest = None;
        for resolution in self.resolutions_for(asked) {
            if resolution.short_side >= wanted {
                return Some(resolution);
            }
            largest = Some(resolution);
        }
        largest
    }

    /// The sizes in which a clip like that is made, ascending.
    pub fn resolutions_for(&self, asked: &Asked) -> impl Iterator<Item = &Resolution> {
        let last_frame = asked.task == Task::FirstLastFrame;
        let audio = self.has_audio(asked.audio);
        self.resolutions.iter().filter(move |resolution| resolution.makes(audio, last_frame))
    }

    /// The shape that a clip is asked in: the one of which most is kept.
    pub fn aspect(&self, asked: &Asked) -> Option<Aspect> {
        best_aspect(&self.aspects, asked.task, asked.size)
    }

    /// Whether a clip has sound where it is or is not wanted.
    fn has_audio(&self, wanted: bool) -> bool {
        match self.audio {
            Audio::Never => false,
            Audio::Optional => wanted,
            Audio::Always => true,
        }
    }
}

/// The shape of which most is kept, the first of several; `adaptive` only where there is a frame to follow.
pub(crate) fn best_aspect(aspects: &[Aspect], task: Task, size: Size) -> Option<Aspect> {
    let open = |aspect: &&Aspect| **aspect != Aspect::Adaptive || task.frames() > 0;
    aspects
        .iter()
        .filter(open)
        .copied()
        .reduce(|best, aspect| if aspect.kept(size) > best.kept(size) { aspect } else { best })
}

/// The file of one provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: String,
    host: String,
    #[serde(default = "yes")]
    needs_key: bool,
    checked: Date,
    terms: Terms,
    models: Vec<Model>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    name: String,
    url: String,
    commercial_use: Option<bool>,
    #[serde(default)]
    excluded_regions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
    title: String,
    family: String,
    model: String,
    api: Option<String>,
    verified: bool,
    tasks: Vec<Task>,
    seconds: Lengths,
    seconds_with_references: Option<Lengths>,
    #[serde(default)]
    resolutions: Vec<Resolution>,
    #[serde(default)]
    aspects: Vec<Aspect>,
    fps: Option<u32>,
    #[serde(default)]
    max_references: u32,
    #[serde(default)]
    references_with_frames: bool,
    audio: Audio,
    multi_shot: MultiShot,
    seed: bool,
    negative: bool,
    max_prompt: Option<u32>,
    #[serde(default)]
    free: bool,
    minimum: Option<Money>,
    #[serde(default)]
    free_pictures: u32,
    picture: Option<Money>,
    retires: Option<Retires>,
}

fn yes() -> bool {
    true
}

/// What can be wrong with a file of hosted cards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The text does not read as one.
    #[error("hosted card: {source}")]
    Syntax {
        /// What the TOML reader found, with line and column.
        #[from]
        source: toml::de::Error,
    },
    /// A field holds a value that makes no sense.
    #[error("hosted card {card}: {field} is {found}, expected {expected}")]
    Field {
        /// The card's name.
        card: String,
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
}

impl Hint for CardError {
    fn kind(&self) -> Kind {
        Kind::Config
    }
}

impl HostedCard {
    /// Reads the models of one provider and checks that what they say makes sense.
    ///
    /// # Errors
    /// [`CardError::Syntax`] for text that is no such file, [`CardError::Field`] for a value that makes no sense.
    pub fn parse(text: &str) -> Result<Vec<Self>, CardError> {
        let File { provider, host, needs_key, checked, terms, models } = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        let mut cards = Vec::with_capacity(models.len());
        for model in models {
            let licence = Licence {
                spdx: terms.name.clone(),
                url: terms.url.clone(),
                commercial_use: terms.commercial_use == Some(true),
                gated: false,
                excluded_regions: terms.excluded_regions.clone(),
            };
            let card = Self {
                name: model.name,
                title: model.title,
                family: model.family,
                provider: provider.clone(),
                model: model.model,
                api: model.api,
                host: host.to_ascii_lowercase(),
                needs_key,
                checked,
                verified: model.verified,
                licence,
                commercial_use: terms.commercial_use,
                tasks: model.tasks,
                seconds: model.seconds,
                seconds_with_references: model.seconds_with_references,
                resolutions: model.resolutions,
                aspects: model.aspects,
                fps: model.fps,
                max_references: model.max_references,
                references_with_frames: model.references_with_frames,
                audio: model.audio,
                multi_shot: model.multi_shot,
                seed: model.seed,
                negative: model.negative,
                max_prompt: model.max_prompt,
                is_free: model.free,
                second: None,
                minimum: model.minimum,
                free_pictures: model.free_pictures,
                picture: model.picture,
                retires: model.retires,
            };
            card.check()?;
            let is_new = names.insert(card.name.clone());
            card.field("name", &card.name, "a name that no other card of the file has", is_new)?;
            cards.push(card);
        }
        Ok(cards)
    }

    fn check(&self) -> Result<(), CardError> {
        let is_word = |text: &str, more: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
            !text.is_empty() && !text.starts_with('.') && text.chars().all(fits)
        };
        self.field("name", &self.name, "lower-case letters, digits, dots and dashes", {
            is_word(&self.name, ".-")
        })?;
        self.field("family", &self.family, "lower-case letters, digits, dots and dashes", {
            is_word(&self.family, ".-")
        })?;
        self.field("provider", &self.provider, "lower-case letters, digits and dashes", {
            is_word(&self.provider, "-")
        })?;
        self.field("host", &self.host, "a host, or host:port", is_word(&self.host, ".-:"))?;
        self.field("tasks", &self.tasks.len(), "at least one", !self.tasks.is_empty())?;
        self.field("fps", &0, "at least 1", self.fps != Some(0))?;
        let takes_references = self.tasks.contains(&Task::References);
        self.field(
            "max_references",
            &self.max_references,
            "at least 1 with the task references, and 0 without it",
            takes_references == (self.max_references > 0),
        )?;
        let ascends = |one: &Resolution, two: &Resolution| one.short_side < two.short_side;
        self.field(
            "resolutions",
            &self.names_of_resolutions(),
            "sizes that ascend from at least one pixel",
            self.resolutions.is_sorted_by(ascends)
                && self.resolutions.iter().all(|size| size.short_side > 0),
        )?;
        for resolution in &self.resolutions {
            let (silent, audio) = (resolution.silent.is_some(), resolution.audio.is_some());
            let fits = match self.audio {
                Audio::Never => !audio,
                Audio::Always => !silent,
                Audio::Optional => true,
            };
            let expected =
                "the price of silence where it makes none, the one of sound where it always does";
            self.field(
                "audio",
                &resolution.name,
                expected,
                fits && !(self.is_free && (silent || audio)),
            )?;
        }
        let prices = self.resolutions.iter().flat_map(|size| [size.silent, size.audio]);
        let prices = prices.chain([self.minimum, self.picture]).flatten();
        for price in prices {
            self.field("price", &price, "more than nothing", price > Money::ZERO)?;
        }
        Ok(())
    }

    fn names_of_resolutions(&self) -> String {
        let names: Vec<&str> = self.resolutions.iter().map(|size| size.name.as_str()).collect();
        names.join(", ")
    }

    fn field(
        &self,
        field: &'static str,
        found: &dyn std::fmt::Display,
        expected: &'static str,
        fits: bool,
    ) -> Result<(), CardError> {
        if fits {
            return Ok(());
        }
        Err(CardError::Field { card: self.name.clone(), field, found: found.to_string(), expected })
    }
}

/// The built-in cards, a file for each provider.
const FILES: [&str; 9] = [
    include_str!("cards/fal.toml"),
    include_str!("cards/kling.toml"),
    include_str!("cards/ark.toml"),
    include_str!("cards/google.toml"),
    include_str!("cards/veo.toml"),
    include_str!("cards/runway.toml"),
    include_str!("cards/replicate.toml"),
    include_str!("cards/minimax.toml"),
    include_str!("cards/luma.toml"),
];

/// What is known of a server that speaks `/v1/videos` and that somebody runs somewhere.
const SERVER: &str = include_str!("cards/openai-compatible.toml");

static CARDS: LazyLock<Vec<HostedCard>> = LazyLock::new(|| {
    let parse = |text| HostedCard::parse(text).expect("because a test parses every built-in card");
    FILES.into_iter().flat_map(parse).collect()
});

/// The built-in cards, in the order they are listed to people.
pub fn cards() -> &'static [HostedCard] {
    &CARDS
}

/// Finds a built-in card by its name, whatever the case of the letters.
pub fn find(name: &str) -> Option<&'static HostedCard> {
    cards().iter().find(|card| card.name.eq_ignore_ascii_case(name))
}

/// The card of a model on an OpenAI-shaped server of the user's own: vLLM-Omni, SGLang, another Kinora.
///
/// # Errors
/// [`CardError::Field`] for a name or a host that cannot be one.
pub fn server(name: &str, host: &str, model: &str) -> Result<HostedCard, CardError> {
    let cards = HostedCard::parse(SERVER).expect("because a test parses every built-in card");
    let mut card = cards.into_iter().next().expect("because the file has one card");
    card.name = name.to_owned();
    card.title = model.to_owned();
    card.host = host.to_ascii_lowercase();
    card.model = model.to_owned();
    card.check()?;
    Ok(card)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KLING: &str = include_str!("cards/kling.toml");

    fn asked(task: Task, seconds: f64, short_side: u32) -> Asked {
        let size = Size { width: short_side * 16 / 9, height: short_side };
        Asked { task, seconds, size, audio: false, references: 0 }
    }

    #[test]
    fn every_card_parses_and_no_two_share_a_name() {
        let files = FILES.into_iter().chain([SERVER]);
        let all: Vec<HostedCard> =
            files.flat_map(|text| HostedCard::parse(text).expect("right")).collect();
        let names: BTreeSet<&str> = all.iter().map(|card| card.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(cards().len() + 1, all.len());
        for card in cards() {
            assert_eq!(find(&card.name.to_uppercase()), Some(card));
            assert!(kinora_cards::find(&card.name).is_none(), "{} is local too", card.name);
            assert!(card.needs_key && !card.is_free, "{}", card.name);
            for task in &card.tasks {
                let made = |short| card.resolution(&asked(*task, 5.0, short)).is_some();
                assert!(made(480) && made(2160), "{} makes {task} in no size", card.name);
            }
        }
        assert_eq!(find("kling"), None);
    }

    #[test]
    fn wrong_cards_are_refused_by_field() {
        for (from, to, message) in [
            ("provider = \"kling\"", "provider = \"Kling\"", "provider is Kling"),
            ("provider = \"kling\"", "provder = \"kling\"", "unknown field `provder`"),
            ("api-singapore.klingai.com", "https://klingai.com", "host is https://klingai.com"),
            ("2026-11-23", "2026-13-23", "month"),
            ("\"kling-4.0\"\ntitle", "\"kling 4\"\ntitle", "name is kling 4"),
            ("\"kling-4.0-flash\"\ntitle", "\"kling-4.0\"\ntitle", "name is kling-4.0"),
            ("family = \"kling\"", "family = \"\"", "family is , expected"),
            (
                "tasks = [\"text\", \"first-frame\", \"first-last-frame\", \"references\"]",
                "tasks = []",
                "tasks is 0, expected at least one",
            ),
            ("\"first-last-frame\", \"references\"]", "\"last-frame\"]", "unknown variant"),
            ("\"3-30\"", "\"30-3\"", "\"30-3\" is not a range"),
            ("\"21:9\"]", "\"21\"]", "\"21\" is not an aspect ratio"),
            ("fps = 24", "fps = 0", "fps is 0, expected at least 1"),
            (
                "max_references = 10",
                "max_references = 0",
                "max_references is 0, expected at least 1",
            ),
            ("short_side = 720", "short_side = 1081", "resolutions is 720p, 1080p, expected"),
            ("short_side = 720", "short_side = 0", "resolutions is 720p, 1080p, expected"),
            ("audio = \"0.167\"", "silent = \"0.167\"", "audio is 720p, expected"),
            ("audio = \"0.167\"", "audio = \"0\"", "price is 0.00, expected more than nothing"),
            ("audio = \"0.167\"", "audio = 0.167", "invalid type: floating point"),
            ("seed = false", "seed = \"no\"", "invalid type: string"),
        ] {
            assert!(KLING.contains(from), "{from}");
            let error = HostedCard::parse(&KLING.replacen(from, to, 1)).expect_err("it is wrong");
            assert!(error.to_string().contains(message), "{from} -> {to}: {error}");
            assert_eq!(error.kind(), Kind::Config);
        }
    }

    #[test]
    fn prices_are_those_of_the_lists() {
        for (name, task, seconds, short_side, audio, references, price) in [
            ("kling-3.0", Task::Text, 5.0, 720, false, 0, Some(("0.42", true))),
            ("kling-3.0", Task::Text, 4.2, 720, true, 0, Some(("0.63", true))),
            ("kling-3.0", Task::Text, 16.0, 720, false, 0, None),
            ("kling-4.0", Task::Text, 5.0, 1080, false, 0, Some(("1.25", false))),
            ("kling-2.6", Task::FirstLastFrame, 5.0, 720, false, 0, Some(("0.35", true))),
            ("kling-o1", Task::References, 7.0, 720, false, 3, Some(("0.588", true))),
            ("kling-o1", Task::Text, 7.0, 720, false, 0, Some(("0.84", true))),
            ("seedance-2.5", Task::Text, 5.0, 1080, false, 0, Some(("2.65", false))),
            ("veo-3.1", Task::References, 4.0, 720, false, 2, Some(("3.20", true))),
            ("minimax-h3", Task::References, 5.0, 720, false, 7, Some(("0.48", true))),
            ("luma-ray-3.2", Task::Text, 5.0, 720, false, 0, None),
            ("kling-3.0", Task::Text, f64::NAN, 720, false, 0, None),
        ] {
            let card = find(name).expect("a card");
            let asked = Asked { audio, references, ..asked(task, seconds, short_side) };
            let found = card.quote(&asked).map(|price| (price.amount.to_string(), price.verified));
            let expected = price.map(|(amount, verified)| (amount.to_owned(), verified));
            assert_eq!(found, expected, "{name} {asked:?}");
        }
        let size = Size { width: 1280, height: 720 };
        let kling = find("kling-3.0").expect("a card");
        assert_eq!(kling.price(5.0, size, false).map(Money::micros), Some(420_000));
    }

    #[test]
    fn a_server_of_ones_own_is_free() {
        let card = server("render", "Render.lan:8000", "wan2.2").expect("right");
        assert_eq!((card.host.as_str(), card.needs_key), ("render.lan:8000", false));
        let price = card.quote(&asked(Task::Text, 5.0, 720)).expect("free");
        assert_eq!((price.amount, price.verified), (Money::ZERO, true));
        assert!(server("Render", "render.lan", "wan2.2").is_err());
        assert!(server("render", "http://render.lan", "wan2.2").is_err());
    }

    #[test]
    fn the_shape_of_which_most_is_kept() {
        let aspect = |name: &str, task, width, height| {
            let asked = Asked { size: Size { width, height }, ..asked(task, 5.0, 720) };
            find(name).expect("a card").aspect(&asked).map(|aspect| aspect.to_string())
        };
        assert_eq!(aspect("kling-3.0", Task::Text, 1280, 720).as_deref(), Some("16:9"));
        assert_eq!(aspect("kling-3.0", Task::Text, 720, 1280).as_deref(), Some("9:16"));
        assert_eq!(aspect("seedance-2.0", Task::Text, 1000, 700).as_deref(), Some("4:3"));
        assert_eq!(
            aspect("seedance-2.0", Task::FirstFrame, 1000, 700).as_deref(),
            Some("adaptive")
        );
        assert_eq!(aspect("hailuo-2.3", Task::Text, 1000, 700), None);
    }
}
