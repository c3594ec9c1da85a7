//! Which tensor of a model comes from where, settled before any weight is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use super::StoredDtype;
use super::file::Entry;
use super::source::{Located, Source};

/// The tensors that a model's configuration asks for, by canonical name.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    shapes: BTreeMap<String, Vec<usize>>,
    tied: BTreeMap<String, String>,
    ignored: BTreeSet<String>,
}

impl Expected {
    /// Expects nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a tensor of exactly this shape.
    pub fn add(&mut self, name: impl Into<String>, shape: impl Into<Vec<usize>>) -> &mut Self {
        self.shapes.insert(name.into(), shape.into());
        self
    }

    /// Says that the expected tensor `name` may be stored as `alias` instead, or as well; read it as `name`.
    pub fn tie(&mut self, name: impl Into<String>, alias: impl Into<String>) -> &mut Self {
        self.tied.insert(alias.into(), name.into());
        self
    }

    /// Says that files may hold a tensor `name` that the model does not use.
    pub fn ignore(&mut self, name: impl Into<String>) -> &mut Self {
        self.ignored.insert(name.into());
        self
    }

    /// The shape asked for under a name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// All that is asked for: names and shapes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()))
    }

    pub(super) fn plan(&self, source: &Source) -> Result<BTreeMap<String, Planned>, PlanError> {
        let mut error = PlanError {
            files: source.files().map(PathBuf::from).collect(),
            ..PlanError::default()
        };
        let mut planned: BTreeMap<String, Planned> = BTreeMap::new();
        for (found, located) in source.tensors() {
            if self.ignored.contains(found) {
                continue;
            }
            let name = self.tied.get(found).unwrap_or(found);
            let Some(expected) = self.shapes.get(name) else {
                error.unexpected.push(error.place(source, found, located));
                continue;
            };
            let entry = source.entry(located);
            if entry.shape != *expected {
                let place = error.place(source, found, located);
                let (expected, found) = (expected.clone(), entry.shape.clone());
                error.misshapen.push((place, expected, found));
            } else if entry.dtype.weight().is_none() {
                let place = error.place(source, found, located);
                error.unreadable.push((place, entry.dtype));
            }
            // A tensor under its own name goes before its tied copy.
            if name == found || !planned.contains_key(name) {
                planned.insert(name.clone(), source.planned(located));
            }
        }
        for located in source.unmapped() {
            error.unexpected.push(error.place(source, &located.stored, located));
        }
        let missing = self.shapes.iter().filter(|(name, _)| !planned.contains_key(*name));
        error.missing = missing.map(|(name, shape)| (name.clone(), shape.clone())).collect();
        if error.is_clean() { Ok(planned) } else { Err(error) }
    }
}

/// Where a tensor of the plan is read from.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// The index of its file.
    pub(super) file: usize,
    /// Its name in that file.
    pub(super) stored: String,
    /// Where it lies there.
    pub(super) entry: Entry,
}

/// A tensor of a file that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its canonical name.
    pub name: String,
    /// Its name in the file.
    pub stored: String,
    /// The file.
    pub file: PathBuf,
}

/// Everything in which files and model differ. The message is one line and shows the first few of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanError {
    /// The files of the component.
    pub files: Vec<PathBuf>,
    /// Expected tensors that no file holds, with the expected shape.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Tensors that the model does not have.
    pub unexpected: Vec<Place>,
    /// Tensors of another shape: where, expected, found.
    pub misshapen: Vec<(Place, Vec<usize>, Vec<usize>)>,
    /// Tensors of a dtype that weights cannot be read from yet.
    pub unreadable: Vec<(Place, StoredDtype)>,
}

/// How many of a kind the message of a [`PlanError`] shows.
const SHOWN: usize = 8;

impl PlanError {
    fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misshapen.is_empty()
            && self.unreadable.is_empty()
    }

    fn place(&self, source: &Source, name: &str, located: &Located) -> Place {
        Place { name: name.to_owned(), stored: located.stored.clone(), file: source.file(located) }
    }
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files.as_slice() {
            [] => f.write_str("no files")?,
            [file] => write!(f, "{}", file.display())?,
            [file, ..] => write!(f, "{} and {} more", file.display(), self.files.len() - 1)?,
        }
        f.write_str(": the tensors are not those of the configuration:")?;
        let mut parts = Parts { f, first: true };
        parts.write("missing", &self.missing, |(name, shape)| format!("{name} {shape:?}"))?;
        parts.write("unexpected", &self.unexpected, Place::to_string)?;
        parts.write("misshapen", &self.misshapen, |(place, expected, found)| {
            format!("{place} expected {expected:?} found {found:?}")
        })?;
        parts.write("not yet supported", &self.unreadable, |(place, dtype)| {
            format!("{place} expected F32, F16 or BF16 found {dtype}")
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.stored != self.name {
            write!(f, " (stored as {})", self.stored)?;
        }
        match self.file.file_name() {
            Some(file) => write!(f, " in {}", file.display()),
            None => Ok(()),
        }
    }
}

/// Writes the kinds of difference one after the other.
struct Parts<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl Parts<'_, '_> {
    fn write<T>(&mut self, kind: &str, all: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
        if all.is_empty() {
            return Ok(());
        }
        let separator = if self.first { " " } else { "; " };
        self.first = false;
        let shown: Vec<String> = all.iter().take(SHOWN).map(show).collect();
        write!(self.f, "{separator}{} {kind}: {}", all.len(), shown.join(", "))?;
        if all.len() > SHOWN {
            write!(self.f, " and {} more", all.len() - SHOWN)?;
        }
        Ok(())
    }
}
