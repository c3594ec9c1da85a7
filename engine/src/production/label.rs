//! Who may see what of a production: labels as written become the one rule that they mean together.

use std::fmt;
use std::path::{Component, Path};

use super::character::Reference;
use super::cut::{Cut, Picture, Scene};
use super::place::{Place, Said};
use super::project::Production;
use crate::faults::{self, Fault};
use crate::privacy::Privacy;

/// A label and where it was said; nowhere where it is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Who may see it.
    pub privacy: Privacy,
    /// What said so, the strictest of all: `project`, `scene sc02`, `character mina`.
    pub by: String,
    /// The line.
    pub place: Option<Place>,
}

impl Label {
    /// The label of two things together, and of the two the one that says so.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        if faults::is(Fault::LastLabel) {
            return other;
        }
        let privacy = self.privacy.meet(&other.privacy);
        let by = if privacy == self.privacy { self } else { other };
        Self { privacy, ..by }
    }
}

/// Writes down that something is wrong.
type Wrong<'a> = &'a dyn Fn(&Place, String, Option<String>);

impl Production {
    /// The label of the whole production.
    pub fn label(&self) -> Label {
        match &self.privacy {
            Some(said) => self.said("project".to_owned(), said),
            None => Label { privacy: Privacy::default(), by: "default".to_owned(), place: None },
        }
    }

    /// The label of a cut: the strictest of its own, its scene's, its style's, its characters', their references', the
    /// project's, and of those of whatever it is made from: the cuts that it takes frames of, and the owners of its pictures.
    pub fn label_of(&self, scene: &Scene, cut: &Cut) -> Label {
        let mut label = self.label();
        let (mut seen, mut open) = (vec![&cut.id], vec![(scene, cut)]);
        while let Some((scene, cut)) = open.pop() {
            self.tighten(&mut label, scene, cut);
            if label.privacy == Privacy::LocalOnly {
                break; // nothing is stricter
            }
            for (other, _) in cut.waits_for() {
                if !seen.contains(&other) {
                    seen.push(other);
                    open.extend(self.cut(other));
                }
            }
        }
        label
    }

    /// Adds what a cut says, and what it names.
    fn tighten(&self, label: &mut Label, scene: &Scene, cut: &Cut) {
        let mut add = |what: &str, name: &dyn fmt::Display, said: &Option<Said<String>>| {
            if let Some(said) = said {
                *label = label.clone().meet(self.said(format!("{what} {name}"), said));
            }
        };
        add("scene", &scene.id.value, &scene.privacy);
        add("cut", &cut.id, &cut.privacy);
        let style = self.style_of(scene, cut).map(|style| &style.id.value);
        let shows = |name: &String| cut.characters.iter().any(|said| said.value == *name);
        let pictures = [&cut.first_frame, &cut.last_frame].into_iter().flatten();
        let pictures = pictures.chain(&cut.references).filter_map(|said| match &said.value {
            Picture::File(file) => Some(Path::new(file)),
            Picture::Take { .. } => None,
        });
        let pictures: Vec<&Path> = pictures.collect();
        let styles = self.styles.iter().map(|one| {
            ("style", &one.id.value, style == Some(&one.id.value), &one.privacy, &one.references)
        });
        let characters = self.characters.iter().map(|one| {
            let name = &one.id.value;
            ("character", name, shows(name), &one.privacy, &one.references)
        });
        for (what, name, is_named, privacy, references) in styles.chain(characters) {
            // A picture that a cut names by its file is still its owner's.
            let is_in = |reference: &&Reference| is_named || is_one_of(&pictures, reference);
            let taken: Vec<&Reference> = references.iter().filter(is_in).collect();
            if is_named || !taken.is_empty() {
                add(what, name, privacy);
            }
            for reference in taken {
                if !faults::is(Fault::ReferencesForgotten) {
                    add("reference", &reference.file.value, &reference.privacy);
                }
            }
        }
    }

    pub(super) fn said(&self, by: String, said: &Said<String>) -> Label {
        // A word that is none was refused when the production was read; until then it is the strictest.
        let privacy = self.privacy_called(&said.value);
        Label { privacy, by, place: Some(said.place.clone()) }
    }

    /// What the word of a label means here; the strictest where it means nothing.
    pub(super) fn privacy_called(&self, word: &str) -> Privacy {
        match word {
            "any" => Privacy::Any,
            "studio" => self.studio_label(),
            _ => Privacy::LocalOnly,
        }
    }
}

/// Whether a reference is one of these files, however they are written.
fn is_one_of(files: &[&Path], reference: &Reference) -> bool {
    let parts = |path: &Path| -> Vec<String> {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    files.iter().any(|file| parts(file) == parts(Path::new(&reference.file.value)))
}

/// Notes words that are no labels, and labels that would loosen what stands above them.
pub(super) fn check(production: &Production, wrong: Wrong<'_>) {
    let project = production.label();
    let inner = |by: String, said: &Option<Said<String>>, outer: &Label| -> Label {
        let Some(said) = said else { return outer.clone() };
        if !Privacy::WORDS.contains(&said.value.as_str()) {
            let what =
                format!("privacy: expected local-only, studio or any, found {:?}", said.value);
            let near = super::place::nearest(&said.value, Privacy::WORDS);
            wrong(&said.place, what, near.map(|near| format!("did you mean {near:?}?")));
            return outer.clone();
        }
        let label = production.said(by, said);
        if !label.privacy.is_within(&outer.privacy) {
            let above = match &outer.place {
                Some(place) => format!("{} says {} at {place}", outer.by, outer.privacy),
                None => "nothing above says otherwise, and the default is local-only".to_owned(),
            };
            let what = format!("privacy {:?} would loosen: {above}", said.value);
            let hint = "labels only tighten: loosen the one above, and tighten what needs it";
            wrong(&said.place, what, Some(hint.to_owned()));
        }
        label
    };
    if let Some(said) = &production.privacy {
        let any = Label { privacy: Privacy::Any, by: String::new(), place: None };
        inner("project".to_owned(), &Some(said.clone()), &any);
        if said.value == "studio" && production.studio.is_empty() {
            let hint = "write `studio = [\"host:port\"]`".to_owned();
            wrong(&said.place, "privacy \"studio\" names no hosts".to_owned(), Some(hint));
        }
    }
    let references = |references: &[Reference], outer: &Label| {
        for reference in references {
            inner(format!("reference {}", reference.file.value), &reference.privacy, outer);
        }
    };
    for character in &production.characters {
        let by = format!("character {}", character.id.value);
        references(&character.references, &inner(by, &character.privacy, &project));
    }
    for style in &production.styles {
        let label = inner(format!("style {}", style.id.value), &style.privacy, &project);
        references(&style.references, &label);
    }
    for scene in &production.scenes {
        let label = inner(format!("scene {}", scene.id.value), &scene.privacy, &project);
        for cut in &scene.cuts {
            inner(format!("cut {}", cut.id), &cut.privacy, &label);
        }
    }
}
