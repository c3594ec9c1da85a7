//! A production as its files say it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::character::{Character, Style};
use super::check::shortened;
use super::cut::{Cut, Scene};
use super::error::{Error, Result};
use super::place::{Said, nearest};
use super::reader::{Problems, Reader, Source};
use super::server::Server;
use super::settings::{Layer, Level, Settings};
use crate::Hint;
use crate::id::CutId;
use crate::money::Money;
use crate::privacy::Privacy;
use crate::router::{CutKind, Preference};

/// The file that makes a folder a production.
pub const FILE: &str = "project.toml";

/// The version of its layout.
pub const SCHEMA: i64 = 1;

/// What may be spent on hosted models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// On the whole production.
    pub production: Option<Money>,
    /// In one day, in UTC.
    pub day: Option<Money>,
    /// On one cut.
    pub cut: Option<Money>,
    /// Whether a price is good enough that only others than the provider say.
    pub unverified: bool,
}

/// A production as its files say it.
#[derive(Debug, Clone)]
pub struct Production {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is called.
    pub name: String,
    /// Frames per second of the finished film, as written.
    pub delivery_fps: Option<Said<String>>,
    /// Who may see it.
    pub privacy: Option<Said<String>>,
    /// The hosts that `studio` means.
    pub studio: Vec<Said<String>>,
    /// What it says of every cut.
    pub settings: Settings,
    /// What is added to every prompt.
    pub rules: Vec<Said<String>>,
    /// What is added to every negative prompt.
    pub negatives: Vec<Said<String>>,
    /// What may be spent.
    pub budget: Budget,
    /// The film will be sold or advertise something.
    pub commercial: Option<Said<bool>>,
    /// Where it is made, as a country's two letters.
    pub territory: Option<Said<String>>,
    /// Servers, of which none is used that is not here.
    pub servers: Vec<Server>,
    /// Looks.
    pub styles: Vec<Style>,
    /// Identities.
    pub characters: Vec<Character>,
    /// Scenes, in the order of their files and within them.
    pub scenes: Vec<Scene>,
    /// Which models to prefer for a type of cut, instead of the program's own list.
    pub routing: Vec<(CutKind, Vec<Preference>)>,
    /// A file of what was kept elsewhere.
    pub evidence: Option<Said<String>>,
    /// Where each cut is: its scene's place, and its own within that.
    places: BTreeMap<CutId, (usize, usize)>,
}

/// The largest file of a production that is read.
const MOST_BYTES: u64 = 16 << 20;

impl Production {
    /// Finds the production that a folder belongs to: its own, or that of a folder above it.
    ///
    /// # Errors
    /// [`Error::None`].
    pub fn find(folder: &Path) -> Result<PathBuf> {
        let absolute = std::path::absolute(folder)
            .map_err(|source| Error::Read { path: folder.to_owned(), source })?;
        let found = absolute.ancestors().find(|folder| folder.join(FILE).is_file());
        found.map(Path::to_owned).ok_or_else(|| Error::None { folder: folder.to_owned() })
    }

    /// Reads the production in a folder.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Invalid`] with everything that is wrong in its files.
    pub fn load(folder: &Path) -> Result<Self> {
        let problems = Problems::default();
        let production = read(folder, &problems)?;
        if let Some(production) = &production {
            production.check(&problems);
        }
        let mut problems = problems.into_inner();
        problems.sort();
        problems.dedup();
        match production {
            Some(production) if problems.is_empty() => Ok(production),
            _ => Err(Error::Invalid { problems }),
        }
    }

    /// Every cut with its scene, in order.
    pub fn cuts(&self) -> impl Iterator<Item = (&Scene, &Cut)> {
        self.scenes.iter().flat_map(|scene| scene.cuts.iter().map(move |cut| (scene, cut)))
    }

    /// A cut by its name.
    pub fn cut(&self, id: &CutId) -> Option<(&Scene, &Cut)> {
        let (scene, cut) = *self.places.get(id)?;
        let scene = self.scenes.get(scene)?;
        Some((scene, scene.cuts.get(cut)?))
    }

    /// A character by its name.
    pub fn character(&self, id: &str) -> Option<&Character> {
        self.characters.iter().find(|character| character.id.value == id)
    }

    /// A style by its name.
    pub fn style(&self, id: &str) -> Option<&Style> {
        self.styles.iter().find(|style| style.id.value == id)
    }

    /// The cuts that words name: a scene, a cut as `scene/cut`, a cut alone where only one scene has it. No words: all.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a word that names nothing, or several things.
    pub fn select(&self, words: &[String]) -> Result<Vec<&Cut>> {
        if words.is_empty() {
            return Ok(self.cuts().map(|(_, cut)| cut).collect());
        }
        let mut chosen = BTreeSet::new();
        for word in words {
            let ids = || self.cuts().map(|(_, cut)| &cut.id);
            let mut named: Vec<&CutId> = match word.parse::<CutId>() {
                Ok(id) => self.cut(&id).into_iter().map(|(_, cut)| &cut.id).collect(),
                Err(_) => ids().filter(|id| id.scene() == word).collect(),
            };
            if named.is_empty() {
                named = ids().filter(|id| id.cut() == word).collect();
            }
            let is_scene = self.scenes.iter().any(|scene| scene.id.value == *word);
            let scenes = named.iter().map(|id| id.scene()).collect::<BTreeSet<_>>();
            if named.is_empty() && !is_scene {
                return Err(self.unknown(word));
            }
            if scenes.len() > 1 {
                let list = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let hint = format!("say which: {list}");
                return Err(Error::Unknown { what: "single cut", found: word.clone(), hint });
            }
            chosen.extend(named);
        }
        Ok(self.cuts().map(|(_, cut)| cut).filter(|cut| chosen.contains(&cut.id)).collect())
    }

    fn unknown(&self, word: &str) -> Error {
        let names: Vec<String> = self
            .scenes
            .iter()
            .flat_map(|scene| {
                let cuts = scene.cuts.iter().map(|cut| cut.id.to_string());
                std::iter::once(scene.id.value.clone()).chain(cuts)
            })
            .collect();
        let alone = self.cuts().map(|(_, cut)| cut.id.cut());
        let hint = match nearest(word, names.iter().map(String::as_str).chain(alone)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", shortened(&names)),
        };
        Error::Unknown { what: "scene or cut", found: word.to_owned(), hint }
    }

    /// What every level above the command line says of a cut, the weakest first.
    pub(super) fn layers<'a>(&'a self, scene: &'a Scene, cut: &'a Cut) -> Vec<Layer<'a>> {
        let layer = |level, name, settings| Layer { level, name, settings };
        let mut layers = vec![layer(Level::Project, None, &self.settings)];
        layers.extend(
            self.style_of(scene, cut)
                .map(|style| layer(Level::Style, Some(style.id.value.as_str()), &style.settings)),
        );
        for character in &cut.characters {
            let character = self.character(&character.value);
            layers.extend(character.map(|character| {
                layer(Level::Character, Some(character.id.value.as_str()), &character.settings)
            }));
        }
        layers.push(layer(Level::Scene, Some(scene.id.value.as_str()), &scene.settings));
        layers.push(layer(Level::Cut, None, &cut.settings));
        layers
    }

    /// The style of a cut: its own, its scene's, the project's.
    pub fn style_of(&self, scene: &Scene, cut: &Cut) -> Option<&Style> {
        let said = [&cut.settings, &scene.settings, &self.settings];
        let said = said.into_iter().find_map(|settings| settings.style.as_ref())?;
        self.style(&said.value)
    }

    /// The hosts that `studio` means.
    pub fn studio_label(&self) -> Privacy {
        Privacy::studio(self.studio.iter().map(|host| host.value.clone()))
    }
}

fn read(folder: &Path, problems: &Problems) -> Result<Option<Production>> {
    let mut files = vec![FILE.to_owned()];
    for room in ["characters", "scenes"] {
        files.extend(
            toml_files(&folder.join(room))?.into_iter().map(|name| format!("{room}/{name}")),
        );
    }
    let mut sources = Vec::new();
    for file in &files {
        let text = read_text(&folder.join(file))?;
        sources.extend(Source::parse(file, &text, problems));
    }
    if sources.len() < files.len() {
        return Ok(None);
    }
    let mut production = None;
    for source in &sources {
        let table = source.reader(problems);
        // The first file is the project's own.
        let production = production.get_or_insert_with(|| project(folder, &table));
        production.read_parts(&table);
        table.finish();
    }
    if let Some(production) = &mut production {
        production.note_places();
    }
    Ok(production)
}

impl Production {
    /// Reads what every file may hold.
    fn read_parts(&mut self, table: &Reader<'_>) {
        let styles = table.named("style").into_iter();
        self.styles.extend(styles.map(|(id, style)| Style::read(id, style)));
        let characters = table.named("character").into_iter();
        self.characters.extend(characters.map(|(id, character)| Character::read(id, character)));
        self.scenes.extend(table.list("scene").into_iter().filter_map(Scene::read));
    }

    /// Notes where each cut is: the first one of its name, as the second is refused.
    fn note_places(&mut self) {
        for (scene, cuts) in self.scenes.iter().enumerate() {
            for (at, cut) in cuts.cuts.iter().enumerate() {
                self.places.entry(cut.id.clone()).or_insert((scene, at));
            }
        }
    }
}

/// Reads what `project.toml` alone says.
fn project(folder: &Path, table: &Reader<'_>) -> Production {
    match table.whole("schema", 1, i64::MAX, "the version of this layout, 1") {
        Some(schema) if schema.value > SCHEMA => {
            let what = format!("schema is {}, this program reads {SCHEMA}", schema.value);
            table.wrong(&schema.place, what, Some("use a newer kinora".to_owned()));
        }
        Some(_) => {}
        None => {
            let hint = format!("write `schema = {SCHEMA}`");
            table.wrong(table.place(), "`schema` is missing", Some(hint));
        }
    }
    let mut budget = Budget::default();
    if let Some(table) = table.table("budget") {
        budget = Budget {
            production: money(&table, "production"),
            day: money(&table, "day"),
            cut: money(&table, "cut"),
            unverified: table.is("unverified").is_some_and(|said| said.value),
        };
        table.finish();
    }
    let (mut rules, mut negatives) = (Vec::new(), Vec::new());
    if let Some(world) = table.table("world") {
        (rules, negatives) = (world.texts("rules"), world.texts("negative"));
        world.finish();
    }
    let (mut commercial, mut territory) = (None, None);
    if let Some(purpose) = table.table("use") {
        commercial = purpose.is("commercial");
        territory = purpose.parsed("territory", |text| {
            let is_country = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
            let expected = format!("expected a country as two capital letters, found {text:?}");
            if is_country { Ok(text.to_owned()) } else { Err(expected) }
        });
        purpose.finish();
    }
    Production {
        folder: folder.to_owned(),
        name: table.text("name").map_or_else(|| folder_name(folder), |said| said.value),
        delivery_fps: table.typed("fps", |text| {
            let fps = text.parse::<crate::media::Fps>().map_err(|error| error.to_string());
            fps.map(|_| text.to_owned())
        }),
        privacy: table.text("privacy"),
        studio: table.texts("studio"),
        settings: Settings::read(table, "default_model", Some("default_style")),
        rules,
        negatives,
        budget,
        commercial,
        territory,
        servers: table
            .named("provider")
            .into_iter()
            .map(|(id, table)| Server::read(folder, id, table))
            .collect(),
        styles: Vec::new(),
        characters: Vec::new(),
        scenes: Vec::new(),
        routing: routing(table),
        evidence: table.text("evidence"),
        places: BTreeMap::new(),
    }
}

/// An amount, not less than nothing.
pub(super) fn money(table: &Reader<'_>, key: &'static str) -> Option<Money> {
    let parse = |text: &str| text.parse::<Money>().map_err(|error| error.to_string());
    let amount = table.typed(key, parse)?;
    if amount.value < Money::ZERO {
        table.wrong(&amount.place, format!("{key}: less than nothing"), None);
    }
    Some(amount.value)
}

/// The preferred models by type of cut.
fn routing(table: &Reader<'_>) -> Vec<(CutKind, Vec<Preference>)> {
    let mut lines: Vec<(CutKind, Vec<Preference>)> = Vec::new();
    for (word, elements) in table.named_lists("routing") {
        let mut preferences = Vec::new();
        for element in elements {
            let text = |key| {
                let said = element.text(key).filter(|said| !said.value.trim().is_empty());
                if said.is_none() {
                    let what = format!("a preferred model needs a `{key}`");
                    element.wrong(element.place(), what, None);
                }
                said.map(|said| said.value)
            };
            let (model, why) = (text("model"), text("why"));
            preferences.extend(model.zip(why).map(|(model, why)| Preference { model, why }));
            element.finish();
        }
        match word.value.parse::<CutKind>() {
            Err(error) => table.wrong(&word.place, format!("routing: {error}"), error.hint()),
            Ok(kind) if lines.iter().any(|(other, _)| *other == kind) => {
                table.wrong(&word.place, format!("routing: a second list for {kind}"), None);
            }
            Ok(kind) => lines.push((kind, preferences)),
        }
    }
    lines
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The TOML files of a folder by name; none where it is not there.
fn toml_files(folder: &Path) -> Result<Vec<String>> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        // Hidden files are what editors leave for themselves.
        if name.ends_with(".toml") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_text(path: &Path) -> Result<String> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(failed(io::Error::new(ErrorKind::FileTooLarge, "more than 16 MiB")));
    }
    Ok(text)
}
