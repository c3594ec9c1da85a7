//! Text whose UTF-8 was read in a mapping of one byte a character, put right.
//!
//! Text that looks suspicious is tried in each mapping: if all its characters have bytes there, and the bytes are UTF-8, they were
//! meant as such. Bytes that were damaged on the way are mended first: no-break spaces that became spaces, bytes that became U+FFFD
//! or `?`, surrogates and zeros that some programs write as several bytes. Where no mapping serves the whole text, runs of characters
//! that look like UTF-8 are decoded by themselves; where none is left, C1 controls become what Windows shows for them.
//!
//! # Source
//! RFC 3629; Unicode Technical Report 26 (CESU-8); python-ftfy 6.3.1: what `fix_encoding`, `restore_byte_a0`,
//! `replace_lossy_sequences`, `decode_inconsistent_utf8` and the codec `utf-8-variants` are documented to do, and do.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::mapping::{LOST, MAPPINGS, fix_c1_control};
use super::suspicion::is_suspicious;

/// How many times the bytes of a text may be looked at, and how many bytes may be in any case. Each layer of damage takes one time;
/// nobody makes so many.
const LOOKS: usize = 64;
const LEAST_EFFORT: usize = 1 << 20;

/// The two bytes of `à`, the second one shown as a no-break space.
const A_GRAVE: [u8; 2] = [0xc3, 0xa0];

/// Before these an `à` that lost its second byte gets no space of its own: one is there, or the word goes on, as words of Portuguese
/// and Catalan do.
const ENDS_OF_WORDS: [&[u8]; 5] = [b" ", b"quele", b"quela", b"quilo", b"s "];

/// What a character may be in UTF-8 that was read in some mapping.
#[derive(Clone, Copy, Default)]
struct Roles {
    /// The number of bytes of the sequences that it may lead.
    leads: [bool; 5],
    continues: bool,
    /// It continues, and is no punctuation that may end what comes before a sequence.
    only_continues: bool,
}

static ROLES: LazyLock<HashMap<char, Roles>> = LazyLock::new(|| {
    let mut roles = HashMap::<char, Roles>::new();
    let bytes = MAPPINGS.iter().filter(|mapping| mapping.is_alphabet).flat_map(|m| m.upper());
    for (byte, c) in bytes {
        let roles = roles.entry(c).or_default();
        match byte {
            0xc2..=0xdf => roles.leads[2] = true,
            0xe0..=0xef => roles.leads[3] = true,
            // Most of what is written has one of these two.
            0xf0 | 0xf3 => roles.leads[4] = true,
            0x80..=0xbf => {
                roles.continues = true;
                roles.only_continues = !is_punctuation(c);
            }
            _ => {}
        }
    }
    // It may have been a no-break space.
    roles.entry(' ').or_default().continues = true;
    roles
});

/// How much may still be done for a text.
pub(super) struct Effort(usize);

impl Effort {
    /// Enough for this text, and no more than grows with its length.
    pub(super) fn for_text(text: &str) -> Self {
        Self(LEAST_EFFORT + LOOKS * text.len())
    }
}

/// Repairs text for as long as it looks suspicious and something can be done.
pub(super) fn fix_encoding(mut text: String, effort: &mut Effort) -> String {
    while let Some(fixed) = fix_layer(&text, effort) {
        text = fixed;
    }
    text
}

/// The text with one layer of damage less, or `None` where there is none.
fn fix_layer(text: &str, effort: &mut Effort) -> Option<String> {
    if text.is_ascii() || !is_suspicious(text) {
        return None;
    }
    effort.0 = effort.0.checked_sub(text.len())?;
    let fixed = decode(text)
        .or_else(|| decode_runs(text, effort))
        .unwrap_or_else(|| text.chars().map(fix_c1_control).collect());
    (fixed != text).then_some(fixed)
}

/// What the whole text was before it was read in one of the mappings.
fn decode(text: &str) -> Option<String> {
    MAPPINGS.iter().find_map(|mapping| {
        let mut bytes = mapping.encode(text)?;
        if mapping.loses_spaces {
            bytes = restore_no_break_spaces(&bytes);
        }
        if mapping.shows_loss {
            bytes = replace_lossy(&bytes);
        }
        String::from_utf8(join_variants(&bytes)).ok()
    })
}

/// Decodes what looks like UTF-8 inside of text that is not, or `None` where there is nothing of the kind.
fn decode_runs(text: &str, effort: &mut Effort) -> Option<String> {
    let roles = |c: char| ROLES.get(&c).copied().unwrap_or_default();
    let mut decoded = String::with_capacity(text.len());
    let mut after_continuation = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let run = if after_continuation { 0 } else { run_len(rest, roles) };
        let (taken, left) = rest.split_at(run.max(c.len_utf8()));
        if run > 0 && run < text.len() && is_suspicious(taken) {
            decoded.push_str(&fix_encoding(taken.to_owned(), effort));
        } else {
            decoded.push_str(taken);
        }
        after_continuation = taken.chars().next_back().is_some_and(|c| roles(c).only_continues);
        rest = left;
    }
    (decoded != text).then_some(decoded)
}

/// The length in bytes of the sequences with which this text starts.
fn run_len(text: &str, roles: impl Fn(char) -> Roles) -> usize {
    let mut rest = text;
    while let Some(lead) = rest.chars().next() {
        let leads = roles(lead).leads;
        let continued = rest.chars().skip(1).take(3).take_while(|c| roles(*c).continues).count();
        let Some(chars) = (2..=continued + 1).find(|chars| leads[*chars]) else { break };
        let len = rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at);
        rest = &rest[len..];
    }
    text.len() - rest.len()
}

/// Dashes, quotes, bullets and ellipses, beside which a sequence may well start.
fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{2013}'..='\u{2015}' | '\u{2018}'..='\u{201a}' | '\u{201c}'..='\u{201e}' | '•' | '…')
}

/// Spaces that must have been no-break spaces become those again: `restore_byte_a0`.
fn restore_no_break_spaces(bytes: &[u8]) -> Vec<u8> {
    let mut restored = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(lead) = rest.first() {
        if let Some(after) = rest.strip_prefix(&[A_GRAVE[0], b' ']) {
            restored.extend(A_GRAVE);
            if !ENDS_OF_WORDS.iter().any(|end| after.starts_with(end)) {
                restored.push(b' ');
            }
            rest = after;
        } else {
            let len = spaced_len(rest).unwrap_or(1);
            if len == 1 {
                restored.push(*lead);
            } else {
                restored.extend(rest[..len].iter().map(|&b| if b == b' ' { 0xa0 } else { b }));
            }
            rest = &rest[len..];
        }
    }
    restored
}

/// The length of the sequence at the start in which a space stands for a no-break space. Only such are taken as make a character that
/// is likely to be written.
fn spaced_len(bytes: &[u8]) -> Option<usize> {
    let is_continuation = |b: u8| matches!(b, 0x80..=0xbf);
    // An ellipsis and a no-break space have other reasons to stand beside a space.
    let is_telling = |b: u8| is_continuation(b) && !matches!(b, 0x85 | 0xa0);
    match *bytes {
        [0xc2 | 0xc3 | 0xc5 | 0xce | 0xd0 | 0xd9, b' ', ..] => Some(2),
        [0xe2 | 0xe3, b' ', last, ..] if is_telling(last) => Some(3),
        [0xe0..=0xe3, middle, b' ', ..] if is_telling(middle) => Some(3),
        [0xf0, second, third, last, ..] => {
            let tail = [second, third, last];
            let spaces = tail.iter().filter(|b| **b == b' ').count();
            (spaces == 1 && tail.iter().all(|&b| b == b' ' || is_continuation(b))).then_some(4)
        }
        _ => None,
    }
}

/// Sequences that lost a byte become U+FFFD, and so do bytes that stand for nothing else: `replace_lossy_sequences`.
fn replace_lossy(bytes: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(lead) = rest.first() {
        let len = lossy_len(rest);
        match len {
            Some(_) => replaced.extend("\u{fffd}".bytes()),
            None => replaced.push(*lead),
        }
        rest = &rest[len.unwrap_or(1)..];
    }
    replaced
}

/// The length of the sequence at the start, if bytes of it were lost. A `?` says so once in a character.
fn lossy_len(bytes: &[u8]) -> Option<usize> {
    let is_lossy = |tail: &[u8]| {
        let questions = tail.iter().filter(|b| **b == b'?').count();
        let is_lost = |b: u8| matches!(b, LOST | b'?');
        questions <= 1
            && tail.iter().any(|b| is_lost(*b))
            && tail.iter().all(|&b| is_lost(b) || matches!(b, 0x80..=0xbf))
    };
    let sequence = |len: usize| bytes.get(1..len).is_some_and(is_lossy).then_some(len);
    match *bytes {
        [LOST, ..] => Some(1),
        [0xc2 | 0xc3, b'?', ..] => Some(2),
        [0xc2..=0xdf, LOST, ..] => Some(2),
        [0xed, 0xa0..=0xaf, high, 0xed, 0xb0..=0xbf, low, ..] if is_lossy_pair(high, low) => {
            Some(6)
        }
        [0xe0..=0xef, ..] => sequence(3),
        [0xf0..=0xf4, ..] => sequence(4),
        _ => None,
    }
}

/// Whether the last byte of one surrogate or of the other was lost, or both.
fn is_lossy_pair(high: u8, low: u8) -> bool {
    let is_lost = |b: u8| matches!(b, LOST | b'?');
    let is_last = |b: u8| is_lost(b) || matches!(b, 0x80..=0xbf);
    (is_lost(high) && is_last(low)) || (is_last(high) && is_lost(low))
}

/// Surrogates of three bytes each become the character they mean, and a zero of two bytes one: `utf-8-variants`. As in the reference,
/// a line feed that ends the text may stand for the last byte.
fn join_variants(bytes: &[u8]) -> Vec<u8> {
    let ends = |byte: u8, after: &[u8]| byte == b'\n' && after.is_empty();
    let mut joined = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match rest {
            [0xc0, last, after @ ..] if *last == 0x80 || ends(*last, after) => {
                joined.push(0);
                after
            }
            [0xed, b @ 0xa0..=0xaf, c @ 0x80..=0xbf, 0xed, e @ 0xb0..=0xbf, f, after @ ..]
                if matches!(f, 0x80..=0xbf) || ends(*f, after) =>
            {
                let bits = |byte: &u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let high = bits(b, 0x0f, 16) | bits(c, 0x3f, 10);
                let low = bits(e, 0x0f, 6) | bits(f, 0x3f, 0);
                let joint = char::from_u32(0x1_0000 + (high | low)).unwrap_or('\u{fffd}');
                joined.extend(joint.encode_utf8(&mut [0; 4]).bytes());
                after
            }
            _ => {
                joined.push(*first);
                after
            }
        };
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(text: &str) -> String {
        fix_encoding(text.to_owned(), &mut Effort::for_text(text))
    }

    #[test]
    fn text_read_in_the_wrong_mapping_is_decoded() {
        for (read, meant) in [
            ("cafÃ©", "café"),
            ("KÃ–LN", "KÖLN"),
            ("CAFÃ‰", "CAFÉ"),
            ("naiÌˆve", "nai\u{308}ve"),
            ("ÐºÐ¾Ñ‚", "кот"),
            ("çŒ«", "猫"),
            ("weâ\u{80}™re", "we’re"),
            ("ÃƒÂ©", "é"),
        ] {
            assert_eq!(fix(read), meant);
        }
    }

    #[test]
    fn text_that_only_looks_like_it_is_left_alone() {
        for text in ["LE CAFÉ… LA NUIT", "NESTLÉ®", "MANHÃ…", "TITTA PÅ…", "MENÜ…", "COSÌ…", "é"]
        {
            assert_eq!(fix(text), text);
        }
    }

    #[test]
    fn damaged_bytes_are_mended() {
        for (read, meant) in [
            ("vÃ ng", "và ng"),
            ("Ã quela", "àquela"),
            ("â€œslowâ€\u{fffd}", "“slow\u{fffd}"),
            ("í\u{a0}½í¸\u{80}", "😀"),
            ("猫 Ã©tait", "猫 était"),
            ("\u{93}slow\u{94} 猫", "“slow” 猫"),
        ] {
            assert_eq!(fix(read), meant);
        }
    }

    #[test]
    fn effort_ends() {
        let text = "Ã".to_owned() + &"ƒ".repeat(100);
        assert_eq!(fix(&text), "Ã");
        let text = "Ã".to_owned() + &"ƒ".repeat(100_000);
        assert!(fix(&text).len() > 100_000);
    }
}
