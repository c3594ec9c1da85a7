//! Scenes and their cuts.

use std::fmt;

use super::character::check_name;
use super::place::{Place, Said};
use super::reader::Reader;
use super::settings::Settings;
use crate::id::{CutId, is_name};

/// A part of the film in one place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Its name.
    pub id: Said<String>,
    /// The sequence it belongs to.
    pub sequence: Option<String>,
    /// As the script heads it.
    pub heading: Option<String>,
    /// Who may see it.
    pub privacy: Option<Said<String>>,
    /// What it says of its cuts.
    pub settings: Settings,
    /// Its cuts, in order.
    pub cuts: Vec<Cut>,
}

/// One shot of the film.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Its name, `scene/cut`.
    pub id: CutId,
    /// Where it is written.
    pub place: Place,
    /// What type of cut it is, as people wrote it.
    pub kind: Option<Said<String>>,
    /// What it is for.
    pub intent: Option<Said<String>>,
    /// What is to be seen; `{mina}` stands for a character.
    pub prompt: Said<String>,
    /// The characters in it.
    pub characters: Vec<Said<String>>,
    /// What the camera does.
    pub camera: Option<Said<String>>,
    /// The picture it begins with.
    pub first_frame: Option<Said<Picture>>,
    /// The picture it ends with.
    pub last_frame: Option<Said<Picture>>,
    /// Pictures to go by.
    pub references: Vec<Said<Picture>>,
    /// Several shots in one clip.
    pub multi_shot: bool,
    /// Who may see it.
    pub privacy: Option<Said<String>>,
    /// What people should know; nothing is done with it.
    pub notes: Option<String>,
    /// What it says of itself.
    pub settings: Settings,
}

/// A picture that a cut is made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Picture {
    /// A file, from the production's folder on.
    File(String),
    /// A frame of another cut: of its picked take, else of the first that is not rejected.
    Take {
        /// The cut.
        cut: CutId,
        /// Its first frame or its last.
        end: End,
    },
}

/// An end of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The first frame.
    First,
    /// The last frame.
    Last,
}

impl Picture {
    /// Reads `refs/mina.png`, `take:sh0010/last` or `take:sc02/sh0010/last`; a cut without its scene is of `scene`.
    pub fn parse(text: &str, scene: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix("take:") else {
            return if text.is_empty() || text.contains("://") {
                Err(format!("expected a file or take:CUT/last, found {text:?}"))
            } else {
                Ok(Self::File(text.to_owned()))
            };
        };
        let wrong = || format!("expected take:CUT/last or take:CUT/first, found {text:?}");
        let (cut, end) = name.rsplit_once('/').ok_or_else(wrong)?;
        let end = match end {
            "first" => End::First,
            "last" => End::Last,
            _ => return Err(wrong()),
        };
        let id = match cut.split_once('/') {
            Some((scene, cut)) => CutId::new(scene, cut),
            None => CutId::new(scene, cut),
        };
        Ok(Self::Take { cut: id.map_err(|_| wrong())?, end })
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Take { cut, end: End::First } => write!(f, "take:{cut}/first"),
            Self::Take { cut, end: End::Last } => write!(f, "take:{cut}/last"),
        }
    }
}

impl Scene {
    pub(super) fn read(table: Reader<'_>) -> Option<Self> {
        let id = table.text("id");
        let mut scene = Self {
            sequence: table.text("sequence").map(|said| said.value),
            heading: table.text("heading").map(|said| said.value),
            privacy: table.text("privacy"),
            settings: Settings::read(&table, "model", Some("style")),
            cuts: Vec::new(),
            id: id.clone().unwrap_or(Said { value: String::new(), place: table.place().clone() }),
        };
        let cuts = table.list("cut");
        match &id {
            Some(id) => check_name(&table, "scene", id),
            None => table.wrong(table.place(), "a scene needs an `id`", None),
        }
        scene.cuts = cuts.into_iter().filter_map(|cut| Cut::read(&scene.id.value, cut)).collect();
        table.finish();
        id.filter(|id| is_name(&id.value)).map(|_| scene)
    }
}

impl Cut {
    /// The pictures that it takes from other cuts, which have to be made first.
    pub fn waits_for(&self) -> impl Iterator<Item = (&CutId, &Place)> {
        let pictures = [&self.first_frame, &self.last_frame].into_iter().flatten();
        pictures.chain(&self.references).filter_map(|said| match &said.value {
            Picture::Take { cut, .. } => Some((cut, &said.place)),
            Picture::File(_) => None,
        })
    }

    fn read(scene: &str, table: Reader<'_>) -> Option<Self> {
        let picture = |key| table.parsed(key, |text| Picture::parse(text, scene));
        let references = table.texts("references").into_iter().filter_map(|said| {
            match Picture::parse(&said.value, scene) {
                Ok(picture) => Some(said.map(|_| picture)),
                Err(what) => {
                    table.wrong(&said.place, format!("references: {what}"), None);
                    None
                }
            }
        });
        let references = references.collect();
        let (id, prompt) = (table.text("id"), table.text("prompt"));
        let read = Self {
            id: CutId::new("a", "a").expect("because it is a name"),
            place: table.place().clone(),
            kind: table.text("type"),
            intent: table.text("intent"),
            prompt: prompt
                .clone()
                .unwrap_or(Said { value: String::new(), place: table.place().clone() }),
            characters: table.texts("characters"),
            camera: table.text("camera"),
            first_frame: picture("first_frame"),
            last_frame: picture("last_frame"),
            references,
            multi_shot: table.is("multi_shot").is_some_and(|said| said.value),
            privacy: table.text("privacy"),
            notes: table.text("notes").map(|said| said.value),
            settings: Settings::read(&table, "model", Some("style")),
        };
        match &id {
            Some(id) => check_name(&table, "cut", id),
            None => table.wrong(table.place(), "a cut needs an `id`", None),
        }
        if prompt.as_ref().is_none_or(|prompt| prompt.value.trim().is_empty()) {
            table.wrong(table.place(), "a cut needs a `prompt`", None);
        }
        table.finish();
        let id = CutId::new(scene, &id?.value).ok()?;
        Some(Self { id, ..read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures() {
        let take = |cut: &str, end| Picture::Take { cut: cut.parse().expect("a cut"), end };
        for (text, picture) in [
            ("refs/a.png", Picture::File("refs/a.png".to_owned())),
            ("take:sh0010/last", take("sc02/sh0010", End::Last)),
            ("take:sc01/sh0010/first", take("sc01/sh0010", End::First)),
        ] {
            assert_eq!(Picture::parse(text, "sc02"), Ok(picture.clone()), "{text}");
            assert_eq!(Picture::parse(&picture.to_string(), "sc02"), Ok(picture));
        }
        for wrong in [
            "",
            "take:",
            "take:sh0010",
            "take:sh0010/3",
            "take:/last",
            "take:a/b/c/last",
            "http://a/b.png",
        ] {
            assert!(Picture::parse(wrong, "sc02").is_err(), "{wrong}");
        }
    }
}
