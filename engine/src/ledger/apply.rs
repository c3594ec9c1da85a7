//! How an event changes the index.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::event::{Event, Failure, Recorded};
use super::rows::{json, nanos};
use super::take::{is_extension, is_moment};
use super::{Error, Result};
use crate::chain::Line;
use crate::id::{CutId, TakeId};
use crate::job::{Intent, JobEvent, Outcome};
use crate::money::Money;

/// Seconds of a day.
const DAY_SECS: i64 = 86_400;

/// Applies events, one after the other.
pub(super) struct Apply<'a> {
    conn: &'a Connection,
    number: Statement<'a>,
    take: Statement<'a>,
}

impl<'a> Apply<'a> {
    /// Makes ready what is needed again and again.
    pub(super) fn new(conn: &'a Connection) -> Result<Self> {
        Ok(Self {
            conn,
            number: conn.prepare(
                "INSERT INTO number (scene, cut, number, take) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )?,
            take: conn.prepare(
                "INSERT INTO take (id, scene, cut, number, kind, request, seed, model, place, cost,
                   created, seconds, parent, manifest, media, media_bytes, extension)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
        })
    }

    /// Applies a line of the log. Whatever it cannot mean is said with its number.
    pub(super) fn line(&mut self, line: &Line<Event>) -> Result<()> {
        self.next(line).map_err(|error| match error {
            Error::NoTake { .. }
            | Error::Record { .. }
            | Error::Number { .. }
            | Error::Job { .. } => Error::Event { line: line.seq, why: error.to_string() },
            error => error,
        })
    }

    /// Applies a line that may get into the log.
    pub(super) fn next(&mut self, line: &Line<Event>) -> Result<()> {
        self.event(line).map_err(|error| match error {
            Error::Index { source } if is_refusal(&source) => {
                Error::Event { line: line.seq, why: source.to_string() }
            }
            error => error,
        })
    }

    fn event(&mut self, line: &Line<Event>) -> Result<()> {
        let conn = self.conn;
        match &line.entry {
            Event::Take { take } => self.recorded(take),
            Event::Failure { failure } => self.failure(line, failure),
            Event::Pick { take } => {
                let sql = "INSERT OR REPLACE INTO pick (scene, cut, take, at)
                           SELECT scene, cut, id, ?2 FROM take WHERE id = ?1";
                one(take, conn.execute(sql, params![take.to_string(), nanos(line.at)])?)?;
                let sql = "UPDATE take SET rejected = NULL WHERE id = ?";
                one(take, conn.execute(sql, [take.to_string()])?)
            }
            Event::Unpick { cut } => {
                let sql = "DELETE FROM pick WHERE scene = ? AND cut = ?";
                conn.execute(sql, [cut.scene(), cut.cut()])?;
                Ok(())
            }
            Event::Reject { take, why } => {
                let sql = "UPDATE take SET rejected = ?2 WHERE id = ?1";
                one(take, conn.execute(sql, params![take.to_string(), why])?)?;
                conn.execute("DELETE FROM pick WHERE take = ?", [take.to_string()])?;
                Ok(())
            }
            Event::Rate { take, stars } => {
                let sql = "UPDATE take SET stars = ?2 WHERE id = ?1";
                one(take, conn.execute(sql, params![take.to_string(), stars])?)
            }
            Event::Note { take, text } => {
                let sql = "INSERT INTO note (seq, take, at, text) VALUES (?, ?, ?, ?)";
                let values = params![line.seq as i64, take.to_string(), nanos(line.at), text];
                one(take, conn.execute(sql, values)?)
            }
            Event::Job { job } => self.job(line, job),
            Event::Collected { takes } => {
                let mut update = conn.prepare("UPDATE take SET collected = 1 WHERE id = ?")?;
                takes.iter().try_for_each(|take| one(take, update.execute([take.to_string()])?))
            }
        }
    }

    /// Gives a number to a take. Takes that were jobs or failures before have theirs already.
    fn number(&mut self, cut: &CutId, number: u32, take: TakeId) -> Result<()> {
        let name = take.to_string();
        if self.number.execute(params![cut.scene(), cut.cut(), number, name])? == 0
            && !has_number(self.conn, cut, number, take)?
        {
            return Err(Error::Number { cut: cut.clone(), number, take });
        }
        Ok(())
    }

    fn recorded(&mut self, take: &Recorded) -> Result<()> {
        let wrong = |what, found| Err(Error::Record { take: take.id, what, found });
        if !is_extension(&take.media.extension) {
            return wrong("extension", take.media.extension.clone());
        }
        if !is_moment(take.created) {
            return wrong("created", take.created.to_string());
        }
        let Ok(media_bytes) = i64::try_from(take.media.bytes) else {
            return wrong("bytes", take.media.bytes.to_string());
        };
        self.number(&take.cut, take.number, take.id)?;
        self.take.execute(params![
            take.id.to_string(),
            take.cut.scene(),
            take.cut.cut(),
            take.number,
            take.kind,
            take.request.to_string(),
            take.seed.cast_signed(),
            take.model,
            json(&take.place)?,
            take.cost.micros(),
            nanos(take.created),
            take.seconds,
            take.parent.map(|parent| parent.to_string()),
            take.manifest.to_string(),
            take.media.blake3.to_string(),
            media_bytes,
            take.media.extension,
        ])?;
        Ok(())
    }

    fn failure(&mut self, line: &Line<Event>, failure: &Failure) -> Result<()> {
        self.number(&failure.cut, failure.number, failure.take)?;
        let sql = "INSERT OR REPLACE INTO failure (take, scene, cut, number, at, kind, why)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.conn.execute(
            sql,
            params![
                failure.take.to_string(),
                failure.cut.scene(),
                failure.cut.cut(),
                failure.number,
                nanos(line.at),
                json(&failure.kind)?,
                failure.why
            ],
        )?;
        Ok(())
    }

    fn job(&mut self, line: &Line<Event>, job: &JobEvent) -> Result<()> {
        let (conn, take) = (self.conn, job.take());
        let refused = |why| Err(Error::Job { take, why });
        if let JobEvent::Intent(intent) = job {
            return self.intent(line, intent);
        }
        let sql = "SELECT is_settled, intent FROM job WHERE take = ?";
        let known = conn.query_row(sql, [take.to_string()], |row| {
            Ok((row.get(0)?, super::rows::from_json::<Intent>(row, 1)?))
        });
        let Some((is_settled, intent)): Option<(bool, Intent)> = known.optional()? else {
            return refused("there is none");
        };
        if is_settled {
            return refused("it is settled");
        }
        match job {
            JobEvent::Intent(_) => {}
            JobEvent::Submitted { remote, .. } => {
                let sql =
                    "UPDATE job SET state = 'submitted', remote = ?2, why = NULL WHERE take = ?1";
                conn.execute(sql, params![take.to_string(), remote])?;
            }
            JobEvent::Unknown { why, .. } => {
                let sql = "UPDATE job SET state = 'unknown', why = ?2 WHERE take = ?1";
                conn.execute(sql, params![take.to_string(), why])?;
            }
            JobEvent::Settled { outcome, cost, .. } => {
                if *outcome == Outcome::Done && !has_take(conn, take)? {
                    return refused("it is not done before its take is recorded");
                }
                let amount = match (cost, outcome) {
                    (Some(cost), _) => *cost,
                    (None, Outcome::NotCreated { .. }) => Money::ZERO,
                    (None, _) => intent.reserved,
                };
                let sql =
                    "UPDATE job SET state = 'settled', is_settled = 1, amount = ?2, cost = ?3,
                             outcome = ?4, why = NULL WHERE take = ?1";
                let cost = cost.map(Money::micros);
                let values = params![take.to_string(), counted(amount), cost, json(outcome)?];
                conn.execute(sql, values)?;
            }
        }
        Ok(())
    }

    fn intent(&mut self, line: &Line<Event>, intent: &Intent) -> Result<()> {
        self.number(&intent.cut, intent.number, intent.take)?;
        let sql = "INSERT INTO job (take, scene, cut, day, at, state, amount, intent)
                   VALUES (?, ?, ?, ?, ?, 'intended', ?, ?)";
        self.conn.execute(
            sql,
            params![
                intent.take.to_string(),
                intent.cut.scene(),
                intent.cut.cut(),
                day(line.at),
                nanos(line.at),
                counted(intent.reserved),
                json(intent)?
            ],
        )?;
        Ok(())
    }
}

/// An amount as it is summed up: nothing that a provider can say makes sums overflow, or gives money back.
fn counted(amount: Money) -> i64 {
    const MOST: i64 = 1_000_000_000_000_000;
    amount.micros().clamp(0, MOST)
}

/// The day (UTC) of a moment, in days since 1970.
pub(super) fn day(at: jiff::Timestamp) -> i64 {
    at.as_second().div_euclid(DAY_SECS)
}

/// Whether a number belongs to a take.
pub(super) fn has_number(
    conn: &Connection,
    cut: &CutId,
    number: u32,
    take: TakeId,
) -> Result<bool> {
    let sql = "SELECT 1 FROM number WHERE take = ? AND scene = ? AND cut = ? AND number = ?";
    let values = params![take.to_string(), cut.scene(), cut.cut(), number];
    Ok(conn.query_row(sql, values, |_| Ok(())).optional()?.is_some())
}

/// Whether a take is finished.
pub(super) fn has_take(conn: &Connection, take: TakeId) -> Result<bool> {
    let sql = "SELECT 1 FROM take WHERE id = ?";
    Ok(conn.query_row(sql, [take.to_string()], |_| Ok(())).optional()?.is_some())
}

/// Exactly one row was changed, or there is no such take.
fn one(take: &TakeId, changed: usize) -> Result<()> {
    if changed == 0 { Err(Error::NoTake { what: take.to_string() }) } else { Ok(()) }
}

/// Whether the database refuses what was put into it, as against failing itself.
fn is_refusal(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
