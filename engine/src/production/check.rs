//! What no single file of a production can know to be wrong.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::cut::{Cut, Picture};
use super::label;
use super::place::{Place, Problem, Said, nearest};
use super::project::Production;
use super::reader::Problems;
use crate::Hint;
use crate::id::CutId;
use crate::router::CutKind;

impl Production {
    /// Notes what no single file can know to be wrong.
    pub(super) fn check(&self, problems: &Problems) {
        let wrong = |place: &Place, what: String, hint: Option<String>| {
            problems.borrow_mut().push(Problem { place: place.clone(), what, hint });
        };
        self.check_names(&wrong);
        self.check_models(&wrong);
        self.check_circles(&wrong);
        label::check(self, &wrong);
        for (_, cut) in self.cuts() {
            if let Some(kind) = &cut.kind
                && let Err(error) = kind.value.parse::<CutKind>()
            {
                wrong(&kind.place, format!("type: {error}"), error.hint());
            }
            for character in &cut.characters {
                if self.character(&character.value).is_none() {
                    let names = self.characters.iter().map(|character| character.id.value.as_str());
                    let hint = near_or_all("character", &character.value, names);
                    wrong(
                        &character.place,
                        format!("there is no character {:?}", character.value),
                        hint,
                    );
                }
            }
            let pictures = [&cut.first_frame, &cut.last_frame].into_iter().flatten();
            for picture in pictures.chain(&cut.references) {
                self.check_picture(cut, picture, &wrong);
            }
            if cut.last_frame.is_some() && cut.first_frame.is_none() {
                let last = cut.last_frame.as_ref().map_or(&cut.place, |last| &last.place);
                let hint = "no model takes a last frame alone".to_owned();
                wrong(last, "a last_frame needs a first_frame".to_owned(), Some(hint));
            }
            if let Err(what) = super::prompt::names(&cut.prompt.value) {
                wrong(&cut.prompt.place, format!("prompt: {what}"), None);
            } else {
                self.check_prompt(cut, &wrong);
            }
        }
        let settings = self.scenes.iter().map(|scene| &scene.settings);
        let settings = settings.chain(self.cuts().map(|(_, cut)| &cut.settings));
        for style in settings.chain([&self.settings]).filter_map(|said| said.style.as_ref()) {
            if self.style(&style.value).is_none() {
                let names = self.styles.iter().map(|style| style.id.value.as_str());
                let hint = near_or_all("style", &style.value, names);
                wrong(&style.place, format!("there is no style {:?}", style.value), hint);
            }
        }
        let files = self.characters.iter().flat_map(|c| c.references.iter().map(|r| &r.file));
        let files =
            files.chain(self.styles.iter().flat_map(|s| s.references.iter().map(|r| &r.file)));
        let adapters = self.characters.iter().map(|c| &c.adapters);
        let adapters = adapters.chain(self.styles.iter().map(|s| &s.adapters)).flatten();
        let adapters = adapters.flat_map(|(_, files)| files).map(|adapter| &adapter.file);
        for file in files.chain(adapters).chain(&self.evidence) {
            self.check_file(file, &wrong);
        }
    }

    fn check_names(&self, wrong: &dyn Fn(&Place, String, Option<String>)) {
        let mut seen: BTreeMap<(&str, String), &Place> = BTreeMap::new();
        let styles = self.styles.iter().map(|s| ("style", s.id.value.clone(), &s.id.place));
        let characters =
            self.characters.iter().map(|c| ("character", c.id.value.clone(), &c.id.place));
        let scenes = self.scenes.iter().map(|s| ("scene", s.id.value.clone(), &s.id.place));
        let cuts = self.cuts().map(|(_, cut)| ("cut", cut.id.to_string(), &cut.place));
        let servers = self.servers.iter().map(|s| ("provider", s.id.value.clone(), &s.id.place));
        for (what, name, place) in styles.chain(characters).chain(scenes).chain(cuts).chain(servers)
        {
            if let Some(first) = seen.get(&(what, name.clone())) {
                let text = format!("there is a {what} {name:?} already, at {first}");
                wrong(place, text, Some("names are never used twice".to_owned()));
            } else {
                seen.insert((what, name), place);
            }
        }
    }

    /// Notes servers of which one would run a model by the name of another: a name is to mean one host and one key.
    fn check_models(&self, wrong: &dyn Fn(&Place, String, Option<String>)) {
        let mut seen: BTreeMap<String, Option<&Place>> =
            kinora_cards::cards().iter().map(|card| (card.name.clone(), None)).collect();
        for server in &self.servers {
            // What makes no card is noted where it is read.
            for card in server.cards().unwrap_or_default() {
                let place = &server.id.place;
                match seen.get(&card.name) {
                    None => {
                        seen.insert(card.name, Some(place));
                        continue;
                    }
                    Some(first) => {
                        let of = first
                            .map_or("one of this machine".to_owned(), |first| first.to_string());
                        let text =
                            format!("its model {:?} has the name of another: {of}", card.name);
                        wrong(
                            place,
                            text,
                            Some("leave one out, or call the server something else".to_owned()),
                        );
                    }
                }
                break;
            }
        }
    }

    /// Notes cuts of which none can be made first.
    fn check_circles(&self, wrong: &dyn Fn(&Place, String, Option<String>)) {
        let cuts: Vec<&Cut> = self.cuts().map(|(_, cut)| cut).collect();
        let at: BTreeMap<&CutId, usize> =
            cuts.iter().enumerate().map(|(at, cut)| (&cut.id, at)).collect();
        let (mut waits, mut awaited) = (vec![Vec::new(); cuts.len()], vec![Vec::new(); cuts.len()]);
        for (from, cut) in cuts.iter().enumerate() {
            let others = cut.waits_for().filter_map(|(id, _)| at.get(id));
            for to in others.copied().filter(|to| *to != from) {
                waits[from].push(to);
                awaited[to].push(from);
            }
        }
        // What only leads to a circle, or away from one, is not in it.
        let mut is_left = vec![true; cuts.len()];
        trim(&mut is_left, &waits, &awaited);
        trim(&mut is_left, &awaited, &waits);
        let stuck = |at: usize| is_left[at];
        let names = cuts.iter().enumerate().filter(|(at, _)| stuck(*at));
        let names: Vec<String> = names.map(|(_, cut)| cut.id.to_string()).collect();
        for (_, cut) in cuts.iter().enumerate().filter(|(at, _)| stuck(*at)) {
            let inside = |id: &CutId| at.get(id).is_some_and(|at| stuck(*at)) && *id != cut.id;
            for (_, place) in cut.waits_for().filter(|(id, _)| inside(id)) {
                let what = format!("these cuts wait for one another: {}", shortened(&names));
                let hint = "take one of their first or last frames from a file".to_owned();
                wrong(place, what, Some(hint));
            }
        }
    }

    fn check_picture(
        &self,
        cut: &Cut,
        picture: &Said<Picture>,
        wrong: &dyn Fn(&Place, String, Option<String>),
    ) {
        match &picture.value {
            Picture::File(file) => {
                let file = Said { value: file.clone(), place: picture.place.clone() };
                self.check_file(&file, wrong);
            }
            Picture::Take { cut: from, .. } if *from == cut.id => {
                wrong(&picture.place, "a cut cannot begin with itself".to_owned(), None);
            }
            Picture::Take { cut: from, .. } => {
                if self.cut(from).is_none() {
                    let names: Vec<String> =
                        self.cuts().map(|(_, cut)| cut.id.to_string()).collect();
                    let hint =
                        near_or_all("cut", &from.to_string(), names.iter().map(String::as_str));
                    wrong(&picture.place, format!("there is no cut {from}"), hint);
                }
            }
        }
    }

    fn check_prompt(&self, cut: &Cut, wrong: &dyn Fn(&Place, String, Option<String>)) {
        for name in super::prompt::names(&cut.prompt.value).unwrap_or_default() {
            if self.character(name).is_none() {
                let names = self.characters.iter().map(|character| character.id.value.as_str());
                let hint = near_or_all("character", name, names);
                wrong(&cut.prompt.place, format!("prompt: there is no character {name:?}"), hint);
            } else if !cut.characters.iter().any(|character| character.value == name) {
                let hint = format!("add {name:?} to the cut's characters");
                wrong(&cut.prompt.place, format!("prompt: {name} is not in this cut"), Some(hint));
            }
        }
    }

    fn check_file(&self, file: &Said<String>, wrong: &dyn Fn(&Place, String, Option<String>)) {
        let path = Path::new(&file.value);
        let is_inside =
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_inside {
            let hint = "put a copy into the production's folder".to_owned();
            let what = format!("{:?} is outside the production", file.value);
            wrong(&file.place, what, Some(hint));
        } else if !self.folder.join(path).is_file() {
            wrong(&file.place, format!("there is no file {:?}", file.value), None);
        }
    }
}

/// Leaves out whatever has no `next` among what is left, and then what came before it, until nothing goes.
fn trim(is_left: &mut [bool], next: &[Vec<usize>], before: &[Vec<usize>]) {
    let count = |at: &usize| next[*at].iter().filter(|to| is_left[**to]).count();
    let mut counts: Vec<usize> = (0..is_left.len()).map(|at| count(&at)).collect();
    let ends = |at: &usize| is_left[*at] && counts[*at] == 0;
    let mut going: Vec<usize> = (0..is_left.len()).filter(ends).collect();
    while let Some(at) = going.pop() {
        is_left[at] = false;
        for from in before[at].iter().copied().filter(|from| is_left[*from]) {
            counts[from] -= 1;
            if counts[from] == 0 {
                going.push(from);
            }
        }
    }
}

/// The nearest name, or all there are.
fn near_or_all<'a>(
    what: &str,
    word: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    match nearest(word, names.clone()) {
        Some(near) => Some(format!("did you mean {near:?}?")),
        None => {
            let names: Vec<String> = names.map(ToOwned::to_owned).collect();
            Some(match names.len() {
                0 => format!("this production has no {what} at all"),
                _ => format!("there are {}", shortened(&names)),
            })
        }
    }
}

/// The first few names.
pub(super) fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let list = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{list} and {} more", names.len() - SHOWN) } else { list }
}
