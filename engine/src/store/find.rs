//! Finds checkpoints on this machine.

use std::fs;
use std::path::{Component, Path, PathBuf};

use kinora_cards::{Card, Source, cards};

use super::cache::{CachedRepo, repo_name};
use super::{Error, Looked, Result, Store};
use crate::egress::{Consent, Purpose};

/// The revision of a repository that no card pins: where the Python tools look too.
const REVISION: &str = "main";

/// A checkpoint on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its folder, or the file that the user named; none where the program carries it.
    pub path: Option<PathBuf>,
    /// Its card, where its provenance says so; a folder or repository that no card names has no recipe but its own.
    pub card: Option<&'static Card>,
    /// How it is known what the checkpoint is.
    pub provenance: Provenance,
}

/// How it is known what a checkpoint is. Shapes say nothing: different checkpoints share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// It lies in the Hugging Face cache, be the repository a card's or not.
    HubCache {
        /// The repository, `organisation/name`.
        repo: String,
        /// The commit.
        commit: String,
    },
    /// It lies in Kinora's folder under this name.
    KinoraFolder {
        /// The path below Kinora's folder.
        name: String,
    },
    /// Nobody knows: somebody named its path.
    Path,
    /// The program carries it.
    BuiltIn,
}

impl Store {
    /// Finds a checkpoint by its card's name, by its repository's name, by its path, or by the name of a folder in
    /// Kinora's folder.
    ///
    /// The model that the program carries is always there. A card wins over a folder of the same name in the working
    /// directory; `./name` is always a path. For a card, Kinora's folder is looked at first, then the Hugging Face
    /// cache, the card's sources in their order. A repository that no card names comes after the working directory and
    /// Kinora's folder.
    ///
    /// # Errors
    /// [`Error::NotHere`] and [`Error::Unknown`] name everywhere that was looked.
    pub fn find(&self, name: &str) -> Result<Found> {
        let path = Path::new(name);
        let is_path = matches!(
            path.components().next(),
            Some(Component::RootDir | Component::CurDir | Component::ParentDir)
        );
        if let (false, Some(card)) = (is_path, kinora_cards::find(name)) {
            return self.find_card(card, card.source_called(name));
        }
        if path.exists() {
            return Ok(self.recognise(path));
        }
        let mut looked = vec![Looked { folder: path.to_owned(), lacks: None }];
        if let (false, Some(folder)) = (is_path, &self.config.kinora_dir) {
            let folder = folder.join(path);
            if folder.is_dir() {
                return Ok(self.recognise(&folder));
            }
            looked.push(Looked { folder, lacks: None });
        }
        if let (false, Some(cache)) = (is_path, &self.config.hf_cache)
            && is_repo(name)
        {
            match find_cached(cache, name) {
                Ok(found) => return Ok(found),
                Err(place) => looked.push(place),
            }
        }
        let cards = cards().iter().map(|card| card.name.clone()).collect();
        Err(Error::Unknown { name: name.to_owned(), cards, looked })
    }

    /// Returns every checkpoint that is on the disk: those of cards first, then what else lies in Kinora's folder and in the
    /// Hugging Face cache.
    pub fn list(&self) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
        for card in cards() {
            for source in &card.sources {
                all.extend(self.find_card(card, Some(source)).ok());
            }
        }
        let own = self.config.kinora_dir.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let mut own: Vec<PathBuf> = own.into_iter().flatten().flatten().map(|e| e.path()).collect();
        own.sort();
        own.retain(|own| {
            let holds =
                |found: &Found| found.path.as_ref().is_some_and(|path| path.starts_with(own));
            own.is_dir() && !all.iter().any(holds)
        });
        all.extend(own.iter().map(|path| self.recognise(path)));
        if let Some(cache) = &self.config.hf_cache {
            let repos = CachedRepo::names(cache).into_iter();
            let others = repos.filter(|repo| is_repo(repo) && kinora_cards::find(repo).is_none());
            all.extend(others.filter_map(|repo| find_cached(cache, &repo).ok()));
        }
        all.dedup_by(|a, b| a.path == b.path);
        all
    }

    /// Returns what the user consents to by asking for a source: its hub, and the hosts its card names.
    pub fn consent(&self, source: &Source) -> Consent {
        Consent {
            host: self.config.endpoint.host().to_owned(),
            purpose: Purpose::Checkpoint,
            redirect_hosts: source.redirect_hosts.clone(),
        }
    }

    /// Finds a card's checkpoint, of one source or of any.
    fn find_card(&self, card: &'static Card, source: Option<&'static Source>) -> Result<Found> {
        if card.built_in {
            return Ok(carried(card));
        }
        let mut looked = Vec::new();
        if let Some(folder) = &self.config.kinora_dir {
            let repos = card.sources.iter().filter(|s| source.is_none_or(|one| one == *s));
            let by_name = source.is_none().then_some(card.name.as_str());
            for name in by_name.into_iter().chain(repos.map(|source| source.repo.as_str())) {
                let path = folder.join(name);
                if path.is_dir() {
                    let provenance = Provenance::KinoraFolder { name: name.to_owned() };
                    return Ok(Found { path: Some(path), card: Some(card), provenance });
                }
                looked.push(Looked { folder: path, lacks: None });
            }
        }
        for source in card.sources.iter().filter(|s| source.is_none_or(|one| one == *s)) {
            let Some(cache) = &self.config.hf_cache else { continue };
            let repo = CachedRepo::new(cache, &source.repo, &source.revision);
            let Some(commit) = repo.commit() else {
                looked.push(Looked { folder: repo.root().to_owned(), lacks: None });
                continue;
            };
            let path = repo.snapshot(&commit);
            match lacks(&path, source) {
                None => {
                    let provenance = Provenance::HubCache { repo: source.repo.clone(), commit };
                    return Ok(Found { path: Some(path), card: Some(card), provenance });
                }
                lacks => looked.push(Looked { folder: path, lacks }),
            }
        }
        Err(Error::NotHere { card: card.name.clone(), looked })
    }

    /// Says what is known of a path from where it lies.
    fn recognise(&self, path: &Path) -> Found {
        let whole = fs::canonicalize(path);
        let ways = [std::path::absolute(path).ok(), whole.ok()];
        let provenance = ways.iter().flatten().find_map(|way| self.provenance(way));
        let provenance = provenance.unwrap_or(Provenance::Path);
        let card = match &provenance {
            Provenance::HubCache { repo, .. } => kinora_cards::find(repo),
            Provenance::KinoraFolder { name } => kinora_cards::find(name),
            Provenance::Path | Provenance::BuiltIn => None,
        };
        // What the program carries has its name for itself: a folder of that name is somebody's own.
        let card = card.filter(|card| !card.built_in);
        Found { path: Some(path.to_owned()), card, provenance }
    }

    fn provenance(&self, path: &Path) -> Option<Provenance> {
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap_or("")).collect();
        let in_cache = parts.windows(3).find_map(|three| {
            let repo = repo_name(three[0])?;
            let commit = three[2].to_owned();
            (three[1] == "snapshots").then_some(Provenance::HubCache { repo, commit })
        });
        let in_kinora = || {
            let folder = self.config.kinora_dir.as_ref()?;
            let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
            let below = path.strip_prefix(folder).or_else(|_| path.strip_prefix(whole)).ok()?;
            let name = below.to_str().filter(|name| !name.is_empty())?.to_owned();
            Some(Provenance::KinoraFolder { name })
        };
        in_cache.or_else(in_kinora)
    }
}

/// The checkpoint of a card that the program carries.
fn carried(card: &'static Card) -> Found {
    Found { path: None, card: Some(card), provenance: Provenance::BuiltIn }
}

/// Returns whether a name could be that of a repository: `organisation/name`.
fn is_repo(name: &str) -> bool {
    name.split('/').count() == 2 && name.split('/').all(|part| !part.is_empty())
}

/// Finds a repository that no card names in a Hugging Face cache.
///
/// # Errors
/// Where it was looked for, and what is not there.
fn find_cached(cache: &Path, name: &str) -> Result<Found, Looked> {
    let repo = CachedRepo::new(cache, name, REVISION);
    let Some(commit) = repo.commit() else {
        let folder = repo.root().to_owned();
        let lacks = folder.is_dir().then(|| format!("refs/{REVISION}"));
        return Err(Looked { folder, lacks });
    };
    let path = repo.snapshot(&commit);
    if !holds_checkpoint(&path) {
        return Err(Looked { folder: path, lacks: Some("model_index.json".to_owned()) });
    }
    let provenance = Provenance::HubCache { repo: name.to_owned(), commit };
    Ok(Found { path: Some(path), card: None, provenance })
}

/// Returns whether a folder holds a checkpoint of either layout: `model_index.json`, or a `config.json` that names a
/// class. That of a language model, of which the cache is usually full, names none.
fn holds_checkpoint(folder: &Path) -> bool {
    let names_class = || {
        let text = fs::read_to_string(folder.join("config.json")).ok()?;
        let config: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(config.get("_class_name")?.is_string())
    };
    folder.join("model_index.json").is_file() || names_class() == Some(true)
}

/// Returns what a source needs and a folder lacks.
fn lacks(folder: &Path, source: &Source) -> Option<String> {
    let is_there = |pattern: &str| {
        if !pattern.contains('*') {
            return folder.join(pattern).exists();
        }
        let (below, prefix) = match pattern.rsplit_once('/') {
            Some((below, _)) => (folder.join(below), format!("{below}/")),
            None => (folder.to_owned(), String::new()),
        };
        let names = fs::read_dir(below).into_iter().flatten().flatten();
        // A link to a content that is gone is no file.
        names.filter(|entry| entry.path().exists()).any(|entry| {
            kinora_cards::path_fits(
                pattern,
                &format!("{prefix}{}", entry.file_name().to_string_lossy()),
            )
        })
    };
    source.files.iter().find(|pattern| !is_there(pattern)).cloned()
}
