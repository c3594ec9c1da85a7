//! From a failure to its exit code and its lines on standard error.

use std::io::Write;
use std::process::ExitCode;

use kinora_engine::{Hint, Kind};

/// A failure on its way to the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure of this kind in so many words.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same failure with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the failure, in one line and one more for advice, and gives its exit code.
    pub(crate) fn report(self) -> ExitCode {
        let mut text = format!("error: {}\n", one_line(&self.message));
        if let Some(hint) = &self.hint {
            text += &format!("hint: {}\n", one_line(hint));
        }
        // Where standard error is closed there is no one to tell.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::Input => 3,
            Kind::Config => 4,
            Kind::Resources => 5,
            Kind::Provider => 6,
            Kind::Policy => 7,
            Kind::Interrupted => 130,
            Kind::Internal => 70,
        })
    }
}

/// A failure is one line, whatever the names of files and tensors in it hold: ends of lines become spaces, other control
/// characters are shown as escapes.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> =
        text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut shown = String::with_capacity(text.len());
    for c in lines.join(" ").chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

impl<E: Hint + std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            if !message.contains(&text) {
                message += &format!(": {text}");
            }
            source = inner.source();
        }
        Self { kind: error.kind(), message, hint: error.hint() }
    }
}
