//! A log that only grows and shows when it was tampered with: one JSON object a line, each with the hash of the line before.
//!
//! Beside the log `NAME` stands `NAME.head`: how many lines and bytes there are and the hash of the last one, so that a tail
//! that was cut off is missed. A line is on the disk before it counts. What a crash left behind the last whole line was never
//! acknowledged and is dropped; whole lines that the head does not know yet count.
//!
//! Several processes may append by turns: each locks the log and reads first what the others added.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
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

/// The right to append, which one process has at a time: what is decided in a turn is decided on everything that was appended
/// before. Ends when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    chain: &'a mut Chain,
    _locked: Locked,
}

/// Holds the lock of a log while it is alive.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // The lock goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

impl Chain {
    /// Opens a log, or begins one. Reads only what came after the head that was written last.
    ///
    /// # Errors
    /// A file that cannot be opened, one that ends before its head says, one that has lines and no head, and lines behind the
    /// head that do not follow.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut chain =
            Self { path: path.to_owned(), file: file.map_err(failed)?, head: Head::empty() };
        let _locked = chain.lock()?;
        chain.head = match read_head(path)? {
            Some(head) => head,
            // The head comes before the first line: from then on a head that is missing is one that was taken away.
            None if chain.file.metadata().map_err(failed)?.len() == 0 => {
                write_head(path, &chain.head).map_err(failed)?;
                sync_folder(folder_of(path)).map_err(failed)?;
                chain.head
            }
            None => return Err(Error::NoHead { path: path.to_owned() }),
        };
        chain.catch_up()?;
        Ok(chain)
    }

    /// Writes the head again for a log that has lost it, from its lines. Only for somebody who was told of the loss: where the
    /// log ended before is not known any more.
    ///
    /// # Errors
    /// A line that does not follow the one before; nothing is written then.
    pub fn renew_head(path: &Path) -> Result<Head> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(failed)?;
        let mut chain = Self { path: path.to_owned(), file, head: Head::empty() };
        let _locked = chain.lock()?;
        chain.catch_up()?;
        write_head(path, &chain.head).map_err(failed)?;
        Ok(chain.head)
    }

    /// Where it ends, as far as this process knows.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Waits for the right to append, and takes note of what others appended.
    ///
    /// # Errors
    /// A log that cannot be locked or followed.
    pub fn turn(&mut self) -> Result<Turn<'_>> {
        let _locked = self.lock()?;
        self.catch_up()?;
        Ok(Turn { chain: self, _locked })
    }

    /// Appends entries; they are on the disk when this returns, all or, after a crash, the first few.
    ///
    /// # Errors
    /// A disk that is full or read-only: nothing was appended then.
    pub fn append<T: Serialize>(&mut self, at: Timestamp, entries: &[T]) -> Result<()> {
        self.turn()?.append(at, entries)
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
        let mut head = from;
        let mut lines = Lines::new(&self.path, &self.file, &head, Some(self.head.bytes))?;
        while let Some(line) = lines.next(&mut head)? {
            take(line, head);
        }
        Ok(())
    }

    fn lock(&self) -> Result<Locked> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let file = self.file.try_clone().map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Locked(file))
    }

    /// Takes note of what others appended, and drops a line that a crash left unfinished.
    fn catch_up(&mut self) -> Result<()> {
        let path = &self.path;
        let failed = |source| Error::Write { path: path.clone(), source };
        let length = self.file.metadata().map_err(failed)?.len();
        if length < self.head.bytes {
            return Err(Error::Cut { path: path.clone(), lines: self.head.seq });
        }
        let mut head = self.head;
        if length > head.bytes {
            let mut lines = Lines::new(path, &self.file, &head, None)?;
            while lines.next::<serde::de::IgnoredAny>(&mut head)?.is_some() {}
        }
        if head.bytes < length {
            self.file.set_len(head.bytes).map_err(failed)?;
        }
        if head != self.head {
            self.head = head;
            // See `Turn::append`.
            let _ = write_head(path, &head);
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// Where the log ends.
    pub fn head(&self) -> Head {
        self.chain.head
    }

    /// At most so many lines after `from`. Says where it stopped.
    ///
    /// # Errors
    /// A line that does not follow the one before.
    pub fn read<T: DeserializeOwned>(
        &mut self,
        from: Head,
        most: usize,
        take: &mut dyn FnMut(Line<T>),
    ) -> Result<Head> {
        let (mut head, end) = (from, self.chain.head.bytes);
        let mut lines = Lines::new(&self.chain.path, &self.chain.file, &head, Some(end))?;
        for _ in 0..most {
            let Some(line) = lines.next(&mut head)? else { break };
            take(line);
        }
        Ok(head)
    }

    /// Appends entries; they are on the disk when this returns, all or, after a crash, the first few.
    ///
    /// # Errors
    /// A disk that is full or read-only: nothing was appended then.
    pub fn append<T: Serialize>(&mut self, at: Timestamp, entries: &[T]) -> Result<()> {
        let Chain { path, file, head: end } = &mut *self.chain;
        let failed = |source| Error::Write { path: path.clone(), source };
        let (mut head, mut text) = (*end, Vec::new());
        for entry in entries {
            let line = Line { seq: head.seq + 1, prev: head.last, at, entry };
            let begun = text.len();
            serde_json::to_writer(&mut text, &line).map_err(io::Error::from).map_err(failed)?;
            head.seq += 1;
            head.last = Blake3::of(&text[begun..]);
            text.push(b'\n');
        }
        head.bytes += text.len() as u64;
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // What arrived in part is taken back; where even that fails, the next one to open the log does it.
            let _ = file.set_len(end.bytes);
            return Err(failed(source));
        }
        *end = head;
        // Only a fast way to the end and a witness of it. The lines are safe already, and nobody may be told that they are not
        // because the disk became full just now: the next append writes it.
        let _ = write_head(path, &head);
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
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match witness {
            None => return Ok(Head::empty()),
            Some(witness) => {
                return Err(Error::Cut { path: path.to_owned(), lines: witness.seq });
            }
        },
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    let mut head = Head::empty();
    let mut is_known = witness.is_none_or(|witness| witness == head);
    let mut lines = Lines::new(path, &file, &head, None)?;
    while let Some(line) = lines.next(&mut head)? {
        take(line);
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
pub fn head_path(path: &Path) -> PathBuf {
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
    file.write_all(&serde_json::to_vec(head)?)?;
    file.sync_data()?;
    partial.keep()
}

/// Reads one line after the other: a log may be larger than memory.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<io::Take<&'a File>>,
    text: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Begins behind `head`, and ends at so many bytes of the log or where it ends itself.
    fn new(path: &'a Path, mut file: &'a File, head: &Head, end: Option<u64>) -> Result<Self> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        file.seek(SeekFrom::Start(head.bytes)).map_err(failed)?;
        let most = end.map_or(u64::MAX, |end| end.saturating_sub(head.bytes));
        let reader = BufReader::with_capacity(1 << 16, file.take(most));
        Ok(Self { path, reader, text: Vec::new() })
    }

    /// The line that follows `head`, which moves behind it. `None` at the end, and where a line is not finished.
    fn next<T: DeserializeOwned>(&mut self, head: &mut Head) -> Result<Option<Line<T>>> {
        let failed = |source| Error::Read { path: self.path.to_owned(), source };
        self.text.clear();
        self.reader.read_until(b'\n', &mut self.text).map_err(failed)?;
        if !self.text.ends_with(b"\n") {
            return Ok(None);
        }
        follow(self.path, head, &self.text).map(Some)
    }
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
        assert!(matches!(Chain::open(&path), Err(Error::NoHead { .. })));
        assert_eq!(Chain::renew_head(&path).expect("whole").seq, 3);
        assert_eq!(entries(&path).expect("whole").len(), 3);
    }

    #[test]
    fn what_is_in_the_log_was_appended_even_if_its_head_could_not_be_written() {
        let (_folder, path) = log(&["one"]);
        let mut chain = Chain::open(&path).expect("whole");
        let head = head_path(&path);
        fs::remove_file(&head).expect("there");
        fs::create_dir_all(head.join("in the way")).expect("room");
        chain.append(at(), &["two"]).expect("the line is on the disk");
        fs::remove_dir_all(&head).expect("there");
        chain.append(at(), &["three"]).expect("room");
        assert_eq!(entries(&path).expect("whole"), ["one", "two", "three"]);
    }

    #[test]
    fn what_is_decided_in_a_turn_is_decided_on_all_that_was_appended() {
        let (_folder, path) = log(&[]);
        let append = |_| {
            let mut chain = Chain::open(&path).expect("whole");
            for _ in 0..20 {
                let mut turn = chain.turn().expect("by and by");
                let (mut from, mut last) = (Head::empty(), 0);
                while from != turn.head() {
                    let read = turn.read(from, 7, &mut |line: Line<u64>| last = line.entry);
                    from = read.expect("whole");
                }
                turn.append(at(), &[last + 1]).expect("room");
            }
        };
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || append(number));
            }
        });
        let mut found = Vec::new();
        verify(&path, &mut |line: Line<u64>| found.push(line.entry)).expect("whole");
        assert_eq!(found, (1..=80).collect::<Vec<u64>>());
    }
}
