//! `kinora diff`: how two takes differ.

use std::process::ExitCode;

use kinora_engine::Kind;
use serde_json::Value;

use super::takes::find;
use crate::args::Diff;
use crate::errors::Failure;
use crate::ui;

/// What two takes never share, and what says nothing about how they were made.
const OF_COURSE: [&str; 7] =
    ["id", "number", "created", "seconds", "media", "made.seconds", "made.recipe.seed"];

/// Prints what differs in the manifests of two takes, one line each.
pub(crate) fn run(options: &Diff) -> Result<ExitCode, Failure> {
    let manifest = |word: &str| -> Result<Value, Failure> {
        let (ledger, take) = find(&options.place, word)?;
        let record = ledger.record(take.id)?;
        serde_json::to_value(record)
            .map_err(|error| Failure::new(Kind::Internal, error.to_string()))
    };
    let (one, two) = (manifest(&options.one)?, manifest(&options.two)?);
    let mut lines = Vec::new();
    compare("", &one, &two, &mut lines);
    for line in &lines {
        ui::print(line);
    }
    if lines.is_empty() {
        ui::tell("they were made from the same, in the same way");
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(name: &str, one: &Value, two: &Value, lines: &mut Vec<String>) {
    if one == two || OF_COURSE.contains(&name) {
        return;
    }
    if let (Value::Object(one), Value::Object(two)) = (one, two) {
        let keys = one.keys().chain(two.keys().filter(|key| !one.contains_key(*key)));
        for key in keys {
            let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let part = |object: &serde_json::Map<String, Value>| {
                object.get(key).cloned().unwrap_or(Value::Null)
            };
            compare(&inner, &part(one), &part(two), lines);
        }
        return;
    }
    lines.push(format!("{name}: {} | {}", shown(one), shown(two)));
}

/// A value in one line, a text without its quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
