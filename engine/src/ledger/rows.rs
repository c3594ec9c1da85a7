//! What is read out of the index: takes, failures, jobs, as Rust says them.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::{FromSql, Type};
use rusqlite::{Error as Sql, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::event::Failure;
use super::take::{Media, Place};
use super::{Error, Result};
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::job::{Intent, Outcome};
use crate::money::Money;

/// A take, as far as lists of takes show it. The rest is in its manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TakeRow {
    /// The take.
    pub id: TakeId,
    /// The cut it is of.
    pub cut: CutId,
    /// Its number within the cut.
    pub number: u32,
    /// The kind of cut.
    pub kind: String,
    /// BLAKE3 of the resolved request without its seed.
    pub request: Blake3,
    /// The seed.
    pub seed: u64,
    /// The model.
    pub model: String,
    /// Where it was made.
    pub place: Place,
    /// What it cost.
    pub cost: Money,
    /// When it was finished.
    pub created: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// The take that it goes on from.
    pub parent: Option<TakeId>,
    /// BLAKE3 of its manifest.
    pub manifest: Blake3,
    /// The clip.
    pub media: Media,
    /// When it was picked, where it is the one of its cut.
    pub picked: Option<Timestamp>,
    /// Why it was rejected.
    pub rejected: Option<String>,
    /// Its stars.
    pub stars: Option<u8>,
    /// Whether its clip was given up for its room.
    pub collected: bool,
}

/// What people decided about a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing yet.
    Open,
    /// It is the one of its cut.
    Picked,
    /// It is no good.
    Rejected,
}

impl TakeRow {
    /// The columns that [`TakeRow::read`] reads, of `take AS t LEFT JOIN pick AS p ON p.take = t.id`.
    pub(super) const COLUMNS: &str = "t.id, t.scene, t.cut, t.number, t.kind, t.request, t.seed,
        t.model, t.place, t.cost, t.created, t.seconds, t.parent, t.manifest, t.media,
        t.media_bytes, t.extension, p.at, t.rejected, t.stars, t.collected";

    /// What people decided about it.
    pub fn state(&self) -> State {
        match (&self.picked, &self.rejected) {
            (Some(_), _) => State::Picked,
            (None, Some(_)) => State::Rejected,
            (None, None) => State::Open,
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let parent: Option<String> = row.get(12)?;
        Ok(Self {
            id: parsed(row, 0)?,
            cut: cut(row, 1)?,
            number: row.get(3)?,
            kind: row.get(4)?,
            request: parsed(row, 5)?,
            seed: row.get::<_, i64>(6)?.cast_unsigned(),
            model: row.get(7)?,
            place: from_json(row, 8)?,
            cost: money(row, 9)?,
            created: moment(row.get(10)?),
            seconds: row.get(11)?,
            parent: parent.map(|_| parsed(row, 12)).transpose()?,
            manifest: parsed(row, 13)?,
            media: Media {
                blake3: parsed(row, 14)?,
                bytes: row.get::<_, i64>(15)?.cast_unsigned(),
                extension: row.get(16)?,
            },
            picked: row.get::<_, Option<i64>>(17)?.map(moment),
            rejected: row.get(18)?,
            stars: row.get(19)?,
            collected: row.get(20)?,
        })
    }
}

/// A remark about a take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When it was made.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
}

impl Note {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { at: moment(row.get(0)?), text: row.get(1)? })
    }
}

/// An attempt that came to nothing, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// When it was recorded.
    pub at: Timestamp,
    /// Which, and why.
    pub failure: Failure,
}

impl Failed {
    pub(super) const COLUMNS: &str = "at, take, scene, cut, number, kind, why";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let failure = Failure {
            take: parsed(row, 1)?,
            cut: cut(row, 2)?,
            number: row.get(4)?,
            kind: from_json(row, 5)?,
            why: row.get(6)?,
        };
        Ok(Self { at: moment(row.get(0)?), failure })
    }
}

/// A hosted job, and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// When it was intended.
    pub at: Timestamp,
    /// What was asked for.
    pub intent: Intent,
    /// The provider's name of it, once it has one.
    pub remote: Option<String>,
    /// How it stands.
    pub state: JobState,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum JobState {
    /// It is about to be sent, or was, by a process that told no more.
    Intended,
    /// The provider has it.
    Submitted,
    /// It may exist or not.
    Unknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// It is over.
    Settled {
        /// How.
        outcome: Outcome,
        /// What it cost, where somebody said so.
        cost: Option<Money>,
        /// What counts as spent for it.
        spent: Money,
    },
}

impl Job {
    pub(super) const COLUMNS: &str = "at, intent, remote, state, why, outcome, cost, amount";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let state: String = row.get(3)?;
        let state = match state.as_str() {
            "intended" => JobState::Intended,
            "submitted" => JobState::Submitted,
            "unknown" => JobState::Unknown { why: row.get(4)? },
            _ => JobState::Settled {
                outcome: from_json(row, 5)?,
                cost: row.get::<_, Option<i64>>(6)?.map(Money::from_micros),
                spent: money(row, 7)?,
            },
        };
        let (at, intent) = (moment(row.get(0)?), from_json(row, 1)?);
        Ok(Self { at, intent, remote: row.get(2)?, state })
    }
}

/// A moment as the index keeps it. What it cannot say, far in past and future, it says as nearly as it can.
pub(super) fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// A moment that the index kept.
pub(super) fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::MAX)
}

/// Something as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    // Only maps with keys that are no texts cannot be written, and none of ours has such.
    serde_json::to_string(value)
        .map_err(|source| Error::from(Sql::ToSqlConversionFailure(source.into())))
}

/// A column of JSON.
pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| wrong(at, error))
}

/// A column whose text names something.
pub(super) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(at)?;
    text.parse().map_err(|error| wrong(at, error))
}

/// Two columns that name a cut.
pub(super) fn cut(row: &Row<'_>, at: usize) -> rusqlite::Result<CutId> {
    let (scene, cut): (String, String) = (row.get(at)?, row.get(at + 1)?);
    CutId::new(&scene, &cut).map_err(|error| wrong(at, error))
}

/// A column of money.
pub(super) fn money(row: &Row<'_>, at: usize) -> rusqlite::Result<Money> {
    row.get(at).map(Money::from_micros)
}

/// Every row of a question.
pub(super) fn all<T>(
    conn: &rusqlite::Connection,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(values, read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The only row of a question that has one.
pub(super) fn only<T: FromSql>(
    conn: &rusqlite::Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<T> {
    Ok(conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

fn wrong(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> Sql {
    Sql::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}
