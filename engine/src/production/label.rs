//! Who may see what of a production: labels as written become the one rule that they mean together.

use super::character::Reference;
use super::cut::{Cut, Scene};
use super::place::{Place, Said};
use super::project::Production;
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

    /// The label of a cut: the strictest of its own, its scene's, its style's, its characters', their references' and the
    /// project's. What it takes from other takes comes on top, once they are known.
    pub fn label_of(&self, scene: &Scene, cut: &Cut) -> Label {
        let mut label = self.label();
        let mut add = |by: String, said: &Option<Said<String>>| {
            if let Some(said) = said {
                label = label.clone().meet(self.said(by, said));
            }
        };
        add(format!("scene {}", scene.id.value), &scene.privacy);
        add(format!("cut {}", cut.id), &cut.privacy);
        if let Some(style) = self.style_of(scene, cut) {
            add(format!("style {}", style.id.value), &style.privacy);
            for reference in &style.references {
                add(format!("reference {}", reference.file.value), &reference.privacy);
            }
        }
        for character in &cut.characters {
            let Some(character) = self.character(&character.value) else { continue };
            add(format!("character {}", character.id.value), &character.privacy);
            for reference in &character.references {
                add(format!("reference {}", reference.file.value), &reference.privacy);
            }
        }
        label
    }

    fn said(&self, by: String, said: &Said<String>) -> Label {
        // A word that is none was refused when the production was read; until then it is the strictest.
        let privacy = match said.value.as_str() {
            "any" => Privacy::Any,
            "studio" => self.studio_label(),
            _ => Privacy::LocalOnly,
        };
        Label { privacy, by, place: Some(said.place.clone()) }
    }
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
