//! Keys, and how they are kept out of everything that is written down.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Error, Result};

/// What stands in the place of a key.
const GONE: &str = "[key]";
/// The longest file that can hold a key.
const MOST_FILE_BYTES: u64 = 64 << 10;
/// What is wrong with a file that is not for the user alone.
pub(super) const OPEN: &str = "can be read by others";

/// A secret that proves who the user is. Never printed, never sent to another host than the one it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as typed; `None` where it is empty or holds what no header can.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// Reads a key from a file that nobody else may read; none where there is no such file.
    ///
    /// # Errors
    /// [`Error::Key`] for a file that holds no key, that others may read, or that cannot be read.
    pub(super) fn in_file(file: &Path) -> Result<Option<Self>> {
        let wrong = |why| Error::Key { place: file.display().to_string(), why };
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(wrong("cannot be read")),
        };
        let metadata = opened.metadata().map_err(|_| wrong("cannot be read"))?;
        if !metadata.is_file() || metadata.len() > MOST_FILE_BYTES {
            return Err(wrong("is no file with a key"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                return Err(wrong(OPEN));
            }
        }
        let mut text = String::new();
        let read = opened.take(MOST_FILE_BYTES).read_to_string(&mut text);
        read.map_err(|_| wrong("cannot be read"))?;
        Self::new(&text).ok_or_else(|| wrong("holds no key")).map(Some)
    }

    /// A mark that tells most other keys from this one: two bytes of its BLAKE3, from which no key can be guessed.
    pub fn mark(&self) -> String {
        let hash = blake3::derive_key("kinora 2026-11-28 mark of a key", self.0.as_bytes());
        format!("{:02x}{:02x}", hash[0], hash[1])
    }

    /// The text itself, for the one header it stands in and for the place that keeps it.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Takes keys out of a text: as they are, percent-encoded, in base64 (also as part of something longer), escaped as in
/// JSON or HTML, in any mixture of these, and where the end of the text cuts one off.
pub fn redact(text: &str, keys: &[Token]) -> String {
    let mut needles: Vec<Vec<u8>> = Vec::new();
    for Token(key) in keys {
        needles.push(key.as_bytes().to_vec());
        needles.extend(base64(key.as_bytes()));
    }
    needles.retain(|needle| !needle.is_empty());
    // The longest first, so that none leaves a rest of another.
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match needles.iter().find_map(|needle| begins(rest.as_bytes(), needle)) {
            // Letters of a text are whole where a key ends: it is ASCII, and so is every way to write it.
            Some(length) => {
                clean.push_str(GONE);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                clean.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    clean
}

/// How many letters of a key at the end of a text are enough to take it for one that was cut off.
const TAIL_LETTERS: usize = 4;

/// How much of a text is a key at its beginning; none where it does not begin with one.
fn begins(text: &[u8], key: &[u8]) -> Option<usize> {
    // Every place in the text where the letters so far may end: a sign can stand for itself or begin an escape.
    let mut places = vec![0];
    for (matched, expected) in key.iter().enumerate() {
        if places.contains(&text.len()) && matched >= TAIL_LETTERS {
            return Some(text.len());
        }
        let follows = |at: usize| {
            let found = written(&text[at..]).into_iter().flatten();
            let found = found.filter(|(found, _)| found.eq_ignore_ascii_case(expected));
            found.map(move |(_, length)| at + length)
        };
        let mut next: Vec<usize> = places.into_iter().flat_map(follows).collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        places = next;
    }
    places.last().copied()
}

/// What the beginning of a text can stand for: a letter as it is, and one that is escaped; with the length of each.
fn written(text: &[u8]) -> [Option<(u8, usize)>; 2] {
    let plain = text.first().map(|byte| (*byte, 1));
    let hex = |from: usize, to: usize| {
        let digits = std::str::from_utf8(text.get(from..to)?).ok()?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let escaped = match text {
        // A percent sign that was itself encoded, once more.
        [b'%', b'2', b'5', _, _, ..] => hex(3, 5).map(|byte| (byte, 5)),
        [b'%', _, _, ..] => hex(1, 3).map(|byte| (byte, 3)),
        [b'\\', b'u', b'0', b'0', _, _, ..] => hex(4, 6).map(|byte| (byte, 6)),
        [b'\\', b'x', _, _, ..] => hex(2, 4).map(|byte| (byte, 4)),
        [b'\\', byte, ..] => Some((*byte, 2)),
        [b'&', rest @ ..] => entity(rest).map(|(byte, length)| (byte, length + 1)),
        _ => None,
    };
    [plain, escaped]
}

/// The letter that an HTML entity stands for, and how long it is without its `&`.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(8).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&text[..end]).ok()?;
    let byte = match name {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        _ => match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
            Some(digits) => u8::from_str_radix(digits, 16).ok()?,
            None => name.strip_prefix('#')?.parse().ok()?,
        },
    };
    Some((byte, end + 1))
}

/// The letters that stand for a key in base64, whatever comes before and after it: of its three places in a group of three
/// bytes, in both alphabets, those letters that depend on nothing else.
fn base64(key: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for before in 0..3 {
        let bits: Vec<u8> = std::iter::repeat_n(0, before).chain(key.iter().copied()).collect();
        // Letters, of six bits each, that hold bits of the key and of nothing else.
        let (first, end) = ((before * 8).div_ceil(6), bits.len() * 8 / 6);
        if end < first + TAIL_LETTERS {
            continue;
        }
        for last_two in [b"+/", b"-_"] {
            let letter = |at: usize| {
                let (byte, shift) = (at * 6 / 8, at * 6 % 8);
                let pair = u16::from(bits[byte]) << 8
                    | u16::from(bits.get(byte + 1).copied().unwrap_or_default());
                match (pair >> (10 - shift)) as u8 & 63 {
                    value @ 0..26 => b'A' + value,
                    value @ 26..52 => b'a' + value - 26,
                    value @ 52..62 => b'0' + value - 52,
                    value => last_two[usize::from(value) - 62],
                }
            };
            found.push((first..end).map(letter).collect());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).expect("a token")
    }

    #[test]
    fn tokens() {
        assert_eq!(Token::new("two words"), None);
        assert_eq!(Token::new("  "), None);
        assert_eq!(format!("{:?}", token(" hf_secret\n")), "Token(…)");
    }

    #[test]
    fn a_mark_tells_keys_apart_and_shows_nothing_of_them() {
        let marks = ["sk-1", "sk-2", "sk-3"].map(|key| token(key).mark());
        assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2], "{marks:?}");
        assert_eq!((token(" sk-1\n").mark(), marks[0].len()), (marks[0].clone(), 4));
    }

    #[test]
    fn a_key_is_taken_out_in_every_form() {
        let key = token("sk-4/f9+Zq\"x&0_B=");
        for form in [
            "sk-4/f9+Zq\"x&0_B=",
            "SK-4/F9+ZQ\"X&0_B=",
            "sk-4%2Ff9%2BZq%22x%260_B%3D",
            "sk%2d4%2ff9%2bZq%22x%260%5fB%3d",
            "sk-4%252Ff9%252BZq%2522x%25260_B%253D",
            "sk-4\\/f9+Zq\\\"x&0_B=",
            "sk-4\\u002Ff9+Zq\\u0022x\\u00260_B=",
            "sk-4/f9+Zq&quot;x&amp;0_B=",
            "sk-4&#x2F;f9&#43;Zq&#34;x&amp;0_B=",
            // base64 of the key, and of something before and behind it
            "c2stNC9mOStacSJ4JjBfQj0=",
            "c2stNC9mOStacSJ4JjBfQj0",
            "dXNlcjpzay00L2Y5K1pxIngmMF9CPTo=",
            "eHhzay00L2Y5K1pxIngmMF9CPTo",
            "eHNrLTQvZjkrWnEieCYwX0I9",
        ] {
            let text = format!("{{\"error\": \"bad key {form} given\"}}");
            let clean = redact(&text, std::slice::from_ref(&key));
            assert!(clean.contains(GONE), "{form}: {clean}");
            for left in ["4/f9", "f9+Z", "Zq", "NC9m", "L2Y5", "vZjk"] {
                assert!(!clean.contains(left), "{form}: {clean}");
            }
            assert!(clean.starts_with("{\"error\": \"bad key "), "{clean}");
            assert!(clean.ends_with(" given\"}"), "{clean}");
        }
    }

    #[test]
    fn a_key_that_is_cut_off_is_taken_out_and_other_text_stays() {
        let keys = [token("sk-abcdefgh"), token("sk-abcdefghijkl")];
        assert_eq!(redact("no sk-abcde", &keys), "no [key]");
        assert_eq!(redact("no sk-abcdefghijkl, no", &keys), "no [key], no");
        let text = "50% größer — a \\ b &amp; sk-other";
        assert_eq!(redact(text, &keys), text);
        assert_eq!(redact("x", &[]), "x");
    }
}
