//! Random policies: productions with labels everywhere, what is asked of the door, and what the user consented to.

use std::fmt::Write;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A label as written; none where nothing is said.
pub(crate) type Word = Option<&'static str>;

/// Hosts that end like one another, and one that differs by its port.
pub(crate) const HOSTS: [&str; 5] =
    ["api.test", "evilapi.test", "cdn.api.test", "render.lan", "render.lan:8000"];

/// Where results may lie, as a consent writes it.
const PATTERNS: [&str; 5] = ["*.test", "*.api.test", "cdn.api.test", "*.lan", "*:8000"];

/// Pictures that lie in `refs`.
pub(crate) const FILES: usize = 4;

/// A production.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) privacy: Word,
    pub(crate) studio: Vec<&'static str>,
    pub(crate) style: Option<Index>,
    pub(crate) styles: Vec<Owner>,
    pub(crate) characters: Vec<Owner>,
    pub(crate) scenes: Vec<Scene>,
}

/// A character or a style.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) privacy: Word,
    /// The number of a file, and what is said of it.
    pub(crate) references: Vec<(usize, Word)>,
}

/// A scene.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) privacy: Word,
    pub(crate) style: Option<Index>,
    pub(crate) cuts: Vec<Cut>,
}

/// A cut.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) privacy: Word,
    pub(crate) style: Option<Index>,
    pub(crate) characters: Vec<Index>,
    pub(crate) pictures: Vec<Picture>,
}

/// What a cut is made from besides words.
#[derive(Debug, Clone)]
pub(crate) enum Picture {
    File(usize),
    /// A frame of one of the cuts before it, where there is one.
    Take(Index),
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// How it gets on.
    Poll,
    /// The cut's words, and pictures of other cuts.
    Take,
    /// The same, to be put there.
    Put,
    /// A body that nobody labelled.
    Unlabelled,
    /// That it be stopped.
    Stop,
}

/// A question to the door, and the state that it is in.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) errand: Errand,
    pub(crate) cut: Index,
    /// Cuts of which a picture goes along.
    pub(crate) others: Vec<Index>,
    pub(crate) host: usize,
    pub(crate) is_generation: bool,
    pub(crate) consents: Vec<Consented>,
    pub(crate) is_offline: bool,
    pub(crate) has_log: bool,
}

/// What the user consented to.
#[derive(Debug, Clone)]
pub(crate) struct Consented {
    pub(crate) host: usize,
    pub(crate) is_generation: bool,
    pub(crate) redirects: Vec<&'static str>,
}

impl Tree {
    /// Every cut as scene and cut, in order.
    pub(crate) fn cuts(&self) -> Vec<(usize, usize)> {
        let scenes = self.scenes.iter().enumerate();
        scenes.flat_map(|(s, scene)| (0..scene.cuts.len()).map(move |c| (s, c))).collect()
    }

    /// As `project.toml` says it.
    pub(crate) fn text(&self) -> String {
        let mut text = "schema = 1\n".to_owned();
        say(&mut text, self.privacy);
        // Hosts are written as people please.
        let upper = |(at, host): (usize, &&str)| {
            if at % 2 == 1 { host.to_uppercase() } else { (*host).to_owned() }
        };
        let studio: Vec<String> = self.studio.iter().enumerate().map(upper).collect();
        let _ = writeln!(text, "studio = {studio:?}");
        let style = |text: &mut String, key: &str, index: &Option<Index>| {
            if let (Some(index), true) = (index, !self.styles.is_empty()) {
                let _ = writeln!(text, "{key} = \"s{}\"", index.index(self.styles.len()));
            }
        };
        style(&mut text, "default_style", &self.style);
        for (what, letter, owners) in
            [("style", "s", &self.styles), ("character", "c", &self.characters)]
        {
            for (at, owner) in owners.iter().enumerate() {
                let _ = writeln!(text, "[{what}.{letter}{at}]");
                say(&mut text, owner.privacy);
                let references = owner.references.iter().map(|(file, word)| match word {
                    Some(word) => format!("{{ file = \"refs/{file}.png\", privacy = \"{word}\" }}"),
                    None => format!("\"refs/{file}.png\""),
                });
                let references: Vec<String> = references.collect();
                let _ = writeln!(text, "references = [{}]", references.join(", "));
            }
        }
        let all = self.cuts();
        for (s, scene) in self.scenes.iter().enumerate() {
            let _ = writeln!(text, "[[scene]]\nid = \"sc{s}\"");
            say(&mut text, scene.privacy);
            style(&mut text, "style", &scene.style);
            for (c, cut) in scene.cuts.iter().enumerate() {
                let _ = writeln!(text, "[[scene.cut]]\nid = \"sh{c}\"\nprompt = \"a cat\"");
                say(&mut text, cut.privacy);
                style(&mut text, "style", &cut.style);
                let names: Vec<String> =
                    self.shown(cut).into_iter().map(|at| format!("c{at}")).collect();
                let _ = writeln!(text, "characters = {names:?}");
                let before = all.iter().position(|place| *place == (s, c)).unwrap_or_default();
                let pictures = cut.pictures.iter().filter_map(|picture| match picture {
                    // The same file, written another way.
                    Picture::File(file) => Some(format!("./refs/{file}.png")),
                    Picture::Take(_) if before == 0 => None,
                    Picture::Take(index) => {
                        let (s, c) = all[index.index(before)];
                        Some(format!("take:sc{s}/sh{c}/last"))
                    }
                });
                let pictures: Vec<String> = pictures.collect();
                let _ = writeln!(text, "references = {pictures:?}");
            }
        }
        text
    }

    /// The characters of a cut.
    pub(crate) fn shown(&self, cut: &Cut) -> Vec<usize> {
        if self.characters.is_empty() {
            return Vec::new();
        }
        cut.characters.iter().map(|index| index.index(self.characters.len())).collect()
    }
}

fn say(text: &mut String, word: Word) {
    if let Some(word) = word {
        let _ = writeln!(text, "privacy = \"{word}\"");
    }
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        24 => Just(None),
        3 => Just(Some("any")),
        4 => Just(Some("studio")),
        1 => Just(Some("local-only")),
    ]
}

fn owner() -> impl Strategy<Value = Owner> {
    let references = prop::collection::vec((0..FILES, word()), 0..3);
    (word(), references).prop_map(|(privacy, references)| Owner { privacy, references })
}

fn cut() -> impl Strategy<Value = Cut> {
    let picture =
        prop_oneof![(0..FILES).prop_map(Picture::File), any::<Index>().prop_map(Picture::Take)];
    (
        word(),
        prop::option::weighted(0.2, any::<Index>()),
        prop::collection::vec(any::<Index>(), 0..3),
        prop::collection::vec(picture, 0..2),
    )
        .prop_map(|(privacy, style, characters, pictures)| Cut {
            privacy,
            style,
            characters,
            pictures,
        })
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let project = prop_oneof![
        2 => Just(None),
        20 => Just(Some("any")),
        10 => Just(Some("studio")),
        1 => Just(Some("local-only")),
    ];
    let style = || prop::option::weighted(0.3, any::<Index>());
    let scene = (word(), style(), prop::collection::vec(cut(), 1..3))
        .prop_map(|(privacy, style, cuts)| Scene { privacy, style, cuts });
    (
        project,
        prop::sample::subsequence(HOSTS.to_vec(), 0..=HOSTS.len()),
        style(),
        prop::collection::vec(owner(), 0..3),
        prop::collection::vec(owner(), 0..3),
        prop::collection::vec(scene, 1..3),
    )
        .prop_map(|(privacy, studio, style, styles, characters, scenes)| Tree {
            privacy,
            studio,
            style,
            styles,
            characters,
            scenes,
        })
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let consent = || {
        let redirects = prop::collection::vec(select(PATTERNS.to_vec()), 0..2);
        (0..HOSTS.len(), prop::bool::weighted(0.8), redirects).prop_map(
            |(host, is_generation, redirects)| Consented { host, is_generation, redirects },
        )
    };
    let errands = vec![
        Errand::Poll,
        Errand::Take,
        Errand::Take,
        Errand::Put,
        Errand::Unlabelled,
        Errand::Stop,
    ];
    (
        select(errands),
        any::<Index>(),
        prop::collection::vec(any::<Index>(), 0..2),
        0..HOSTS.len(),
        prop::bool::weighted(0.9),
        prop::collection::vec(consent(), 0..6),
        prop::bool::weighted(0.03),
        prop::bool::weighted(0.97),
    )
        .prop_map(
            |(errand, cut, others, host, is_generation, consents, is_offline, has_log)| Question {
                errand,
                cut,
                others,
                host,
                is_generation,
                consents,
                is_offline,
                has_log,
            },
        )
}
