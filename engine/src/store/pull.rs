//! Fetches a checkpoint into the Hugging Face cache.
//!
//! Files arrive in chunks, each a request of its own, so that a broken connection costs at most one chunk; what has
//! arrived stays beside its final name and the next pull goes on from there. A content gets its name when its hash
//! is right, and one that is here already is hashed before it is believed, for disks and other programs make mistakes;
//! links and the reference appear when all contents are there.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kinora_cards::Source;

use super::cache::CachedRepo;
use super::digest::{Hasher, Hashes};
use super::hub::{Announced, Failure, Hub, Listing};
use super::{Error, Result, Store};
use crate::egress::Egress;

/// What is read from the network or the disk at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// How often a wait asks whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// How patient a pull is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOptions {
    /// The most bytes one request asks for, and the most that a broken connection can cost.
    pub chunk_bytes: u64,
    /// How many failures in a row, without a byte between them, end the pull.
    pub max_failures: u32,
    /// The wait after the first failure; it doubles with each that follows, up to 32 times.
    pub backoff: Duration,
}

impl Default for PullOptions {
    /// 64 MiB a request; six failures in a row, about a minute in all.
    fn default() -> Self {
        Self { chunk_bytes: 64 << 20, max_failures: 6, backoff: Duration::from_secs(1) }
    }
}

/// What happens during a pull. The callback's `Break` stops it; what has arrived is kept.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PullEvent<'a> {
    /// The hub said which commit the revision is and which files it holds.
    Listed {
        /// The commit.
        commit: &'a str,
        /// How many files are needed.
        files: usize,
    },
    /// The hub said what a file hashes to and how long it is.
    Announced {
        /// The file.
        file: &'a str,
        /// Its bytes.
        bytes: u64,
    },
    /// The hashes and lengths of all files are known.
    Planned {
        /// The bytes of all files.
        total_bytes: u64,
        /// The bytes that are not here yet.
        missing_bytes: u64,
    },
    /// What is here of a file, whole or in part, is read and hashed.
    Checking {
        /// The file.
        file: &'a str,
        /// How many bytes were read.
        done_bytes: u64,
        /// How many bytes there are to read.
        total_bytes: u64,
    },
    /// Bytes arrived.
    Received {
        /// The file.
        file: &'a str,
        /// How many of its bytes are here.
        done_bytes: u64,
        /// How many bytes it has.
        total_bytes: u64,
        /// How many bytes just arrived.
        new_bytes: u64,
    },
    /// A file is here and its hash is right.
    Verified {
        /// The file.
        file: &'a str,
    },
    /// Another process is fetching the same file.
    Locked {
        /// The file.
        file: &'a str,
    },
    /// Something failed and will be tried again. Sent again and again while the wait lasts.
    Waiting {
        /// What failed.
        error: &'a Error,
        /// How long until the next attempt.
        wait: Duration,
    },
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The folder of the checkpoint.
    pub folder: PathBuf,
    /// Its commit.
    pub commit: String,
    /// How many bytes of files were received; nothing where all was here.
    pub received_bytes: u64,
}

impl Store {
    /// Fetches what is missing or damaged of a source into the Hugging Face cache, and links it as the Python tools do.
    ///
    /// Goes through `door`, which somebody must have opened with [`Store::consent`]. May be stopped and started again
    /// at any time, also by ending the process.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where `on` breaks; [`Error::Egress`] where the door stays shut; [`Error::Disk`] before
    /// anything is fetched that there is no room for; [`Error::Hash`] for fetched content that is not what was announced
    /// or what the card says, which is thrown away; what the hub refuses, or fails at more often than `options` allow.
    pub fn pull(
        &self,
        door: &Egress,
        source: &Source,
        options: &PullOptions,
        on: &mut dyn FnMut(&PullEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Pulled> {
        let cache = self.config.hf_cache.as_ref().ok_or(Error::NoCache)?;
        let hub = Hub { door, endpoint: &self.config.endpoint, token: self.config.token.as_ref() };
        let mut pull = Pull {
            hub,
            source,
            options,
            on,
            repo: CachedRepo::new(cache, &source.repo, &source.revision),
            hashes: HashMap::new(),
            received_bytes: 0,
        };
        let commit = pull.run()?;
        let folder = pull.repo.snapshot(&commit);
        Ok(Pulled { folder, commit, received_bytes: pull.received_bytes })
    }
}

/// A pull on its way.
struct Pull<'a> {
    hub: Hub<'a>,
    source: &'a Source,
    options: &'a PullOptions,
    on: &'a mut dyn FnMut(&PullEvent<'_>) -> ControlFlow<()>,
    repo: CachedRepo,
    /// What the contents that were read so far hash to, by name: equal files are read once.
    hashes: HashMap<String, Hashes>,
    received_bytes: u64,
}

/// A file on its way.
struct Partial {
    path: PathBuf,
    file: File,
    have_bytes: u64,
    hasher: Hasher,
}

impl Pull<'_> {
    /// Fetches everything and returns the commit.
    fn run(&mut self) -> Result<String> {
        let source = self.source;
        let Listing { commit, files } = self.patiently(|pull| pull.hub.listing(source))?;
        self.tell(&PullEvent::Listed { commit: &commit, files: files.len() })?;
        let mut plan = Vec::with_capacity(files.len());
        for file in files {
            let announced = self.patiently(|pull| pull.hub.announced(source, &commit, &file))?;
            self.tell(&PullEvent::Announced { file: &file, bytes: announced.len })?;
            plan.push((file, announced));
        }
        self.admit(&plan)?;
        self.repo.prepare()?;
        for (file, announced) in &plan {
            self.fetch(&commit, file, announced)?;
        }
        for (file, announced) in &plan {
            self.repo.link(&commit, file, &announced.digest)?;
        }
        self.repo.point_at(&commit)?;
        Ok(commit)
    }

    /// Compares what is missing with the room there is.
    fn admit(&mut self, plan: &[(String, Announced)]) -> Result<()> {
        let mut missing_bytes = 0u64;
        for (_, Announced { digest, len }) in plan {
            if !self.repo.has(digest, *len) {
                let partial = fs::metadata(self.repo.partial(digest)).map_or(0, |meta| meta.len());
                missing_bytes = missing_bytes.saturating_add(len.saturating_sub(partial));
            }
        }
        let total_bytes = plan.iter().fold(0u64, |sum, (_, file)| sum.saturating_add(file.len));
        self.tell(&PullEvent::Planned { total_bytes, missing_bytes })?;
        let free_bytes = self.repo.free_bytes()?;
        if missing_bytes > free_bytes {
            let folder = self.repo.root().to_owned();
            return Err(Error::Disk { folder, needed_bytes: missing_bytes, free_bytes });
        }
        Ok(())
    }

    /// Brings one content here, unless it is, and has seen its hash in either case.
    fn fetch(&mut self, commit: &str, file: &str, announced: &Announced) -> Result<()> {
        let on = &mut *self.on;
        let _lock = self.repo.lock(&announced.digest, &mut || on(&PullEvent::Locked { file }))?;
        if !self.is_intact(file, announced)? {
            self.receive(commit, file, announced)?;
        }
        self.tell(&PullEvent::Verified { file })
    }

    /// Returns whether a content is here as the hub and the card have it; throws it away where it is not.
    fn is_intact(&mut self, file: &str, announced: &Announced) -> Result<bool> {
        let Announced { digest, len } = announced;
        if !self.repo.has(digest, *len) {
            return Ok(false);
        }
        let hashes = match self.hashes.get(digest.hex()) {
            Some(hashes) => hashes.clone(),
            None => {
                let path = self.repo.blob(digest);
                let content = File::open(&path).map_err(Error::io(&path))?;
                let partial = self.read(file, announced, path, content)?;
                partial.hasher.finish()
            }
        };
        let is_intact = hashes.check(file, digest, self.card_sha256(file)).is_ok();
        if is_intact {
            self.hashes.insert(digest.hex().to_owned(), hashes);
        } else {
            self.hashes.remove(digest.hex());
            self.repo.discard(digest)?;
        }
        Ok(is_intact)
    }

    /// Fetches a content, or the rest of it.
    fn receive(&mut self, commit: &str, file: &str, announced: &Announced) -> Result<()> {
        let Announced { digest, len } = announced;
        let mut partial = self.resume(file, announced)?;
        let path = format!("{}/resolve/{commit}/{file}", self.source.repo);
        while partial.have_bytes < *len {
            self.patiently(|pull| pull.chunk(&path, file, announced, &mut partial))?;
        }
        let Partial { path, file: content, hasher, .. } = partial;
        let hashes = hasher.finish();
        if let Err(error) = hashes.check(file, digest, self.card_sha256(file)) {
            fs::remove_file(&path).map_err(Error::io(&path))?;
            return Err(error);
        }
        content.sync_all().map_err(Error::io(&path))?;
        self.repo.keep(digest)?;
        self.hashes.insert(digest.hex().to_owned(), hashes);
        Ok(())
    }

    fn card_sha256(&self, file: &str) -> Option<&str> {
        self.source.sha256.get(file).map(String::as_str)
    }

    /// Opens what an earlier pull left of a file, and hashes it.
    fn resume(&mut self, file: &str, announced: &Announced) -> Result<Partial> {
        let path = self.repo.partial(&announced.digest);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let content = opened.map_err(Error::io(&path))?;
        if content.metadata().map_err(Error::io(&path))?.len() > announced.len {
            content.set_len(0).map_err(Error::io(&path))?;
        }
        self.read(file, announced, path, content)
    }

    /// Hashes what is in a file.
    fn read(
        &mut self,
        file: &str,
        Announced { digest, len }: &Announced,
        path: PathBuf,
        mut content: File,
    ) -> Result<Partial> {
        let total_bytes = content.metadata().map_err(Error::io(&path))?.len();
        let mut hasher = Hasher::new(*len);
        let mut have_bytes = 0;
        let mut buffer = vec![0; BUFFER_BYTES];
        while have_bytes < total_bytes {
            let count = content.read(&mut buffer).map_err(Error::io(&path))?;
            if count == 0 {
                break;
            }
            hasher.update(digest, &buffer[..count]);
            have_bytes += count as u64;
            self.tell(&PullEvent::Checking { file, done_bytes: have_bytes, total_bytes })?;
        }
        Ok(Partial { path, file: content, have_bytes, hasher })
    }

    /// Fetches one chunk, or as much of it as arrives.
    fn chunk(
        &mut self,
        path: &str,
        file: &str,
        Announced { digest, len }: &Announced,
        partial: &mut Partial,
    ) -> Result<(), Failure> {
        let first = partial.have_bytes;
        let end = first.saturating_add(self.options.chunk_bytes.max(1)).min(*len);
        let mut answer = self.hub.bytes(path, *len, (first, end - 1))?;
        let host = answer.host().to_owned();
        // A server that does not know ranges begins at the beginning.
        let (begin, end) = if answer.status() == 206 { (first, end) } else { (0, *len) };
        if begin != partial.have_bytes {
            partial.hasher = Hasher::new(*len);
            partial.have_bytes = begin;
            partial.file.set_len(begin).map_err(Error::io(&partial.path))?;
        }
        partial.file.seek(SeekFrom::Start(begin)).map_err(Error::io(&partial.path))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        while partial.have_bytes < end {
            let broken = |source| {
                let (host, file) = (host.clone(), file.to_owned());
                let error = Error::Transfer { host, file, source };
                Failure { has_progressed: partial.have_bytes > first, ..Failure::passing(error) }
            };
            let room = usize::try_from(end - partial.have_bytes).unwrap_or(usize::MAX);
            let room = room.min(BUFFER_BYTES);
            let count = answer.read(&mut buffer[..room]).map_err(broken)?;
            if count == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            partial.file.write_all(&buffer[..count]).map_err(Error::io(&partial.path))?;
            partial.hasher.update(digest, &buffer[..count]);
            partial.have_bytes += count as u64;
            self.received_bytes += count as u64;
            self.tell(&PullEvent::Received {
                file,
                done_bytes: partial.have_bytes,
                total_bytes: *len,
                new_bytes: count as u64,
            })?;
        }
        // Reading to the end of the answer gives the connection back for the next chunk; more than was announced
        // would be in nobody's count.
        match answer.read(&mut buffer[..1]) {
            Ok(1) => {
                let (found, expected) = ("longer".to_owned(), format!("{} bytes", end - begin));
                let what = file.to_owned();
                Err(Error::Answer { host, what, field: "body", found, expected }.into())
            }
            _ => Ok(()),
        }
    }

    /// Does something until it succeeds, fails for good, or fails too often in a row.
    fn patiently<T>(&mut self, mut act: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T> {
        let mut failures = 0;
        loop {
            let failure = match act(self) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            failures = if failure.has_progressed { 1 } else { failures + 1 };
            if !failure.is_passing || failures >= self.options.max_failures {
                return Err(*failure.error);
            }
            let backoff = self.options.backoff.saturating_mul(1 << (failures - 1).min(5));
            let until = Instant::now() + failure.wait.unwrap_or(backoff);
            loop {
                let wait = until.saturating_duration_since(Instant::now());
                self.tell(&PullEvent::Waiting { error: &failure.error, wait })?;
                if wait.is_zero() {
                    break;
                }
                std::thread::sleep(wait.min(TICK));
            }
        }
    }

    fn tell(&mut self, event: &PullEvent<'_>) -> Result<()> {
        match (self.on)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}
