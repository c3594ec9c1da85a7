//! Characters, styles and what they bring to a cut.

use super::place::Said;
use super::reader::Reader;
use super::settings::Settings;
use crate::id::is_name;

/// An adapter for one family of models.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The file, from the production's folder on.
    pub file: Said<String>,
    /// Strength; 1 is as trained.
    pub scale: f64,
    /// What its BLAKE3 has to be.
    pub hash: Option<Said<String>>,
}

/// Adapters by what they fit: a family such as `wan`, or the beginning of a card's name such as `wan2.2`.
pub type Adapters = Vec<(Said<String>, Vec<Adapter>)>;

/// A picture of a character, or of a style.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The file, from the production's folder on.
    pub file: Said<String>,
    /// What it shows: `front`, `side`, `costume`, whatever helps.
    pub role: Option<Said<String>>,
    /// Who may see it, where it is stricter than for its owner.
    pub privacy: Option<Said<String>>,
}

/// An identity at the level of the production.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    /// The name it is written with in prompts: `{mina}`.
    pub id: Said<String>,
    /// The name people say.
    pub name: Option<String>,
    /// Other names in a script.
    pub aliases: Vec<Said<String>>,
    /// What it looks like, as it goes into a prompt.
    pub description: Option<Said<String>>,
    /// The words an adapter was trained to answer to.
    pub trigger: Option<Said<String>>,
    /// Pictures.
    pub references: Vec<Reference>,
    /// Adapters.
    pub adapters: Adapters,
    /// Who agreed to what, for a person there is.
    pub consent: Option<String>,
    /// How alike faces have to be: a metric and its least value.
    pub identity: Option<(String, f64)>,
    /// Who may see it.
    pub privacy: Option<Said<String>>,
    /// What it says of the cuts it is in.
    pub settings: Settings,
}

/// A look that several cuts share.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// Its name.
    pub id: Said<String>,
    /// What is added to the prompt.
    pub prompt: Option<Said<String>>,
    /// Adapters.
    pub adapters: Adapters,
    /// Pictures.
    pub references: Vec<Reference>,
    /// Who may see it.
    pub privacy: Option<Said<String>>,
    /// What it says of the cuts it is the style of.
    pub settings: Settings,
}

impl Character {
    pub(super) fn read(id: Said<String>, table: Reader<'_>) -> Self {
        check_name(&table, "character", &id);
        let identity = table.table("identity").and_then(|identity| {
            let metric = identity.text("metric").map(|said| said.value);
            let least = identity.number("min").map(|said| said.value);
            identity.finish();
            Some((metric?, least?))
        });
        let character = Self {
            id,
            name: table.text("name").map(|said| said.value),
            aliases: table.texts("aliases"),
            description: table.text("description"),
            trigger: table.text("trigger"),
            references: references(&table),
            adapters: adapters(&table),
            consent: table.text("consent").map(|said| said.value),
            identity,
            privacy: table.text("privacy"),
            settings: Settings::read(&table, "model", None),
        };
        table.finish();
        character
    }
}

impl Style {
    pub(super) fn read(id: Said<String>, table: Reader<'_>) -> Self {
        check_name(&table, "style", &id);
        let style = Self {
            id,
            prompt: table.text("prompt"),
            adapters: adapters(&table),
            references: references(&table),
            privacy: table.text("privacy"),
            settings: Settings::read(&table, "model", None),
        };
        table.finish();
        style
    }
}

/// Notes a name that is none.
pub(super) fn check_name(table: &Reader<'_>, what: &str, id: &Said<String>) {
    if !is_name(&id.value) {
        let hint = "up to 64 lower-case letters, digits, - and _, a letter or digit first";
        let text = format!("{:?} cannot be the name of a {what}", id.value);
        table.wrong(&id.place, text, Some(hint.to_owned()));
    }
}

fn adapters(table: &Reader<'_>) -> Adapters {
    let mut adapters = Vec::new();
    for (fits, files) in table.named_lists("adapters") {
        let mut found = Vec::new();
        for file in files {
            let adapter = read_adapter(&file);
            file.finish();
            found.extend(adapter);
        }
        adapters.push((fits, found));
    }
    adapters
}

fn read_adapter(table: &Reader<'_>) -> Option<Adapter> {
    let (file, scale, hash) = (table.text("file"), table.number("scale"), table.text("hash"));
    if let Some(hash) = &hash
        && hash
            .value
            .strip_prefix("blake3:")
            .is_none_or(|hex| hex.parse::<crate::hash::Blake3>().is_err())
    {
        let what = "hash: expected blake3: and 64 hexadecimal digits";
        table.wrong(&hash.place, what, None);
    }
    let Some(file) = file else {
        table.wrong(table.place(), "an adapter needs a `file`", None);
        return None;
    };
    Some(Adapter { file, scale: scale.map_or(1.0, |said| said.value), hash })
}

fn references(table: &Reader<'_>) -> Vec<Reference> {
    let mut references = Vec::new();
    for element in table.texts_or_tables("references") {
        match element {
            Ok(file) => references.push(Reference { file, role: None, privacy: None }),
            Err(table) => {
                let (role, privacy) = (table.text("role"), table.text("privacy"));
                match table.text("file") {
                    Some(file) => references.push(Reference { file, role, privacy }),
                    None => table.wrong(table.place(), "a reference needs a `file`", None),
                }
                table.finish();
            }
        }
    }
    references
}
