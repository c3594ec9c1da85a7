//! How takes, and attempts that came to nothing, get into the ledger.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::event::{Event, Failure, Recorded};
use super::renders::Look;
use super::steps::{Step, reached};
use super::take::{Media, TakeRecord};
use super::{Error, Ledger, Result, TakeRow, apply, renders};
use crate::id::{CutId, TakeId};

/// Takes that can be on their way at once.
const NEWEST: u32 = 32;

impl Ledger {
    /// The number that the next take of a cut can have. It is not reserved: two processes may be told the same one, and the
    /// second to use it is refused with [`Error::Number`].
    ///
    /// # Errors
    /// A log that cannot be followed, an index that cannot be used.
    pub fn next_number(&mut self, cut: &CutId) -> Result<u32> {
        self.refresh()?;
        self.index.next_number(cut)
    }

    /// Takes a whole clip over into the store. Without a take that names it, it is a stray there; so its file stays, read-only,
    /// and is to be removed when [`record_take`](Self::record_take) has returned.
    ///
    /// # Errors
    /// A file that is no regular one or has no usual ending, a disk that is full or read-only.
    pub fn import_media(&self, file: &Path) -> Result<Media> {
        self.objects.take_over(file)
    }

    /// Records a finished take. When this returns it cannot be lost; recording it once more changes nothing.
    ///
    /// # Errors
    /// A clip that is not in the store, a number or a name that belongs to something else, a parent that nobody knows, a disk
    /// that is full or read-only. Nothing was recorded then.
    pub fn record_take(&mut self, record: &TakeRecord) -> Result<()> {
        record.check()?;
        let manifest = self.objects.put(&record.to_json()?)?;
        reached(Step::ManifestKept);
        self.tell(Timestamp::now(), |index, objects| {
            let take = record.id;
            if let Some(known) = index.take(take)? {
                let is_same = known.manifest == manifest;
                return if is_same { Ok(Vec::new()) } else { Err(Error::Recorded { take }) };
            }
            if !index.may_have(&record.cut, record.number, take)? {
                return Err(Error::Number { cut: record.cut.clone(), number: record.number, take });
            }
            if let Some(parent) = record.parent
                && !apply::has_take(&index.conn, parent)?
            {
                return Err(Error::NoTake { what: parent.to_string() });
            }
            // Looked for in the turn: nobody removes a stray meanwhile.
            let clip = &record.media;
            for (object, bytes) in [(clip.blake3, Some(clip.bytes)), (manifest, None)] {
                if !objects.has(object, bytes)? {
                    return Err(Error::Missing { object });
                }
            }
            Ok(vec![Event::Take { take: Box::new(Recorded::of(record, manifest)) }])
        })?;
        // The take is safe; a name for people is made again by rebuild.
        let shown = self
            .index
            .take(record.id)
            .and_then(|row| row.map(|row| self.show(&row, Look::Length)).transpose());
        if let Err(error) = shown {
            tracing::warn!(%error, "a take has no name in renders");
        }
        reached(Step::Shown);
        Ok(())
    }

    /// Records that an attempt came to nothing. Its number is not used again.
    ///
    /// # Errors
    /// A number or a name that belongs to something else, a take that is finished, a disk that is full or read-only.
    pub fn record_failure(&mut self, failure: &Failure) -> Result<()> {
        self.tell(Timestamp::now(), |index, _| {
            let take = failure.take;
            if apply::has_take(&index.conn, take)? {
                return Err(Error::Recorded { take });
            }
            if failure.number == 0 || !index.may_have(&failure.cut, failure.number, take)? {
                let (cut, number) = (failure.cut.clone(), failure.number);
                return Err(Error::Number { cut, number, take });
            }
            Ok(vec![Event::Failure { failure: failure.clone() }])
        })
    }

    /// Reads the manifest of a take.
    ///
    /// # Errors
    /// A take that is not in the ledger, a manifest that is gone, altered or of another version.
    pub fn record(&self, take: TakeId) -> Result<TakeRecord> {
        let row = self.index.take(take)?;
        let row = row.ok_or_else(|| Error::NoTake { what: take.to_string() })?;
        TakeRecord::from_json(take, &self.objects.read(row.manifest)?)
    }

    /// Where people find a take; whether it is there, nobody promises.
    pub fn render_path(&self, take: &TakeRow) -> PathBuf {
        renders::path(&self.places.renders(), &take.cut, take.number, &take.media.extension)
    }

    /// Where people find the manifest of a take.
    pub fn render_manifest_path(&self, take: &TakeRow) -> PathBuf {
        renders::path(&self.places.renders(), &take.cut, take.number, "json")
    }

    /// Gives the newest takes their names for people: a process that ended between event and name left one without.
    ///
    /// # Errors
    /// An index that cannot be used, a disk that is full or read-only.
    pub fn show_newest(&self) -> Result<()> {
        for take in self.index.newest(NEWEST)? {
            self.show(&take, Look::Length)?;
        }
        Ok(())
    }

    /// Gives a take its names for people. Says how many were missing.
    pub(super) fn show(&self, take: &TakeRow, look: Look) -> Result<usize> {
        let ensure = |object, path: &Path| renders::ensure(&self.objects, object, path, look);
        let clip = !take.collected && ensure(take.media.blake3, &self.render_path(take))?;
        let manifest = ensure(take.manifest, &self.render_manifest_path(take))?;
        Ok(usize::from(clip) + usize::from(manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, id};
    use super::*;
    use crate::hash::Blake3;

    fn cut(text: &str) -> CutId {
        text.parse().expect("a cut")
    }

    #[test]
    fn a_take_is_found_as_it_was_recorded() {
        let mut sample = Sample::new();
        let first = sample.take("sc01/sh0010");
        let record = sample.made("sc01/sh0010", "as it is", Some(first));
        sample.ledger.record_take(&record).expect("room");
        let ledger = &sample.ledger;
        assert_eq!(ledger.record(record.id).expect("whole"), record);
        let row = ledger.take(record.id).expect("readable").expect("there");
        assert_eq!(ledger.take_of(&record.cut, 2).expect("readable"), Some(row.clone()));
        assert_eq!((row.number, row.seed, row.created), (2, record.seed, record.created));
        assert_eq!((row.parent, &row.media), (Some(first), &record.media));
        let shown = sample.folder.path().join("renders/sc01/sh0010/sc01_sh0010_t002.mp4");
        assert_eq!(ledger.render_path(&row), shown);
        let clip = std::fs::read(ledger.media_path(&row.media)).expect("there");
        assert_eq!(std::fs::read(&shown).expect("there"), clip);
        let shown = shown.with_extension("json");
        let shown: TakeRecord =
            serde_json::from_slice(&std::fs::read(shown).expect("there")).expect("a manifest");
        assert_eq!(shown, record);
    }

    #[test]
    fn recording_once_more_changes_nothing_and_otherwise_is_refused() {
        let mut sample = Sample::new();
        let mut record = sample.made("sc01/sh0010", "as it is", None);
        sample.ledger.record_take(&record).expect("room");
        let head = sample.ledger.chain.head();
        sample.ledger.record_take(&record).expect("the same");
        assert_eq!(sample.ledger.chain.head(), head);
        record.seconds = 2.0;
        let error = sample.ledger.record_take(&record).expect_err("another");
        assert!(matches!(error, Error::Recorded { .. }), "{error}");
        record.id = id();
        let error = sample.ledger.record_take(&record).expect_err("number 1 is taken");
        assert!(matches!(error, Error::Number { number: 1, .. }), "{error}");
        assert_eq!(sample.ledger.chain.head(), head);
    }

    #[test]
    fn a_number_is_never_given_again() {
        let mut sample = Sample::new();
        let failure = sample.failure("sc01/sh0010");
        sample.ledger.record_failure(&failure).expect("room");
        let intent = sample.intent("sc01/sh0010", "1");
        sample.ledger.reserve(intent.clone(), &Default::default()).expect("no cap");
        let take = sample.take("sc01/sh0010");
        sample.ledger.reject(take, "blurred").expect("room");
        assert_eq!(sample.gc_rejected().takes, [take]);
        assert_eq!(sample.ledger.next_number(&cut("sc01/sh0010")).expect("readable"), 4);
        assert_eq!(sample.ledger.next_number(&cut("sc01/sh0020")).expect("readable"), 1);
        let failed = sample.ledger.failures(&failure.cut).expect("readable");
        assert_eq!(failed.iter().map(|failed| &failed.failure).collect::<Vec<_>>(), [&failure]);
        // The job's take has the job's number, and no other.
        let mut record = sample.made("sc01/sh0010", "as it is", None);
        record.id = intent.take;
        let error = sample.ledger.record_take(&record).expect_err("it has number 2");
        assert!(matches!(error, Error::Number { number: 4, .. }), "{error}");
        record.number = intent.number;
        sample.ledger.record_take(&record).expect("its own");
        let mut late = failure;
        late.take = take;
        let error = sample.ledger.record_failure(&late).expect_err("it is finished");
        assert!(matches!(error, Error::Recorded { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_read_again_is_refused() {
        let mut sample = Sample::new();
        let good = sample.made("sc01/sh0010", "as it is", None);
        type Spoil = fn(&mut TakeRecord);
        let spoilt: [(&str, Spoil); 8] = [
            ("schema", |record| record.schema += 1),
            ("number", |record| record.number = 0),
            ("seconds", |record| record.seconds = f64::NAN),
            ("created", |record| record.created = Timestamp::MAX),
            ("extension", |record| record.media.extension = "../x".to_owned()),
            ("not in the store", |record| record.media.blake3 = Blake3::of(b"other")),
            ("not in the store", |record| record.media.bytes += 1),
            ("no take", |record| record.parent = Some(id())),
        ];
        for (why, spoil) in spoilt {
            let mut record = good.clone();
            spoil(&mut record);
            let error = sample.ledger.record_take(&record).expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert_eq!(sample.ledger.chain.head().seq, 0);
        sample.ledger.record_take(&good).expect("nothing of it is wrong");
    }
}
