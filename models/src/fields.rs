//! Reads the fields of a configuration, naming the one that is wrong.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// A configuration file as its class reads it.
pub(crate) struct Fields {
    class: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads the text of a configuration.
    pub(crate) fn parse(class: &'static str, text: &str) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(map) => Ok(Self { class, map }),
            Err(source) => Err(Error::Config {
                class,
                field: format!("line {}", source.line()),
                expected: "a JSON object".to_owned(),
                found: source.to_string(),
            }),
        }
    }

    /// The value of a field; `None` when it is absent or null.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// A whole number within a range.
    pub(crate) fn count(&self, field: &str, range: RangeInclusive<usize>) -> Result<usize> {
        match self.optional_count(field, range.clone())? {
            Some(count) => Ok(count),
            None => Err(self.wrong(field, whole(&range))),
        }
    }

    /// A whole number within a range, or nothing.
    pub(crate) fn optional_count(
        &self,
        field: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        match count.filter(|count| range.contains(count)) {
            Some(count) => Ok(Some(count)),
            None => Err(self.wrong(field, whole(&range))),
        }
    }

    /// A small positive number that is added to a denominator.
    pub(crate) fn epsilon(&self, field: &str) -> Result<f64> {
        match self.get(field).and_then(Value::as_f64) {
            Some(eps) if eps > 0.0 && eps < 1.0 => Ok(eps),
            _ => Err(self.wrong(field, "a number between 0 and 1")),
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, field: &str) -> Result<bool> {
        let flag = self.get(field).and_then(Value::as_bool);
        flag.ok_or_else(|| self.wrong(field, "true or false"))
    }

    /// One of some words, when the field is there.
    pub(crate) fn word(&self, field: &str, known: &[&str]) -> Result<()> {
        match self.get(field) {
            None => Ok(()),
            Some(Value::String(word)) if known.contains(&word.as_str()) => Ok(()),
            Some(_) => Err(self.wrong(field, known.join(" or "))),
        }
    }

    /// The error of a field that is not what was expected of it.
    pub(crate) fn wrong(&self, field: &str, expected: impl Into<String>) -> Error {
        let found = self.map.get(field).map_or_else(|| "nothing".to_owned(), Value::to_string);
        wrong(self.class, field, expected, found)
    }
}

/// The error of a field that is not what was expected of it.
pub(crate) fn wrong(
    class: &'static str,
    field: &str,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    let found: String = found.into();
    Error::Config {
        class,
        field: field.to_owned(),
        expected: expected.into(),
        found: found.chars().take(80).collect(),
    }
}

fn whole(range: &RangeInclusive<usize>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}
