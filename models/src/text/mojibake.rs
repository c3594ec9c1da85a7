//! Text whose UTF-8 was read as latin-1 or windows-1252, put right.
//!
//! Such text shows itself: all its characters beyond ASCII have a byte in one of the two mappings, and the bytes together are valid
//! UTF-8. Text that was meant as it stands hardly ever does that, because what follows an accented letter is rarely a byte that
//! continues a sequence; where it may be, in words in capitals before punctuation, text is left alone.
//!
//! # Left out
//! The reference, ftfy, judges by statistics of neighbouring characters (its `badness`) and repairs more. Left out are:
//! `restore_byte_a0`, no-break spaces that became spaces; `replace_lossy_sequences`, sequences that lost bytes;
//! `decode_inconsistent_utf8`, UTF-8 beside text that is none; `utf-8-variants`, surrogates and zeros in several bytes; and the
//! mappings windows-1250, -1251, -1253, -1254, -1257, iso-8859-2, macroman and cp437.
//!
//! # Source
//! WHATWG, Encoding Standard: index windows-1252; RFC 3629.

/// The characters of bytes 80 to 9F in windows-1252. The other bytes are those of latin-1; unassigned ones are control characters.
const WINDOWS_1252: [char; 0x20] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Decodes text again for as long as it shows that it is UTF-8. Each time halves what is not ASCII, at least.
pub(super) fn fix_encoding(mut text: String) -> String {
    while let Some(decoded) = decode(&text) {
        text = decoded;
    }
    text
}

/// The character that Windows shows for a C1 control character; others stay.
pub(super) fn fix_c1_control(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => WINDOWS_1252[c as usize - 0x80],
        _ => c,
    }
}

/// What text was before it was read in the wrong mapping, or `None` where it was not.
fn decode(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes = text.chars().map(byte).collect::<Option<Vec<_>>>()?;
    let decoded = String::from_utf8(bytes).ok()?;
    (text.contains(is_c1_control) || is_evident(&decoded)).then_some(decoded)
}

fn byte(c: char) -> Option<u8> {
    u8::try_from(c).ok().or_else(|| {
        let at = WINDOWS_1252.iter().position(|shown| *shown == c)?;
        u8::try_from(0x80 + at).ok()
    })
}

fn is_c1_control(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

/// Whether decoded text could hardly have stood there as it was. Three bytes hardly ever form a sequence by chance. Two may: the
/// first looked like an accented capital, and the second like a symbol or like punctuation.
fn is_evident(decoded: &str) -> bool {
    let mut before = ' ';
    let mut chars = decoded.chars().peekable();
    while let Some(c) = chars.next() {
        let is_end = chars.peek().is_none_or(|after| !after.is_alphanumeric());
        let evident = match c {
            ..='\x7f' => false,
            '\u{80}'..='\u{17f}' => {
                !(before.is_ascii_uppercase() && is_end && looked_like_punctuation(c))
            }
            // Rare letters, and marks: only a capital that stood behind a small letter.
            '\u{180}'..='\u{36f}' => before.is_ascii_lowercase(),
            // Letters of other scripts come in company.
            '\u{370}'..='\u{7ff}' => c.is_alphabetic() && ('\u{370}'..='\u{7ff}').contains(&before),
            _ => true,
        };
        if evident {
            return true;
        }
        before = c;
    }
    false
}

/// Whether the last byte of this character's UTF-8 is a quote, a dash or an ellipsis in windows-1252.
fn looked_like_punctuation(c: char) -> bool {
    matches!(c as u32 & 0x3f | 0x80, 0x85 | 0x91..=0x94 | 0x96 | 0x97)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(fix_encoding(read.to_owned()), meant);
        }
    }

    #[test]
    fn text_that_only_looks_like_it_is_left_alone() {
        for text in [
            "LE CAFÉ… LA NUIT",
            "NESTLÉ®",
            "MANHÃ…",
            "TITTA PÅ…",
            "MENÜ…",
            "COSÌ…",
            "é",
            "猫 Ã©",
            "\u{93}slow\u{94}",
        ] {
            assert_eq!(fix_encoding(text.to_owned()), text);
        }
    }

    #[test]
    fn every_byte_has_one_character() {
        let shown = (0..=0xff).map(|byte| fix_c1_control(char::from(byte)));
        assert!(shown.zip(0..=0xff).all(|(c, at)| byte(c) == Some(at)));
    }
}
