//! Fetching a clip: into a partial file, on from where it broke off, whole and decoding before it has its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::runner::Going;
use super::steps::{Step, reached};
use super::{Ask, Error, Flaw, Runner, Stream};
use crate::durable::{folder_of, sync_folder};
use crate::egress::Limits;
use crate::hash::Blake3;
use crate::hosted::Question;
use crate::hosted::provider::Clip;
use crate::observe::Event;

/// The largest clip.
const MOST_BYTES: u64 = 4 << 30;
/// The longest silence while a clip comes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often in a row it may break off without bringing anything.
const MOST_BREAKS: u32 = 5;
/// The first wait after it broke off.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What came of fetching a clip.
pub(super) enum Fetched {
    /// It is here, under its name in the folder for work.
    File(PathBuf),
    /// It is not there, or not a clip: a fresh address may help.
    Stale(String),
    /// Not now.
    Left(String),
}

/// What is in the partial file, and what tells that the rest belongs to it.
#[derive(Default)]
struct Partial {
    bytes: u64,
    total: Option<u64>,
    validator: Option<String>,
}

/// What one answer brought.
enum Part {
    Whole,
    Broken(String),
    Fetched(Fetched),
}

impl Runner<'_> {
    /// Where the clip of a job is when it is here.
    pub(super) fn target(&self, going: &Going) -> PathBuf {
        self.work.join(format!("{}.mp4", going.take))
    }

    /// The clip of a job, where it is here already.
    pub(super) fn here(&self, going: &Going) -> Option<PathBuf> {
        let target = self.target(going);
        // Only what was taken gets this name; it was taken damaged where nothing else came.
        let is_clip = || !matches!(self.check.check(&target), Err(Flaw::NoClip(_)));
        (target.is_file() && is_clip()).then_some(target)
    }

    /// Fetches a clip. One that is damaged is taken when it is what came `before`.
    pub(super) fn fetch(
        &self,
        going: &Going,
        clip: Clip,
        before: &mut Option<Blake3>,
    ) -> Result<Fetched, Error> {
        let target = self.target(going);
        let partial = self.work.join(format!("{}.part", going.take));
        let failed = |source| Error::Write { path: partial.clone(), source };
        let mut open = OpenOptions::new();
        let mut file =
            open.create(true).truncate(true).write(true).open(&partial).map_err(failed)?;
        reached(Step::Arriving);
        let question = match clip {
            Clip::Inline(bytes) => {
                file.write_all(&bytes).map_err(failed)?;
                None
            }
            Clip::Url(address) => Some(Question::given(address).without_key()),
            Clip::Question(question) => Some(question),
        };
        if let Some(question) = question
            && let Some(other) = self.receive(going, &question, &mut file, &partial)?
        {
            return Ok(other);
        }
        file.sync_all().map_err(failed)?;
        reached(Step::Arrived);
        let flaw = match self.check.check(&partial) {
            Ok(()) => None,
            Err(Flaw::NoClip(why)) => Some(format!("what came is no clip: {}", self.clean(&why))),
            Err(Flaw::Damaged(why)) => {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(File::open(&partial).map_err(failed)?).map_err(failed)?;
                let came = Blake3::from(hasher.finalize());
                (before.replace(came) != Some(came)).then_some(why)
            }
        };
        if let Some(why) = flaw {
            fs::remove_file(&partial).map_err(failed)?;
            return Ok(Fetched::Stale(why));
        }
        reached(Step::Decoded);
        let named = fs::rename(&partial, &target).and_then(|()| sync_folder(folder_of(&target)));
        named.map_err(|source| Error::Write { path: target.clone(), source })?;
        reached(Step::Named);
        Ok(Fetched::File(target))
    }

    /// Receives a file, however often it breaks off; none when it is whole.
    fn receive(
        &self,
        going: &Going,
        question: &Question,
        file: &mut File,
        path: &Path,
    ) -> Result<Option<Fetched>, Error> {
        let mut partial = Partial::default();
        let mut breaks = 0;
        loop {
            let before = partial.bytes;
            let why = match self.part(going, question, file, path, &mut partial)? {
                Part::Whole => return Ok(None),
                Part::Fetched(other) => return Ok(Some(other)),
                Part::Broken(why) => why,
            };
            breaks = if partial.bytes > before { 1 } else { breaks + 1 };
            if breaks > MOST_BREAKS {
                return Ok(Some(Fetched::Stale(why)));
            }
            if self.pause(self.about(FIRST_WAIT * 2u32.pow(breaks)), None).is_break() {
                return Ok(Some(Fetched::Left("nobody waits for it".to_owned())));
            }
        }
    }

    /// Asks for the rest of a file, and receives as much as comes.
    fn part(
        &self,
        going: &Going,
        question: &Question,
        file: &mut File,
        path: &Path,
        partial: &mut Partial,
    ) -> Result<Part, Error> {
        let mut question = question.clone();
        if let Some(validator) = partial.validator.as_ref().filter(|_| partial.bytes > 0) {
            question = question
                .header("range", format!("bytes={}-", partial.bytes))
                .header("if-range", validator.clone());
        }
        let payload = going.payload(&question);
        let limits = Limits { patience: PATIENCE, most_bytes: MOST_BYTES };
        let ask = Ask { question: &question, payload: &payload, take: going.take, limits };
        let mut stream = match self.wire.open(&ask) {
            Ok(stream) => stream,
            Err(silence) if silence.kind == crate::Kind::Provider => {
                return Ok(Part::Broken(silence.why));
            }
            Err(silence) => return Ok(Part::Fetched(Fetched::Left(silence.why))),
        };
        let stale = |why| Ok(Part::Fetched(Fetched::Stale(why)));
        match stream.status {
            206 if from(&stream) == Some(partial.bytes) => {}
            200 => *partial = begun(&stream),
            // Of another place than was asked for: from the beginning.
            206 | 416 => {
                *partial = Partial::default();
                return Ok(Part::Broken("the provider sent another part".to_owned()));
            }
            429 | 500.. => return Ok(Part::Broken(format!("status {}", stream.status))),
            status => return stale(format!("the clip is not there: status {status}")),
        }
        if let Some(found) = wrong_type(&stream) {
            return stale(format!("what came is no clip but {found}"));
        }
        let failed = |source| Error::Write { path: path.to_owned(), source };
        file.set_len(partial.bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(partial.bytes)).map_err(failed)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match stream.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                    return stale("the clip is too large".to_owned());
                }
                Err(error) => return Ok(Part::Broken(broke_off(&error))),
            };
            file.write_all(&buffer[..count]).map_err(failed)?;
            partial.bytes += count as u64;
            let event = Event::Download { bytes: partial.bytes, total: partial.total };
            if self.observer.on(&event).is_break() {
                return Ok(Part::Fetched(Fetched::Left("nobody waits for it".to_owned())));
            }
        }
        match partial.total {
            Some(total) if partial.bytes < total => Ok(Part::Broken("it broke off".to_owned())),
            _ if partial.bytes == 0 => stale("the clip is empty".to_owned()),
            _ => Ok(Part::Whole),
        }
    }
}

fn broke_off(error: &io::Error) -> String {
    format!("it broke off: {}", error.kind())
}

/// A file that begins to come.
fn begun(stream: &Stream) -> Partial {
    let number = |name| stream.header(name).and_then(|text| text.trim().parse().ok());
    // A weak tag says that two files are about the same, which is not enough to put one together of both.
    let tag = stream.header("etag").filter(|tag| !tag.starts_with("W/"));
    let validator = tag.or_else(|| stream.header("last-modified")).map(ToOwned::to_owned);
    Partial { bytes: 0, total: number("content-length"), validator }
}

/// Where the part begins that is coming.
fn from(stream: &Stream) -> Option<u64> {
    let range = stream.header("content-range")?.trim().strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// What it says that it is, where that is no clip.
fn wrong_type(stream: &Stream) -> Option<String> {
    let said = stream.header("content-type")?;
    let mime = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_clip = mime.is_empty()
        || mime.starts_with("video/")
        || mime.ends_with("/octet-stream")
        || mime == "application/mp4";
    (!is_clip).then(|| mime.chars().filter(|c| c.is_ascii_graphic()).take(40).collect())
}
