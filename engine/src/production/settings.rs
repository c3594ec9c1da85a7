//! The values that every level of a production may set, and which of them wins.

use std::fmt;
use std::str::FromStr;

use kinora_cards::{SamplerKind, Size};
use serde::{Serialize, Serializer};

use super::place::{Place, Said};
use super::reader::Reader;

/// How long a cut is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// In seconds: the model's nearest number of frames.
    Seconds(f64),
    /// In frames of the model's own rate.
    Frames(u32),
}

impl Length {
    /// The longest that is taken for meant, in seconds.
    const MOST: f64 = 600.0;
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a length such as \"3s\" or \"49 frames\", found {text:?}");
        if let Some(frames) = text.strip_suffix("frames").or_else(|| text.strip_suffix('f')) {
            let frames = frames.trim().parse().map_err(|_| wrong())?;
            return if frames > 0 { Ok(Self::Frames(frames)) } else { Err(wrong()) };
        }
        let seconds = text.strip_suffix('s').unwrap_or(text).trim();
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        if seconds > 0.0 && seconds <= Self::MOST {
            Ok(Self::Seconds(seconds))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
            Self::Frames(frames) => write!(f, "{frames} frames"),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads `1280x720`.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let wrong = || format!("expected a size such as 1280x720, found {text:?}");
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
    let side = |text: &str| text.trim().parse().ok().filter(|side| *side > 0).ok_or_else(wrong);
    Ok(Size { width: side(width)?, height: side(height)? })
}

/// What one level says of a cut; what it does not say comes from the level above.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Width and height in pixels.
    pub size: Option<Said<Size>>,
    /// How long.
    pub length: Option<Said<Length>>,
    /// How many takes there are to be.
    pub takes: Option<Said<u32>>,
    /// Seed of the first take; each further take has the next.
    pub seed: Option<Said<u64>>,
    /// A model by name, or `auto`.
    pub model: Option<Said<String>>,
    /// What the picture should not be.
    pub negative: Option<Said<String>>,
    /// Denoising steps.
    pub steps: Option<Said<u32>>,
    /// Strength of classifier-free guidance.
    pub guidance: Option<Said<f64>>,
    /// Shift of the noise schedule.
    pub flow_shift: Option<Said<f64>>,
    /// Sampler.
    pub sampler: Option<Said<SamplerKind>>,
    /// Whether sound is wanted.
    pub audio: Option<Said<bool>>,
    /// Name of a style.
    pub style: Option<Said<String>>,
    /// When the take is wanted at the latest, in seconds of work.
    pub deadline_secs: Option<Said<u64>>,
}

impl Settings {
    /// Reads what a table says; `model` and `style` are the keys that name those there.
    pub(super) fn read(
        table: &Reader<'_>,
        model: &'static str,
        style: Option<&'static str>,
    ) -> Self {
        let whole = |key, most, expected| table.whole(key, 1, most, expected);
        let number = |said: Said<i64>| said.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        Self {
            size: read_size(table),
            length: table.typed("duration", str::parse),
            takes: whole("takes", 1000, "a whole number from 1 to 1000").map(number),
            seed: table
                .whole("seed", 0, i64::MAX, "a whole number from 0 on")
                .map(|said| said.map(i64::unsigned_abs)),
            model: table.text(model),
            negative: table.text("negative"),
            steps: whole("steps", 1000, "a whole number from 1 to 1000").map(number),
            guidance: table.number("guidance"),
            flow_shift: table.number("flow_shift"),
            sampler: table.parsed("sampler", |text| {
                text.parse().map_err(|error: kinora_cards::Error| error.to_string())
            }),
            audio: table.is("audio"),
            style: style.and_then(|style| table.text(style)),
            deadline_secs: whole("deadline_secs", 1 << 40, "a whole number of seconds")
                .map(|said| said.map(i64::unsigned_abs)),
        }
    }
}

/// A size as `[1280, 720]` or `"1280x720"`.
fn read_size(table: &Reader<'_>) -> Option<Said<Size>> {
    let expected = "a size such as [1280, 720]";
    if table.has_text("size") {
        return table.parsed("size", parse_size);
    }
    let Said { value: [width, height], place } = table.pair("size", expected)?;
    if width == 0 || height == 0 {
        table.wrong(&place, format!("size: expected {expected}, found a side of no pixels"), None);
        return None;
    }
    Some(Said { value: Size { width, height }, place })
}

/// The levels that may say a value, from the one that yields to the one that wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The program.
    Default,
    /// The card of the model.
    Card,
    /// `project.toml`.
    Project,
    /// The style of the cut.
    Style,
    /// A character in the cut.
    Character,
    /// The scene.
    Scene,
    /// The cut itself.
    Cut,
    /// The command line.
    CommandLine,
}

impl Level {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Card => "card",
            Self::Project => "project",
            Self::Style => "style",
            Self::Character => "character",
            Self::Scene => "scene",
            Self::Cut => "cut",
            Self::CommandLine => "command line",
        }
    }
}

/// Where a resolved value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The level.
    pub level: Level,
    /// Its name, where there are several of its kind: a character, a style, a card.
    pub name: Option<String>,
    /// The line.
    pub place: Option<Place>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.level.name())?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        if let Some(place) = &self.place {
            write!(f, ", {place}")?;
        }
        Ok(())
    }
}

/// What one level says, with what it is called.
#[derive(Debug, Clone)]
pub(super) struct Layer<'a> {
    pub(super) level: Level,
    pub(super) name: Option<&'a str>,
    pub(super) settings: &'a Settings,
}

/// A value and where it was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved<T> {
    /// The value.
    pub value: T,
    /// Where it was said.
    pub origin: Origin,
}

/// The value of the strongest level that says one. `layers` are in order, the weakest first.
pub(super) fn strongest<T: Clone>(
    layers: &[Layer<'_>],
    pick: impl Fn(&Settings) -> &Option<Said<T>>,
) -> Option<Resolved<T>> {
    layers.iter().rev().find_map(|layer| {
        let said = pick(layer.settings).as_ref()?;
        let is_typed = layer.level == Level::CommandLine;
        let place = (!is_typed).then(|| said.place.clone());
        let name = layer.name.map(ToOwned::to_owned);
        Some(Resolved {
            value: said.value.clone(),
            origin: Origin { level: layer.level, name, place },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, length) in [
            ("3s", Length::Seconds(3.0)),
            ("2.5", Length::Seconds(2.5)),
            ("49 frames", Length::Frames(49)),
            ("17f", Length::Frames(17)),
        ] {
            assert_eq!(text.parse(), Ok(length), "{text}");
            assert_eq!(length.to_string().parse(), Ok(length));
        }
        for wrong in ["", "s", "0", "-1s", "0 frames", "1e9", "nan", "inf", "3m", "f"] {
            assert!(wrong.parse::<Length>().is_err(), "{wrong}");
        }
        assert_eq!(parse_size("96x64"), Ok(Size { width: 96, height: 64 }));
        for wrong in ["", "x", "96", "0x64", "96x", "-1x2", "96x64x3"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
