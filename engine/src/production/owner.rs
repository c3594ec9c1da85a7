//! Whose a picture is, whatever its file is called: a label is of the picture, so what is a link to it, another name of it or a copy
//! of it is its owner's too.
//!
//! Files are compared by their canonical paths and by the BLAKE3 of their bytes. Only those of the same length as one that somebody
//! labelled are read at all, and each once as long as its length and its time stay what they were. A picture that was changed in any
//! way is another one.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::cut::{Cut, Picture, Scene};
use super::hashes::Hashes;
use super::label::Label;
use super::place::Said;
use super::project::Production;
use crate::hash::Blake3;
use crate::id::CutId;
use crate::{Error, Result};

/// Knows the pictures of a production that somebody labelled.
pub(super) struct Owners<'a> {
    production: &'a Production,
    /// Those pictures, by the lengths of their files; none where nobody looked.
    labelled: Option<BTreeMap<u64, Vec<Owned>>>,
    /// What was found of the pictures of each cut.
    cuts: BTreeMap<CutId, Option<Label>>,
    /// What is in the files that were read.
    read: Hashes,
}

/// A picture that somebody labelled.
struct Owned {
    /// The file, as its owner writes it.
    name: String,
    /// The file itself.
    path: PathBuf,
    label: Label,
    /// What is in it, once somebody asked.
    hash: OnceCell<Blake3>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(production: &'a Production) -> Self {
        let (cuts, read) = (BTreeMap::new(), Hashes::default());
        Self { production, labelled: None, cuts, read }
    }

    /// Looks at all files again before the next answer.
    pub(super) fn forget(&mut self) {
        self.labelled = None;
        self.cuts.clear();
    }

    /// The label of the owners of everything that a cut shows, and that is shown by the cuts that it goes on from; none where nobody
    /// labelled a picture of these.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn label(&mut self, cut: &Cut) -> Result<Option<Label>> {
        let labelled = match self.labelled.take() {
            Some(labelled) => labelled,
            None => self.look()?,
        };
        let label = if labelled.is_empty() { Ok(None) } else { self.behind(&labelled, cut) };
        self.labelled = Some(labelled);
        label
    }

    fn behind(&mut self, labelled: &BTreeMap<u64, Vec<Owned>>, cut: &Cut) -> Result<Option<Label>> {
        let production = self.production;
        let (mut label, mut seen) = (None, BTreeSet::from([cut.id.clone()]));
        let mut open = vec![cut];
        while let Some(cut) = open.pop() {
            if !self.cuts.contains_key(&cut.id) {
                let found = self.owner_of(labelled, cut)?;
                self.cuts.insert(cut.id.clone(), found);
            }
            label = both(label, self.cuts[&cut.id].clone());
            for (other, _) in cut.waits_for() {
                if seen.insert(other.clone()) {
                    open.extend(production.cut(other).map(|(_, cut)| cut));
                }
            }
        }
        Ok(label)
    }

    /// The label of whoever owns a picture of a cut.
    fn owner_of(
        &mut self,
        labelled: &BTreeMap<u64, Vec<Owned>>,
        cut: &Cut,
    ) -> Result<Option<Label>> {
        let production = self.production;
        let characters = cut.characters.iter().filter_map(|said| production.character(&said.value));
        let theirs = characters.flat_map(|one| &one.references).map(|one| one.file.value.as_str());
        let names: BTreeSet<&str> = files(cut).chain(theirs).collect();
        let mut label = None;
        for name in names {
            let Some((path, about)) = found(&production.folder.join(name))? else { continue };
            let Some(alike) = labelled.get(&about.len()) else { continue };
            let hash = self.read.of(&path)?;
            for owned in alike {
                if owned.path != path && self.hash_of(owned)? != hash {
                    continue;
                }
                let by = match owned.name == name {
                    true => format!("{}: {name} is its picture", owned.label.by),
                    false => format!("{}: {name} is its {}", owned.label.by, owned.name),
                };
                label = both(label, Some(Label { by, ..owned.label.clone() }));
            }
        }
        Ok(label)
    }

    /// BLAKE3 of a picture that somebody labelled: most cuts are held against the same ones.
    fn hash_of(&mut self, owned: &Owned) -> Result<Blake3> {
        if let Some(hash) = owned.hash.get() {
            return Ok(*hash);
        }
        let hash = self.read.of(&owned.path)?;
        Ok(*owned.hash.get_or_init(|| hash))
    }

    /// Finds the pictures whose owners are stricter than the production.
    fn look(&self) -> Result<BTreeMap<u64, Vec<Owned>>> {
        let production = self.production;
        let mut labelled: BTreeMap<u64, Vec<Owned>> = BTreeMap::new();
        let mut add = |name: &str, label: &Label| -> Result<()> {
            if label.privacy == production.label().privacy {
                return Ok(());
            }
            let Some((path, about)) = found(&production.folder.join(name))? else { return Ok(()) };
            let (name, label) = (name.to_owned(), label.clone());
            let owned = Owned { name, path, label, hash: OnceCell::new() };
            labelled.entry(about.len()).or_default().push(owned);
            Ok(())
        };
        let said = |label: &Label, what: &str, name: &str, said: &Option<Said<String>>| {
            let said = said.as_ref().map(|said| production.said(format!("{what} {name}"), said));
            said.map_or_else(|| label.clone(), |said| label.clone().meet(said))
        };
        let whole = production.label();
        let characters = production.characters.iter();
        let characters =
            characters.map(|one| ("character", &one.id.value, &one.privacy, &one.references));
        let styles = production.styles.iter();
        let styles = styles.map(|one| ("style", &one.id.value, &one.privacy, &one.references));
        for (what, name, privacy, references) in characters.chain(styles) {
            let owner = said(&whole, what, name, privacy);
            for reference in references {
                let label = match &reference.privacy {
                    None => owner.clone(),
                    own => said(&owner, "a reference of", &format!("{what} {name}"), own),
                };
                add(&reference.file.value, &label)?;
            }
        }
        for (scene, cut) in production.cuts() {
            let label = said(&whole, "scene", &scene.id.value, &scene.privacy);
            let label = said(&label, "cut", &cut.id.to_string(), &cut.privacy);
            for file in files(cut) {
                add(file, &label)?;
            }
        }
        Ok(labelled)
    }
}

impl Production {
    /// The label of a cut as its files say it, and as the owners of its pictures do, under whatever names those are there. Reads the
    /// pictures.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub fn label_by_pictures(&self, scene: &Scene, cut: &Cut) -> Result<Label> {
        let label = self.label_of(scene, cut);
        Ok(match Owners::new(self).label(cut)? {
            Some(owner) => label.meet(owner),
            None => label,
        })
    }
}

/// The files that a cut names as pictures.
fn files(cut: &Cut) -> impl Iterator<Item = &str> {
    let pictures = [&cut.first_frame, &cut.last_frame].into_iter().flatten();
    pictures.chain(&cut.references).filter_map(|said| match &said.value {
        Picture::File(file) => Some(file.as_str()),
        Picture::Take { .. } => None,
    })
}

fn both(one: Option<Label>, other: Option<Label>) -> Option<Label> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.meet(other)),
        (one, other) => one.or(other),
    }
}

/// A file with its canonical path; none where there is none, which can be sent to nobody.
fn found(path: &Path) -> Result<Option<(PathBuf, Metadata)>> {
    let found = fs::canonicalize(path).and_then(|path| {
        let about = fs::metadata(&path)?;
        Ok((path, about))
    });
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::Privacy;

    const PROJECT: &str = r#"
schema = 1
name = "Owners"
privacy = "any"

[character.mina]
privacy = "local-only"
references = ["refs/mina.png"]

[character.bo]
references = ["refs/bo.png", { file = "refs/bo-at-home.png", privacy = "local-only" }]
"#;

    const SCENE: &str = r#"
[[scene]]
id = "sc01"

  [[scene.cut]]
  id = "sh0010"
  prompt = "a street"
  references = ["refs/PICTURE"]

  [[scene.cut]]
  id = "sh0020"
  prompt = "a street"
  first_frame = "take:sh0010/last"

  [[scene.cut]]
  id = "sh0030"
  prompt = "a letter"
  privacy = "local-only"
  first_frame = "refs/letter.png"
"#;

    /// A production whose first cut shows a picture.
    fn film(picture: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("room");
            fs::write(path, text).expect("room");
        };
        write("project.toml", PROJECT);
        write("scenes/sc01.toml", &SCENE.replace("PICTURE", picture));
        for (name, bytes) in [
            ("mina", "who she is"),
            ("bo", "who he is."),
            ("bo-at-home", "his home"),
            ("letter", "secret"),
            ("street", "who it is."),
        ] {
            write(&format!("refs/{name}.png"), bytes);
        }
        folder
    }

    /// The label of a cut, and who says so.
    fn label(folder: &Path, cut: &str) -> (Privacy, String) {
        let production = Production::load(folder).expect("nothing is wrong");
        let (scene, cut) = production.cut(&cut.parse().expect("a cut")).expect("it is there");
        let label = production.label_by_pictures(scene, cut).expect("readable");
        (label.privacy, label.by)
    }

    #[test]
    fn a_picture_is_its_owners_under_every_name() {
        for (of, by) in [
            ("mina", "character mina: refs/other.png is its refs/mina.png"),
            (
                "bo-at-home",
                "a reference of character bo: refs/other.png is its refs/bo-at-home.png",
            ),
            ("letter", "cut sc01/sh0030: refs/other.png is its refs/letter.png"),
        ] {
            type Name = fn(&Path, &Path) -> io::Result<()>;
            let copy: Name = |from, to| fs::copy(from, to).map(drop);
            let hard: Name = |from, to| fs::hard_link(from, to);
            #[cfg(unix)]
            let soft: Name = |from, to| std::os::unix::fs::symlink(from, to);
            #[cfg(not(unix))]
            let soft: Name = copy;
            for name in [copy, hard, soft] {
                let folder = film("other.png");
                let refs = folder.path().join("refs");
                fs::write(refs.join("other.png"), "").expect("room");
                fs::remove_file(refs.join("other.png")).expect("it is there");
                name(&refs.join(format!("{of}.png")), &refs.join("other.png")).expect("room");
                let strict = (Privacy::LocalOnly, by.to_owned());
                assert_eq!(label(folder.path(), "sc01/sh0010"), strict);
                // And what goes on from it shows it too.
                assert_eq!(label(folder.path(), "sc01/sh0020"), strict);
            }
        }
    }

    #[test]
    fn another_picture_is_nobody_elses() {
        for picture in ["street.png", "bo.png"] {
            let folder = film(picture);
            assert_eq!(label(folder.path(), "sc01/sh0010").0, Privacy::Any, "{picture}");
        }
        let folder = film("letter.png");
        let by = "cut sc01/sh0030: refs/letter.png is its picture".to_owned();
        assert_eq!(label(folder.path(), "sc01/sh0010"), (Privacy::LocalOnly, by));
    }

    #[test]
    fn a_file_is_read_once_and_again_when_it_is_another() {
        let folder = film("street.png");
        let production = Production::load(folder.path()).expect("nothing is wrong");
        let (_, cut) = production.cut(&"sc01/sh0010".parse().expect("a cut")).expect("it is there");
        let mut owners = Owners::new(&production);
        assert_eq!(owners.label(cut).expect("readable"), None);
        // Of the same length as what mina looks like: these two were read, and no other.
        assert_eq!(owners.read.count(), 2);
        let street = folder.path().join("refs/street.png");
        fs::write(&street, "who she is").expect("room");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        let file = fs::File::options().write(true).open(&street).expect("it is there");
        file.set_modified(later).expect("a time");
        assert_eq!(owners.label(cut).expect("readable"), None, "nobody looked again");
        owners.forget();
        let found = owners.label(cut).expect("readable").expect("it is hers");
        assert_eq!(found.privacy, Privacy::LocalOnly);
    }

    #[test]
    fn a_production_without_labels_reads_no_picture() {
        let folder = film("street.png");
        let plain = "schema = 1\nname = \"Plain\"\nprivacy = \"local-only\"\n";
        fs::write(folder.path().join("project.toml"), plain).expect("room");
        let production = Production::load(folder.path()).expect("nothing is wrong");
        let (_, cut) = production.cut(&"sc01/sh0010".parse().expect("a cut")).expect("it is there");
        let mut owners = Owners::new(&production);
        assert_eq!(owners.label(cut).expect("readable"), None);
        assert_eq!(owners.read.count(), 0);
    }
}
