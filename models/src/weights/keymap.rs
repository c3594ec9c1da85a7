//! Foreign tensor names and their canonical ones, as data.
//!
//! A map is a TOML file of rules. Each rule renames the whole of a name that it matches; the first that matches wins,
//! in either direction. A pattern is literal text with placeholders:
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{i}`, one letter that is not declared | a number without leading zeros, the same on both sides |
//! | `{p}`, declared under `[words]` | one of the listed words, the same on both sides |
//! | `{attn}`, declared under `[pairs.attn]` | a foreign word in `from`, the canonical word that goes with it in `to` |
//! | `{res+1}` | a sum of numbers that the configuration gives |
//! | `{i*(res+2)+j}` | one number that counts `{j}` within `{i}`, below the sum in parentheses |
//! | `{i*(res+2)+res+1}` | the same with a fixed place in each `{i}` |
//!
//! Renaming is the only verb so far: no dialect that is read splits, merges, transposes or drops a tensor.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is wrong with the text of a key map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyMapFault {
    /// It is not the TOML that it should be.
    #[error(transparent)]
    Toml(#[from] Box<toml::de::Error>),
    /// A placeholder is neither declared, nor a single letter, nor arithmetic that is known.
    #[error("rule {rule:?}: placeholder {found:?} is not known")]
    Placeholder {
        /// The pattern.
        rule: String,
        /// The placeholder.
        found: String,
    },
    /// A brace has no partner.
    #[error("rule {rule:?}: unbalanced braces")]
    Braces {
        /// The pattern.
        rule: String,
    },
    /// The two sides of a rule do not have the same placeholders, each once.
    #[error("rule {from:?} to {to:?}: each placeholder must stand once on either side")]
    Unequal {
        /// The foreign pattern.
        from: String,
        /// The canonical pattern.
        to: String,
    },
    /// Two foreign words share a canonical one, or a list repeats a word.
    #[error("placeholder {placeholder:?}: {word:?} is listed twice")]
    Repeated {
        /// The placeholder.
        placeholder: String,
        /// The word.
        word: String,
    },
}

/// Renames between one foreign dialect and the canonical names.
#[derive(Debug, Clone)]
pub struct KeyMap {
    rules: Vec<Rule>,
}

impl KeyMap {
    /// Reads a map; `numbers` are the values of the configuration that its arithmetic names.
    ///
    /// # Errors
    /// When the text is not TOML of this form, or a rule cannot be inverted.
    pub fn parse(text: &str, numbers: &[(&str, u32)]) -> Result<Self, KeyMapFault> {
        let file: MapFile = toml::from_str(text).map_err(Box::new)?;
        let scope = Scope { words: declared(&file)?, numbers };
        let rules = file.rule.iter().map(|rule| Rule::parse(rule, &scope));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// The canonical name of a foreign one; `None` when no rule matches.
    pub fn forward(&self, foreign: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| rename(&rule.from, &rule.to, Side::From, foreign))
    }

    /// The foreign name of a canonical one; `None` when no rule matches.
    pub fn inverse(&self, canonical: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| rename(&rule.to, &rule.from, Side::To, canonical))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pairs: BTreeMap<String, BTreeMap<String, String>>,
    rule: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    from: String,
    to: String,
}

/// A word as the foreign and as the canonical side spells it.
type Pair = (String, String);

/// What the placeholders of a map can mean.
struct Scope<'a> {
    words: BTreeMap<String, Vec<Pair>>,
    numbers: &'a [(&'a str, u32)],
}

/// Gathers words and pairs, and checks that either side tells them apart.
fn declared(file: &MapFile) -> Result<BTreeMap<String, Vec<Pair>>, KeyMapFault> {
    let words = file.words.iter().map(|(name, words)| {
        let pairs = words.iter().map(|word| (word.clone(), word.clone()));
        (name.clone(), pairs.collect::<Vec<_>>())
    });
    let pairs = file.pairs.iter().map(|(name, pairs)| {
        let pairs = pairs.iter().map(|(from, to)| (from.clone(), to.clone()));
        (name.clone(), pairs.collect())
    });
    let all: BTreeMap<String, Vec<Pair>> = words.chain(pairs).collect();
    for (name, pairs) in &all {
        for (at, pair) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|other| other.0 == pair.0 || other.1 == pair.1) {
                return Err(KeyMapFault::Repeated {
                    placeholder: name.clone(),
                    word: pair.1.clone(),
                });
            }
        }
    }
    Ok(all)
}

#[derive(Debug, Clone)]
struct Rule {
    from: Vec<Token>,
    to: Vec<Token>,
}

#[derive(Debug, Clone)]
enum Token {
    Literal(String),
    Number(char),
    Word {
        name: String,
        pairs: Vec<Pair>,
    },
    /// A number that counts places within an outer number.
    Count {
        outer: char,
        stride: u32,
        inner: Inner,
    },
}

#[derive(Debug, Clone)]
enum Inner {
    Number(char),
    Fixed(u32),
}

/// Which side of a rule a pattern is, and so which spelling its words have.
#[derive(Clone, Copy)]
enum Side {
    From,
    To,
}

impl Rule {
    fn parse(text: &RuleText, scope: &Scope<'_>) -> Result<Self, KeyMapFault> {
        let from = tokens(&text.from, scope)?;
        let to = tokens(&text.to, scope)?;
        let (left, right) = (placeholders(&from), placeholders(&to));
        let is_repeated = left.windows(2).any(|pair| pair[0] == pair[1]);
        if left != right || is_repeated {
            return Err(KeyMapFault::Unequal { from: text.from.clone(), to: text.to.clone() });
        }
        Ok(Self { from, to })
    }
}

/// The names of all placeholders that carry a value, sorted.
fn placeholders(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    for token in tokens {
        match token {
            Token::Literal(_) => {}
            Token::Number(name) => names.push(name.to_string()),
            Token::Word { name, .. } => names.push(name.clone()),
            Token::Count { outer, inner, .. } => {
                names.push(outer.to_string());
                if let Inner::Number(name) = inner {
                    names.push(name.to_string());
                }
            }
        }
    }
    names.sort();
    names
}

fn tokens(pattern: &str, scope: &Scope<'_>) -> Result<Vec<Token>, KeyMapFault> {
    let unbalanced = || KeyMapFault::Braces { rule: pattern.to_owned() };
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(unbalanced)?;
        tokens.push(Token::Literal(literal.to_owned()));
        tokens.push(scope.token(name).ok_or_else(|| KeyMapFault::Placeholder {
            rule: pattern.to_owned(),
            found: name.to_owned(),
        })?);
        rest = after;
    }
    if rest.contains('}') {
        return Err(unbalanced());
    }
    tokens.push(Token::Literal(rest.to_owned()));
    Ok(tokens)
}

impl Scope<'_> {
    fn token(&self, name: &str) -> Option<Token> {
        if let Some(pairs) = self.words.get(name) {
            return Some(Token::Word { name: name.to_owned(), pairs: pairs.clone() });
        }
        if let Some(number) = self.sum(name) {
            return Some(Token::Literal(number.to_string()));
        }
        if let Some(number) = letter(name) {
            return Some(Token::Number(number));
        }
        let (outer, rest) = name.split_once("*(")?;
        let (stride, inner) = rest.split_once(")+")?;
        let stride = self.sum(stride).filter(|&stride| stride > 0)?;
        let inner = match self.sum(inner) {
            Some(fixed) if fixed < stride => Inner::Fixed(fixed),
            Some(_) => return None,
            None => Inner::Number(letter(inner)?),
        };
        Some(Token::Count { outer: letter(outer)?, stride, inner })
    }

    /// The value of `res+2` and the like.
    fn sum(&self, text: &str) -> Option<u32> {
        text.split('+').try_fold(0u32, |sum, term| {
            let given = self.numbers.iter().find(|(name, _)| *name == term);
            let value = given.map_or_else(|| term.parse().ok(), |(_, value)| Some(*value))?;
            sum.checked_add(value)
        })
    }
}

fn letter(name: &str) -> Option<char> {
    let mut letters = name.chars();
    let first = letters.next().filter(char::is_ascii_lowercase)?;
    letters.next().is_none().then_some(first)
}

/// The values that a match gives to placeholders; few, so searched in order.
#[derive(Default)]
struct Bound<'a> {
    numbers: Vec<(char, u32)>,
    words: Vec<(&'a str, usize)>,
}

fn rename(pattern: &[Token], other: &[Token], side: Side, name: &str) -> Option<String> {
    let mut bound = Bound::default();
    if !matches(pattern, side, name, &mut bound) {
        return None;
    }
    let mut renamed = String::new();
    for token in other {
        token.write(side, &bound, &mut renamed)?;
    }
    Some(renamed)
}

/// Whether the tokens match all of `rest`. A word that leads nowhere is taken back and the next one tried.
fn matches<'a>(tokens: &'a [Token], side: Side, rest: &str, bound: &mut Bound<'a>) -> bool {
    let Some((token, tokens)) = tokens.split_first() else {
        return rest.is_empty();
    };
    match token {
        Token::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
            Some(rest) => matches(tokens, side, rest, bound),
            None => false,
        },
        Token::Number(name) => match number(rest) {
            Some((value, rest)) => {
                bound.numbers.push((*name, value));
                matches(tokens, side, rest, bound)
            }
            None => false,
        },
        Token::Count { outer, stride, inner } => {
            let Some((value, rest)) = number(rest) else { return false };
            let within = value % stride;
            bound.numbers.push((*outer, value / stride));
            match inner {
                Inner::Number(name) => bound.numbers.push((*name, within)),
                Inner::Fixed(fixed) if *fixed == within => {}
                Inner::Fixed(_) => return false,
            }
            matches(tokens, side, rest, bound)
        }
        Token::Word { name, pairs } => pairs.iter().enumerate().any(|(index, pair)| {
            let word = match side {
                Side::From => &pair.0,
                Side::To => &pair.1,
            };
            let Some(rest) = rest.strip_prefix(word.as_str()) else { return false };
            let (numbers, words) = (bound.numbers.len(), bound.words.len());
            bound.words.push((name, index));
            let is_match = matches(tokens, side, rest, bound);
            if !is_match {
                bound.numbers.truncate(numbers);
                bound.words.truncate(words);
            }
            is_match
        }),
    }
}

/// The number that `text` begins with, and what follows it. Leading zeros are refused, so that every number is
/// written in one way.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

impl Token {
    /// Writes the token as the side other than the matched one spells it.
    fn write(&self, matched: Side, bound: &Bound<'_>, out: &mut String) -> Option<()> {
        let number = |name: char| {
            bound.numbers.iter().find(|(bound, _)| *bound == name).map(|(_, value)| *value)
        };
        match self {
            Self::Literal(literal) => out.push_str(literal),
            Self::Number(name) => out.push_str(&number(*name)?.to_string()),
            Self::Word { name, pairs } => {
                let (_, index) = bound.words.iter().find(|(bound, _)| bound == name)?;
                let (from, to) = &pairs[*index];
                out.push_str(match matched {
                    Side::From => to,
                    Side::To => from,
                });
            }
            Self::Count { outer, stride, inner } => {
                let within = match inner {
                    Inner::Number(name) => number(*name).filter(|within| within < stride)?,
                    Inner::Fixed(fixed) => *fixed,
                };
                let value = number(*outer)?.checked_mul(*stride)?.checked_add(within)?;
                out.push_str(&value.to_string());
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"
        [words]
        p = ["weight", "bias"]
        [pairs.part]
        a = "alpha"
        ab = "beta"
        [[rule]]
        from = "up.{i*(res+2)+res+1}.{p}"
        to = "levels.{i}.last.{p}"
        [[rule]]
        from = "up.{i*(res+2)+j}.{part}"
        to = "levels.{i}.{part}.{j}"
        [[rule]]
        from = "down.{res}.x"
        to = "x"
    "#;

    #[test]
    fn rules_rename_both_ways() -> Result<(), KeyMapFault> {
        let map = KeyMap::parse(MAP, &[("res", 2)])?;
        for (foreign, canonical) in [
            ("up.3.weight", "levels.0.last.weight"),
            ("up.11.bias", "levels.2.last.bias"),
            ("up.6.a", "levels.1.alpha.2"),
            ("up.6.ab", "levels.1.beta.2"),
            ("down.2.x", "x"),
        ] {
            assert_eq!(map.forward(foreign).as_deref(), Some(canonical));
            assert_eq!(map.inverse(canonical).as_deref(), Some(foreign));
        }
        for foreign in
            ["up.2.weight", "up.03.weight", "up.3.weights", "xup.3.weight", "down.1.x", ""]
        {
            assert_eq!(map.forward(foreign), None, "{foreign}");
        }
        assert_eq!(map.inverse("levels.1.alpha.4"), None, "a place outside its level");
        assert_eq!(map.inverse("levels.4294967295.last.bias"), None, "a number past counting");
        Ok(())
    }

    #[test]
    fn a_map_that_cannot_be_inverted_is_refused() {
        let parse = |rules: &str| KeyMap::parse(rules, &[]).err().map(|fault| fault.to_string());
        for (text, expected) in [
            ("[[rule]]\nfrom = '{i}.{j}'\nto = '{i}'", "must stand once"),
            ("[[rule]]\nfrom = '{i}.{i}'\nto = '{i}.{i}'", "must stand once"),
            ("[[rule]]\nfrom = '{who}'\nto = '{who}'", "\"who\" is not known"),
            ("[[rule]]\nfrom = '{i*(2)+2}'\nto = '{i}'", "is not known"),
            ("[[rule]]\nfrom = 'a}'\nto = 'a'", "unbalanced"),
            ("[[rule]]\nfrom = 'a'\nto = 'b'\nwhy = 'c'", "unknown field"),
            ("rule = []\n[pairs.p]\na = 'c'\nb = 'c'", "listed twice"),
        ] {
            let found = parse(text).unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
