//! Making room: clips that nobody needs are given up. Manifests, events and numbers stay.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::params;

use super::event::Event;
use super::index::Index;
use super::objects::Objects;
use super::open::Places;
use super::renders;
use super::rows::{TakeRow, nanos, only};
use super::steps::{Step, reached};
use super::{Error, Ledger, Result};
use crate::durable::is_abandoned;
use crate::hash::Blake3;
use crate::id::TakeId;

/// Takes that one event names at most: no line of the log grows without limit.
const TAKES_IN_EVENT: usize = 1000;

/// What is to be given up. Never the clip of a picked take, nor of one that another take or an open job goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collect {
    /// The clips of rejected takes.
    pub rejected: bool,
    /// The clips of takes made before this moment, where another take of the cut is picked.
    pub unpicked_before: Option<Timestamp>,
    /// Only say what would be.
    pub dry_run: bool,
}

/// What was given up, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Takes whose clips are gone.
    pub takes: Vec<TakeId>,
    /// Bytes of these. A clip that another take has as well stays, and counts nothing.
    pub bytes: u64,
    /// Files that belonged to nothing: objects that no event names, what killed processes left.
    pub strays: Vec<PathBuf>,
    /// Bytes of these.
    pub stray_bytes: u64,
}

impl Ledger {
    /// Gives clips up, and removes what belongs to nothing.
    ///
    /// # Errors
    /// [`Error::Rendering`] while a process renders, as what it has made may not be named by an event yet; a folder that
    /// cannot be read or written.
    pub fn gc(&mut self, what: &Collect) -> Result<Collected> {
        let _lock = if what.dry_run { None } else { Some(self.lock_for_rendering()?) };
        let mut turn = self.chain.turn()?;
        self.index.catch_up(&mut turn)?;
        let rows = candidates(&self.index, what)?;
        let mut collected = Collected::default();
        let going: BTreeSet<TakeId> = rows.iter().map(|row| row.id).collect();
        let mut clips: BTreeSet<Blake3> = BTreeSet::new();
        for row in &rows {
            if !is_needed(&self.index, row.media.blake3, &going)? && clips.insert(row.media.blake3)
            {
                collected.bytes += row.media.bytes;
            }
        }
        collected.takes = rows.iter().map(|row| row.id).collect();
        if !what.dry_run && !rows.is_empty() {
            let events: Vec<Event> = collected
                .takes
                .chunks(TAKES_IN_EVENT)
                .map(|takes| Event::Collected { takes: takes.to_vec() })
                .collect();
            let now = Timestamp::now();
            self.index.try_out(now, &events)?;
            reached(Step::Decided);
            // Told first: a clip that is still there is a stray, one that is gone and not told would be a loss.
            turn.append(now, &events)?;
            reached(Step::Told);
            self.index.catch_up(&mut turn)?;
            reached(Step::Indexed);
            for clip in clips {
                self.objects.remove(clip)?;
                reached(Step::Removed);
            }
            for row in &rows {
                renders::hide(&name_of(&self.places, row))?;
                reached(Step::Hidden);
            }
        }
        // Still in the turn: nobody names an object meanwhile.
        for stray in strays(&self.places, &self.objects, &self.index)? {
            collected.stray_bytes += fs::metadata(&stray).map_or(0, |metadata| metadata.len());
            if !what.dry_run {
                let removed = fs::remove_file(&stray);
                removed.map_err(|source| Error::Write { path: stray.clone(), source })?;
                reached(Step::Removed);
            }
            collected.strays.push(stray);
        }
        Ok(collected)
    }
}

/// The name of a take's clip for people.
fn name_of(places: &Places, take: &TakeRow) -> PathBuf {
    renders::path(&places.renders(), &take.cut, take.number, &take.media.extension)
}

/// The takes whose clips may go.
fn candidates(index: &Index, what: &Collect) -> Result<Vec<TakeRow>> {
    let before = what.unpicked_before.map(nanos);
    let jobs = index.jobs("TRUE")?;
    let needed: BTreeSet<TakeId> =
        jobs.iter().flat_map(|job| takes_in(&job.intent.record)).collect();
    let needed = serde_json::to_string(&needed)
        .map_err(|error| Error::from(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    // What stays keeps everything that it goes on from.
    let sql = format!(
        "WITH RECURSIVE
         job_needs (id) AS (SELECT value FROM json_each(?3)),
         wanted (id) AS (
           SELECT t.id FROM take AS t WHERE t.collected = 0
             AND NOT EXISTS (SELECT 1 FROM pick AS p WHERE p.take = t.id)
             AND t.id NOT IN job_needs
             AND ((?1 AND t.rejected IS NOT NULL) OR (t.created < ?2 AND EXISTS
               (SELECT 1 FROM pick AS p WHERE p.scene = t.scene AND p.cut = t.cut)))
         ),
         kept (id) AS (
           SELECT t.parent FROM take AS t
             WHERE t.parent IS NOT NULL AND t.collected = 0 AND t.id NOT IN wanted
           UNION
           SELECT t.parent FROM take AS t JOIN job_needs ON job_needs.id = t.id
             WHERE t.parent IS NOT NULL
           UNION
           SELECT t.parent FROM take AS t JOIN kept ON kept.id = t.id WHERE t.parent IS NOT NULL
         )
         SELECT {} FROM take AS t LEFT JOIN pick AS p ON p.take = t.id
           WHERE t.id IN wanted AND t.id NOT IN kept
           ORDER BY t.scene, t.cut, t.number",
        TakeRow::COLUMNS
    );
    super::rows::all(&index.conn, &sql, params![what.rejected, before, needed], TakeRow::read)
}

/// Every take that is named in a value.
fn takes_in(value: &serde_json::Value) -> Vec<TakeId> {
    match value {
        serde_json::Value::String(text) => text.parse().into_iter().collect(),
        serde_json::Value::Array(values) => values.iter().flat_map(takes_in).collect(),
        serde_json::Value::Object(values) => values.values().flat_map(takes_in).collect(),
        _ => Vec::new(),
    }
}

/// Whether a clip belongs to a take that is not among those going.
fn is_needed(index: &Index, clip: Blake3, going: &BTreeSet<TakeId>) -> Result<bool> {
    let sql = "SELECT id FROM take WHERE media = ? AND collected = 0";
    let takes: Vec<TakeId> =
        super::rows::all(&index.conn, sql, [clip.to_string()], |row| super::rows::parsed(row, 0))?;
    Ok(takes.iter().any(|take| !going.contains(take)))
}

/// The files that belong to nothing.
pub(super) fn strays(places: &Places, objects: &Objects, index: &Index) -> Result<Vec<PathBuf>> {
    let mut strays = Vec::new();
    objects.walk(&mut |path, object| {
        let is_stray = match object {
            Some(object) => !is_named(index, object)?,
            None => is_abandoned(&path),
        };
        if is_stray {
            strays.push(path);
        }
        Ok(())
    })?;
    let open: BTreeSet<String> =
        index.jobs("TRUE")?.iter().map(|job| job.intent.take.to_string()).collect();
    for path in files(&places.work())? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What a job has brought so far goes on when the job does.
        if !open.iter().any(|take| name.trim_start_matches('.').starts_with(take.as_str())) {
            strays.push(path);
        }
    }
    // A process that ended over a clip that was given up has left its name for people.
    strays.extend(
        index.given_up()?.iter().map(|take| name_of(places, take)).filter(|path| path.exists()),
    );
    strays.extend(files(&places.hidden())?.into_iter().filter(|path| is_abandoned(path)));
    strays.sort();
    Ok(strays)
}

/// Whether an event names an object that is to be there.
fn is_named(index: &Index, object: Blake3) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM take WHERE media = ?1 AND collected = 0)
               OR EXISTS (SELECT 1 FROM take WHERE manifest = ?1)";
    only(&index.conn, sql, [object.to_string()])
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    fn has_clip(sample: &Sample, take: TakeId) -> bool {
        let row = sample.ledger.take(take).expect("readable").expect("there");
        let has = sample.ledger.media_path(&row.media).exists();
        assert_eq!((has, has), (!row.collected, sample.ledger.render_path(&row).exists()));
        has
    }

    #[test]
    fn what_is_needed_stays() {
        let mut sample = Sample::new();
        let parent = sample.take("a/a");
        let child = sample.take_from("a/b", "as it is", Some(parent));
        let grown = sample.take_from("a/c", "as it is", Some(child));
        let [alone, picked, asked] = [(); 3].map(|()| sample.take("a/d"));
        let open = sample.take("a/e");
        for take in [parent, child, alone, picked, asked] {
            sample.ledger.reject(take, "blurred").expect("room");
        }
        sample.ledger.pick(picked).expect("room");
        let mut intent = sample.intent("a/f", "1");
        intent.record = serde_json::json!({ "conditions": [{ "take": asked.to_string() }] });
        sample.ledger.reserve(intent, &Default::default()).expect("no cap");
        let before = sample.export();
        let what = Collect { rejected: true, dry_run: true, ..Collect::default() };
        let planned = sample.ledger.gc(&what).expect("readable");
        assert_eq!((planned.takes.as_slice(), planned.strays.len()), ([alone].as_slice(), 0));
        assert_eq!(sample.export(), before);
        assert!(has_clip(&sample, alone));
        assert_eq!(sample.gc_rejected(), planned);
        assert!(!has_clip(&sample, alone));
        for take in [parent, child, grown, picked, asked, open] {
            assert!(has_clip(&sample, take), "{take}");
        }
        // What goes on from them is given up with them.
        sample.ledger.reject(grown, "blurred").expect("room");
        assert_eq!(sample.gc_rejected().takes, [parent, child, grown]);
        assert_eq!(sample.gc_rejected(), Collected::default());
        let error = sample.ledger.pick(alone).expect_err("its clip is gone");
        assert!(matches!(error, Error::Collected { .. }), "{error}");
        assert_eq!(sample.ledger.record(alone).expect("it stays").id, alone);
        let report = Ledger::verify(sample.folder.path()).expect("readable");
        assert_eq!(report.findings, []);
    }

    #[test]
    fn old_takes_go_where_another_one_is_picked() {
        let mut sample = Sample::new();
        let [old, picked] = [(); 2].map(|()| sample.take("a/a"));
        let waiting = sample.take("a/b");
        sample.ledger.pick(picked).expect("room");
        let moment = Timestamp::now();
        let new = sample.take("a/a");
        let what = Collect { unpicked_before: Some(moment), ..Collect::default() };
        assert_eq!(sample.ledger.gc(&what).expect("room").takes, [old]);
        for take in [picked, waiting, new] {
            assert!(has_clip(&sample, take), "{take}");
        }
    }

    #[test]
    fn a_clip_that_two_takes_have_stays_until_the_last_one_goes() {
        let mut sample = Sample::new();
        let mut record = sample.made("a/a", "as it is", None);
        sample.ledger.record_take(&record).expect("room");
        let one = record.id;
        (record.id, record.number) = (super::super::sample::id(), 2);
        sample.ledger.record_take(&record).expect("room");
        sample.ledger.reject(one, "blurred").expect("room");
        assert_eq!(sample.gc_rejected().bytes, 0);
        assert!(has_clip(&sample, record.id));
        sample.ledger.reject(record.id, "blurred").expect("room");
        assert_eq!(sample.gc_rejected().bytes, record.media.bytes);
        assert!(!has_clip(&sample, record.id));
    }

    #[test]
    fn strays_go_and_what_a_job_has_brought_stays() {
        let mut sample = Sample::new();
        let take = sample.take("a/a");
        let imported = sample.made("a/a", "as it is", None);
        let intent = sample.intent("a/b", "1");
        let coming = sample.ledger.work_path(intent.take, "part");
        sample.ledger.reserve(intent, &Default::default()).expect("no cap");
        let left = sample.ledger.work_path(take, "mp4");
        let clip = sample.ledger.media_path(&imported.media);
        let partial = clip.with_file_name(".x.partial-1-1");
        for path in [&coming, &left, &partial] {
            fs::write(path, "half a clip").expect("room");
        }
        let mut expected = [left.clone(), clip.clone(), partial.clone()];
        expected.sort();
        let report = Ledger::verify(sample.folder.path()).expect("readable");
        let told = expected.clone().map(|path| super::super::Finding::Stray { path });
        assert_eq!(report.findings, told);
        assert!(report.is_sound());
        {
            let _lock = sample.ledger.lock_for_rendering().expect("free");
            let error = sample.ledger.gc(&Collect::default()).expect_err("somebody renders");
            assert!(matches!(error, Error::Rendering { .. }), "{error}");
        }
        assert_eq!(sample.ledger.gc(&Collect::default()).expect("room").strays, expected);
        assert!(coming.exists() && !left.exists() && !clip.exists() && !partial.exists());
        assert!(has_clip(&sample, take));
        let error = sample.ledger.record_take(&imported).expect_err("its clip is gone");
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }
}
