//! Frame rates, exactly.

use std::fmt;
use std::str::FromStr;

use super::{MediaError, Result};

/// The highest rate that is taken for one, and the most seconds a frame may last: encoders refuse longer ones.
const MAX_FPS: u64 = 1000;
const MAX_FRAME_SECS: u64 = 1000;

/// Frames per second as a fraction in lowest terms, so that 24000/1001 stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fps {
    num: u32,
    den: u32,
}

impl Fps {
    /// Makes a rate of `num / den` frames per second.
    ///
    /// # Errors
    /// Where it is not from 0.001 to 1000.
    pub fn new(num: u32, den: u32) -> Result<Self> {
        Self::reduced(num.into(), den.into())
            .ok_or_else(|| MediaError::Fps { text: format!("{num}/{den}") })
    }

    /// The numerator, in lowest terms.
    pub fn num(self) -> u32 {
        self.num
    }

    /// The denominator, in lowest terms.
    pub fn den(self) -> u32 {
        self.den
    }

    /// The rate as a floating-point number, for showing and for estimates.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    fn reduced(num: u64, den: u64) -> Option<Self> {
        let divisor = gcd(num, den);
        let (fastest, slowest) = (den.checked_mul(MAX_FPS)?, num.checked_mul(MAX_FRAME_SECS)?);
        if num == 0 || den == 0 || num > fastest || den > slowest {
            return None;
        }
        // libav counts in i32.
        let fits = |value: u64| i32::try_from(value / divisor).ok()?.try_into().ok();
        Some(Self { num: fits(num)?, den: fits(den)? })
    }
}

/// Reads `16`, `24000/1001` or `12.5`. A decimal within 0.005 of a broadcast rate means that rate: `23.976` and
/// `23.98` are 24000/1001, `29.97` is 30000/1001, `59.94` is 60000/1001.
impl FromStr for Fps {
    type Err = MediaError;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match (text.split_once('/'), text.split_once('.')) {
            (Some((num, den)), _) => digits(num).zip(digits(den)),
            (None, Some((whole, fraction))) => decimal(whole, fraction),
            (None, None) => digits(text).map(|num| (num, 1)),
        };
        parsed
            .and_then(|(num, den)| Self::reduced(num, den))
            .ok_or_else(|| MediaError::Fps { text: text.to_owned() })
    }
}

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

/// Unlike `u64::from_str`, takes no sign.
fn digits(text: &str) -> Option<u64> {
    (text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn decimal(whole: &str, fraction: &str) -> Option<(u64, u64)> {
    let den = 10u64.pow(u32::try_from(fraction.len()).ok().filter(|&places| places <= 9)?);
    let num = digits(whole)?.checked_mul(den)?.checked_add(digits(fraction)?)?;
    // |num/den − 1000 n/1001| ≤ 1/200, in whole numbers; n is the whole rate above.
    let nominal = num.div_ceil(den);
    let distance = (num * 1001).abs_diff(nominal * 1000 * den);
    if matches!(nominal, 24 | 30 | 48 | 60 | 120) && num % den != 0 && distance * 200 <= 1001 * den
    {
        return Some((nominal * 1000, 1001));
    }
    Some((num, den))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact() {
        let cases = [
            ("16", 16, 1),
            ("24000/1001", 24000, 1001),
            ("23.976", 24000, 1001),
            ("23.98", 24000, 1001),
            ("23.976023976", 24000, 1001),
            ("29.97", 30000, 1001),
            ("59.94", 60000, 1001),
            ("24.0", 24, 1),
            ("12.5", 25, 2),
            ("23.9", 239, 10),
            ("32/2", 16, 1),
            ("1/2", 1, 2),
        ];
        for (text, num, den) in cases {
            let fps: Fps = text.parse().expect("because it is a rate");
            assert_eq!((fps.num(), fps.den()), (num, den), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "", "0", "0.0", "0/1", "1/0", "-16", "+16", "16/-1", "1001", "nan", "inf", "1e3",
            "16 ", "a/b", ".",
        ] {
            assert!(text.parse::<Fps>().is_err(), "{text:?}");
        }
        assert!("999999000/999999".parse::<Fps>().is_ok());
        assert!("99999999999".parse::<Fps>().is_err());
    }

    #[test]
    fn shown_as_read() {
        for text in ["16", "24000/1001", "25/2"] {
            assert_eq!(text.parse::<Fps>().expect("because it is a rate").to_string(), text);
        }
    }
}
