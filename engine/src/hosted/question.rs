//! One question to a provider and its answer, as values: nothing here knows how they travel.

use std::time::Duration;

use serde_json::Value;

use crate::egress::{Body, Method};

/// Where a question goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Below the address of the provider: a path of plain words, joined by `/`, and what follows a `?`. Both are escaped on
    /// the way.
    Below(String, Vec<(&'static str, String)>),
    /// An address that the provider gave us, as it gave it.
    Given(String),
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What to do.
    pub method: Method,
    /// Where.
    pub place: Place,
    /// Headers, none of them secret. Type and length of the body come by themselves.
    pub headers: Vec<(&'static str, String)>,
    /// What it brings.
    pub body: Body,
    /// Whether it is asked with the key. At another origin than the provider's it never is.
    pub with_key: bool,
}

impl Question {
    fn new(method: Method, place: Place) -> Self {
        Self { method, place, headers: Vec::new(), body: Body::Empty, with_key: true }
    }

    /// Asks for what is at a path below the provider's address.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, Place::Below(path.into(), Vec::new()))
    }

    /// Hands over nothing at a path.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, Place::Below(path.into(), Vec::new()))
    }

    /// Hands over JSON at a path.
    pub fn json(path: impl Into<String>, body: &Value) -> Self {
        Self { body: Body::Json(body.to_string().into_bytes()), ..Self::post(path) }
    }

    /// Puts nothing at a path.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::Put, Place::Below(path.into(), Vec::new()))
    }

    /// Removes what is at a path.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, Place::Below(path.into(), Vec::new()))
    }

    /// Asks for what is at an address that the provider gave.
    pub fn given(address: impl Into<String>) -> Self {
        Self::new(Method::Get, Place::Given(address.into()))
    }

    /// With a header, which is not secret.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With `name=value` behind the path. An address that was given is left as it is.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Place::Below(_, queries) = &mut self.place {
            queries.push((name, value.into()));
        }
        self
    }

    /// Without the key.
    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.with_key = false;
        self
    }
}

/// How a provider wants to be shown the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeader {
    /// The header.
    pub name: &'static str,
    /// What stands before the key.
    pub prefix: &'static str,
}

impl KeyHeader {
    /// `Authorization: Bearer KEY`.
    pub const BEARER: Self = Self { name: "authorization", prefix: "Bearer " };
    /// `Authorization: Key KEY`.
    pub const KEY: Self = Self { name: "authorization", prefix: "Key " };
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
    /// How long the host wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What it says.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; none where it is something else.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header's text, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it says yes.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What it says went wrong: the first of these places in its JSON that holds a text (`/error/message`), or else the status.
    pub fn why(&self, places: &[&str]) -> String {
        let json = self.json().unwrap_or_default();
        let said = places.iter().find_map(|place| text(&json, place));
        said.map_or_else(|| format!("status {}", self.status), ToOwned::to_owned)
    }
}

/// The text at a place in JSON, such as `/error/message`; none where there is none or it is empty.
pub fn text<'a>(json: &'a Value, place: &str) -> Option<&'a str> {
    json.pointer(place)?.as_str().filter(|text| !text.is_empty())
}

/// The name of a job at a place in JSON, text or number; none where it could not be part of a path.
pub fn name(json: &Value, place: &str) -> Option<String> {
    let name = match json.pointer(place)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_name(&name).then_some(name)
}

/// The longest name of a job.
const MOST_NAME_BYTES: usize = 1024;

/// Whether a text can be a provider's name of a job.
pub fn is_name(text: &str) -> bool {
    let is_word = |word: &str| !matches!(word, "" | "." | "..");
    text.len() <= MOST_NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_jobs_are_checked() {
        let named = |value: Value| name(&json!({ "data": { "id": value } }), "/data/id");
        assert_eq!(named(json!("cgt-2026")).as_deref(), Some("cgt-2026"));
        assert_eq!(named(json!(8_734_123_i64)).as_deref(), Some("8734123"));
        assert_eq!(named(json!("models/a/operations/b")).as_deref(), Some("models/a/operations/b"));
        for wrong in
            [json!(""), json!("a b"), json!("../x"), json!("a//b"), json!("a\n"), json!(null)]
        {
            assert_eq!(named(wrong.clone()), None, "{wrong}");
        }
        assert_eq!(named(json!("x".repeat(2000))), None);
    }

    #[test]
    fn an_answer_says_why_in_one_of_its_places() {
        let reply = |body: &str| Reply { status: 418, body: body.into(), ..Reply::default() };
        let why = |body: &str| reply(body).why(&["/error/message", "/detail"]);
        assert_eq!(why(r#"{"error": {"message": "no"}}"#), "no");
        assert_eq!(why(r#"{"error": {"message": ""}, "detail": "never"}"#), "never");
        assert_eq!(why(r#"{"error": [1]}"#), "status 418");
        assert_eq!(why("<html>"), "status 418");
    }
}
