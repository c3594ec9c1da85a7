//! The words in which a hosted card says what its model makes, and the arithmetic of asking for it.

use std::fmt;
use std::str::FromStr;

use kinora_cards::Size;
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// How far two ratios may differ and still be the same picture: 832x480 and 1280x704 are meant as 16:9.
const SAME_ASPECT: f64 = 0.03;

/// What a clip is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Words alone.
    Text,
    /// Words and the picture it begins with.
    FirstFrame,
    /// Words and the pictures it begins and ends with.
    FirstLastFrame,
    /// Words and pictures of what is in it.
    References,
}

impl Task {
    /// Pictures that it takes of the clip itself.
    pub fn frames(self) -> u32 {
        match self {
            Self::Text | Self::References => 0,
            Self::FirstFrame => 1,
            Self::FirstLastFrame => 2,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::FirstFrame => "a first frame",
            Self::FirstLastFrame => "a first and a last frame",
            Self::References => "references",
        })
    }
}

/// Whether a model makes sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audio {
    /// It makes none.
    Never,
    /// It makes some when asked.
    Optional,
    /// It always makes some.
    Always,
}

/// Whether a model makes several shots in one clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MultiShot {
    /// Not on purpose.
    No,
    /// As the prompt tells it.
    Prompt,
    /// Shot by shot, each with its words and its length.
    Structured,
}

/// A text that says nothing of the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct NotOffered {
    /// The text.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

/// Which whole numbers of seconds a model makes, written `3-15` or `4,6,8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Lengths {
    /// Every number from the first to the second.
    Between(u32, u32),
    /// These, ascending.
    Listed(Vec<u32>),
}

impl Lengths {
    /// The shortest of them that holds so many seconds.
    pub fn holding(&self, seconds: f64) -> Option<u32> {
        // A clip of 5.0000001 seconds is one of 5: what the frames add up to is seldom whole.
        let holds = |length: u32| f64::from(length) + 1e-3 >= seconds;
        match self {
            // No comparison holds for a number that is none.
            Self::Between(from, to) => {
                let wanted = (seconds - 1e-3).ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
                Some(wanted.max(*from)).filter(|length| length <= to && holds(*length))
            }
            Self::Listed(lengths) => lengths.iter().copied().find(|length| holds(*length)),
        }
    }

    /// The longest.
    pub fn longest(&self) -> u32 {
        match self {
            Self::Between(_, to) => *to,
            Self::Listed(lengths) => lengths.last().copied().unwrap_or(0),
        }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(from, to) => write!(f, "{from}-{to}"),
            Self::Listed(lengths) => {
                let texts: Vec<String> = lengths.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

impl FromStr for Lengths {
    type Err = NotOffered;

    fn from_str(text: &str) -> Result<Self, NotOffered> {
        let wrong = || NotOffered {
            found: text.to_owned(),
            expected: "a range or an ascending list of seconds, as 3-15 or 4,6,8",
        };
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|number| digits && *number > 0).ok_or_else(wrong)
        };
        if let Some((from, to)) = text.split_once('-') {
            let (from, to) = (number(from)?, number(to)?);
            return if from < to { Ok(Self::Between(from, to)) } else { Err(wrong()) };
        }
        let lengths = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
        if lengths.is_sorted_by(|one, two| one < two) {
            Ok(Self::Listed(lengths))
        } else {
            Err(wrong())
        }
    }
}

impl TryFrom<String> for Lengths {
    type Error = NotOffered;

    fn try_from(text: String) -> Result<Self, NotOffered> {
        text.parse()
    }
}

impl From<Lengths> for String {
    fn from(lengths: Lengths) -> Self {
        lengths.to_string()
    }
}

/// A shape of pictures, width to height, written `16:9`; or `adaptive`, the shape of the first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Aspect {
    /// Width to height.
    Ratio(u32, u32),
    /// That of the first frame.
    Adaptive,
}

impl Aspect {
    /// How much of pictures of this shape is left when they are cut to a size: 1 for the same shape.
    pub fn kept(self, size: Size) -> f64 {
        let Self::Ratio(width, height) = self else { return 1.0 };
        let own = f64::from(width) / f64::from(height);
        let wanted = f64::from(size.width.max(1)) / f64::from(size.height.max(1));
        let kept = (own / wanted).min(wanted / own);
        if kept >= 1.0 - SAME_ASPECT { 1.0 } else { kept }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(width, height) => write!(f, "{width}:{height}"),
            Self::Adaptive => f.write_str("adaptive"),
        }
    }
}

impl FromStr for Aspect {
    type Err = NotOffered;

    fn from_str(text: &str) -> Result<Self, NotOffered> {
        let wrong = || NotOffered {
            found: text.to_owned(),
            expected: "an aspect ratio such as 16:9, or adaptive",
        };
        if text == "adaptive" {
            return Ok(Self::Adaptive);
        }
        let (width, height) = text.split_once(':').ok_or_else(wrong)?;
        let side = |text: &str| match text.parse() {
            Ok(side @ 1..=100) => Ok(side),
            _ => Err(wrong()),
        };
        Ok(Self::Ratio(side(width)?, side(height)?))
    }
}

impl TryFrom<String> for Aspect {
    type Error = NotOffered;

    fn try_from(text: String) -> Result<Self, NotOffered> {
        text.parse()
    }
}

impl From<Aspect> for String {
    fn from(aspect: Aspect) -> Self {
        aspect.to_string()
    }
}

/// Width and height in pixels, written `1280x720`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pixels(pub Size);

impl TryFrom<String> for Pixels {
    type Error = NotOffered;

    fn try_from(text: String) -> Result<Self, NotOffered> {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=1 << 16).contains(side));
        let sides = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
        let Some((width, height)) = sides else {
            return Err(NotOffered { found: text, expected: "a width and a height, as 1280x720" });
        };
        Ok(Self(Size { width, height }))
    }
}

impl From<Pixels> for String {
    fn from(pixels: Pixels) -> Self {
        pixels.0.to_string()
    }
}

/// A size of pictures as the provider calls it, and what a second of it costs.
///
/// Where one of the two prices is there, the other kind of clip is not made at this size; where neither is, nobody knows the
/// price and both kinds are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The provider's word, such as `720p`.
    pub name: String,
    /// Pixels of the shorter side.
    pub short_side: u32,
    /// Dollars for a second without sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<Money>,
    /// Dollars for a second with sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Money>,
    /// The price is hearsay even where the rest of the card is not.
    #[serde(default)]
    pub unverified: bool,
    /// A clip of this size takes no last frame.
    #[serde(default)]
    pub no_last_frame: bool,
    /// The pictures that there are of this size, where the provider wants them in pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pixels: Vec<Pixels>,
    /// Dollars for a thousand tokens, where the provider's reply counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousand_tokens: Option<Money>,
}

impl Resolution {
    /// Whether a clip like that is made at this size.
    pub fn makes(&self, audio: bool, last_frame: bool) -> bool {
        let is_priced = self.silent.is_some() || self.audio.is_some();
        (!is_priced || self.second(audio).is_some()) && !(last_frame && self.no_last_frame)
    }

    /// The pictures of this size of which most is kept when they are cut to another, the first of several.
    pub fn pixels_for(&self, size: Size) -> Option<Pixels> {
        let kept = |pixels: Pixels| Aspect::Ratio(pixels.0.width, pixels.0.height).kept(size);
        self.pixels
            .iter()
            .copied()
            .reduce(|best, one| if kept(one) > kept(best) { one } else { best })
    }

    /// Dollars for a second.
    pub fn second(&self, audio: bool) -> Option<Money> {
        if audio { self.audio } else { self.silent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_hold_what_they_say() {
        for (text, seconds, holding) in [
            ("3-15", 5.0, Some(5)),
            ("3-15", 5.0625, Some(6)),
            ("3-15", 5.0001, Some(5)),
            ("3-15", 1.0, Some(3)),
            ("3-15", 15.0, Some(15)),
            ("3-15", 15.1, None),
            ("4,6,8", 0.0, Some(4)),
            ("4,6,8", 6.5, Some(8)),
            ("4,6,8", 8.5, None),
            ("5", 5.0, Some(5)),
            ("3-15", f64::NAN, None),
            ("3-15", f64::INFINITY, None),
            ("4,6,8", f64::NAN, None),
            ("3-15", -1.0, Some(3)),
        ] {
            let lengths: Lengths = text.parse().expect("lengths");
            assert_eq!(lengths.holding(seconds), holding, "{text} {seconds}");
            assert_eq!(lengths.to_string(), text);
        }
        for wrong in
            ["", "-", "3-", "0-5", "5-3", "3-3", "3-5-7", "6,4", "4,4", "4,,6", "+4", "4.5"]
        {
            assert!(wrong.parse::<Lengths>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn pixels_are_those_nearest_in_shape() {
        let text = r#"
            name = "720p"
            short_side = 720
            pixels = ["1280x720", "960x960", "720x1280"]
        "#;
        let resolution: Resolution = toml::from_str(text).expect("a size");
        for (width, height, pixels) in
            [(1920, 1080, "1280x720"), (500, 450, "960x960"), (480, 832, "720x1280")]
        {
            let found = resolution.pixels_for(Size { width, height }).map(String::from);
            assert_eq!(found.as_deref(), Some(pixels), "{width}x{height}");
        }
        for wrong in ["1280:720", "1280x", "0x720", "1280x720x1", "-1x1", "1e3x1"] {
            assert!(Pixels::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn aspects_keep_what_fits() {
        let kept = |text: &str, width, height| {
            let aspect: Aspect = text.parse().expect("an aspect");
            assert_eq!(aspect.to_string(), text);
            aspect.kept(Size { width, height })
        };
        assert_eq!(kept("16:9", 1280, 720), 1.0);
        assert_eq!(kept("16:9", 832, 480), 1.0);
        assert_eq!(kept("16:9", 1280, 704), 1.0);
        assert_eq!(kept("adaptive", 7, 5), 1.0);
        assert!((kept("16:9", 2390, 1000) - 0.744).abs() < 1e-3);
        assert!(kept("9:16", 1280, 720) < 0.4);
        assert!(kept("1:1", 0, 0) > 0.0);
        for wrong in ["", "16", "16:", ":9", "0:9", "16:9:1", "1000:1", "wide"] {
            assert!(wrong.parse::<Aspect>().is_err(), "{wrong}");
        }
    }
}
