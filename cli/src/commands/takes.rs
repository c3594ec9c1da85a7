//! `kinora takes`, `pick`, `reject`, `rate`, `note`: what was made, and what people think of it.

use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::id::{CutId, TakeId};
use kinora_engine::ledger::{Filter, Ledger, TakeRow};
use kinora_engine::production::Production;

use crate::args::{Note, OneTake, Rate, Reject, Takes, Where};
use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// How many takes are listed where nobody says how many.
const SHOWN: u32 = 200;

/// Lists takes, by scene, cut and number; of very many in all cuts it says how each cut stands.
pub(crate) fn list(options: &Takes) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(&options.place)?;
    let Some(ledger) = Ledger::open_existing(&folder)? else {
        ui::tell("no take was made yet: `kinora render` makes them");
        return Ok(ExitCode::SUCCESS);
    };
    let limit = options.limit.unwrap_or(SHOWN);
    let mut filter = Filter { limit: Some(limit.saturating_add(1)), ..Filter::default() };
    match options.cut.as_deref() {
        None => {}
        Some(word) if word.contains('/') => filter.cut = Some(cut(word)?),
        Some(word) => match only_cut(&folder, word)? {
            Some(cut) => filter.cut = Some(cut),
            None => filter.scene = Some(word.to_owned()),
        },
    }
    let mut takes = ledger.takes(&filter)?;
    let are_more = takes.len() > limit as usize;
    if are_more && options.cut.is_none() && options.limit.is_none() && !options.json {
        return summary(&ledger);
    }
    takes.truncate(limit as usize);
    for take in &takes {
        if options.json {
            let row = serde_json::to_string(take).map_err(|error| internal(&error))?;
            ui::print(&row);
        } else {
            ui::print(&line(&ledger, take));
        }
    }
    if are_more {
        ui::tell(&format!("these are the first {limit}; --limit shows more"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how every cut stands, one line each.
fn summary(ledger: &Ledger) -> Result<ExitCode, Failure> {
    let cuts = ledger.summary()?;
    let mut takes = 0;
    for (cut, stands) in &cuts {
        let open: u32 = stands.takes.values().sum();
        takes += open + stands.rejected;
        let mut line = format!("{:<20} {}", cut.to_string(), ui::count(open as usize, "take"));
        let counted = [(stands.rejected, "rejected"), (stands.failed, "failed")];
        for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
            line += &format!(", {count} {what}");
        }
        if let Some((_, number)) = stands.picked {
            line += &format!(", take {number} is picked");
        }
        ui::print(&line);
    }
    let (takes, cuts) = (ui::count(takes as usize, "take"), ui::count(cuts.len(), "cut"));
    ui::tell(&format!(
        "{takes} of {cuts}; `kinora takes CUT` lists those of one, --limit N the first ones"
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn internal(error: &dyn std::error::Error) -> Failure {
    Failure::new(Kind::Internal, error.to_string())
}

/// A take in one line.
fn line(ledger: &Ledger, take: &TakeRow) -> String {
    let state = match (&take.picked, &take.rejected) {
        (Some(_), _) => "picked".to_owned(),
        (None, Some(why)) if why.is_empty() => "rejected".to_owned(),
        (None, Some(why)) => format!("rejected: {why}"),
        (None, None) => String::new(),
    };
    let stars = "*".repeat(usize::from(take.stars.unwrap_or(0)));
    let path = ledger.render_path(take);
    let path = if take.collected { "given up".to_owned() } else { path.display().to_string() };
    let name = format!("{}:{}", take.cut, take.number);
    format!("{name:<20} {:<16} seed {:<11} {stars:<5} {path}  {state}", take.model, take.seed)
        .trim_end()
        .to_owned()
}

/// Picks a take.
pub(crate) fn pick(options: &OneTake) -> Result<ExitCode, Failure> {
    let (mut ledger, take) = find(&options.place, &options.take)?;
    ledger.pick(take.id)?;
    told(&take, "is picked")
}

/// Rejects a take.
pub(crate) fn reject(options: &Reject) -> Result<ExitCode, Failure> {
    let (mut ledger, take) = find(&options.place, &options.take)?;
    ledger.reject(take.id, &options.why)?;
    told(&take, "is rejected")
}

/// Gives a take stars.
pub(crate) fn rate(options: &Rate) -> Result<ExitCode, Failure> {
    let (mut ledger, take) = find(&options.place, &options.take)?;
    ledger.rate(take.id, options.stars)?;
    told(&take, &format!("has {} of 5 stars", options.stars))
}

/// Writes down what is said of a take, or prints what was.
pub(crate) fn note(options: &Note) -> Result<ExitCode, Failure> {
    let (mut ledger, take) = find(&options.place, &options.take)?;
    match options.text.as_deref().map(str::trim) {
        Some("") => Err(Failure::new(Kind::Usage, "a note says something".to_owned())),
        Some(text) => {
            ledger.note(take.id, text)?;
            told(&take, "has a note")
        }
        None => {
            for note in ledger.notes(take.id)? {
                ui::print(&format!("{}  {}", note.at.strftime("%Y-%m-%d %H:%M UTC"), note.text));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn told(take: &TakeRow, what: &str) -> Result<ExitCode, Failure> {
    ui::print(&format!("take {} of {} {what}", take.number, take.cut));
    Ok(ExitCode::SUCCESS)
}

/// Finds the take that a word names: its own name, or its number behind the cut's.
pub(crate) fn find(place: &Where, word: &str) -> Result<(Ledger, TakeRow), Failure> {
    let folder = settings::production_folder(place)?;
    let ledger = Ledger::open_existing(&folder)?;
    let unknown = || {
        let hint = "`kinora takes` lists them; CUT:NUMBER names one";
        Failure::new(Kind::Usage, format!("there is no take {word:?}")).hint(hint)
    };
    let ledger = ledger.ok_or_else(unknown)?;
    let found = match named(&folder, word)?.ok_or_else(unknown)? {
        Named::Itself(id) => ledger.take(id)?,
        Named::Number(cut, number) => ledger.take_of(&cut, number)?,
    };
    let take = found.ok_or_else(unknown)?;
    Ok((ledger, take))
}

/// How a word names a take.
pub(super) enum Named {
    /// By its own name.
    Itself(TakeId),
    /// By its cut and its number.
    Number(CutId, u32),
}

/// What a word names; none where it is no name of a take.
pub(super) fn named(folder: &std::path::Path, word: &str) -> Result<Option<Named>, Failure> {
    if let Ok(id) = word.parse() {
        return Ok(Some(Named::Itself(id)));
    }
    let Some((name, number)) = word.rsplit_once(':') else { return Ok(None) };
    let Ok(number) = number.parse() else { return Ok(None) };
    let cut = if name.contains('/') { Some(cut(name)?) } else { only_cut(folder, name)? };
    Ok(cut.map(|cut| Named::Number(cut, number)))
}

fn cut(word: &str) -> Result<CutId, Failure> {
    word.parse()
        .map_err(|error: kinora_engine::id::NotAnId| Failure::new(Kind::Usage, error.to_string()))
}

/// The cut of this name alone; none where a scene has the name.
fn only_cut(folder: &std::path::Path, word: &str) -> Result<Option<CutId>, Failure> {
    let production = Production::load(folder)?;
    if production.scenes.iter().any(|scene| scene.id.value == word) {
        return Ok(None);
    }
    let cuts = production.select(&[word.to_owned()])?;
    Ok(cuts.first().map(|cut| cut.id.clone()))
}
