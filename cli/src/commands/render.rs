//! `kinora render`: what is missing of a production becomes takes.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use kinora_engine::id::CutId;
use kinora_engine::job::Intent;
use kinora_engine::ledger::{Job, Ledger, TakeRow};
use kinora_engine::money::Money;
use kinora_engine::observe::{Event, Observer};
use kinora_engine::production::{
    Place, Planned, Planner, Production, Progress, Said, Settings, Work,
};
use kinora_engine::{Error, Hint, Kind};

use super::plan;
use crate::args::Render;
use crate::errors::Failure;
use crate::settings;
use crate::ui::{self, Mode, Ui};
use crate::workshop::Shop;

/// Tells once that a provider is asked, and passes on the wish to stop.
struct Away(Mutex<Option<String>>);

impl Away {
    fn new(begins: String) -> Self {
        Self(Mutex::new(Some(begins)))
    }
}

impl Observer for Away {
    fn on(&self, _: &Event) -> ControlFlow<()> {
        if ui::is_interrupted() {
            return ControlFlow::Break(());
        }
        if let Some(begins) = self.0.lock().ok().and_then(|mut begins| begins.take()) {
            ui::tell(&begins);
        }
        ControlFlow::Continue(())
    }
}

/// Tells of takes as they are made.
struct Told {
    worst: Option<Kind>,
}

impl Progress for Told {
    fn warns(&mut self, planned: &Planned) {
        plan::warning(planned).iter().for_each(|line| ui::tell(line));
    }

    fn begins(
        &mut self,
        planned: &Planned,
        work: &Work,
        number: u32,
        seed: u64,
    ) -> Box<dyn Observer> {
        let (cut, model) = (&planned.want.cut, work.model());
        match work {
            Work::Local(_) => {
                ui::tell(&format!("{cut} take {number}, {model}, seed {seed}"));
                Box::new(Ui::new(Mode::Film))
            }
            Work::Hosted(work) => {
                let host = &work.card.host;
                Box::new(Away::new(format!("{cut} take {number}, {model} at {host}, seed {seed}")))
            }
        }
    }

    fn resumes(&mut self, job: &Job) -> Box<dyn Observer> {
        let Intent { cut, number, host, .. } = &job.intent;
        Box::new(Away::new(format!("{cut} take {number}, begun before at {host}")))
    }

    fn left(&mut self, cut: &CutId, number: u32, why: &str) {
        ui::tell(&format!("{cut} take {number} is left with its provider: {why}"));
    }

    fn is_stopped(&self) -> bool {
        ui::is_interrupted()
    }

    fn made(&mut self, _: &TakeRow, path: &Path) {
        ui::print(&path.display().to_string());
    }

    fn failed(&mut self, cut: &CutId, number: u32, error: &Error) {
        self.worst.get_or_insert(error.kind());
        ui::tell(&format!("{cut} take {number} failed: {}", with_hint(error)));
    }

    fn goes_on(&mut self, cut: &CutId, number: u32, error: &Error, work: &Work) {
        ui::tell(&format!("{cut} take {number} failed: {error}; next is {}", work.model()));
    }

    fn refused(&mut self, cut: &CutId, error: &Error) {
        self.worst.get_or_insert(error.kind());
        ui::tell(&format!("{cut} cannot be made: {}", with_hint(error)));
    }
}

fn with_hint(error: &Error) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("{error}{hint}")
}

/// Makes takes, or says which would be made.
pub(crate) fn run(options: &Render) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(&options.place)?;
    let production = Production::load(&folder)?;
    let cuts = production.select(&options.cuts)?;
    let shop = Shop::new(&options.machine, options.offline)?;
    let typed = typed(options);
    if options.dry_run {
        let ledger = Ledger::open_existing(&folder)?;
        if let Some(ledger) = &ledger {
            let away = ledger.open_jobs()?.len() + ledger.unknown_jobs()?.len();
            if away > 0 {
                ui::tell(&format!("{} left with providers come first", ui::count(away, "take")));
            }
        }
        let mut planner = Planner::new(&production, &typed, &shop, ledger.as_ref())?;
        let left = planner.left();
        return Ok(print(&planner.plan(ledger.as_ref(), &cuts)?, left));
    }
    ui::stop_on_interrupt();
    let ledger = Mutex::new(Ledger::open(&folder)?);
    let mut told = Told { worst: None };
    let parallel = options.parallel as usize;
    let rendered = production.render(&cuts, &typed, &shop, &ledger, parallel, &mut told)?;
    if rendered.left > 0 {
        let takes = ui::count(rendered.left as usize, "take");
        ui::tell(&format!(
            "left with providers: {takes}; the next `kinora render` goes on with them"
        ));
    }
    if rendered.waiting > 0 {
        let cuts = ui::count(rendered.waiting as usize, "cut");
        let text = format!("left out: {cuts} that would go on from a cut without a take");
        if told.worst.is_none() && rendered.left == 0 {
            let hint = "render the other cut with it, or all: `kinora render`";
            return Err(Failure::new(Kind::Usage, text).hint(hint));
        }
        ui::tell(&text);
    }
    match told.worst {
        None if rendered.made == 0 && rendered.left == 0 => ui::tell("nothing is missing"),
        None => {}
        Some(kind) => {
            let failed = ui::count(rendered.failed as usize, "cut");
            let made = ui::count(rendered.made as usize, "take");
            let was = if rendered.made == 1 { "was" } else { "were" };
            return Err(Failure::new(kind, format!("{failed} failed, {made} {was} made")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command line says of every cut.
fn typed(options: &Render) -> Settings {
    fn said<T>(value: Option<T>) -> Option<Said<T>> {
        value.map(|value| Said { value, place: Place::whole("") })
    }
    Settings {
        takes: said(options.takes),
        seed: said(options.seed),
        model: said(options.model.clone()),
        steps: said(options.steps),
        ..Settings::default()
    }
}

/// Prints a plan, one line a cut, and what all of it comes to.
fn print(plan: &[Planned], left: Option<Money>) -> ExitCode {
    for planned in plan {
        ui::print(&plan::line(planned));
        plan::warning(planned).iter().for_each(|line| ui::tell(line));
    }
    ui::print(&plan::totals(plan, left));
    ExitCode::SUCCESS
}
