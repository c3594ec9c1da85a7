//! Whether text looks as if it had been read in the wrong mapping.
//!
//! The reference judges by neighbours that hardly ever meet in text that is whole, such as a small letter before an accented capital
//! and a currency sign. `suspicion.tsv` holds an automaton that gives the same answers. It was learnt from questions alone: does the
//! reference find this string suspicious? `tests/golden/make.py suspicion` asks again, millions of times.
//!
//! A line `class` lists characters that are alike, as ranges of code points; the first three classes are also those of whatever is
//! listed nowhere: signs, letters and digits, white space. A line `state` lists the classes that are suspicious there, and the states
//! to which others lead; those that are not listed lead where they lead from state 1. Text starts in state 0.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

const SIGN: u8 = 0;
const WORD: u8 = 1;
const WHITE_SPACE: u8 = 2;

/// Where characters lead that nothing follows from.
const NEUTRAL: usize = 1;

/// Not a state: the text is suspicious.
const SUSPICIOUS: u8 = u8::MAX;

static AUTOMATON: LazyLock<Automaton> =
    LazyLock::new(|| Automaton::parse(include_str!("suspicion.tsv")));

/// Letters and digits as the reference's Python knows them.
static IS_WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[[\p{L}\p{N}]&&\p{Age=14.0}]").expect("because the pattern is constant")
});

/// Whether characters of this text hardly ever stand side by side.
pub(super) fn is_suspicious(text: &str) -> bool {
    let mut state = 0;
    text.char_indices().any(|(at, c)| {
        let class = AUTOMATON.classes.get(&c).copied().unwrap_or_else(|| class(c, &text[at..]));
        let next = AUTOMATON.states[state][usize::from(class)];
        state = usize::from(next);
        next == SUSPICIOUS
    })
}

/// The class of a character that is listed nowhere, which is the first of this text.
fn class(c: char, text: &str) -> u8 {
    match c {
        _ if c.is_whitespace() => WHITE_SPACE,
        _ if IS_WORD.is_match(text) => WORD,
        _ => SIGN,
    }
}

struct Automaton {
    classes: HashMap<char, u8>,
    /// For every state, the state to which each class leads.
    states: Vec<Vec<u8>>,
}

impl Automaton {
    fn parse(table: &str) -> Self {
        let rows = |kind: &'static str| {
            table.lines().filter_map(move |line| line.strip_prefix(kind)?.strip_prefix('\t'))
        };
        let mut classes = HashMap::new();
        for (class, codes) in (0..).zip(rows("class")) {
            let chars = ranges(codes, 16).filter_map(char::from_u32);
            classes.extend(chars.map(|c| (c, class)));
        }
        let nowhere = vec![0; rows("class").count()];
        let usual = rows("state").nth(NEUTRAL).map_or(nowhere.clone(), |row| follow(row, nowhere));
        let states = rows("state").map(|row| follow(row, usual.clone())).collect();
        Self { classes, states }
    }
}

/// The states that a row leads to, where it says more than what is usual.
fn follow(row: &str, mut states: Vec<u8>) -> Vec<u8> {
    let (suspicious, led) = row.split_once('\t').unwrap_or((row, ""));
    let suspicious = ranges(suspicious, 10).map(|class| (class as usize, SUSPICIOUS));
    let led = led.split(' ').filter_map(|pair| {
        let (class, state) = pair.split_once(':')?;
        Some((class.parse().ok()?, state.parse().ok()?))
    });
    for (class, state) in suspicious.chain(led) {
        states[class] = state;
    }
    states
}

/// The numbers of a list such as `3 7-9`.
fn ranges(list: &str, radix: u32) -> impl Iterator<Item = u32> {
    let number = move |digits| u32::from_str_radix(digits, radix).ok();
    list.split(' ')
        .filter_map(move |range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            Some(number(from)?..=number(to)?)
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_judged() {
        for text in ["cafÃ©", "Ã la carte", "â€œ", "вЂњ", "Г©Г", "\u{80}", "é”a"] {
            assert!(is_suspicious(text), "{text}");
        }
        for text in ["", "café", "MENÜ…", "Кот", "猫", "Ã", "é”", "é”\u{10d4a}"] {
            assert!(!is_suspicious(text), "{text}");
        }
    }

    #[test]
    fn every_class_leads_somewhere_from_every_state() {
        let classes = AUTOMATON.states[0].len();
        assert!(AUTOMATON.classes.values().all(|class| usize::from(*class) < classes));
        let states = AUTOMATON.states.len();
        for next in AUTOMATON.states.iter().flatten() {
            assert!(*next == SUSPICIOUS || usize::from(*next) < states);
        }
    }
}
