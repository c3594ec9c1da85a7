//! What a host answers.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::log::Receipt;
use super::{Error, Result, Token, redact};

/// How much of an answer that says what went wrong is read, and how much of it is shown.
const EXCERPT_BYTES: u64 = 64 << 10;
const EXCERPT_LETTERS: usize = 1000;

/// The least that a host has to send in the long run, in bytes a second: one that sends a byte now and then is never silent.
const LEAST_PACE: u64 = 1 << 10;

/// What a host answered: status, headers, and a body yet to be read.
pub struct Answer {
    pub(super) host: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Box<dyn Read + std::marker::Send>,
    /// How much more of it is read.
    pub(super) left_bytes: u64,
    pub(super) most_bytes: u64,
    /// The longest silence, and how long it was waited for in all.
    pub(super) patience: Duration,
    pub(super) waited: Duration,
    /// Who asked.
    pub(super) token: Option<Token>,
    pub(super) receipt: Receipt,
}

impl Answer {
    /// Returns the host that answered.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers that are text, as they came.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns a header's text, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns a header's number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name).and_then(|text| text.trim().parse().ok())
    }

    /// Returns how long the host wants to be left alone, whether it says so in seconds or as a time of day.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        if let Some(seconds) = self.number("retry-after") {
            return Some(Duration::from_secs(seconds));
        }
        let until =
            DateTimeParser::new().parse_timestamp(self.header("retry-after")?.trim()).ok()?;
        // A time that has passed asks for no wait.
        Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
    }

    /// Reads all that is left.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the limit of the question, [`Error::Broken`] where it breaks off.
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                Err(Error::TooLarge { host: self.host.clone(), most_bytes: self.most_bytes })
            }
            Err(source) => Err(Error::Broken { host: self.host.clone(), source }),
        }
    }

    /// Reads the beginning of what went wrong, for an error, a log or a manifest: a single line without the key that was sent
    /// and without any of `keys`, in whatever form. What cannot be read is left out.
    pub fn excerpt(&mut self, keys: &[Token]) -> String {
        let mut bytes = Vec::new();
        // As far as it comes.
        let _ = self.by_ref().take(EXCERPT_BYTES).read_to_end(&mut bytes);
        let keys: Vec<Token> = self.token.iter().chain(keys).cloned().collect();
        let text = redact(&String::from_utf8_lossy(&bytes), &keys);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|letter| !letter.is_control()).take(EXCERPT_LETTERS).collect()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("host", &self.host).field("status", &self.status).finish()
    }
}

impl Read for Answer {
    /// Reads on. Past the limit of the question it fails with [`ErrorKind::FileTooLarge`], of a host that is too slow to end with
    /// [`ErrorKind::TimedOut`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left_bytes == 0 {
            return match self.body.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(ErrorKind::FileTooLarge.into()),
            };
        }
        let room = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        let begun = Instant::now();
        let count = self.body.read(&mut buffer[..room]).inspect_err(|_| self.receipt.breaks())?;
        self.waited += begun.elapsed();
        self.left_bytes -= count as u64;
        let received_bytes = self.most_bytes - self.left_bytes;
        if self.waited > self.patience + Duration::from_secs(received_bytes / LEAST_PACE) {
            self.receipt.breaks();
            return Err(ErrorKind::TimedOut.into());
        }
        self.receipt.received(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a byte at a time, and takes its time.
    struct Dribble(Duration);

    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(self.0);
            buffer[0] = b'x';
            Ok(1)
        }
    }

    fn answer(body: impl Read + std::marker::Send + 'static, patience: Duration) -> Answer {
        Answer {
            host: "slow.test".to_owned(),
            status: 200,
            headers: Vec::new(),
            body: Box::new(body),
            left_bytes: 64 << 10,
            most_bytes: 64 << 10,
            patience,
            waited: Duration::ZERO,
            token: None,
            receipt: Receipt::new(None),
        }
    }

    #[test]
    fn a_host_that_sends_a_byte_now_and_then_is_not_waited_for() {
        let slow = answer(Dribble(Duration::from_millis(5)), Duration::from_millis(50));
        let error = slow.bytes().expect_err("it never ends");
        assert!(
            matches!(error, Error::Broken { source, .. } if source.kind() == ErrorKind::TimedOut)
        );
        let mut steady = answer(Dribble(Duration::ZERO), Duration::from_secs(5));
        assert_eq!(steady.by_ref().take(4000).read_to_end(&mut Vec::new()).expect("fast"), 4000);
        assert!(matches!(steady.bytes(), Err(Error::TooLarge { .. })));
    }
}
