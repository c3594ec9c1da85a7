//! What is taken out: labelled things, and what they are together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Blake3;
use crate::privacy::Privacy;

/// Something, and who may see it. What is made of several labelled things carries what all their labels allow.
///
/// ```
/// use kinora_engine::egress::Labelled;
/// use kinora_engine::privacy::Privacy;
///
/// let prompt = Labelled::new("a cat".to_owned(), Privacy::Any);
/// let trigger = Labelled::new("sks".to_owned(), Privacy::studio(["render.lan"]));
/// let text = prompt.with(trigger, |prompt, trigger| format!("{trigger}, {prompt}"));
/// assert_eq!(text.label(), &Privacy::studio(["render.lan"]));
/// assert_eq!(Labelled::from("nobody said").label(), &Privacy::LocalOnly);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Labelled<T> {
    value: T,
    label: Privacy,
}

impl<T> Labelled<T> {
    /// Something, and who may see it.
    pub fn new(value: T, label: Privacy) -> Self {
        Self { value, label }
    }

    /// The thing, for use on this machine.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Who may see it.
    pub fn label(&self) -> &Privacy {
        &self.label
    }

    /// The same, seen from elsewhere.
    pub fn by_ref(&self) -> Labelled<&T> {
        Labelled { value: &self.value, label: self.label.clone() }
    }

    /// What is made of it has its label.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Labelled<U> {
        Labelled { value: make(self.value), label: self.label }
    }

    /// What is made of two things may be seen by whom both may.
    pub fn with<U, V>(self, other: Labelled<U>, make: impl FnOnce(T, U) -> V) -> Labelled<V> {
        let label = self.label.meet(&other.label);
        Labelled { value: make(self.value, other.value), label }
    }
}

impl<T, E> Labelled<Result<T, E>> {
    /// What came of making it.
    ///
    /// # Errors
    /// The error, which is nobody's secret.
    pub fn transpose(self) -> Result<Labelled<T>, E> {
        Ok(Labelled { value: self.value?, label: self.label })
    }
}

/// What nobody labelled stays on this machine.
impl<T> From<T> for Labelled<T> {
    fn from(value: T) -> Self {
        Self { value, label: Privacy::LocalOnly }
    }
}

/// The things of a list together.
impl<T> FromIterator<Labelled<T>> for Labelled<Vec<T>> {
    fn from_iter<I: IntoIterator<Item = Labelled<T>>>(things: I) -> Self {
        let mut all = Labelled { value: Vec::new(), label: Privacy::Any };
        for thing in things {
            all.label = all.label.meet(&thing.label);
            all.value.push(thing.value);
        }
        all
    }
}

impl<T> fmt::Debug for Labelled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labelled({})", self.label)
    }
}

/// One thing that is taken out, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is: `prompt`, `image-1.png`.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// What is in it.
    pub blake3: Blake3,
    /// Who may see it.
    pub label: Privacy,
}

/// Everything that one question takes out, or is about. Without a thing in it, it is about something that nobody labelled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    label: Privacy,
    parts: Vec<Part>,
}

impl Payload {
    /// One thing that is taken out.
    pub fn of<T: AsRef<[u8]>>(name: impl Into<String>, thing: &Labelled<T>) -> Self {
        Self::about(thing).and(name, thing)
    }

    /// Nothing that is taken out, but a question about something: a poll, a download, a call to stop.
    pub fn about<T>(thing: &Labelled<T>) -> Self {
        Self { label: thing.label.clone(), parts: Vec::new() }
    }

    /// The same and one thing more.
    #[must_use]
    pub fn and<T: AsRef<[u8]>>(mut self, name: impl Into<String>, thing: &Labelled<T>) -> Self {
        let (value, label) = (thing.value.as_ref(), thing.label.clone());
        self.label = self.label.meet(&label);
        let (bytes, blake3) = (value.len() as u64, Blake3::of(value));
        self.parts.push(Part { name: name.into(), bytes, blake3, label });
        self
    }

    /// Who may see all of it.
    pub fn label(&self) -> &Privacy {
        &self.label
    }

    /// What is taken out.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether a host may see one part of it; for a fault alone.
    pub(super) fn admits_some(&self, host: &str) -> bool {
        self.parts.iter().any(|part| part.label.admits(host))
    }

    /// The names of what a host may not see.
    pub(super) fn forbidding(&self, host: &str) -> String {
        let parts = self.parts.iter().filter(|part| !part.label.admits(host));
        let names: Vec<&str> = parts.map(|part| part.name.as_str()).collect();
        if names.is_empty() { "the take".to_owned() } else { names.join(", ") }
    }
}
