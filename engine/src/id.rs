//! Names of the things of a production.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A text that cannot be a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct NotAnId {
    /// The text.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

/// Whether a text can name a scene, a cut, a character or a style: up to 64 lower-case letters, digits, `-` and `_`, of which
/// the first is a letter or a digit.
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&text.len())
        && text.starts_with(fits)
        && text.chars().all(|c| fits(c) || c == '-' || c == '_')
}

/// A cut of a production, as `scene/cut`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CutId {
    scene: String,
    cut: String,
}

impl CutId {
    /// The cut of this name in the scene of that name.
    ///
    /// # Errors
    /// A name that [`is_name`] refuses.
    pub fn new(scene: &str, cut: &str) -> Result<Self, NotAnId> {
        match [scene, cut].into_iter().find(|name| !is_name(name)) {
            None => Ok(Self { scene: scene.to_owned(), cut: cut.to_owned() }),
            Some(_) => Err(NotAnId {
                found: format!("{scene}/{cut}"),
                expected: "a cut, as scene/cut in lower-case letters, digits, - and _",
            }),
        }
    }

    /// The scene.
    pub fn scene(&self) -> &str {
        &self.scene
    }

    /// The cut within its scene.
    pub fn cut(&self) -> &str {
        &self.cut
    }
}

impl fmt::Display for CutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.scene, self.cut))
    }
}

impl FromStr for CutId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (scene, cut) = text.split_once('/').unwrap_or((text, ""));
        Self::new(scene, cut)
    }
}

impl TryFrom<String> for CutId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<CutId> for String {
    fn from(id: CutId) -> Self {
        id.to_string()
    }
}

/// A take: 48 bits of time in milliseconds and 80 random ones, written as a ULID of 26 letters, so that names sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TakeId(u128);

/// Crockford's alphabet: digits and letters but I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl TakeId {
    /// A new name, of this moment.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn new(now: Timestamp) -> std::io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random[6..]).map_err(std::io::Error::other)?;
        let millis = u128::try_from(now.as_millisecond()).unwrap_or(0) & 0xffff_ffff_ffff;
        Ok(Self(millis << 80 | u128::from_be_bytes(random)))
    }

    /// When it was named.
    pub fn at(self) -> Timestamp {
        let millis = i64::try_from(self.0 >> 80).expect("because it has 48 bits");
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for TakeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |at: u32| char::from(ALPHABET[(self.0 >> (5 * at)) as usize & 31]);
        f.pad(&(0..26).rev().map(letter).collect::<String>())
    }
}

impl fmt::Debug for TakeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TakeId({self})")
    }
}

impl FromStr for TakeId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong =
            || NotAnId { found: text.to_owned(), expected: "a take, 26 letters and digits" };
        // The first letter holds three bits.
        if text.len() != 26 || text.as_bytes()[0] > b'7' {
            return Err(wrong());
        }
        text.bytes()
            .try_fold(0, |bits: u128, byte| {
                let digit = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_uppercase());
                Ok(bits << 5 | digit.ok_or_else(wrong)? as u128)
            })
            .map(Self)
    }
}

impl TryFrom<String> for TakeId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<TakeId> for String {
    fn from(id: TakeId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cuts() {
        let id: CutId = "sc02/sh0020".parse().expect("a cut");
        assert_eq!(
            (id.scene(), id.cut(), id.to_string().as_str()),
            ("sc02", "sh0020", "sc02/sh0020")
        );
        for wrong in
            ["", "/", "sc02", "sc02/", "/sh", "a/b/c", "Sc/a", "../a", "-a/b", "a b/c", "é/a"]
        {
            assert!(wrong.parse::<CutId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_takes_sort_by_time() {
        let at = |millis| Timestamp::from_millisecond(millis).expect("a time");
        let id = |millis| TakeId::new(at(millis)).expect("random numbers");
        let (one, two) = (id(1_469_918_176_385), id(1_469_918_176_386));
        assert!(one.to_string().starts_with("01ARYZ6S41"), "{one}");
        assert!(one.to_string() < two.to_string() && one < two);
        assert_ne!(id(5), id(5));
        assert_eq!(one.to_string().to_lowercase().parse(), Ok(one));
        assert_eq!(one.at(), at(1_469_918_176_385));
        for wrong in [
            "",
            "01ARYZ6S41",
            "81ARYZ6S410000000000000000",
            "01ARYZ6S4100000000000000IL",
            "é1ARYZ6S410000000000000000",
        ] {
            assert!(wrong.parse::<TakeId>().is_err(), "{wrong}");
        }
    }
}
