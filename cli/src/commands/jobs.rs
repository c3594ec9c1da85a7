//! `kinora jobs`: hosted jobs that are not over, and what people know of them.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Mutex;

use kinora_engine::Kind;
use kinora_engine::hosted::jobs::{Ended, LedgerJournal, Verdict, resolve};
use kinora_engine::ledger::{Caps, Job, JobState, Ledger};
use kinora_engine::observe::{Event, Observer};
use kinora_engine::production::Production;

use super::takes::{Named, internal, named};
use crate::args::{Jobs, JobsVerb, OneTake, Resolve, Where};
use crate::errors::Failure;
use crate::settings;
use crate::ui;
use crate::workshop::Shop;

/// Does what the verb says, or lists.
pub(crate) fn run(options: &Jobs) -> Result<ExitCode, Failure> {
    match &options.verb {
        None => list(options),
        Some(JobsVerb::Resolve(options)) => settle(options),
        Some(JobsVerb::Cancel(options)) => cancel(options),
    }
}

/// Jobs that are not over, by age: those that are on their way, then those that nobody knows about.
fn list(options: &Jobs) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(&options.place)?;
    let jobs = match Ledger::open_existing(&folder)? {
        Some(ledger) => all(&ledger)?,
        None => Vec::new(),
    };
    for job in &jobs {
        if options.json {
            ui::print(&serde_json::to_string(job).map_err(|error| internal(&error))?);
        } else {
            ui::print(&line(job));
        }
    }
    let is_known = |job: &Job| job.state == JobState::Submitted;
    if jobs.iter().any(is_known) {
        ui::tell("submitted: `kinora render` waits for them and fetches their clips");
    }
    if !jobs.iter().all(is_known) {
        ui::tell(
            "unknown: `kinora render` looks for them where the provider can; else look them up in the provider's list, and say `kinora jobs resolve TAKE --made NAME`, `--not-made` or `--lost`",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn all(ledger: &Ledger) -> Result<Vec<Job>, Failure> {
    let mut jobs = ledger.open_jobs()?;
    jobs.extend(ledger.unknown_jobs()?);
    Ok(jobs)
}

/// A job in one line.
fn line(job: &Job) -> String {
    let intent = &job.intent;
    let name = format!("{}:{}", intent.cut, intent.number);
    let (state, more) = match (&job.state, &job.remote) {
        (JobState::Submitted, Some(remote)) => ("submitted", remote.clone()),
        (JobState::Unknown { why }, Some(remote)) => ("unknown", format!("{remote}: {why}")),
        (JobState::Unknown { why }, None) => ("unknown", why.clone()),
        _ => ("unknown", "the program ended before it knew".to_owned()),
    };
    let asked = format!("{} at {}", intent.model, intent.host);
    format!("{name:<20} {state:<10} {} USD  {asked}  {more}", intent.reserved)
}

/// Says what became of a job.
fn settle(options: &Resolve) -> Result<ExitCode, Failure> {
    let (ledger, job) = find(&options.place, &options.take)?;
    // Who renders may be asking for it at this moment.
    let _lock = ledger.lock_for_rendering()?;
    let verdict = match &options.made {
        Some(remote) => Verdict::Made { remote: remote.clone() },
        None if options.not_made => Verdict::NotMade,
        None => Verdict::Lost,
    };
    let told = match &verdict {
        Verdict::Made { .. } => "is there: `kinora render` fetches it".to_owned(),
        Verdict::NotMade => format!("never came to be: {} USD are free again", job.intent.reserved),
        Verdict::Lost => format!("is given up: {} USD are spent", job.intent.reserved),
    };
    let clip = ledger.work_path(job.intent.take, "mp4");
    let ledger = Mutex::new(ledger);
    resolve(&LedgerJournal { ledger: &ledger, caps: Caps::default() }, &clip, &job, verdict)?;
    ui::print(&format!("take {} of {} {told}", job.intent.number, job.intent.cut));
    Ok(ExitCode::SUCCESS)
}

/// Calls a job off.
fn cancel(options: &OneTake) -> Result<ExitCode, Failure> {
    let (ledger, job) = find(&options.place, &options.take)?;
    let production = Production::load(&settings::production_folder(&options.place)?)?;
    let (ledger, shop) = (Mutex::new(ledger), Shop::of_keys()?);
    let ended = production.cancel_job(&shop, &ledger, &job, &Until)?;
    let told = match ended {
        None => "was over before".to_owned(),
        Some(Ended::Done) => "is in the ledger".to_owned(),
        Some(Ended::Cancelled) => "is called off".to_owned(),
        Some(Ended::NotCreated { .. }) => "never came to be".to_owned(),
        Some(Ended::Refused { why } | Ended::Failed { why }) => format!("is over: {why}"),
        Some(Ended::Unknown { why } | Ended::Left { why }) => {
            let what = format!("take {} of {} goes on: {why}", job.intent.number, job.intent.cut);
            return Err(Failure::new(Kind::Provider, what));
        }
    };
    ui::print(&format!("take {} of {} {told}", job.intent.number, job.intent.cut));
    Ok(ExitCode::SUCCESS)
}

/// Passes on the wish to stop.
struct Until;

impl Observer for Until {
    fn on(&self, _: &Event) -> ControlFlow<()> {
        if ui::is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Finds the job that a word names by its take.
fn find(place: &Where, word: &str) -> Result<(Ledger, Job), Failure> {
    let folder = settings::production_folder(place)?;
    let unknown = || {
        let what = format!("there is no job of a take {word:?} that is not over");
        Failure::new(Kind::Usage, what).hint("`kinora jobs` lists them; CUT:NUMBER names one")
    };
    let ledger = Ledger::open_existing(&folder)?.ok_or_else(unknown)?;
    let named = named(&folder, word)?.ok_or_else(unknown)?;
    let is_it = |job: &Job| match &named {
        Named::Itself(id) => job.intent.take == *id,
        Named::Number(cut, number) => job.intent.cut == *cut && job.intent.number == *number,
    };
    let job = all(&ledger)?.into_iter().find(is_it).ok_or_else(unknown)?;
    Ok((ledger, job))
}
