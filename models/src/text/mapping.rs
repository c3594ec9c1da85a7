//! The one-byte mappings in which UTF-8 is read by mistake.
//!
//! # Source
//! Unicode, Inc.: `MAPPINGS/VENDORS`, `MAPPINGS/ISO8859` (the table in `mappings.tsv`: the characters of bytes 80 to FF). A byte
//! that a mapping does not assign is the control character of the same number, as browsers have it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What the reference writes for a byte that was lost: the control character `SUBSTITUTE`.
pub(super) const LOST: u8 = 0x1a;

/// The mappings, in the order in which they are tried.
pub(super) static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    include_str!("mappings.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, codes)| Mapping::new(name, codes))
        .collect()
});

/// Bytes of text that was decoded one by one.
pub(super) struct Mapping {
    /// Of macroman and cp437 every byte may be something else than a letter.
    pub(super) is_alphabet: bool,
    /// Whether its no-break space may have become a space. The reference does not look for that in macroman.
    pub(super) loses_spaces: bool,
    /// Whether a lost byte was shown as U+FFFD.
    pub(super) shows_loss: bool,
    /// The characters of bytes 80 to FF.
    upper: Vec<char>,
    bytes: HashMap<char, u8>,
}

impl Mapping {
    fn new(name: &str, codes: &str) -> Self {
        let code = |code| u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let upper: Vec<_> = codes.split(' ').filter_map(code).collect();
        let shows_loss = name.starts_with("windows");
        let mut bytes: HashMap<_, _> = upper.iter().copied().zip(0x80..=0xff).collect();
        if shows_loss {
            bytes.insert('\u{fffd}', LOST);
        }
        Self {
            is_alphabet: !matches!(name, "macroman" | "cp437"),
            loses_spaces: name != "macroman",
            shows_loss,
            upper,
            bytes,
        }
    }

    /// The bytes that this mapping shows as this text, or `None` where it shows some character for no byte.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let byte = |c: char| match u8::try_from(c) {
            Ok(LOST) if self.shows_loss => None,
            Ok(ascii @ ..0x80) => Some(ascii),
            _ => self.bytes.get(&c).copied(),
        };
        text.chars().map(byte).collect()
    }

    /// Bytes from 80 on and their characters.
    pub(super) fn upper(&self) -> impl Iterator<Item = (u8, char)> {
        (0x80..=0xff).zip(self.upper.iter().copied())
    }
}

/// The character that Windows shows for a C1 control character; others stay.
pub(super) fn fix_c1_control(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => MAPPINGS[1].upper[c as usize - 0x80],
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        assert_eq!(MAPPINGS.len(), 10);
        for mapping in MAPPINGS.iter() {
            assert_eq!(mapping.upper.len(), 0x80);
            for (byte, c) in mapping.upper() {
                assert_eq!(mapping.encode(c.encode_utf8(&mut [0; 4])), Some(vec![byte]));
            }
        }
        assert_eq!(fix_c1_control('\u{80}'), '€');
        assert_eq!(fix_c1_control('\u{81}'), '\u{81}');
    }
}
