//! A ledger, open: where its parts are, and how an event gets into it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::event::Event;
use super::index::Index;
use super::lock::RenderLock;
use super::objects::Objects;
use super::steps::{Step, reached};
use super::take::Media;
use super::{Error, Result};
use crate::chain::{self, Chain};
use crate::durable::sync_folder;
use crate::id::TakeId;

/// Where the parts of a ledger are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    production: PathBuf,
}

impl Places {
    pub(super) fn new(production: &Path) -> Self {
        Self { production: production.to_owned() }
    }

    pub(super) fn hidden(&self) -> PathBuf {
        self.production.join(".kinora")
    }

    pub(super) fn events(&self) -> PathBuf {
        self.hidden().join("events.jsonl")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.hidden().join("ledger.sqlite")
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.hidden().join("objects")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.hidden().join("work")
    }

    pub(super) fn renders(&self) -> PathBuf {
        self.production.join("renders")
    }

    fn lock(&self) -> PathBuf {
        self.hidden().join("render.lock")
    }

    /// Whether a ledger was begun here. A log is there before anything is kept, and its head before its first line.
    ///
    /// # Errors
    /// [`Error::Lost`] where clips or the head of a log are there and the log is not.
    pub(super) fn is_begun(&self) -> Result<bool> {
        let events = self.events();
        let is_there = |path: &Path| {
            path.try_exists().map_err(|source| Error::Read { path: path.to_owned(), source })
        };
        if is_there(&events)? {
            return Ok(true);
        }
        if is_there(&chain::head_path(&events))? || !Objects::new(self.objects()).is_empty()? {
            return Err(Error::Lost { path: events });
        }
        Ok(false)
    }

    /// Makes the folders. The production's own is there, or the name is wrong.
    pub(super) fn make(&self) -> Result<()> {
        // Until there is a log nothing says that whoever made the folders came to put their names on the disk.
        let mut is_new = !self.is_begun()?;
        for folder in [self.hidden(), self.objects(), self.work()] {
            match fs::create_dir(&folder) {
                Ok(()) => is_new = true,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Write { path: folder, source }),
            }
        }
        if is_new {
            for folder in [&self.production, &self.hidden()] {
                let failed = |source| Error::Write { path: folder.clone(), source };
                sync_folder(folder).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// The ledger of a production.
#[derive(Debug)]
pub struct Ledger {
    pub(super) places: Places,
    pub(super) objects: Objects,
    pub(super) chain: Chain,
    pub(super) index: Index,
}

impl Ledger {
    /// Opens the ledger of a production, or begins one. Reads what happened since it was last opened, and nothing else.
    ///
    /// # Errors
    /// A folder that cannot be written, a log that cannot be followed, an index of a later version. An index that is gone or
    /// damaged is no error: it is made again.
    pub fn open(production: &Path) -> Result<Self> {
        let places = Places::new(production);
        places.make()?;
        Self::attach(places)
    }

    /// Opens the ledger of a production where one was begun; creates nothing where none was.
    ///
    /// # Errors
    /// Those of [`Ledger::open`].
    pub fn open_existing(production: &Path) -> Result<Option<Self>> {
        let is_begun = Places::new(production).is_begun()?;
        is_begun.then(|| Self::open(production)).transpose()
    }

    fn attach(places: Places) -> Result<Self> {
        let mut chain = Chain::open(&places.events())?;
        // In a turn, so that nobody else begins or removes the index meanwhile.
        let mut turn = chain.turn()?;
        let mut index = Index::open(&places.index())?;
        index.catch_up(&mut turn)?;
        drop(turn);
        let objects = Objects::new(places.objects());
        Ok(Self { places, objects, chain, index })
    }

    /// Takes note of what other processes told, beyond what the index, which all of them share, knows by itself.
    ///
    /// # Errors
    /// A log that cannot be followed, an index that cannot be written.
    pub fn refresh(&mut self) -> Result<()> {
        self.index.catch_up(&mut self.chain.turn()?)
    }

    /// Claims the right to render, until the lock is dropped or the process ends.
    ///
    /// # Errors
    /// [`Error::Rendering`] where another process has it.
    pub fn lock_for_rendering(&self) -> Result<RenderLock> {
        RenderLock::claim(&self.places.lock())
    }

    /// The folder in which clips are made and arrive, before they are in the store.
    pub fn work_folder(&self) -> PathBuf {
        self.places.work()
    }

    /// Where the clip of a take is to be made, so that it gets into the store without being copied. What is left there by a
    /// process that ended is removed by [`Ledger::gc`], but for what belongs to an open job.
    pub fn work_path(&self, take: TakeId, extension: &str) -> PathBuf {
        self.places.work().join(format!("{take}.{extension}"))
    }

    /// Where a clip is in the store.
    pub fn media_path(&self, media: &Media) -> PathBuf {
        self.objects.path(media.blake3)
    }

    /// Appends what `decide` says, in a turn: it sees all that happened before, and nothing happens between its decision and
    /// its events.
    pub(super) fn tell(
        &mut self,
        at: Timestamp,
        decide: impl FnOnce(&Index, &Objects) -> Result<Vec<Event>>,
    ) -> Result<()> {
        let mut turn = self.chain.turn()?;
        self.index.catch_up(&mut turn)?;
        let events = decide(&self.index, &self.objects)?;
        if events.is_empty() {
            return Ok(());
        }
        self.index.try_out(at, &events)?;
        reached(Step::Decided);
        turn.append(at, &events)?;
        reached(Step::Told);
        // It has happened, whatever becomes of the index: that is made from the log when there is room for it again.
        if let Err(error) = self.index.catch_up(&mut turn) {
            tracing::warn!(%error, "the index of the ledger is behind");
        }
        reached(Step::Indexed);
        Ok(())
    }
}
