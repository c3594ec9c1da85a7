//! `kinora egress`: what left this machine, and what was denied.

use std::collections::BTreeMap;
use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::chain::Line;
use kinora_engine::egress::log::{self, Ask, Entry, Reply};

use kinora_engine::job::Intent;
use kinora_engine::ledger::Ledger;

use crate::args::{EgressVerb, Where};
use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// Does what the verb says.
pub(crate) fn run(verb: &EgressVerb) -> Result<ExitCode, Failure> {
    match verb {
        EgressVerb::Log { json: true, place } => print_json(place),
        EgressVerb::Log { json: false, place } => print(place),
        EgressVerb::Verify(place) => verify(place),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn print_json(place: &Where) -> Result<(), Failure> {
    log::read(&settings::egress_log(place)?, &mut |line| {
        ui::print(&serde_json::to_string(&line).expect("because it was read from JSON"));
    })?;
    Ok(())
}

/// A question with its answer a line, as far as the log is whole.
fn print(place: &Where) -> Result<(), Failure> {
    let (mut asks, mut replies) = (Vec::new(), BTreeMap::new());
    let read = log::read(&settings::egress_log(place)?, &mut |line| match line.entry {
        Entry::Ask(ask) => {
            asks.push(Line { seq: line.seq, prev: line.prev, at: line.at, entry: *ask })
        }
        Entry::Answer(reply) => {
            replies.insert(reply.to, reply);
        }
    });
    for line in &asks {
        let Line { at, entry: ask, .. } = line;
        let (where_to, purpose) = (format!("{}{}", ask.host, ask.path), ask.purpose.to_string());
        let became = became(ask, replies.get(&line.seq));
        ui::print(&format!("{at:.0}  {:<6} {where_to}  {purpose}  {became}", ask.method));
    }
    read?;
    Ok(())
}

/// What was taken out, and what came of it.
fn became(ask: &Ask, reply: Option<&Reply>) -> String {
    if let Some(why) = &ask.denied {
        return format!("denied: {why}");
    }
    let mut words = Vec::new();
    if ask.bytes > 0 {
        let parts: Vec<&str> = ask.parts.iter().map(|part| part.name.as_str()).collect();
        words.push(format!("{} out: {}", ui::bytes(ask.bytes), parts.join(", ")));
    }
    words.extend(ask.take.map(|take| format!("take {take}")));
    words.push(match reply {
        None => "no answer is written down".to_owned(),
        Some(Reply { status: None, error, .. }) => {
            format!("no answer: {}", error.as_deref().unwrap_or("nobody says why"))
        }
        Some(Reply { status: Some(status), bytes, error, .. }) => {
            let broken = error.as_ref().map_or_else(String::new, |error| format!(", {error}"));
            format!("{status}, {} in{broken}", ui::bytes(*bytes))
        }
    });
    words.join("; ")
}

fn verify(place: &Where) -> Result<(), Failure> {
    let path = settings::egress_log(place)?;
    let sum = log::verify(&path)?;
    // A log that is gone as a whole says nothing of itself. The ledger knows what was asked for.
    if let Ok(production) = settings::production_folder(place)
        && let Some(ledger) = Ledger::open_existing(&production)?
        && let Some(job) =
            ledger.sent_jobs()?.iter().find(|job| !sum.takes.contains(&job.intent.take))
    {
        let Intent { cut, number, host, .. } = &job.intent;
        let text = format!("{}: no line asks {host} for {cut}:{number}", path.display());
        let hint = "the ledger knows that it was asked for: bring the log and its .head back from a backup";
        return Err(Failure::new(Kind::Input, text).hint(hint));
    }
    let count = |n: u64, what| ui::count(usize::try_from(n).unwrap_or(usize::MAX), what);
    ui::print(&format!(
        "as it was written: {}, {} asked, {} taken out, {} denied",
        count(sum.head.seq, "line"),
        count(sum.allowed, "question"),
        ui::bytes(sum.sent_bytes),
        count(sum.denied, "question"),
    ));
    Ok(())
}
