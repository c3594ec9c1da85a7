//! What can be asked about takes. Every question is answered by the index, and none reads all takes to answer about one cut.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params};

use super::index::Index;
use super::rows::{Failed, Note, State, TakeRow, all, only, parsed};
use super::{Error, Ledger, Result, apply};
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};

/// Which takes are meant. Each thing that is said narrows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this cut.
    pub cut: Option<CutId>,
    /// Of this scene.
    pub scene: Option<String>,
    /// About which people decided this.
    pub state: Option<State>,
    /// No more than so many. The next ones come [`after`](Self::after) the last.
    pub limit: Option<u32>,
    /// Behind this one, in the order of scene, cut and number.
    pub after: Option<TakeId>,
}

/// How a cut stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CutSummary {
    /// Finished takes that are neither rejected nor given up, by the request they were made from.
    pub takes: BTreeMap<Blake3, u32>,
    /// The take that is picked, with its number.
    pub picked: Option<(TakeId, u32)>,
    /// Takes that are rejected.
    pub rejected: u32,
    /// Attempts that came to nothing.
    pub failed: u32,
    /// Jobs that are not settled, unknown ones among them.
    pub open_jobs: u32,
    /// The number that the next take can have.
    pub next_number: u32,
}

/// How often takes of a model were kept, in one kind of cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepRate {
    /// The kind of cut.
    pub kind: String,
    /// The model.
    pub model: String,
    /// Takes that are picked.
    pub kept: u32,
    /// Takes that are picked or rejected.
    pub of: u32,
}

/// As long as this lives, its ledger answers from one moment, whatever other processes tell meanwhile. Many questions are cheaper
/// so.
#[derive(Debug)]
pub struct Moment<'a>(
    #[expect(dead_code, reason = "ends when it is dropped")] rusqlite::Transaction<'a>,
);

impl Ledger {
    /// Has all questions answered from one moment. Nothing is to be told while it lives.
    ///
    /// # Errors
    /// An index that cannot be used, and a moment within another.
    pub fn moment(&self) -> Result<Moment<'_>> {
        Ok(Moment(self.index.conn.unchecked_transaction()?))
    }

    /// The takes that a filter leaves, by scene, cut and number.
    ///
    /// # Errors
    /// An index that cannot be used, an [`after`](Filter::after) that is not in the ledger.
    pub fn takes(&self, filter: &Filter) -> Result<Vec<TakeRow>> {
        self.index.takes(filter)
    }

    /// A take.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn take(&self, take: TakeId) -> Result<Option<TakeRow>> {
        self.index.take(take)
    }

    /// The take of a cut that has a number.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn take_of(&self, cut: &CutId, number: u32) -> Result<Option<TakeRow>> {
        let values = params![cut.scene(), cut.cut(), number];
        self.index.one("t.scene = ? AND t.cut = ? AND t.number = ?", values)
    }

    /// The take of a cut that is picked.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn picked(&self, cut: &CutId) -> Result<Option<TakeRow>> {
        self.index.picked(cut)
    }

    /// How many finished takes of a cut were made from this request and are neither rejected nor given up.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn count(&self, cut: &CutId, request: Blake3) -> Result<u32> {
        let sql = "SELECT COUNT(*) FROM take WHERE scene = ? AND cut = ? AND request = ?
                   AND rejected IS NULL AND collected = 0";
        only(&self.index.conn, sql, params![cut.scene(), cut.cut(), request.to_string()])
    }

    /// The first of the finished takes of a cut that were made from this request and are neither rejected nor given up.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn first(&self, cut: &CutId, request: Blake3) -> Result<Option<TakeRow>> {
        let values = params![cut.scene(), cut.cut(), request.to_string()];
        let place = "t.scene = ? AND t.cut = ? AND t.request = ? AND t.rejected IS NULL
                     AND t.collected = 0 ORDER BY t.number LIMIT 1";
        self.index.one(place, values)
    }

    /// What was remarked about a take, the oldest first.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn notes(&self, take: TakeId) -> Result<Vec<Note>> {
        self.index.notes(take)
    }

    /// The attempts at a cut that came to nothing, by number.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn failures(&self, cut: &CutId) -> Result<Vec<Failed>> {
        let sql = format!(
            "SELECT {} FROM failure WHERE scene = ? AND cut = ? ORDER BY number",
            Failed::COLUMNS
        );
        all(&self.index.conn, &sql, [cut.scene(), cut.cut()], Failed::read)
    }

    /// How every cut stands that has a take, a failure or a job.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn summary(&self) -> Result<BTreeMap<CutId, CutSummary>> {
        // One question, so that all of it is of the same moment.
        const SQL: &str = "
            SELECT scene, cut, 'next', MAX(number) + 1, NULL FROM number GROUP BY scene, cut
            UNION ALL
            SELECT scene, cut, 'takes', COUNT(*), request FROM take
              WHERE rejected IS NULL AND collected = 0 GROUP BY scene, cut, request
            UNION ALL
            SELECT scene, cut, 'rejected', COUNT(*), NULL FROM take
              WHERE rejected IS NOT NULL GROUP BY scene, cut
            UNION ALL
            SELECT p.scene, p.cut, 'picked', n.number, p.take
              FROM pick AS p JOIN number AS n ON n.take = p.take
            UNION ALL
            SELECT scene, cut, 'failed', COUNT(*), NULL FROM failure GROUP BY scene, cut
            UNION ALL
            SELECT scene, cut, 'jobs', COUNT(*), NULL FROM job
              WHERE is_settled = 0 GROUP BY scene, cut";
        let mut statement = self.index.conn.prepare(SQL)?;
        let mut rows = statement.query([])?;
        let mut cuts: BTreeMap<CutId, CutSummary> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let summary = cuts.entry(super::rows::cut(row, 0)?).or_default();
            let (what, count): (String, u32) = (row.get(2)?, row.get(3)?);
            match what.as_str() {
                "next" => summary.next_number = count,
                "takes" => drop(summary.takes.insert(parsed(row, 4)?, count)),
                "rejected" => summary.rejected = count,
                "picked" => summary.picked = Some((parsed(row, 4)?, count)),
                "failed" => summary.failed = count,
                _ => summary.open_jobs = count,
            }
        }
        Ok(cuts)
    }

    /// The newest takes of a model, among the newest thousand of all.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn newest_of(&self, model: &str, most: u32) -> Result<Vec<TakeRow>> {
        let sql = format!(
            "SELECT {} FROM (SELECT * FROM take ORDER BY id DESC LIMIT 1000) AS t
             LEFT JOIN pick AS p ON p.take = t.id WHERE t.model = ? LIMIT ?",
            TakeRow::COLUMNS
        );
        all(&self.index.conn, &sql, params![model, most], TakeRow::read)
    }

    /// How often takes were kept, by kind of cut and model, of those about which people decided.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn keep_rates(&self) -> Result<Vec<KeepRate>> {
        let sql = "SELECT kind, model, SUM(kept), COUNT(*) FROM (
                     SELECT t.kind, t.model, 1 AS kept FROM pick AS p JOIN take AS t ON t.id = p.take
                     UNION ALL
                     SELECT kind, model, 0 FROM take WHERE rejected IS NOT NULL
                   ) GROUP BY kind, model ORDER BY kind, model";
        all(&self.index.conn, sql, [], |row| {
            Ok(KeepRate {
                kind: row.get(0)?,
                model: row.get(1)?,
                kept: row.get(2)?,
                of: row.get(3)?,
            })
        })
    }
}

impl Index {
    pub(super) fn takes(&self, filter: &Filter) -> Result<Vec<TakeRow>> {
        let (mut places, mut values) = (vec!["TRUE".to_owned()], Vec::<Value>::new());
        let mut narrow = |place: &str, value: &[Value]| {
            places.push(place.to_owned());
            values.extend_from_slice(value);
        };
        if let Some(cut) = &filter.cut {
            let [scene, cut] = [cut.scene(), cut.cut()].map(|name| Value::from(name.to_owned()));
            narrow("t.scene = ? AND t.cut = ?", &[scene, cut]);
        }
        if let Some(scene) = &filter.scene {
            narrow("t.scene = ?", &[scene.clone().into()]);
        }
        match filter.state {
            None => {}
            Some(State::Open) => narrow("t.rejected IS NULL AND p.take IS NULL", &[]),
            Some(State::Picked) => narrow("p.take IS NOT NULL", &[]),
            Some(State::Rejected) => narrow("t.rejected IS NOT NULL", &[]),
        }
        if let Some(after) = filter.after {
            let last = self.take(after)?;
            let last = last.ok_or_else(|| Error::NoTake { what: after.to_string() })?;
            let [scene, cut] =
                [last.cut.scene(), last.cut.cut()].map(|name| Value::from(name.to_owned()));
            narrow("(t.scene, t.cut, t.number) > (?, ?, ?)", &[scene, cut, last.number.into()]);
        }
        // Few takes are picked: those are found from the picks.
        let from = match filter.state {
            Some(State::Picked) => "pick AS p CROSS JOIN take AS t ON t.id = p.take",
            _ => "take AS t LEFT JOIN pick AS p ON p.take = t.id",
        };
        let order = match filter.state {
            Some(State::Picked) => "p.scene, p.cut",
            _ => "t.scene, t.cut, t.number",
        };
        let sql = format!(
            "SELECT {} FROM {from} WHERE {} ORDER BY {order} LIMIT {}",
            TakeRow::COLUMNS,
            places.join(" AND "),
            filter.limit.map_or(-1, i64::from),
        );
        all(&self.conn, &sql, rusqlite::params_from_iter(values), TakeRow::read)
    }

    pub(super) fn take(&self, take: TakeId) -> Result<Option<TakeRow>> {
        self.one("t.id = ?", [take.to_string()])
    }

    /// The takes that were named last, of any cut.
    pub(super) fn newest(&self, most: u32) -> Result<Vec<TakeRow>> {
        let sql = format!(
            "SELECT {} FROM take AS t LEFT JOIN pick AS p ON p.take = t.id ORDER BY t.id DESC LIMIT ?",
            TakeRow::COLUMNS
        );
        all(&self.conn, &sql, [most], TakeRow::read)
    }

    /// The takes whose clips were given up.
    pub(super) fn given_up(&self) -> Result<Vec<TakeRow>> {
        let sql = format!(
            "SELECT {} FROM take AS t LEFT JOIN pick AS p ON p.take = t.id WHERE t.collected = 1",
            TakeRow::COLUMNS
        );
        all(&self.conn, &sql, [], TakeRow::read)
    }

    pub(super) fn picked(&self, cut: &CutId) -> Result<Option<TakeRow>> {
        self.one("p.scene = ? AND p.cut = ?", [cut.scene(), cut.cut()])
    }

    fn one(&self, place: &str, values: impl rusqlite::Params) -> Result<Option<TakeRow>> {
        let sql = format!(
            "SELECT {} FROM take AS t LEFT JOIN pick AS p ON p.take = t.id WHERE {place}",
            TakeRow::COLUMNS
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row(values, TakeRow::read).optional()?)
    }

    pub(super) fn notes(&self, take: TakeId) -> Result<Vec<Note>> {
        let sql = "SELECT at, text FROM note WHERE take = ? ORDER BY seq";
        all(&self.conn, sql, [take.to_string()], Note::read)
    }

    pub(super) fn next_number(&self, cut: &CutId) -> Result<u32> {
        let sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM number WHERE scene = ? AND cut = ?";
        only(&self.conn, sql, [cut.scene(), cut.cut()])
    }

    /// Whether a take may have a number: it has it, or neither has any other.
    pub(super) fn may_have(&self, cut: &CutId, number: u32, take: TakeId) -> Result<bool> {
        if apply::has_number(&self.conn, cut, number, take)? {
            return Ok(true);
        }
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM number WHERE take = ?1
                   OR (scene = ?2 AND cut = ?3 AND number = ?4))";
        only(&self.conn, sql, params![take.to_string(), cut.scene(), cut.cut(), number])
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, id};
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let mut sample = Sample::new();
        let mut expected = Vec::new();
        for cut in ["sc02/sh0010", "sc01/sh0020", "sc01/sh0010"] {
            for _ in 0..3 {
                sample.take(cut);
            }
            expected.splice(0..0, (1..=3).map(|number| (cut.to_owned(), number)));
        }
        let mut filter = Filter { limit: Some(2), ..Filter::default() };
        let mut found = Vec::new();
        loop {
            let page = sample.ledger.takes(&filter).expect("readable");
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            filter.after = Some(last.id);
            found.extend(page.iter().map(|row| (row.cut.to_string(), row.number)));
        }
        assert_eq!(found, expected);
        filter.after = Some(id());
        assert!(matches!(sample.ledger.takes(&filter), Err(Error::NoTake { .. })));
    }

    #[test]
    fn what_is_said_narrows() {
        let mut sample = Sample::new();
        let takes = [(); 4].map(|()| sample.take("sc01/sh0010"));
        let other = sample.take("sc01/sh0020");
        let far = sample.take("sc02/sh0010");
        sample.ledger.pick(takes[3]).expect("room");
        sample.ledger.pick(far).expect("room");
        sample.ledger.reject(takes[0], "blurred").expect("room");
        let ask = |filter: Filter| -> Vec<TakeId> {
            sample.ledger.takes(&filter).expect("readable").iter().map(|row| row.id).collect()
        };
        let cut: Option<CutId> = "sc01/sh0010".parse().ok();
        let scene = Some("sc01".to_owned());
        let all = Filter::default();
        assert_eq!(ask(Filter { cut: cut.clone(), ..all.clone() }), takes);
        assert_eq!(ask(Filter { scene: scene.clone(), ..all.clone() }).len(), 5);
        let state = |state| Filter { state: Some(state), ..Filter::default() };
        assert_eq!(ask(state(State::Picked)), [takes[3], far]);
        assert_eq!(ask(state(State::Rejected)), [takes[0]]);
        assert_eq!(ask(state(State::Open)), [takes[1], takes[2], other]);
        let both =
            Filter { cut, scene, after: Some(takes[0]), limit: Some(1), ..state(State::Open) };
        assert_eq!(ask(both), [takes[1]]);
        assert_eq!(ask(Filter { after: Some(takes[3]), ..state(State::Picked) }), [far]);
    }

    #[test]
    fn a_summary_says_what_single_questions_say() {
        let mut sample = Sample::new();
        let cut: CutId = "sc01/sh0010".parse().expect("a cut");
        let [old, new] = [Blake3::of(b"as it was"), Blake3::of(b"as it is")];
        sample.take_from("sc01/sh0010", "as it was", None);
        let picked = sample.take("sc01/sh0010");
        let rejected = sample.take("sc01/sh0010");
        sample.take("sc01/sh0010");
        sample.ledger.pick(picked).expect("room");
        sample.ledger.reject(rejected, "blurred").expect("room");
        let failure = sample.failure("sc01/sh0010");
        sample.ledger.record_failure(&failure).expect("room");
        let intent = sample.intent("sc03/sh0010", "1");
        sample.ledger.reserve(intent, &Default::default()).expect("no cap");
        let summary = sample.ledger.summary().expect("readable");
        let one = CutSummary {
            takes: [(old, 1), (new, 2)].into(),
            picked: Some((picked, 2)),
            rejected: 1,
            failed: 1,
            open_jobs: 0,
            next_number: 6,
        };
        let two = CutSummary { open_jobs: 1, next_number: 2, ..CutSummary::default() };
        let other = "sc03/sh0010".parse().expect("a cut");
        assert_eq!(summary, [(cut.clone(), one), (other, two)].into());
        assert_eq!(sample.ledger.count(&cut, old).expect("readable"), 1);
        assert_eq!(sample.ledger.count(&cut, new).expect("readable"), 2);
        let first = |request| sample.ledger.first(&cut, request).expect("readable");
        assert_eq!(first(new).map(|take| take.id), Some(picked));
        assert_eq!(first(old).map(|take| take.number), Some(1));
        assert_eq!(first(Blake3::of(b"")), None);
        assert_eq!(sample.ledger.count(&cut, Blake3::of(b"")).expect("readable"), 0);
    }
}
