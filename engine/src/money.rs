//! Amounts of money, exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// US dollars, in millionths: no price list is finer, and sums are exact. Written as a decimal text.
///
/// ```
/// use kinora_engine::money::Money;
///
/// let second: Money = "0.084".parse()?;
/// assert_eq!((second.times(5.0)).to_string(), "0.42");
/// # Ok::<(), kinora_engine::money::NotMoney>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount in dollars, such as 5 or 0.084")]
pub struct NotMoney(String);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than anybody has.
    pub const MAX: Self = Self(i64::MAX);

    /// So many millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of a dollar.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This much for each of so many units, rounded up to a millionth: an estimate is never too low.
    #[must_use]
    pub fn times(self, units: f64) -> Self {
        // What one millionth of a millionth adds is the error of binary fractions, not a cost.
        Self(((self.0 as f64) * units - 1e-6).ceil() as i64)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for Money {
    /// At least two digits after the point, up to six where they say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let text = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let zeros = text.bytes().rev().take(4).take_while(|digit| *digit == b'0').count();
        f.pad(&text[..text.len() - zeros])
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let wrong = || NotMoney(text.to_owned());
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 6 {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let part: i64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
        let micros = whole.checked_mul(1_000_000).and_then(|micros| micros.checked_add(part));
        Ok(Self(sign * micros.ok_or_else(wrong)?))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, micros, shown) in [
            ("5", 5_000_000, "5.00"),
            ("0.084", 84_000, "0.084"),
            ("0.000001", 1, "0.000001"),
            ("-1.50", -1_500_000, "-1.50"),
            ("12.340", 12_340_000, "12.34"),
        ] {
            let money: Money = text.parse().expect("an amount");
            assert_eq!((money.micros(), money.to_string().as_str()), (micros, shown));
            assert_eq!(shown.parse(), Ok(money));
        }
        for wrong in
            ["", ".", "1.", ".5", "1,5", "$5", "1e3", "0.0000001", "9999999999999999", "--1"]
        {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
        assert_eq!(Money::from_micros(84_000).times(5.0), Money::from_micros(420_000));
        assert_eq!(Money::from_micros(1).times(1.5), Money::from_micros(2));
        assert_eq!(Money::MAX + Money::from_micros(1), Money::MAX);
    }
}
