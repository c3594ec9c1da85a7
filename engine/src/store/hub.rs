//! The hub's protocol: what is in a repository, what a file hashes to, and its bytes.
//!
//! # Source
//! The public protocol as huggingface/huggingface_hub 2.4 (`file_download.py`, `hf_api.py`) speaks it.

use std::io::Read;
use std::time::Duration;

use kinora_cards::Source;
use serde::Deserialize;

use super::digest::Digest;
use super::{Error, Result};
use crate::egress::{self, Address, Answer, Egress, Get, Purpose, Token};

/// The most a repository's listing may weigh.
const LISTING_BYTES: u64 = 16 << 20;
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// One hub, through one door.
pub(super) struct Hub<'a> {
    pub(super) door: &'a Egress,
    pub(super) endpoint: &'a Address,
    pub(super) token: Option<&'a Token>,
}

/// A failure, and whether to try again.
pub(super) struct Failure {
    /// What went wrong.
    pub(super) error: Box<Error>,
    /// Whether trying again may help.
    pub(super) is_passing: bool,
    /// How long the server wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// Whether something was received before it went wrong.
    pub(super) has_progressed: bool,
}

impl Failure {
    /// Makes a failure that may pass.
    pub(super) fn passing(error: Error) -> Self {
        Self { error: Box::new(error), is_passing: true, wait: None, has_progressed: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), is_passing: false, wait: None, has_progressed: false }
    }
}

impl From<egress::Error> for Failure {
    fn from(error: egress::Error) -> Self {
        let is_passing = matches!(error, egress::Error::Connection { .. });
        Self { is_passing, ..Error::from(error).into() }
    }
}

/// What a repository holds at one commit.
#[derive(Debug)]
pub(super) struct Listing {
    /// The commit, 40 hexadecimal digits.
    pub(super) commit: String,
    /// The paths that the source needs, none of which leads out of a folder.
    pub(super) files: Vec<String>,
}

/// What the hub says of one file.
#[derive(Debug)]
pub(super) struct Announced {
    /// What it hashes to.
    pub(super) digest: Digest,
    /// Its bytes.
    pub(super) len: u64,
}

/// The parts of the hub's answer that matter here.
#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Hub<'_> {
    /// Asks what a source's repository holds, and keeps what the source needs.
    pub(super) fn listing(&self, source: &Source) -> Result<Listing, Failure> {
        let what = format!("{} at {}", source.repo, source.revision);
        let path = format!("api/models/{}/revision/{}", source.repo, source.revision);
        let address = self.endpoint.below(&path);
        let answer = self.ask(&Get::new(&address, Purpose::Checkpoint))?;
        if answer.status() != 200 {
            return Err(self.refusal(&answer, what));
        }
        let host = answer.host().to_owned();
        let wrong = |field, found: String, expected: &str| {
            let expected = expected.to_owned();
            Error::Answer { host: host.clone(), what: what.clone(), field, found, expected }
        };
        let mut text = Vec::new();
        let broken = |source| {
            let (host, file) = (host.clone(), what.clone());
            Failure::passing(Error::Transfer { host, file, source })
        };
        answer.take(LISTING_BYTES).read_to_end(&mut text).map_err(broken)?;
        let info: Info = serde_json::from_slice(&text)
            .map_err(|error| wrong("listing", error.to_string(), "a list of files"))?;
        if info.sha.len() != 40 || !info.sha.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong("commit", info.sha, "40 hexadecimal digits").into());
        }
        let files = info.siblings.into_iter().map(|sibling| sibling.rfilename);
        let files: Vec<String> = files.filter(|path| source.needs(path)).collect();
        if let Some(path) = files.iter().find(|path| !is_inside(path)) {
            return Err(wrong("file", path.clone(), "a path inside the repository").into());
        }
        let lacks = |pattern: &&String| !files.iter().any(|f| kinora_cards::path_fits(pattern, f));
        if let Some(pattern) = source.files.iter().find(lacks) {
            return Err(Error::Absent { host, what: format!("{pattern} in {what}") }.into());
        }
        Ok(Listing { commit: info.sha, files })
    }

    /// Asks what a file hashes to and how long it is.
    pub(super) fn announced(
        &self,
        source: &Source,
        commit: &str,
        file: &str,
    ) -> Result<Announced, Failure> {
        let repo = &source.repo;
        let address = self.endpoint.below(&format!("{repo}/resolve/{commit}/{file}"));
        let answer = self.ask(&Get::new(&address, Purpose::Checkpoint).head())?;
        // A large file's answer is a redirect to where its bytes are, with its hash beside.
        if !matches!(answer.status(), 200 | 301 | 302 | 303 | 307 | 308) {
            return Err(self.refusal(&answer, format!("{repo}/{file}")));
        }
        let wrong = |field, found: Option<&str>, expected: &str| Error::Answer {
            host: answer.host().to_owned(),
            what: format!("{repo}/{file}"),
            field,
            found: found.unwrap_or("absent").to_owned(),
            expected: expected.to_owned(),
        };
        match answer.header("x-repo-commit") {
            Some(found) if found != commit => {
                return Err(wrong("x-repo-commit", Some(found), commit).into());
            }
            _ => {}
        }
        let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag"));
        let digest = etag.and_then(Digest::from_etag);
        let digest = digest.ok_or_else(|| wrong("etag", etag, "a sha256 or git sha1"))?;
        match (&digest, source.sha256.get(file)) {
            (Digest::Sha256(found), Some(card)) if found != card => {
                return Err(
                    wrong("x-linked-etag", Some(found), &format!("{card} of the card")).into()
                );
            }
            _ => {}
        }
        let len = answer.number("x-linked-size").or_else(|| answer.number("content-length"));
        let len = len.ok_or_else(|| wrong("content-length", None, "a number of bytes"))?;
        Ok(Announced { digest, len })
    }

    /// Asks for a file's bytes from `first` up to and including `last`.
    ///
    /// The answer's status is 206, and its bytes begin at `first`; or it is 200 and they begin at 0.
    pub(super) fn bytes(
        &self,
        path: &str,
        len: u64,
        (first, last): (u64, u64),
    ) -> Result<Answer, Failure> {
        let address = self.endpoint.below(path);
        let answer = self.ask(&Get::new(&address, Purpose::Checkpoint).range(first, last))?;
        let wrong = |field, found: Option<&str>, expected: String| Error::Answer {
            host: answer.host().to_owned(),
            what: path.to_owned(),
            field,
            found: found.unwrap_or("absent").to_owned(),
            expected,
        };
        let body_bytes = match answer.status() {
            206 => {
                let expected = format!("bytes {first}-{last}/{len}");
                let range = answer.header("content-range");
                if range != Some(&expected) {
                    return Err(wrong("content-range", range, expected).into());
                }
                last - first + 1
            }
            200 => len,
            _ => return Err(self.refusal(&answer, path.to_owned())),
        };
        match answer.header("content-length") {
            Some(text) if text.trim() != body_bytes.to_string() => {
                Err(wrong("content-length", Some(text), body_bytes.to_string()).into())
            }
            _ => Ok(answer),
        }
    }

    fn ask(&self, request: &Get<'_>) -> Result<Answer, Failure> {
        Ok(self.door.get(&request.clone().token(self.token))?)
    }

    /// Says what a status means that is no success.
    fn refusal(&self, answer: &Answer, what: String) -> Failure {
        let (host, status) = (answer.host().to_owned(), answer.status());
        let is_hub = host == self.endpoint.host();
        match status {
            401 | 403 if is_hub => {
                Error::Gated { host, what, status, had_token: self.token.is_some() }.into()
            }
            404 | 410 => Error::Absent { host, what }.into(),
            // A signed address that is refused has run out; the hub signs another.
            403 | 408 | 429 | 500..=599 => {
                let wait = answer.number("retry-after").map(Duration::from_secs);
                let is_passing = wait.is_none_or(|wait| wait <= LONGEST_WAIT);
                let error = Error::Status { host, what, status };
                Failure { wait, is_passing, ..Failure::passing(error) }
            }
            _ => Error::Status { host, what, status }.into(),
        }
    }
}

/// Returns whether a path stays inside the folder it is put in.
fn is_inside(path: &str) -> bool {
    path.split('/').all(|part| {
        !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']) && !part.contains(':')
    })
}
