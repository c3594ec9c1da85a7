//! The index: a database made from the log of events, which knows up to where it was made.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::apply::Apply;
use super::event::Event;
use super::{Error, Result};
use crate::chain::{Head, Line, Turn};

/// Each brings the layout one version further, in a transaction of its own.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    // The first take of a request is found without looking at the others.
    "DROP INDEX take_request;
     CREATE INDEX take_request ON take (scene, cut, request, number)
       WHERE rejected IS NULL AND collected = 0;",
];

/// How long one process waits for another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lines that are applied in one transaction.
const LINES_AT_ONCE: usize = 4096;

/// The index of a ledger.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) conn: Connection,
}

impl Index {
    /// Opens an index, or begins an empty one. One that is damaged is thrown away: everything in it can be made again.
    pub(super) fn open(path: &Path) -> Result<Self> {
        match Self::open_file(path) {
            Err(error) if is_damaged(&error) => {
                remove(path)?;
                Self::open_file(path)
            }
            opened => opened,
        }
    }

    /// An empty one that is gone when it is dropped, and no burden on memory while it is there.
    pub(super) fn temporary() -> Result<Self> {
        Self::prepare(Connection::open("")?)
    }

    /// Opens an index that is only looked at.
    pub(super) fn open_to_look(path: &Path) -> Result<Self> {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.busy_timeout(PATIENCE)?;
        check_version(&conn)?;
        Ok(Self { conn })
    }

    fn open_file(path: &Path) -> Result<Self> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(PATIENCE)?;
        conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "full")?;
        Self::prepare(conn)
    }

    fn prepare(mut conn: Connection) -> Result<Self> {
        // Otherwise a question that might use a partial index is planned again for each value that it is asked with.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut conn, MIGRATIONS)?;
        Ok(Self { conn })
    }

    /// Up to where the log was applied.
    pub(super) fn applied(&self) -> Result<Head> {
        applied(&self.conn)
    }

    /// Applies what is in the log behind what was applied. Where that is nothing, nothing is read.
    pub(super) fn catch_up(&mut self, turn: &mut Turn<'_>) -> Result<()> {
        let end = turn.head();
        loop {
            let head = self.applied()?;
            if head == end {
                return Ok(());
            }
            if head.seq >= end.seq || head.bytes >= end.bytes {
                return Err(Error::Ahead { lines: end.seq, seen: head.seq });
            }
            let transaction =
                self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut apply = Apply::new(&transaction)?;
            let mut failed = None;
            let head = turn.read(head, LINES_AT_ONCE, &mut |line: Line<Event>| {
                if failed.is_none() {
                    failed = apply.line(&line).err();
                }
            })?;
            drop(apply);
            if let Some(error) = failed {
                return Err(error);
            }
            set_applied(&transaction, &head)?;
            transaction.commit()?;
        }
    }

    /// Whether events can follow: applies them and takes that back. What the index refuses never gets into the log.
    pub(super) fn try_out(&mut self, at: Timestamp, events: &[Event]) -> Result<()> {
        let head = self.applied()?;
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut apply = Apply::new(&transaction)?;
        for (seq, entry) in (head.seq + 1..).zip(events) {
            apply.next(&Line { seq, prev: head.last, at, entry: entry.clone() })?;
        }
        drop(apply);
        Ok(transaction.rollback()?)
    }
}

/// Removes an index with what belongs to it.
pub(super) fn remove(path: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(Error::Write { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an index cannot be read at all.
fn is_damaged(error: &Error) -> bool {
    let Error::Index { source } = error else { return false };
    matches!(source.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// The version of the layout, where it is one that is known here.
fn check_version(conn: &Connection) -> Result<usize> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(found).ok().filter(|version| *version <= MIGRATIONS.len());
    version.ok_or(Error::Newer { found, known: MIGRATIONS.len() as i64 })
}

fn migrate(conn: &mut Connection, migrations: &[&str]) -> Result<()> {
    let version = check_version(conn)?;
    for (number, sql) in migrations.iter().enumerate().skip(version) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

fn applied(conn: &Connection) -> Result<Head> {
    let sql = "SELECT seq, bytes, last FROM applied";
    let head = conn.query_row(sql, [], |row| {
        let last = super::rows::parsed(row, 2)?;
        let number = |at| row.get(at).map(i64::cast_unsigned);
        Ok(Head { seq: number(0)?, bytes: number(1)?, last })
    });
    Ok(head.optional()?.unwrap_or_else(Head::empty))
}

fn set_applied(conn: &Connection, head: &Head) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO applied (one, seq, bytes, last) VALUES (1, ?, ?, ?)";
    conn.execute(sql, (head.seq as i64, head.bytes as i64, head.last.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_goes_forward_step_by_step_and_never_back() {
        let mut conn = Connection::open_in_memory().expect("memory");
        let version = |conn: &Connection| -> i64 {
            conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
        };
        migrate(&mut conn, &["CREATE TABLE a (x INTEGER) STRICT"]).expect("made");
        conn.execute("INSERT INTO a VALUES (7)", []).expect("room");
        // A step that fails half way leaves the version before it.
        let steps = [
            "",
            "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 1",
            "CREATE TABLE b (x); CREATE TABLE a (x)",
        ];
        conn.pragma_update(None, "user_version", 1).expect("set");
        migrate(&mut conn, &steps).expect_err("a is there already");
        assert_eq!(version(&conn), 2);
        let row: (i64, i64) = conn
            .query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("the row lives");
        assert_eq!(row, (7, 1));
        conn.query_row("SELECT x FROM b", [], |_| Ok(())).expect_err("taken back");
        conn.pragma_update(None, "user_version", 99).expect("set");
        let error = Index::prepare(conn).expect_err("from the future");
        assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
    }

    #[test]
    fn an_index_is_as_safe_as_it_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = Index::open(&folder.path().join("ledger.sqlite")).expect("new");
        let text = |name| -> String {
            index.conn.pragma_query_value(None, name, |row| row.get(0)).expect("a word")
        };
        let number = |name| -> i64 {
            index.conn.pragma_query_value(None, name, |row| row.get(0)).expect("a number")
        };
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!((number("synchronous"), number("foreign_keys")), (2, 1));
        assert_eq!(number("user_version"), MIGRATIONS.len() as i64);
    }

    #[test]
    fn what_is_no_database_is_thrown_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.sqlite");
        fs::write(&path, "not a database, but long enough to be taken for one".repeat(40))
            .expect("room");
        let index = Index::open(&path).expect("made again");
        assert_eq!(index.applied().expect("readable"), Head::empty());
    }
}
