//! Everything that the ledger knows, as lines of JSON: the same ones whenever the events and objects are the same.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use super::rows::{Failed, Job, Note, money};
use super::{Error, Ledger, Result, TakeRow};
use crate::money::Money;

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
enum Said<'a> {
    /// A take, with its manifest.
    Take {
        #[serde(flatten)]
        take: &'a TakeRow,
        notes: Vec<Note>,
        record: Value,
    },
    /// An attempt that came to nothing.
    Failure {
        #[serde(flatten)]
        failed: Failed,
    },
    /// A hosted job.
    Job {
        #[serde(flatten)]
        job: &'a Job,
    },
    /// What was spent and is reserved for one cut and one day.
    Money { cut: String, day: i64, spent: Money, reserved: Money },
}

impl Ledger {
    /// Writes everything that is known of takes, failures, jobs and money, one JSON object a line, in an order of its own that
    /// depends on nothing else.
    ///
    /// # Errors
    /// A manifest that is gone or altered, a writer that fails.
    pub fn export(&self, out: &mut dyn Write) -> Result<()> {
        // Of one moment, whoever writes meanwhile.
        let conn = self.index.conn.unchecked_transaction()?;
        self.each_take(&mut |take| {
            let notes = self.index.notes(take.id)?;
            let unreadable = |source| Error::Manifest { take: take.id, source };
            let record = self.objects.read(take.manifest)?;
            let record = serde_json::from_slice(&record).map_err(unreadable)?;
            say(out, &Said::Take { take, notes, record })
        })?;
        let sql = format!("SELECT {} FROM failure ORDER BY scene, cut, number", Failed::COLUMNS);
        each(&conn, &sql, Failed::read, &mut |failed| say(out, &Said::Failure { failed }))?;
        let sql = format!("SELECT {} FROM job ORDER BY take", Job::COLUMNS);
        each(&conn, &sql, Job::read, &mut |job| say(out, &Said::Job { job: &job }))?;
        let sql = "SELECT scene || '/' || cut, day, SUM(is_settled * amount), SUM((1 - is_settled) * amount)
                   FROM job GROUP BY scene, cut, day ORDER BY scene, cut, day";
        let read = |row: &rusqlite::Row<'_>| {
            let (spent, reserved) = (money(row, 2)?, money(row, 3)?);
            Ok(Said::Money { cut: row.get(0)?, day: row.get(1)?, spent, reserved })
        };
        each(&conn, sql, read, &mut |said| say(out, &said))
    }
}

fn each<T>(
    conn: &rusqlite::Connection,
    sql: &str,
    mut read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    each: &mut dyn FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(read(row)?)?;
    }
    Ok(())
}

fn say(out: &mut dyn Write, said: &Said<'_>) -> Result<()> {
    let failed = |source| Error::Write { path: "the export".into(), source };
    let mut line = super::rows::json(said)?;
    line.push('\n');
    out.write_all(line.as_bytes()).map_err(failed)
}
