//! The log of the door: what left, what was about to, and what was denied. `kinora egress log` reads it, `kinora egress
//! verify` holds it against itself.
//!
//! An [`Entry::Ask`] is on the disk before its connection is opened. An [`Entry::Answer`] follows when the answer was read,
//! or when there was none; a process that ended in between leaves none, and the question counts as asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Part, Purpose};
use crate::chain::{self, Chain, Head, Line};
use crate::hash::Blake3;
use crate::id::TakeId;
use crate::privacy::Privacy;

/// What a log is called, in the folder that it is in.
pub const NAME: &str = "egress.jsonl";

/// The folder that the log of a production is in.
pub fn folder_of(production: &Path) -> PathBuf {
    production.join(".kinora")
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "egress", deny_unknown_fields)]
pub enum Entry {
    /// A question is about to be asked, or was denied.
    Ask(Box<Ask>),
    /// What came of it.
    Answer(Reply),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// What for.
    pub purpose: Purpose,
    /// The path, without what follows a `?`.
    pub path: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// BLAKE3 of the body as it is sent; none where there is none.
    pub body: Option<Blake3>,
    /// What is taken out.
    pub parts: Vec<Part>,
    /// Who may see it; none for what everybody may know, a checkpoint.
    pub label: Option<Privacy>,
    /// The take that it belongs to.
    pub take: Option<TakeId>,
    /// Why it was denied; none where it was allowed.
    pub denied: Option<String>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Number of the line that asks.
    pub to: u64,
    /// The status; none where no answer came.
    pub status: Option<u16>,
    /// Bytes of its body that were read.
    pub bytes: u64,
    /// What broke it off.
    pub error: Option<String>,
}

/// What stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Where it ends.
    pub head: Head,
    /// Questions that were allowed.
    pub allowed: u64,
    /// Questions that were denied.
    pub denied: u64,
    /// Bytes that were taken out.
    pub sent_bytes: u64,
    /// Takes that questions which were allowed belong to.
    pub takes: BTreeSet<TakeId>,
}

/// Reads every entry in order, and finds what [`verify`] finds. A log that is not there is empty.
///
/// # Errors
/// The first thing that is not as it was written; what comes before it has been handed on.
pub fn read(path: &Path, take: &mut dyn FnMut(Line<Entry>)) -> chain::Result<Head> {
    chain::verify(path, take)
}

/// Holds a log against itself: an altered byte, a line that is gone and a tail that was cut off are found. Changes nothing.
///
/// # Errors
/// The first thing that is not as it was written.
pub fn verify(path: &Path) -> chain::Result<Summary> {
    let (head, takes) = (Head::empty(), BTreeSet::new());
    let mut sum = Summary { head, allowed: 0, denied: 0, sent_bytes: 0, takes };
    sum.head = read(path, &mut |line| match line.entry {
        Entry::Ask(ask) if ask.denied.is_some() => sum.denied += 1,
        Entry::Ask(ask) => {
            sum.allowed += 1;
            sum.sent_bytes += ask.bytes;
            sum.takes.extend(ask.take);
        }
        Entry::Answer(_) => {}
    })?;
    Ok(sum)
}

/// Puts an entry on the disk and returns the number of its line.
///
/// The log is opened by its name each time, so that one that was moved away meanwhile is missed and not written on unseen.
pub(super) fn append(path: &Path, entry: Entry) -> chain::Result<u64> {
    let mut chain = Chain::open(path)?;
    chain.append(Timestamp::now(), &[entry])?;
    Ok(chain.head().seq)
}

/// Writes what came of a question when it is dropped.
#[derive(Debug)]
pub(super) struct Receipt {
    log: Option<PathBuf>,
    reply: Reply,
}

impl Receipt {
    /// For the question in line `to` of a log; for nothing where there is no log.
    pub(super) fn new(log: Option<(&Path, u64)>) -> Self {
        let to = log.map_or(0, |(_, to)| to);
        let reply = Reply { to, status: None, bytes: 0, error: None };
        Self { log: log.map(|(path, _)| path.to_owned()), reply }
    }

    /// An answer came.
    pub(super) fn status(&mut self, status: u16) {
        self.reply.status = Some(status);
    }

    /// Bytes of it were read.
    pub(super) fn received(&mut self, bytes: u64) {
        self.reply.bytes += bytes;
    }

    /// It broke off.
    pub(super) fn breaks(&mut self) {
        self.fails("the answer broke off");
    }

    /// There is none.
    pub(super) fn fails(&mut self, why: &str) {
        self.reply.error = Some(why.to_owned());
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(path) = &self.log {
            // What counts was written before the question was asked. Nobody is left to hear of a failure here, and the next
            // question fails by the same.
            let _ = append(path, Entry::Answer(self.reply.clone()));
        }
    }
}
