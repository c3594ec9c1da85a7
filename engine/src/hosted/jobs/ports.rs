//! What a job needs of the world.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::egress::{self, Limits, Payload};
use crate::hosted::{Question, Reply};
use crate::id::TakeId;
use crate::job::{Intent, JobEvent};
use crate::money::Money;
use crate::{Hint, Kind, ledger, media};

/// A question, and whose business it is.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The question.
    pub question: &'a Question,
    /// What it takes out, or what it is about.
    pub payload: &'a Payload,
    /// The take that it belongs to.
    pub take: TakeId,
    /// How patient and how open it is.
    pub limits: Limits,
}

/// An answer whose body is yet to be read.
pub struct Stream {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// How long the host wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Box<dyn Read + Send>,
}

impl Stream {
    /// Reads all of it.
    ///
    /// # Errors
    /// A body that breaks off, or is larger than it may be.
    pub fn read(mut self) -> Result<Reply, Silence> {
        let mut body = Vec::new();
        self.body.read_to_end(&mut body).map_err(|error| Silence {
            why: match error.kind() {
                ErrorKind::FileTooLarge => "the answer is too large".to_owned(),
                kind => format!("the answer broke off: {kind}"),
            },
            is_sent: true,
            kind: Kind::Provider,
        })?;
        let Self { status, headers, retry_after, .. } = self;
        Ok(Reply { status, headers, retry_after, body })
    }

    /// A header's text, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// What happened instead, without keys and addresses.
    pub why: String,
    /// Whether any of the question may have arrived.
    pub is_sent: bool,
    /// [`Kind::Policy`] where the door stayed shut.
    pub kind: Kind,
}

impl From<egress::Error> for Silence {
    fn from(error: egress::Error) -> Self {
        use egress::Error;
        let is_sent = match &error {
            Error::Connection { is_sent, .. } => *is_sent,
            Error::Broken { .. }
            | Error::TooLarge { .. }
            | Error::Redirect { .. }
            | Error::Hops { .. } => true,
            _ => false,
        };
        Self { why: error.to_string(), is_sent, kind: error.kind() }
    }
}

/// The way to one provider.
pub trait Wire: Send + Sync {
    /// The host that is asked, with its port where that is not the usual one.
    fn host(&self) -> &str;

    /// What tells our key from others, so that it is known when another account is asked; none where there is no key.
    fn mark(&self) -> Option<String>;

    /// Says whether a question would be let through; nothing is sent.
    ///
    /// # Errors
    /// What would deny it.
    fn check(&self, ask: &Ask<'_>) -> Result<(), egress::Error>;

    /// Asks once. Any status is an answer.
    ///
    /// # Errors
    /// No answer came.
    fn open(&self, ask: &Ask<'_>) -> Result<Stream, Silence>;

    /// A text of the provider without our key.
    fn clean(&self, text: &str) -> String;
}

/// Where jobs are remembered.
pub trait Journal: Send + Sync {
    /// Reserves the money of a job and says that it is about to be sent.
    ///
    /// # Errors
    /// A cap that has too little left, a disk that is full. Nothing may be sent then.
    fn reserve(&self, intent: Intent) -> ledger::Result<()>;

    /// Says what happened to a job. It is on the disk when this returns.
    ///
    /// # Errors
    /// A disk that is full.
    fn tell(&self, event: JobEvent) -> ledger::Result<()>;

    /// What a take cost; none where it is not recorded.
    ///
    /// # Errors
    /// A ledger that cannot be read.
    fn cost_of(&self, take: TakeId) -> ledger::Result<Option<Money>>;
}

/// The time.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// A random number from 0 to 1.
    fn jitter(&self) -> f64;
}

/// Says whether a file is a whole clip.
pub trait Check: Send + Sync {
    /// Reads as much of a file as tells whether it is one. What is whole and cannot be decoded here is one: it is paid for.
    ///
    /// # Errors
    /// What is wrong with it: it is thrown away, and fetched again.
    fn check(&self, clip: &Path) -> Result<(), Flaw>;
}

/// What is wrong with a file that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It is no clip, or not all of one.
    NoClip(String),
    /// It is a whole clip that does not decode to its end. One that comes like that twice is like that at the provider.
    Damaged(String),
}

/// A clip is what libav reads to its end, or says to be of a codec that is not read here; in a build without libav, what begins as
/// an mp4, mov, mkv or webm file does. An mp4 or mov file has all its parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decodes;

impl Check for Decodes {
    fn check(&self, clip: &Path) -> Result<(), Flaw> {
        media::check_clip(clip).map_err(|error| match error {
            // The name of the file is of no use to anybody, and the file will not be there.
            media::MediaError::Unsupported { found, expected, .. } => {
                Flaw::NoClip(format!("it holds {found}, not {expected}"))
            }
            media::MediaError::Read { source, .. } => Flaw::NoClip(source.to_string()),
            media::MediaError::Damaged { .. } => {
                Flaw::Damaged("it does not decode to its end".to_owned())
            }
            _ => Flaw::NoClip("it does not decode".to_owned()),
        })
    }
}
