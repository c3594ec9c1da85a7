//! Character references of HTML, as Python's `html.unescape` and ftfy resolve them.
//!
//! # Source
//! WHATWG, HTML Living Standard, section 13.5 (the table in `entities.tsv`); CPython's `html/__init__.py`; python-ftfy 6.3.1:
//! `unescape_html`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::mapping;

/// The longest name that is looked for, without its semicolon.
const NAME_CHARS: usize = 32;

/// The longest name, or number, that ftfy resolves.
const CLOSED_CHARS: usize = 24;

/// Characters by name; most names end in a semicolon.
static ENTITIES: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    include_str!("entities.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, codes)| {
            let chars = codes
                .split(' ')
                .filter_map(|code| u32::from_str_radix(code, 16).ok())
                .filter_map(char::from_u32);
            (name, chars.collect())
        })
        .collect()
});

/// Resolves every character reference, with or without its semicolon: Python's `html.unescape`.
pub(super) fn unescape(text: &str) -> String {
    replace_references(text, |rest| {
        if let Some(number) = rest.strip_prefix('#') {
            let (code, len) = parse_number(number)?;
            let len = 1 + len + usize::from(number[len..].starts_with(';'));
            Some((resolve_number(code), len))
        } else {
            resolve_name(rest)
        }
    })
}

/// Resolves the references that end in a semicolon, and those whose name was written in capitals: ftfy's `unescape_html`.
pub(super) fn unescape_closed(text: &str) -> String {
    replace_references(text, |rest| {
        let hash = usize::from(rest.starts_with('#'));
        let len = hash + rest[hash..].bytes().take_while(u8::is_ascii_alphanumeric).count();
        rest[len..].starts_with(';').then(|| resolve_closed(&rest[..=len]))?
    })
}

/// What `unescape_closed` leads to when it is repeated until nothing is left to resolve, in one pass over the text.
pub(super) fn unescape_closed_fully(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    for c in text.chars() {
        resolved.push(c);
        while let Some((start, replacement)) = last_closed(&resolved) {
            resolved.truncate(start);
            resolved.push_str(&replacement);
        }
    }
    resolved
}

/// Where the reference starts with which this text ends, and what it stands for.
fn last_closed(text: &str) -> Option<(usize, String)> {
    let inside = text.strip_suffix(';')?;
    let looked = inside.bytes().rev().take(CLOSED_CHARS + 2);
    let len = looked.take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
    let name = inside.len() - len;
    inside[..name].ends_with('&').then_some(())?;
    Some((name - 1, resolve_closed(&text[name..])?.0))
}

/// What a name or a number with its semicolon stands for, and its length.
fn resolve_closed(name: &str) -> Option<(String, usize)> {
    let hash = usize::from(name.starts_with('#'));
    let digits = name[hash..].strip_suffix(';')?;
    let is_closed = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_closed || !(1..=CLOSED_CHARS).contains(&digits.len()) {
        return None;
    }
    let resolved = if hash == 1 {
        let resolved = unescape(&format!("&{name}"));
        // What stands before the semicolon was only part of the reference.
        (!resolved.contains(';')).then_some(resolved)?
    } else if let Some(resolved) = ENTITIES.get(name) {
        resolved.clone()
    } else {
        resolve_capitals(name)?
    };
    Some((resolved, name.len()))
}

/// Replaces what `resolve` recognises behind each `&`, of which it returns the replacement and the length.
fn replace_references(text: &str, resolve: impl Fn(&str) -> Option<(String, usize)>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        replaced.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        rest = match resolve(behind) {
            Some((resolved, len)) => {
                replaced.push_str(&resolved);
                &behind[len..]
            }
            None => {
                replaced.push('&');
                behind
            }
        };
    }
    replaced.push_str(rest);
    replaced
}

/// The number at the start of what stands behind `&#`, and its length. Numbers too large for a `u32` stay at its end.
fn parse_number(text: &str) -> Option<(u32, usize)> {
    let (prefix, radix) = match text.as_bytes() {
        [b'x' | b'X', ..] => (1, 16),
        _ => (0, 10),
    };
    let digits = text[prefix..].chars().map_while(|c| c.to_digit(radix));
    let (code, len) = digits.fold((0_u32, 0), |(code, len), digit| {
        (code.saturating_mul(radix).saturating_add(digit), len + 1)
    });
    (len > 0).then_some((code, prefix + len))
}

/// The standard's table of numbers that stand for something else or for nothing.
fn resolve_number(code: u32) -> String {
    match code {
        0 => '\u{fffd}'.into(),
        0x0d => '\r'.into(),
        0x80..=0x9f => char::from_u32(code).map(mapping::fix_c1_control).into_iter().collect(),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => String::new(),
        0..=0x10_ffff if code & 0xfffe == 0xfffe => String::new(),
        _ => char::from_u32(code).unwrap_or('\u{fffd}').into(),
    }
}

/// The longest name at the start of what stands behind `&`; what was read beyond it is kept as it is.
fn resolve_name(text: &str) -> Option<(String, usize)> {
    let end = |c: char| matches!(c, '\t' | '\n' | '\x0c' | ' ' | '<' | '&' | '#' | ';');
    let len: usize =
        text.chars().take(NAME_CHARS).take_while(|c| !end(*c)).map(char::len_utf8).sum();
    if len == 0 {
        return None;
    }
    let whole = len + usize::from(text[len..].starts_with(';'));
    if let Some(resolved) = ENTITIES.get(&text[..whole]) {
        return Some((resolved.clone(), whole));
    }
    (2..whole).rev().filter_map(|len| Some((ENTITIES.get(text.get(..len)?)?.clone(), len))).next()
}

/// A name that was put in capitals together with the text around it: its character in capitals.
fn resolve_capitals(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let is_whole = unescape(&format!("&{name}")) == format!("&{name}");
    (lower.to_ascii_uppercase() == name && is_whole)
        .then(|| ENTITIES.get(lower.as_str()).map(|c| c.to_uppercase()))?
}
