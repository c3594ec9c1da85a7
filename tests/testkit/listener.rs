//! A host on this machine that answers every question as it is told, and remembers what it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A question as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// `GET /x HTTP/1.1` and the headers, a line each.
    pub head: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// The text of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.iter().filter_map(|line| line.split_once(':'));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A host that listens. Its thread ends with the process.
#[derive(Debug)]
pub struct Listener {
    host: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
}

impl Listener {
    /// Starts one. `accepted` is called when somebody has connected, before a byte is read; every question gets `answer`, as
    /// it goes over the wire.
    ///
    /// # Errors
    /// What the system says when this machine cannot be listened on.
    pub fn start(
        accepted: impl Fn() + Send + 'static,
        answer: impl Into<Vec<u8>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let (heard, connections) = (Arc::default(), Arc::default());
        let started =
            Self { host, heard: Arc::clone(&heard), connections: Arc::clone(&connections) };
        let answer = answer.into();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *lock(&connections) += 1;
                accepted();
                // A client that goes away in the middle has been heard as far as it came.
                if let Ok(question) = hear(&stream) {
                    lock(&heard).push(question);
                    (&stream).write_all(&answer).ok();
                }
            }
        });
        Ok(started)
    }

    /// One that answers with a status, header lines and a body.
    ///
    /// # Errors
    /// What the system says when this machine cannot be listened on.
    pub fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> io::Result<Self> {
        Self::start(|| {}, answer(status, headers, body))
    }

    /// Its host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        *lock(&self.connections)
    }

    /// What it was asked.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }
}

/// An answer as it goes over the wire; the connection ends with it.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Told\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

fn hear(stream: &TcpStream) -> io::Result<Heard> {
    let mut reader = BufReader::new(stream);
    let mut heard = Heard::default();
    loop {
        let mut line = String::new();
        let count = reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            break;
        }
        heard.head.push(line.to_owned());
    }
    let length = heard.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    heard.body = vec![0; length];
    reader.read_exact(&mut heard.body)?;
    Ok(heard)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
