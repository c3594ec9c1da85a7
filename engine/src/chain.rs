//! A log that only grows and shows when it was tampered with: one JSON object a line, each with the hash of the line before.
//!
//! Beside the log `NAME` stands `NAME.head`: how many lines and bytes there are and the hash of the last one, so that a tail
//! that was cut off is missed. A line is on the disk before it counts. What a crash left behind the last whole line was never
//! acknowledged and is dropped; whole lines that the head does not know yet count.
//!
//! Several processes may append by turns: each locks the log and reads first what the others added.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{Partial, folder_of, sync_folder};
use crate::hash::Blake3;
use crate::{Hint, Kind};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line<T> {
    /// Number of the line, from 1.
    pub seq: u64,
    /// BLAKE3 of the line before, without its end; of nothing before the first.
    pub prev: Blake3,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub entry: T,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Lines.
    pub seq: u64,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of the last line.
    pub last: Blake3,
}

impl Head {
    /// The end of an empty log.
    pub fn empty() -> Self {
        Self { seq: 0, bytes: 0, last: Blake3::of(b"") }
    }
}

/// A log, open for appending and reading.
#[derive(Debug)]
pub struct Chain {
    path: PathBuf,
    file: File,
    head: Head,
}

/// Holds the lock of a log while it is alive.
struct Locked<'a>(&'a File);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The lock goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

impl Chain {
    /// Opens a log, or begins one. Reads only what came after the head that was written last.
    ///
    /// # Errors
    /// A file that cannot be opened, one that ends before its head says, and lines behind the head that do not follow.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut chain =
            Self { path: path.to_owned(), file: file.map_err(failed)?, head: Head::empty() };
        if is_new {
            sync_folder(folder_of(path)).map_err(failed)?;
        }
        chain.file.lock().map_err(failed)?;
        let file = chain.file.try_clone().map_err(failed)?;
        let _locked = Locked(&file);
        chain.head = read_head(path)?.unwrap_or_else(Head::empty);
        chain.catch_up()?;
        Ok(chain)
    }

    /// Where it ends, as far as this process knows.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends entries; they are on the disk when this returns, all or, after a crash, the first few.
    ///
    /// # Errors
    /// A disk that is full or read-only: nothing was appended then.
    pub fn append<T: Serialize>(&mut self, at: Timestamp, entries: &[T]) -> Result<()> {
        let path = self.path.clone();
        let failed = |source| Error::Write { path: path.clone(), source };
        self.file.lock().map_err(failed)?;
        let file = self.file.try_clone().map_err(failed)?;
        let _locked = Locked(&file);
        self.catch_up()?;
        let (mut head, mut text) = (self.head, Vec::new());
        for entry in entries {
            let line = Line { seq: head.seq + 1, prev: head.last, at, entry };
            let begun = text.len();
            serde_json::to_writer(&mut text, &line).map_err(io::Error::from).map_err(failed)?;
            head.seq += 1;
            head.last = Blake3::of(&text[begun..]);
            text.push(b'\n');
        }
        head.bytes += text.len() as u64;
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What arrived in part is taken back; where even that fails, the next one to open the log does it.
            let _ = self.file.set_len(self.head.bytes);
            return Err(failed(source));
        }
        self.head = head;
        // Only a fast way to the end and a witness of it: the lines themselves are safe already.
        write_head(&self.path, &head).map_err(failed)
    }

    /// Every whole line after `from`, which is where an earlier reading ended, with the place after each.
    ///
    /// # Errors
    /// A line that does not follow the one before.
    pub fn read<T: DeserializeOwned>(
        &mut self,
        from: Head,
        take: &mut dyn FnMut(Line<T>, Head),
    ) -> Result<()> {
        let end = self.head.bytes;
        let text = read_range(&self.path, &mut self.file, from.bytes, Some(end))?;
        let mut head = from;
        for text in text.split_inclusive(|byte| *byte == b'\n') {
            let line = follow(&self.path, &mut head, text)?;
            take(line, head);
        }
        Ok(())
    }

    /// Takes note of what others appended, and drops a line that a crash left unfinished.
    fn catch_up(&mut self) -> Result<()> {
        let path = &self.path;
        let failed = |source| Error::Write { path: path.clone(), source };
        let length = self.file.metadata().map_err(failed)?.len();
        if length < self.head.bytes {
            return Err(Error::Cut { path: path.clone(), lines: self.head.seq });
        }
        if length == self.head.bytes {
            return Ok(());
        }
        let text = read_range(path, &mut self.file, self.head.bytes, None)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut head = self.head;
        for text in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            follow::<serde::de::IgnoredAny>(path, &mut head, text)?;
        }
        if whole < text.len() {
            self.file.set_len(head.bytes).map_err(failed)?;
        }
        if head != self.head {
            self.head = head;
            write_head(path, &head).map_err(failed)?;
        }
        Ok(())
    }
}

/// Reads a log from its beginning and holds every line, and its end, against what they should be. Changes nothing.
///
/// # Errors
/// The first thing that is not as it was written: an altered byte, a line that is gone, a tail that was cut off, a head that is
/// gone.
pub fn verify<T: DeserializeOwned>(path: &Path, take: &mut dyn FnMut(Line<T>)) -> Result<Head> {
    let witness = read_head(path)?;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match witness {
            None => return Ok(Head::empty()),
            Some(witness) => {
                return Err(Error::Cut { path: path.to_owned(), lines: witness.seq });
            }
        },
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    let text = read_range(path, &mut file, 0, None)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut head = Head::empty();
    let mut is_known = witness.is_none_or(|witness| witness == head);
    for text in text[..whole].split_inclusive(|byte| *byte == b'\n') {
        take(follow(path, &mut head, text)?);
        is_known |= witness == Some(head);
    }
    match witness {
        None if head.seq > 0 => Err(Error::NoHead { path: path.to_owned() }),
        Some(witness) if head.bytes < witness.bytes => {
            Err(Error::Cut { path: path.to_owned(), lines: witness.seq })
        }
        Some(witness) if !is_known => {
            Err(Error::Line { path: path.to_owned(), line: witness.seq, source: None })
        }
        _ => Ok(head),
    }
}

/// Where the head of a log stands.
fn head_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    name.into()
}

fn read_head(path: &Path) -> Result<Option<Head>> {
    let path = head_path(path);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| Error::Read { path, source: source.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

fn write_head(path: &Path, head: &Head) -> io::Result<()> {
    let (partial, mut file) = Partial::file(&head_path(path))?;
    serde_json::to_writer(&mut file, head)?;
    file.sync_data()?;
    partial.keep()
}

fn read_range(path: &Path, file: &mut File, from: u64, to: Option<u64>) -> Result<Vec<u8>> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut text = Vec::new();
    let most = to.map_or(u64::MAX, |to| to.saturating_sub(from));
    file.take(most).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Reads the line that follows `head`, and moves `head` behind it.
fn follow<T: DeserializeOwned>(path: &Path, head: &mut Head, text: &[u8]) -> Result<Line<T>> {
    let number = head.seq + 1;
    let wrong = |source| Error::Line { path: path.to_owned(), line: number, source };
    let bare = text.strip_suffix(b"\n").unwrap_or(text);
    let line: Line<T> = serde_json::from_slice(bare).map_err(|source| wrong(Some(source)))?;
    if line.seq != number || line.prev != head.last {
        return Err(wrong(None));
    }
    *head = Head { seq: number, bytes: head.bytes + text.len() as u64, last: Blake3::of(bare) };
    Ok(line)
}

/// What can be wrong with a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line was altered, or one before it is gone.
    #[error("{}:{line}: the line was altered, or the one before it was", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What the parser says, where it is no JSON of this kind.
        source: Option<serde_json::Error>,
    },
    /// Lines at its end are gone.
    #[error("{} ends before its line {lines}: its tail was cut off", path.display())]
    Cut {
        /// The log.
        path: PathBuf,
        /// Lines there should be.
        lines: u64,
    },
    /// The file that says where it ends is gone.
    #[error("{}.head is gone: nobody can say whether the log is whole", path.display())]
    NoHead {
        /// The log.
        path: PathBuf,
    },
}

/// The result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Write { .. } => Kind::Resources,
            _ => Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::Write { .. } => None,
            _ => Some("bring the file back from a backup; what it says is not made up".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    fn log(entries: &[&str]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let mut chain = Chain::open(&path).expect("new");
        for entry in entries {
            chain.append(at(), &[entry]).expect("room");
        }
        (folder, path)
    }

    fn entries(path: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        verify(path, &mut |line: Line<String>| found.push(line.entry))?;
        Ok(found)
    }

    #[test]
    fn lines_come_back_in_order() {
        let (_folder, path) = log(&["one", "two"]);
        let mut chain = Chain::open(&path).expect("whole");
        let middle = chain.head();
        chain.append(at(), &["three", "four"]).expect("room");
        assert_eq!(entries(&path).expect("whole"), ["one", "two", "three", "four"]);
        let mut found = Vec::new();
        let mut take = |line: Line<String>, head: Head| found.push((line.entry, head.seq));
        chain.read(middle, &mut take).expect("whole");
        assert_eq!(found, [("three".to_owned(), 3), ("four".to_owned(), 4)]);
    }

    #[test]
    fn two_writers_take_turns() {
        let (_folder, path) = log(&["one"]);
        let (mut a, mut b) = (Chain::open(&path).expect("a"), Chain::open(&path).expect("b"));
        for _ in 0..3 {
            a.append(at(), &["a"]).expect("room");
            b.append(at(), &["b"]).expect("room");
        }
        assert_eq!(entries(&path).expect("whole"), ["one", "a", "b", "a", "b", "a", "b"]);
    }

    #[test]
    fn what_a_crash_left_unfinished_is_dropped_and_what_is_whole_counts() {
        let (_folder, path) = log(&["one"]);
        let known = fs::read(head_path(&path)).expect("a head");
        Chain::open(&path).expect("whole").append(at(), &["two"]).expect("room");
        // The crash came before the head was written, and in the middle of a third line.
        fs::write(head_path(&path), known).expect("room");
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        file.write_all(b"{\"seq\":3,\"pr").expect("room");
        assert_eq!(entries(&path).expect("not damaged"), ["one", "two"]);
        Chain::open(&path).expect("whole").append(at(), &["three"]).expect("room");
        assert_eq!(entries(&path).expect("whole"), ["one", "two", "three"]);
    }

    #[test]
    fn every_altered_byte_is_found() {
        let (_folder, path) = log(&["one", "two", "three"]);
        let text = fs::read(&path).expect("there");
        for at in 0..text.len() {
            let mut altered = text.clone();
            altered[at] ^= 1;
            fs::write(&path, &altered).expect("room");
            assert!(entries(&path).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_missing_line_and_cut_tail_is_found() {
        let (_folder, path) = log(&["one", "two", "three"]);
        let text = fs::read(&path).expect("there");
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        for gone in 0..3 {
            let mut left = lines.clone();
            left.remove(gone);
            fs::write(&path, left.concat()).expect("room");
            assert!(entries(&path).is_err(), "line {gone}");
        }
        for length in 0..text.len() {
            fs::write(&path, &text[..length]).expect("room");
            assert!(matches!(entries(&path), Err(Error::Cut { .. })), "{length} bytes");
            assert!(matches!(Chain::open(&path), Err(Error::Cut { .. })), "{length} bytes");
        }
        fs::write(&path, &text).expect("room");
        assert_eq!(entries(&path).expect("whole").len(), 3);
        fs::remove_file(head_path(&path)).expect("there");
        assert!(matches!(entries(&path), Err(Error::NoHead { .. })));
    }
}
