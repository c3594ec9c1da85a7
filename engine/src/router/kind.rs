//! Types of cuts, and the small classifier that proposes one from what is written about a cut.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::production::nearest;
use crate::{Hint, Kind};

/// What type of cut it is: what models are preferred by and compared by. A closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CutKind {
    /// Several shots in one clip.
    MultiShot,
    /// A way from one picture to another: a dissolve, a morph, a match cut.
    Transition,
    /// A thing or a detail, seldom a face: a letter, a hand on a door.
    Insert,
    /// A face or a part of it: an expression decides.
    CloseUp,
    /// Somebody speaks.
    Dialogue,
    /// Two characters who touch or answer each other.
    TwoCharacters,
    /// Fast movement and contact: a chase, a fight, a fall.
    Action,
    /// More people than can be told apart.
    Crowd,
    /// Somebody walks: legs and feet decide.
    Walk,
    /// Where it happens, from afar.
    Establishing,
    /// Weather, light, mood: nobody acts.
    Atmosphere,
    /// The camera's way is the content: an orbit, a long tracking shot.
    CameraMove,
    /// What fits none of these, or need not be more than passable.
    Filler,
}

/// Each type with the name people type, and other names of it.
const NAMES: [(CutKind, &str, &[&str]); 13] = [
    (CutKind::MultiShot, "multi-shot", &["multishot", "sequence", "montage"]),
    (CutKind::Transition, "transition", &["morph", "dissolve", "match-cut"]),
    (CutKind::Insert, "insert", &["detail", "macro", "prop", "product"]),
    (CutKind::CloseUp, "close-up", &["closeup", "cu", "ecu", "portrait", "reaction"]),
    (CutKind::Dialogue, "dialogue", &["dialog", "talk", "speech", "over-the-shoulder", "ots"]),
    (CutKind::TwoCharacters, "two-characters", &["two-shot", "couple", "interaction"]),
    (CutKind::Action, "action", &["fast-action", "fight", "chase", "stunt"]),
    (CutKind::Crowd, "crowd", &["crowds", "mass"]),
    (CutKind::Walk, "walk", &["walking", "walk-cycle"]),
    (CutKind::Establishing, "establishing", &["establisher", "wide", "aerial", "landscape"]),
    (CutKind::Atmosphere, "atmosphere", &["atmospheric", "mood", "ambience", "weather"]),
    (CutKind::CameraMove, "camera-move", &["tracking", "tracking-shot", "orbit", "dolly"]),
    (CutKind::Filler, "filler", &["b-roll", "broll", "cutaway", "plate"]),
];

/// A word that is no type of cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no type of cut")]
pub struct NotAKind {
    /// The word.
    pub found: String,
    /// The nearest type, where one is near.
    pub near: Option<&'static str>,
}

impl Hint for NotAKind {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        Some(match self.near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("types are {}", CutKind::ALL.map(CutKind::name).join(", ")),
        })
    }
}

impl CutKind {
    /// Every type; where words speak for several, the earlier one is proposed.
    pub const ALL: [Self; 13] = [
        Self::MultiShot,
        Self::Transition,
        Self::Insert,
        Self::CloseUp,
        Self::Dialogue,
        Self::TwoCharacters,
        Self::Action,
        Self::Crowd,
        Self::Walk,
        Self::Establishing,
        Self::Atmosphere,
        Self::CameraMove,
        Self::Filler,
    ];

    /// The name people type.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Other names that mean it.
    pub fn aliases(self) -> &'static [&'static str] {
        NAMES[self as usize].2
    }
}

impl fmt::Display for CutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CutKind {
    type Err = NotAKind;

    /// Reads a name or an alias, whatever the case, with `-`, `_` or blanks between its words.
    fn from_str(text: &str) -> Result<Self, NotAKind> {
        let word = text.trim().to_lowercase().replace(['_', ' '], "-");
        let called = |(_, name, aliases): &&(Self, &str, &[&str])| {
            *name == word || aliases.contains(&word.as_str())
        };
        if let Some((kind, ..)) = NAMES.iter().find(called) {
            return Ok(*kind);
        }
        let known = NAMES
            .iter()
            .flat_map(|(_, name, aliases)| std::iter::once(*name).chain(aliases.iter().copied()));
        Err(NotAKind { found: text.to_owned(), near: nearest(&word, known) })
    }
}

impl TryFrom<String> for CutKind {
    type Error = NotAKind;

    fn try_from(text: String) -> Result<Self, NotAKind> {
        text.parse()
    }
}

impl From<CutKind> for String {
    fn from(kind: CutKind) -> Self {
        kind.name().to_owned()
    }
}

/// What is written about a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Words<'a> {
    /// What it is for.
    pub intent: &'a str,
    /// What is to be seen.
    pub prompt: &'a str,
    /// What the camera does.
    pub camera: &'a str,
    /// How many characters are in it.
    pub characters: usize,
    /// Whether it asks for several shots in one clip.
    pub multi_shot: bool,
}

/// A type of cut with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The type.
    pub kind: CutKind,
    /// Whether somebody wrote it, rather than the classifier proposed it.
    pub is_said: bool,
    /// Which words spoke for it, or that it was said.
    pub why: String,
}

impl Proposal {
    /// The type that somebody wrote.
    pub fn said(kind: CutKind) -> Self {
        Self { kind, is_said: true, why: "the cut says so".to_owned() }
    }
}

/// The words of one type of cut.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Signs {
    strong: Vec<String>,
    words: Vec<String>,
    camera: Vec<String>,
    characters: Option<[usize; 2]>,
}

const STRONG: usize = 3;
const CAMERA: usize = 2;

static SIGNS: LazyLock<BTreeMap<CutKind, Signs>> = LazyLock::new(|| {
    toml::from_str(include_str!("words.toml")).expect("because a test reads the built-in words")
});

/// Proposes a type for a cut. The same words always give the same type.
///
/// ```
/// use kinora_engine::router::{CutKind, Words, propose};
///
/// let words = Words { prompt: "two cars chase each other, one crashes", ..Words::default() };
/// let proposal = propose(&words);
/// assert_eq!(proposal.kind, CutKind::Action);
/// assert_eq!(proposal.why, "its words: chase, crashes");
/// ```
pub fn propose(words: &Words<'_>) -> Proposal {
    if words.multi_shot {
        let why = "it asks for several shots in one clip".to_owned();
        return Proposal { kind: CutKind::MultiShot, is_said: false, why };
    }
    // A phrase must not reach from one text into the next.
    let texts = [words.intent, words.prompt, words.camera].map(split);
    let camera = split(words.camera);
    let mut best: Option<(usize, CutKind, String)> = None;
    for (kind, signs) in &*SIGNS {
        let (score, why) = signs.count(&texts, &camera, words.characters);
        if score > best.as_ref().map_or(0, |(best, ..)| *best) {
            best = Some((score, *kind, why));
        }
    }
    match best {
        Some((_, kind, why)) => Proposal { kind, is_said: false, why },
        None => {
            let why = "no word of it speaks for any other type".to_owned();
            Proposal { kind: CutKind::Filler, is_said: false, why }
        }
    }
}

impl Signs {
    /// How much speaks for the type, and what.
    fn count(&self, texts: &[Vec<String>], camera: &[String], people: usize) -> (usize, String) {
        let (mut score, mut found) = (0, Vec::new());
        let anywhere = |phrase: &str| texts.iter().any(|text| has(text, phrase));
        let weighed = [(&self.strong, STRONG), (&self.words, 1)];
        for (phrases, weight) in weighed {
            for phrase in phrases.iter().filter(|phrase| anywhere(phrase)) {
                score += weight;
                found.push(phrase.as_str());
            }
        }
        for phrase in self.camera.iter().filter(|phrase| has(camera, phrase)) {
            score += CAMERA;
            if !found.contains(&phrase.as_str()) {
                found.push(phrase);
            }
        }
        let mut why = Vec::new();
        if !found.is_empty() {
            why.push(format!("its words: {}", found.join(", ")));
        }
        if self.characters.is_some_and(|[from, to]| (from..=to).contains(&people)) {
            score += 1;
            why.push(format!("{people} characters"));
        }
        (score, why.join("; "))
    }
}

/// The words of a text in lower case; `bird's` and `close-up` are one word each.
fn split(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '\'' || c == '-';
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_matches(['\'', '-']));
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether the words of a phrase stand in a row in a text.
fn has(text: &[String], phrase: &str) -> bool {
    let mut rest = phrase.split(' ');
    let first = rest.next().unwrap_or_default();
    text.iter().enumerate().filter(|(_, word)| *word == first).any(|(at, _)| {
        let mut follow = text[at + 1..].iter();
        rest.clone().all(|word| follow.next().is_some_and(|next| next == word))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_read_back_and_near_ones_found() {
        for (at, kind) in CutKind::ALL.into_iter().enumerate() {
            assert_eq!((NAMES[at].0, kind as usize), (kind, at));
            assert_eq!(kind.to_string().parse(), Ok(kind));
            for alias in kind.aliases() {
                assert_eq!(alias.to_uppercase().replace('-', "_").parse(), Ok(kind), "{alias}");
            }
        }
        let mut all: Vec<&str> =
            NAMES.iter().flat_map(|(_, _, aliases)| aliases.to_vec()).collect();
        all.extend(CutKind::ALL.map(CutKind::name));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a name means two types");
        for (word, near) in
            [("clse-up", Some("close-up")), ("dialoge", Some("dialogue")), ("qwertz", None)]
        {
            let error = word.parse::<CutKind>().expect_err("it is none");
            assert_eq!(error.near, near);
            assert!(error.hint().is_some_and(|hint| hint.contains(near.unwrap_or("filler"))));
        }
        assert_eq!(serde_json::to_string(&CutKind::CloseUp).ok().as_deref(), Some("\"close-up\""));
        assert_eq!(serde_json::from_str("\"cu\"").ok(), Some(CutKind::CloseUp));
    }

    #[test]
    fn every_type_has_words_that_can_be_found() {
        assert_eq!(SIGNS.keys().copied().collect::<Vec<_>>(), CutKind::ALL);
        for (kind, signs) in &*SIGNS {
            assert!(!signs.strong.is_empty(), "{kind}");
            for phrase in signs.strong.iter().chain(&signs.words).chain(&signs.camera) {
                assert_eq!(&split(phrase).join(" "), phrase, "{kind}: {phrase} is never found");
            }
        }
    }

    #[test]
    fn phrases_are_whole_words_of_one_text() {
        let kind = |intent, prompt| propose(&Words { intent, prompt, ..Words::default() }).kind;
        assert_eq!(kind("", "a runway with screening"), CutKind::Filler);
        assert_eq!(kind("the last wide", "shot glass"), CutKind::Insert);
        assert_eq!(kind("", "A FIGHT."), CutKind::Action);
        assert_eq!(kind("", ""), CutKind::Filler);
    }
}
