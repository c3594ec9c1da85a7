//! A provider on this machine that speaks as the real ones do, and goes wrong when told to.
//!
//! What it says is in `server/`, a dialect for each provider: a table of answers, checked against the documents of the provider.
//! It counts the clips that it was asked for and made: those are what is paid for.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

mod ark;
mod dialect;
mod fal;
mod google;
mod google_cloud;
mod kling;
mod luma;
mod minimax;
mod openai;
mod replicate;
mod runway;

pub use dialect::{Asks, DIALECTS, Dialect, Documented, Means, Said, Task, dialect};

/// The key that is right.
pub const KEY: &str = "sk-right-0123456789/abc+DEF";

/// What goes wrong. A fault hits one question and is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before the question for a clip is read.
    DropBefore,
    /// The clip is begun, and the connection ends without an answer.
    DropAfter,
    /// The clip is begun, and the answer comes after so long.
    Slow(Duration),
    /// Too many questions: nothing is begun. With the seconds to wait, where it says so.
    Busy(Option<u64>),
    /// The picture is not made; said at once.
    Refuse,
    /// An answer of the table of documented errors, by its number.
    Error(usize),
    /// The question for a clip is answered with 401, and the key that came stands in the answer.
    EchoKey,
    /// The picture is not made; said when somebody asks how it gets on.
    RefuseLater,
    /// The clip goes wrong; said when somebody asks how it gets on, with the key that came.
    FailLater,
    /// How the job gets on is said in a word that nobody knows.
    NewWord,
    /// How the job gets on is answered with 500.
    Broken,
    /// How the job gets on is answered as for a job that nobody knows.
    NotFound,
    /// How the job gets on is answered with this status and these words.
    Says(u16, serde_json::Value),
    /// The clip ends in the middle.
    Truncate,
    /// The clip ends in the middle, and nobody said how long it is.
    TruncateUnsaid,
    /// The clip comes with other bytes towards its end.
    Spoil,
    /// Instead of the clip comes a page.
    Page,
    /// Instead of the clip come other bytes.
    Garbage,
    /// The address of the clip is no longer good.
    Expired,
}

impl Fault {
    /// Which kind of question it hits.
    fn hits(&self) -> Hit {
        match self {
            Self::DropBefore
            | Self::DropAfter
            | Self::Slow(_)
            | Self::Busy(_)
            | Self::Refuse
            | Self::Error(_)
            | Self::EchoKey => Hit::Create,
            Self::RefuseLater
            | Self::FailLater
            | Self::NewWord
            | Self::Broken
            | Self::NotFound
            | Self::Says(..) => Hit::Poll,
            Self::Truncate
            | Self::TruncateUnsaid
            | Self::Spoil
            | Self::Page
            | Self::Garbage
            | Self::Expired => Hit::Clip,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    Create,
    Poll,
    Clip,
}

/// A question that arrived.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path, without what follows a `?`.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A clip that is paid for.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its name here.
    pub id: String,
    /// The client's name of it, where the provider keeps one.
    pub external: Option<String>,
    /// How often somebody asked how it gets on.
    pub polls: u32,
    /// Whether it was called off.
    pub is_cancelled: bool,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    asked: Vec<Asked>,
    faults: VecDeque<Fault>,
    never_ready: bool,
    knows_nothing: bool,
}

/// A provider. Its threads end with the process.
pub struct FakeProvider {
    dialect: &'static dyn Dialect,
    host: String,
    clip: Vec<u8>,
    state: Mutex<State>,
}

impl FakeProvider {
    /// Starts a provider whose clips are these bytes.
    ///
    /// # Errors
    /// What the system says when this machine cannot be listened on.
    pub fn start(dialect: &'static dyn Dialect, clip: Vec<u8>) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let provider = Arc::new(Self { dialect, host, clip, state: Mutex::default() });
        let served = Arc::clone(&provider);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let provider = Arc::clone(&served);
                // A client that goes away in the middle is what these tests are about.
                thread::spawn(move || provider.serve(&stream).ok());
            }
        });
        Ok(provider)
    }

    /// The host, with its port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What all paths are below.
    pub fn base(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Lets the next questions go wrong, one after another.
    pub fn break_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// How many faults have hit nobody yet.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// Lets no job become ready.
    pub fn never_ready(&self, is_never: bool) {
        self.state().never_ready = is_never;
    }

    /// Knows none of its jobs any more, whoever asks: after its retention, or asked for another account.
    pub fn forget(&self, is_forgetful: bool) {
        self.state().knows_nothing = is_forgetful;
    }

    /// Whether it knows none of its jobs.
    pub fn is_forgetful(&self) -> bool {
        self.state().knows_nothing
    }

    /// The clips that are paid for.
    pub fn jobs(&self) -> Vec<Job> {
        self.state().jobs.clone()
    }

    /// Every question that arrived, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one question.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let asked = read(&mut reader)?;
        self.state().asked.push(asked.clone());
        let is_forgetful = self.state().knows_nothing;
        if asked.path.starts_with("/files/") && !is_forgetful {
            return self.clip(stream, &asked);
        }
        let (name, value) = self.dialect.key();
        if !is_forgetful && asked.header(name) != Some(value.replace("KEY", KEY).as_str()) {
            return say(stream, &self.dialect.denied("no such key"));
        }
        match self.dialect.asks(&asked) {
            Asks::Create => self.create(stream, &asked),
            Asks::Poll(id) => self.poll(stream, &asked, &id),
            Asks::Clip(id) if self.has(&id) => self.clip(stream, &asked),
            Asks::Result(id) if self.has(&id) => {
                say(stream, &self.dialect.result(&id, &self.address(&id)))
            }
            Asks::Cancel(id) if self.has(&id) => {
                self.state().jobs.iter_mut().filter(|job| job.id == id).for_each(|job| {
                    job.is_cancelled = true;
                });
                say(stream, &self.dialect.cancelled(&id))
            }
            Asks::Find(external) => {
                let jobs = self.jobs();
                let mut jobs = jobs.iter().filter(|_| !is_forgetful);
                let found = jobs.find(|job| job.external.as_deref() == Some(&external));
                say(stream, &self.dialect.found(found))
            }
            _ => say(stream, &self.dialect.unknown()),
        }
    }

    fn has(&self, id: &str) -> bool {
        let state = self.state();
        !state.knows_nothing && state.jobs.iter().any(|job| job.id == id)
    }

    /// Where a clip lies: another address each time, as those that are signed are.
    fn address(&self, id: &str) -> String {
        let signature = self.state().asked.len();
        format!("http://{}/files/{id}.mp4?Signature={signature}", self.host)
    }

    /// The next fault, where it is of this kind.
    fn fault(&self, hit: Hit) -> Option<Fault> {
        let mut state = self.state();
        let is_next = state.faults.front().is_some_and(|fault| fault.hits() == hit);
        if is_next { state.faults.pop_front() } else { None }
    }

    fn create(&self, stream: &TcpStream, asked: &Asked) -> io::Result<()> {
        let fault = self.fault(Hit::Create);
        match fault {
            Some(Fault::DropBefore) => return drop_it(stream),
            Some(Fault::Busy(seconds)) => {
                let mut said = self.dialect.busy();
                said.headers.extend(seconds.map(|s| ("Retry-After".to_owned(), s.to_string())));
                return say(stream, &said);
            }
            Some(Fault::Refuse) => return say(stream, &self.dialect.refused()),
            Some(Fault::Error(index)) => {
                return say(stream, &self.dialect.documented()[index].said);
            }
            Some(Fault::EchoKey) => {
                let name = self.dialect.key().0;
                let came = asked.header(name).unwrap_or_default();
                return say(stream, &self.dialect.denied(&format!("wrong key: {came}")));
            }
            _ => {}
        }
        let external = self.dialect.external(asked);
        let mut state = self.state();
        if self.dialect.is_once()
            && external.is_some()
            && state.jobs.iter().any(|job| job.external == external)
        {
            return say(stream, &self.dialect.exists());
        }
        let id = self.dialect.id(state.jobs.len() + 1);
        state.jobs.push(Job { id: id.clone(), external, ..Job::default() });
        drop(state);
        match fault {
            Some(Fault::DropAfter) => return drop_it(stream),
            Some(Fault::Slow(time)) => thread::sleep(time),
            _ => {}
        }
        say(stream, &self.dialect.created(&id))
    }

    fn poll(&self, stream: &TcpStream, asked: &Asked, id: &str) -> io::Result<()> {
        let (polls, is_cancelled, never_ready) = {
            let mut state = self.state();
            let never_ready = state.never_ready;
            let is_forgetful = state.knows_nothing;
            let mut jobs = state.jobs.iter_mut().filter(|_| !is_forgetful);
            let Some(job) = jobs.find(|job| job.id == id) else {
                drop(state);
                return say(stream, &self.dialect.unknown());
            };
            job.polls += 1;
            (job.polls, job.is_cancelled, never_ready)
        };
        if is_cancelled {
            return say(stream, &self.dialect.standing(id, &Task::Cancelled));
        }
        let task = match self.fault(Hit::Poll) {
            Some(Fault::RefuseLater) => Task::Refused,
            Some(Fault::FailLater) => {
                let came = asked.header(self.dialect.key().0).unwrap_or_default();
                Task::Failed(format!("out of memory at http://10.0.0.1/?key={came} {came}"))
            }
            Some(Fault::NewWord) => Task::Word("pondering".to_owned()),
            Some(Fault::Says(status, json)) => return say(stream, &Said::new(status, json)),
            Some(Fault::NotFound) => return say(stream, &self.dialect.unknown()),
            Some(Fault::Broken) => return say(stream, &Said::new(500, serde_json::json!({}))),
            _ if polls < 2 || never_ready => Task::Waiting,
            _ if self.dialect.is_inline() => Task::Done(STANDARD.encode(&self.clip)),
            _ => Task::Done(self.address(id)),
        };
        say(stream, &self.dialect.standing(id, &task))
    }

    /// Sends the clip, or what a fault makes of it.
    fn clip(&self, stream: &TcpStream, asked: &Asked) -> io::Result<()> {
        let fault = self.fault(Hit::Clip);
        let mut body = self.clip.clone();
        let mut mime = "video/mp4";
        match fault {
            Some(Fault::Expired) => {
                return say(stream, &Said::new(403, serde_json::json!({ "error": "expired" })));
            }
            Some(Fault::Page) => {
                (body, mime) = (b"<html>please sign in</html>".to_vec(), "text/html");
            }
            Some(Fault::Spoil) => spoil(&mut body),
            Some(Fault::Garbage) => body.iter_mut().for_each(|byte| *byte ^= 0x55),
            _ => {}
        }
        let first = asked.header("range").and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let first = first.filter(|_| asked.header("if-range") == Some("\"clip-1\""));
        let first = first.unwrap_or(0).min(body.len());
        let (total, rest) = (body.len(), &body[first..]);
        let mut out = stream;
        if first > 0 {
            let last = total - 1;
            write!(out, "HTTP/1.1 206 -\r\nContent-Range: bytes {first}-{last}/{total}\r\n")?;
        } else {
            write!(out, "HTTP/1.1 200 -\r\n")?;
        }
        let length = rest.len();
        write!(out, "Content-Type: {mime}\r\nETag: \"clip-1\"\r\nConnection: close\r\n")?;
        let sent = match fault {
            Some(Fault::Truncate | Fault::TruncateUnsaid) => length / 2,
            _ => length,
        };
        match fault {
            Some(Fault::TruncateUnsaid) => write!(out, "\r\n")?,
            _ => write!(out, "Content-Length: {length}\r\n\r\n")?,
        }
        out.write_all(&rest[..sent])?;
        out.flush()?;
        stream.shutdown(Shutdown::Write)
    }
}

/// Makes a clip one that does not decode to its end.
pub fn spoil(clip: &mut [u8]) {
    let at = clip.len() - clip.len() / 8;
    clip[at..].fill(0xff);
}

fn drop_it(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Both)
}

fn say(mut stream: &TcpStream, said: &Said) -> io::Result<()> {
    let body = said.json.to_string();
    write!(stream, "HTTP/1.1 {} -\r\nContent-Type: application/json\r\n", said.status)?;
    for (name, value) in &said.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)
}

/// Reads one question.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut asked =
        Asked { method, path: path.to_owned(), query: query.to_owned(), ..Asked::default() };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body)?;
    Ok(asked)
}
