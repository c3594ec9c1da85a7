//! A hub on this machine that speaks as the Hugging Face hub does, with headers as recorded from it, and that breaks
//! when told to.
//!
//! It has two addresses: the hub itself, and the network of hosts that large files are redirected to.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The commit that the hub's only revision, `main`, is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A card whose repository [`FakeHub::of_a_card`] has.
pub const CARD: &str = "wan2.1-t2v-1.3b";

/// One file of the hub's only repository.
#[derive(Debug, Clone)]
pub struct HubFile {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// What the hub says its content hashes to.
    pub etag: String,
    /// Whether it is a large file, which the hub redirects to the other address.
    pub is_large: bool,
}

/// What goes wrong with an answer. A fault hits one request for one file's bytes and is gone.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing more comes after so many bytes of the body, for so long.
    Stall(usize, Duration),
    /// Another status, with these header lines, each with its line end.
    Status(u16, String),
    /// A redirect to this address.
    Redirect(String),
    /// The bytes are others than announced.
    Garbage,
    /// The body says it has one byte more than asked for, and has.
    Longer,
    /// Ranges are ignored: the whole file comes.
    Whole,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whether the hub itself was asked, not where it redirects to.
    pub is_hub: bool,
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The header that says who asks.
    pub authorization: Option<String>,
}

struct State {
    repo: String,
    files: Vec<HubFile>,
    hub: SocketAddr,
    large: SocketAddr,
    faults: Mutex<VecDeque<(String, Fault)>>,
    asked: Mutex<Vec<Asked>>,
    refused: Mutex<HashSet<String>>,
    connections: AtomicUsize,
    sent_bytes: AtomicUsize,
}

/// A hub with one repository. Its threads end with the process.
pub struct FakeHub {
    state: Arc<State>,
}

impl FakeHub {
    /// Starts a hub that holds one repository at one commit.
    ///
    /// # Errors
    /// What the system says when this machine cannot be listened on.
    pub fn start(repo: &str, files: Vec<HubFile>) -> io::Result<Self> {
        let hub = TcpListener::bind("127.0.0.1:0")?;
        let large = TcpListener::bind("127.0.0.1:0")?;
        let state = Arc::new(State {
            repo: repo.to_owned(),
            files,
            hub: hub.local_addr()?,
            large: large.local_addr()?,
            faults: Mutex::default(),
            asked: Mutex::default(),
            refused: Mutex::default(),
            connections: AtomicUsize::new(0),
            sent_bytes: AtomicUsize::new(0),
        });
        for (listener, is_hub) in [(hub, true), (large, false)] {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    state.connections.fetch_add(1, Ordering::SeqCst);
                    let state = Arc::clone(&state);
                    // A client that goes away in the middle is what these tests are about.
                    thread::spawn(move || state.serve(&stream, is_hub).ok());
                }
            });
        }
        Ok(Self { state })
    }

    /// Starts one that holds what [`CARD`] names: a file for each of its patterns, all of one content, which comes once.
    ///
    /// # Errors
    /// What the system says when this machine cannot be listened on.
    pub fn of_a_card(more: Vec<HubFile>) -> io::Result<Self> {
        let folders = ["scheduler", "text_encoder", "tokenizer", "transformer", "vae"];
        let configs = folders.map(|folder| format!("{folder}/config.json"));
        let weights = ["text_encoder", "transformer", "vae"];
        let weights = weights.map(|folder| format!("{folder}/model.safetensors"));
        let paths = configs.into_iter().chain(weights).chain(["model_index.json".to_owned()]);
        let mut files: Vec<HubFile> = paths
            .filter(|path| !more.iter().any(|file| file.path == *path))
            .map(|path| HubFile {
                path,
                content: b"hello\n".to_vec(),
                etag: "ce013625030ba8dba906f756967f9e9ca394464a".to_owned(),
                is_large: false,
            })
            .collect();
        files.extend(more);
        Self::start("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", files)
    }

    /// Returns the hub's address, for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.state.hub)
    }

    /// Returns the host that large files are redirected to, for a card's redirect hosts.
    pub fn large_host(&self) -> String {
        self.state.large.to_string()
    }

    /// Lets the next requests for a file's bytes go wrong, one after another.
    pub fn break_next(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state.faults).extend(faults.into_iter().map(|fault| (path.to_owned(), fault)));
    }

    /// Returns how many faults have hit nobody yet.
    pub fn faults_left(&self) -> usize {
        lock(&self.state.faults).len()
    }

    /// Answers every question for a path that ends so with 401, unless it says who asks.
    pub fn gate(&self, end: &str) {
        lock(&self.state.refused).insert(end.to_owned());
    }

    /// Returns how many connections were opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Returns how many bytes of files were sent.
    pub fn sent_bytes(&self) -> usize {
        self.state.sent_bytes.load(Ordering::SeqCst)
    }

    /// Returns every request that arrived, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }
}

impl State {
    /// Answers the requests of one connection until it ends.
    fn serve(&self, stream: &TcpStream, is_hub: bool) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut words = line.split_whitespace();
            let method = words.next().unwrap_or_default().to_owned();
            let path = words.next().unwrap_or_default().to_owned();
            let (mut range, mut authorization) = (None, None);
            loop {
                let mut header = String::new();
                reader.read_line(&mut header)?;
                let Some((name, value)) = header.trim_end().split_once(':') else { break };
                match name.to_ascii_lowercase().as_str() {
                    "range" => range = bounds(value.trim()),
                    "authorization" => authorization = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
            let asked = Asked { is_hub, method, path, authorization };
            lock(&self.asked).push(asked.clone());
            self.answer(stream, &asked, range)?;
        }
    }

    fn answer(
        &self,
        stream: &TcpStream,
        asked: &Asked,
        range: Option<(usize, usize)>,
    ) -> io::Result<()> {
        let gated = lock(&self.refused).iter().any(|end| asked.path.ends_with(end));
        if gated && asked.authorization.is_none() {
            return plain(stream, 401, "X-Error-Code: GatedRepo\r\n", "");
        }
        if asked.is_hub && asked.path == format!("/api/models/{}/revision/main", self.repo) {
            return plain(stream, 200, "Content-Type: application/json\r\n", &self.listing());
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        let prefix = format!("/{}/resolve/{COMMIT}/", self.repo);
        let file = path.strip_prefix(&prefix).or_else(|| path.strip_prefix("/bytes/"));
        let Some(file) = file.and_then(|path| self.files.iter().find(|f| f.path == path)) else {
            return plain(stream, 404, "X-Error-Code: EntryNotFound\r\n", "");
        };
        if asked.method == "HEAD" {
            return self.announce(stream, file);
        }
        if asked.is_hub && file.is_large {
            return self.announce(stream, file);
        }
        let mut faults = lock(&self.faults);
        let is_next = faults.front().is_some_and(|(path, _)| *path == file.path);
        let fault = if is_next { faults.pop_front() } else { None };
        drop(faults);
        self.send(stream, file, range, fault.map(|(_, fault)| fault))
    }

    /// Returns the repository's listing, with more in it than a client needs.
    fn listing(&self) -> String {
        let names: Vec<_> =
            self.files.iter().map(|file| serde_json::json!({ "rfilename": file.path })).collect();
        let (id, tags) = (&self.repo, ["text-to-video"]);
        serde_json::json!({
            "id": id, "sha": COMMIT, "private": false, "gated": false, "tags": tags, "siblings": names
        })
        .to_string()
    }

    /// Says what a file is: at once where it is small, with a redirect to its bytes where it is large.
    fn announce(&self, stream: &TcpStream, file: &HubFile) -> io::Result<()> {
        let (etag, len) = (&file.etag, file.content.len());
        let common = format!("X-Repo-Commit: {COMMIT}\r\nAccept-Ranges: bytes\r\n");
        if file.is_large {
            let location =
                format!("http://{}/bytes/{}?Signature=s3cret&Expires=1", self.large, file.path);
            let head = format!(
                "{common}X-Linked-Size: {len}\r\nX-Linked-ETag: \"{etag}\"\r\nLocation: {location}\r\n"
            );
            return plain(stream, 302, &head, "");
        }
        let mut out = stream;
        write!(
            out,
            "HTTP/1.1 200 OK\r\n{common}ETag: W/\"{etag}\"\r\nContent-Length: {len}\r\n\r\n"
        )
    }

    /// Sends a file's bytes, or what a fault makes of them.
    fn send(
        &self,
        stream: &TcpStream,
        file: &HubFile,
        range: Option<(usize, usize)>,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        let len = file.content.len();
        let range = range.filter(|_| !matches!(fault, Some(Fault::Whole)));
        let (first, last) = range.unwrap_or((0, len - 1));
        if first >= len || last >= len {
            return plain(stream, 416, &format!("Content-Range: bytes */{len}\r\n"), "");
        }
        let mut body = file.content[first..=last].to_vec();
        match &fault {
            Some(Fault::Status(status, head)) => return plain(stream, *status, head, ""),
            Some(Fault::Redirect(to)) => {
                return plain(stream, 302, &format!("Location: {to}\r\n"), "");
            }
            Some(Fault::Garbage) => body.iter_mut().for_each(|byte| *byte ^= 0x55),
            Some(Fault::Longer) => body.push(0),
            _ => {}
        }
        let mut out = stream;
        match range {
            Some(_) => write!(
                out,
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{len}\r\n"
            )?,
            None => write!(out, "HTTP/1.1 200 OK\r\n")?,
        }
        write!(
            out,
            "ETag: \"an-etag-of-the-other-host\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        let (kept, pause) = match fault {
            Some(Fault::Cut(at)) => (at.min(body.len() - 1), Some(Duration::ZERO)),
            Some(Fault::Stall(at, pause)) => (at.min(body.len() - 1), Some(pause)),
            _ => (body.len(), None),
        };
        out.write_all(&body[..kept])?;
        self.sent_bytes.fetch_add(kept, Ordering::SeqCst);
        match pause {
            None => Ok(()),
            Some(pause) => {
                thread::sleep(pause);
                stream.shutdown(Shutdown::Both)?;
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }
}

fn plain(mut stream: &TcpStream, status: u16, head: &str, body: &str) -> io::Result<()> {
    let len = body.len();
    write!(stream, "HTTP/1.1 {status} -\r\n{head}Content-Length: {len}\r\n\r\n{body}")
}

/// Reads `bytes=first-last`.
fn bounds(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
