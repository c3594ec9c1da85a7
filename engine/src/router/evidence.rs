//! What speaks for a model besides what it can do: preferences as data, and what people kept of its takes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::kind::{CutKind, NotAKind};
use crate::ledger::KeepRate;
use crate::{Hint, Kind};

/// What speaks for a model besides what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Which models are preferred for which type of cut.
    pub preferences: Preferences,
    /// What people kept of the takes of a model.
    pub keep_rates: Vec<KeepRate>,
}

/// Which models are preferred for which type of cut, the first the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preferences(BTreeMap<CutKind, Vec<Preference>>);

/// A model that is preferred, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preference {
    /// A name, a family, or a name with `*` for any letters.
    pub model: String,
    /// The reason.
    pub why: String,
}

/// What can be wrong with a file of preferences.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreferencesError {
    /// The text does not read as one.
    #[error("preferences: {source}")]
    Syntax {
        /// What the TOML reader found, with line and column.
        #[from]
        source: toml::de::Error,
    },
    /// A line is of no type of cut.
    #[error("preferences, line {line}: {source}")]
    Kind {
        /// The line.
        line: usize,
        /// The word.
        source: NotAKind,
    },
    /// Two lines are of one type of cut, under different names.
    #[error("preferences, line {line}: a second list for {kind}")]
    Twice {
        /// The line.
        line: usize,
        /// The type.
        kind: CutKind,
    },
    /// A preference says nothing.
    #[error("preferences, line {line}: {field} of {kind} is empty")]
    Empty {
        /// The line.
        line: usize,
        /// The type.
        kind: CutKind,
        /// Which field.
        field: &'static str,
    },
}

impl Hint for PreferencesError {
    fn kind(&self) -> Kind {
        Kind::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Kind { source, .. } => source.hint(),
            Self::Syntax { .. } => Some(
                "a line is such as `action = [{ model = \"kling\", why = \"it moves well\" }]`"
                    .to_owned(),
            ),
            Self::Twice { .. } | Self::Empty { .. } => None,
        }
    }
}

static BUILT_IN: LazyLock<Preferences> = LazyLock::new(|| {
    let none = Preferences(BTreeMap::new());
    none.with(include_str!("preferences.toml")).expect("because a test reads the built-in ones")
});

impl Default for Preferences {
    /// The built-in ones.
    fn default() -> Self {
        BUILT_IN.clone()
    }
}

impl Preferences {
    /// These, with the lines of a user's file in the place of theirs.
    ///
    /// # Errors
    /// A text that is no such file.
    pub fn with(&self, text: &str) -> Result<Self, PreferencesError> {
        let lines: BTreeMap<toml::Spanned<String>, Vec<Preference>> = toml::from_str(text)?;
        let (mut all, mut seen) = (self.0.clone(), Vec::new());
        for (word, preferences) in lines {
            let before = text.as_bytes().get(..word.span().start).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let kind: CutKind =
                word.get_ref().parse().map_err(|source| PreferencesError::Kind { line, source })?;
            if seen.contains(&kind) {
                return Err(PreferencesError::Twice { line, kind });
            }
            for preference in &preferences {
                let fields = [("model", &preference.model), ("why", &preference.why)];
                if let Some((field, _)) = fields.iter().find(|(_, text)| text.trim().is_empty()) {
                    return Err(PreferencesError::Empty { line, kind, field });
                }
            }
            seen.push(kind);
            all.insert(kind, preferences);
        }
        Ok(Self(all))
    }

    /// Puts a list in the place of that of a type of cut.
    pub fn put(&mut self, kind: CutKind, preferences: Vec<Preference>) {
        self.0.insert(kind, preferences);
    }

    /// The preferences of a type of cut.
    pub fn of(&self, kind: CutKind) -> &[Preference] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The first preference of a type of cut that means a model, with its rank from 0.
    pub fn rank(&self, kind: CutKind, candidate: &Candidate) -> Option<(usize, &Preference)> {
        self.of(kind).iter().enumerate().find(|(_, preference)| {
            let pattern = preference.model.to_lowercase();
            pattern == candidate.family || fits(&pattern, &candidate.name)
        })
    }
}

/// How clearly people decided about a model for a type of cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Three of four takes were kept, or more.
    Kept,
    /// Neither.
    Open,
    /// Three of four takes were rejected, or more.
    Rejected,
}

/// A file of what was kept elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(default)]
    rate: Vec<Rate>,
}

/// One line of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    #[serde(rename = "type")]
    kind: CutKind,
    model: String,
    kept: u32,
    of: u32,
}

/// What can be wrong with a file of what was kept elsewhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The text does not read as one.
    #[error("evidence: {0}")]
    Syntax(#[from] toml::de::Error),
    /// More was kept than there was.
    #[error("evidence: {kept} of {of} takes of {model} cannot have been kept")]
    More {
        /// The model.
        model: String,
        /// Takes that were kept.
        kept: u32,
        /// Takes that were decided about.
        of: u32,
    },
}

impl Evidence {
    /// Adds what was kept elsewhere: `[[rate]]` with `type`, `model`, `kept` and `of`.
    ///
    /// # Errors
    /// A text that is no such file.
    pub fn add(&mut self, text: &str) -> Result<(), EvidenceError> {
        for Rate { kind, model, kept, of } in toml::from_str::<Kept>(text)?.rate {
            if kept > of {
                return Err(EvidenceError::More { model, kept, of });
            }
            self.keep_rates.push(KeepRate { kind: kind.name().to_owned(), model, kept, of });
        }
        Ok(())
    }

    /// Decisions that it takes before a keep rate counts.
    pub const ENOUGH: u32 = 5;

    /// Takes of a model that were kept and that were decided about, in a type of cut.
    pub fn kept(&self, kind: CutKind, model: &str) -> (u32, u32) {
        let is_it = |rate: &&KeepRate| {
            rate.model.eq_ignore_ascii_case(model) && rate.kind.parse() == Ok(kind)
        };
        self.keep_rates.iter().filter(is_it).fold((0, 0), |(kept, of), rate| {
            (kept.saturating_add(rate.kept), of.saturating_add(rate.of))
        })
    }

    /// What these numbers say: of one take more that was kept and one more that was rejected, so that few prove little.
    pub(super) fn verdict(kept: u32, of: u32) -> Verdict {
        let smoothed = (f64::from(kept) + 1.0) / (f64::from(of) + 2.0);
        match smoothed {
            _ if of < Self::ENOUGH => Verdict::Open,
            rate if rate >= 0.75 => Verdict::Kept,
            rate if rate <= 0.25 => Verdict::Rejected,
            _ => Verdict::Open,
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any letters. In time of the product of their lengths, whatever they are.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_preferences() {
        let preferences = Preferences::default();
        for kind in CutKind::ALL {
            assert!(!preferences.of(kind).is_empty(), "{kind}");
        }
    }

    #[test]
    fn a_users_line_takes_the_place_of_ours() {
        let ours = Preferences::default();
        let text =
            "# mine\nfight = [{ model = \"wan2.2*\", why = \"as I like it\" }]\nfiller = []\n";
        let theirs = ours.with(text).expect("right");
        assert_eq!(theirs.of(CutKind::Action)[0].why, "as I like it");
        assert_eq!(theirs.of(CutKind::Action).len(), 1);
        assert_eq!(theirs.of(CutKind::Filler), []);
        assert_eq!(theirs.of(CutKind::Crowd), ours.of(CutKind::Crowd));
        for (text, message, hint) in [
            (
                "\n\nacton = []",
                "preferences, line 3: \"acton\" is no type of cut",
                "did you mean action?",
            ),
            ("action = []\nfight = []", "preferences, line 2: a second list for action", ""),
            ("action = [{ model = \"\", why = \"x\" }]", "line 1: model of action is empty", ""),
            ("action = [{ model = \"x\", why = \" \" }]", "line 1: why of action is empty", ""),
            ("action = [{ model = \"x\" }]", "missing field `why`", "a line is such as"),
            ("action = [{ model = \"x\", why = \"y\", n = 1 }]", "unknown field `n`", "a line is"),
            ("action = 1", "invalid type", "a line is"),
            ("action", "line 1", "a line is"),
        ] {
            let error = ours.with(text).expect_err("it is wrong");
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert!(error.hint().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint());
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, fit) in [
            ("kling", "kling", true),
            ("kling", "kling-3.0", false),
            ("kling*", "kling-3.0", true),
            ("*14b", "wan2.1-t2v-14b", true),
            ("wan*14b", "wan2.1-t2v-1.3b", false),
            ("wan*t2v*b", "wan2.1-t2v-14b", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("**", "x", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
        let many = "*a".repeat(2000);
        assert!(!fits(&many, &"a".repeat(1999)));
    }

    #[test]
    fn few_decisions_prove_little() {
        for (kept, of, verdict) in [
            (0, 0, Verdict::Open),
            (4, 4, Verdict::Open),
            (5, 5, Verdict::Kept),
            (4, 5, Verdict::Open),
            (8, 10, Verdict::Kept),
            (0, 5, Verdict::Rejected),
            (1, 5, Verdict::Open),
            (1, 10, Verdict::Rejected),
            (5, 10, Verdict::Open),
        ] {
            assert_eq!(Evidence::verdict(kept, of), verdict, "{kept} of {of}");
        }
        assert_eq!(Evidence::verdict(u32::MAX, u32::MAX), Verdict::Kept);
    }
}
