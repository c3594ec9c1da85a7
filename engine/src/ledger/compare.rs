//! The index as the events make it, and whether the one that is used is the same.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::apply::Apply;
use super::event::Event;
use super::index::Index;
use super::open::Places;
use super::rows::all;
use super::verify::{Finding, Report};
use super::{Error, Result};
use crate::chain::{self, Head, Line};

/// The tables, with what orders their rows.
const TABLES: [(&str, &str); 6] = [
    ("number", "scene, cut, number"),
    ("take", "id"),
    ("pick", "scene, cut"),
    ("note", "seq"),
    ("failure", "take"),
    ("job", "take"),
];

/// The index that is used, as it was at one moment.
struct Used {
    index: Index,
    applied: Head,
}

/// Makes an index from the events, as far as the log can be followed, and holds the one that is used against it at the line up
/// to which that was made.
pub(super) fn truth(places: &Places, report: &mut Report) -> Result<Index> {
    let truth = Index::temporary()?;
    let findings = &mut report.findings;
    match places.is_begun() {
        Ok(true) => {}
        Err(error @ Error::Lost { .. }) => findings.push(Finding::Log { why: error.to_string() }),
        other => return other.map(|_| truth),
    }
    let path = places.index();
    let used = match path.try_exists() {
        Ok(true) => look(&path).map_err(|error| error.to_string()),
        Ok(false) => Err("it is not there".to_owned()),
        Err(source) => return Err(Error::Read { path, source }),
    };
    let used = used.map_err(|why| findings.push(Finding::Index { why })).ok();
    let conn = &truth.conn;
    conn.execute_batch("BEGIN")?;
    let mut apply = Apply::new(conn)?;
    let mut fault = None;
    let mut compared = None;
    let verified = chain::verify(&places.events(), &mut |line: Line<Event>| {
        if fault.is_some() {
            return;
        }
        if let Some(used) = used.as_ref().filter(|used| used.applied.seq + 1 == line.seq) {
            let follows = line.prev == used.applied.last;
            compared = Some(if follows { used.difference(conn) } else { Ok(Some(other_line())) });
        }
        fault = apply.line(&line).err();
        report.events = line.seq;
    });
    drop(apply);
    conn.execute_batch("COMMIT")?;
    match (verified, fault) {
        (Err(error), _) => findings.push(Finding::Log { why: error.to_string() }),
        (_, Some(error)) => findings.push(Finding::Log { why: error.to_string() }),
        (Ok(end), None) => match &used {
            Some(used) if used.applied == end => compared = Some(used.difference(conn)),
            Some(used) if used.applied.seq >= end.seq => {
                let (lines, seen) = (end.seq, used.applied.seq);
                let error = Error::Ahead { lines, seen };
                findings.push(Finding::Log { why: error.to_string() });
            }
            _ => {}
        },
    }
    match compared {
        Some(Ok(Some(why))) => findings.push(Finding::Index { why }),
        Some(Err(error)) => findings.push(Finding::Index { why: error.to_string() }),
        _ => {}
    }
    Ok(truth)
}

fn other_line() -> String {
    "it was made from other lines than the log has".to_owned()
}

fn look(path: &Path) -> Result<Used> {
    let index = Index::open_to_look(path)?;
    index.conn.execute_batch("BEGIN")?;
    let applied = index.applied()?;
    Ok(Used { index, applied })
}

impl Used {
    /// What of this index is damaged, or is not as in another one.
    fn difference(&self, truth: &Connection) -> Result<Option<String>> {
        let conn = &self.index.conn;
        let told: Vec<String> =
            all(conn, "SELECT integrity_check FROM pragma_integrity_check", [], |row| row.get(0))?;
        if told != ["ok"] {
            return Ok(Some(told.join("; ")));
        }
        for (table, order) in TABLES {
            if let Some(row) = first_difference(conn, truth, table, order)? {
                return Ok(Some(format!("table {table} differs from the events in row {row}")));
            }
        }
        Ok(None)
    }
}

/// The number of the first row that differs, from 1.
fn first_difference(
    one: &Connection,
    two: &Connection,
    table: &str,
    order: &str,
) -> Result<Option<u64>> {
    let sql = format!("SELECT * FROM {table} ORDER BY {order}");
    let (mut one, mut two) = (one.prepare(&sql)?, two.prepare(&sql)?);
    let width = two.column_count();
    if one.column_count() != width {
        return Ok(Some(0));
    }
    let (mut one, mut two) = (one.query([])?, two.query([])?);
    for number in 1.. {
        let (one, two) = (one.next()?, two.next()?);
        let values = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Value>> {
            (0..width).map(|at| row.get(at)).collect()
        };
        match (one, two) {
            (None, None) => break,
            (Some(one), Some(two)) if values(one)? == values(two)? => {}
            _ => return Ok(Some(number)),
        }
    }
    Ok(None)
}
