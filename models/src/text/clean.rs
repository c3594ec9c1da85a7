//! Prompts as the reference reads them: text repaired, entities resolved, white space folded.
//!
//! Token ids depend on this, so it follows diffusers' `prompt_clean` rule by rule: ftfy's `fix_text` with its default settings,
//! `html.unescape` twice, white space. Of ftfy there are: HTML entities (not where a `<` says the text is HTML), mojibake with all
//! that `fix_encoding` mends, C1 controls, Latin ligatures, fullwidth and halfwidth forms, curly quotes, line breaks, terminal
//! escapes, control characters, NFC. Unicode data is that of 14.0, as in the Python 3.11 the goldens come from: later letters are
//! left as they stand.
//!
//! # Left out
//! `fix_surrogates`, because text cannot hold surrogates here. Of text that was decoded wrongly layer upon layer, as nobody's is, only
//! some 64 layers are taken off (thousands where the text is short), so that the time it takes grows with the length.
//!
//! # Source
//! huggingface/diffusers 0.42.1: `pipelines/wan/pipeline_wan.py`; python-ftfy 6.3.1: what its functions are documented to
//! do; CPython's `str.strip`.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::mojibake::{self, Effort};
use super::{html, mapping};

/// How many characters of a line are repaired together.
const SEGMENT_CHARS: usize = 1_000_000;

/// How many references one inside the other are resolved one at a time, with the other repairs between them. Nobody writes more.
const LAYERS: usize = 8;

/// Characters that the reference's Python has no data for, and therefore leaves where they are.
static UNKNOWN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\P{Age=14.0}").expect("because the pattern is constant"));

/// Colours and cursor movements of terminals.
static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b\[[\d;]*[a-zA-Z]").expect("because the pattern is constant"));

/// Cleans a prompt as diffusers' `prompt_clean` does.
#[must_use]
pub fn prompt_clean(prompt: &str) -> String {
    let text = html::unescape(&html::unescape(&fix_text(prompt)));
    fold_white_space(strip(&text))
}

/// Python's `str.strip`: white space, and the four separators among the control characters.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'))
}

/// Runs of white space become one space; none is left at the ends.
fn fold_white_space(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    strip(&folded).to_owned()
}

/// Repairs text line by line. A `<` says that the text is HTML: from its line on, entities are left for later.
fn fix_text(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let mut is_html = false;
    for mut line in text.split_inclusive('\n') {
        while !line.is_empty() {
            let end = line.char_indices().nth(SEGMENT_CHARS).map_or(line.len(), |(at, _)| at);
            let (segment, rest) = line.split_at(end);
            is_html |= segment.contains('<');
            fixed.push_str(&fix_segment(segment, is_html));
            line = rest;
        }
    }
    fixed
}

/// Applies all repairs until none changes anything.
fn fix_segment(segment: &str, is_html: bool) -> String {
    let mut effort = Effort::for_text(segment);
    let mut text = segment.to_owned();
    for layer in 0.. {
        let unescaped = match layer {
            _ if is_html => text.clone(),
            ..LAYERS => html::unescape_closed(&text),
            _ => html::unescape_closed_fully(&text),
        };
        let decoded = mojibake::fix_encoding(unescaped, &mut effort);
        let spelled = respell(&decoded);
        let lines =
            spelled.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n");
        let shown: String = TERMINAL_ESCAPE
            .replace_all(&lines, "")
            .chars()
            .filter(|c| !is_stray_control(*c))
            .collect();
        let fixed = compose(&shown);
        if fixed == text {
            break;
        }
        text = fixed;
    }
    text
}

/// Character by character: C1 controls become what Windows shows for them, Latin ligatures fall apart, fullwidth and halfwidth forms
/// take their usual width, curly quotes become straight.
fn respell(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars().map(mapping::fix_c1_control) {
        match c {
            'ﬅ' => spelled.push_str("ſt"),
            'Ĳ'
            | 'ĳ'
            | 'ŉ'
            | 'Ǆ'..='ǌ'
            | 'Ǳ'..='ǳ'
            | 'ﬀ'..='ﬆ'
            | '\u{3000}'
            | '\u{ff01}'..='\u{ffef}' => {
                spelled.extend(std::iter::once(c).nfkc().map(straight_quote));
            }
            _ => spelled.push(straight_quote(c)),
        }
    }
    spelled
}

fn straight_quote(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    }
}

/// NFC. An unknown character neither moves nor lets others move past it.
fn compose(text: &str) -> String {
    let mut composed = String::with_capacity(text.len());
    let mut at = 0;
    for unknown in UNKNOWN.find_iter(text) {
        composed.extend(text[at..unknown.start()].nfc());
        composed.push_str(unknown.as_str());
        at = unknown.end();
    }
    composed.extend(text[at..].nfc());
    composed
}

/// Control characters without an effect on text, deprecated and annotation marks, and the byte order mark.
fn is_stray_control(c: char) -> bool {
    matches!(c,
        '\0'..='\x08' | '\x0b' | '\x0e'..='\x1f' | '\x7f'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}
