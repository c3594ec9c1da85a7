//! `kinora render`: what is missing of a production becomes takes.

use std::path::Path;
use std::process::ExitCode;

use kinora_engine::cards::{Card, built_in};
use kinora_engine::generator::Generator;
use kinora_engine::id::CutId;
use kinora_engine::ledger::{Ledger, TakeRow};
use kinora_engine::local::{LocalGenerator, LocalOptions};
use kinora_engine::observe::Observer;
use kinora_engine::production::{Place, Production, Progress, Said, Settings, Want, Workshop};
use kinora_engine::store::Store;
use kinora_engine::{Error, Kind};

use crate::args::Render;
use crate::errors::Failure;
use crate::settings;
use crate::ui::{self, Mode, Ui};

/// The models of this machine.
struct Machine {
    store: Store,
    options: LocalOptions,
}

impl Workshop for Machine {
    fn card(&self, model: &str) -> Result<Option<&'static Card>, Error> {
        Ok(self.store.find(model)?.card)
    }

    fn open(&self, model: &str) -> Result<Box<dyn Generator>, Error> {
        let found = self.store.find(model)?;
        let options = self.options;
        Ok(Box::new(match &found.path {
            Some(folder) => LocalGenerator::open(folder, model, found.card, options)?,
            None => LocalGenerator::built_in(options)?,
        }))
    }

    fn default_model(&self) -> &str {
        &built_in().name
    }
}

/// Tells of takes as they are made.
struct Told {
    worst: Option<Kind>,
}

impl Progress for Told {
    fn begins(&mut self, want: &Want, number: u32, seed: u64) -> Box<dyn Observer> {
        ui::tell(&format!("{} take {number}, {}, seed {seed}", want.cut, want.model));
        Box::new(Ui::new(Mode::Film))
    }

    fn made(&mut self, _: &TakeRow, path: &Path) {
        ui::print(&path.display().to_string());
    }

    fn failed(&mut self, cut: &CutId, number: u32, error: &Error) {
        use kinora_engine::Hint;
        self.worst.get_or_insert(error.kind());
        let hint = error.hint().map(|hint| format!(" ({hint})"));
        ui::tell(&format!("{cut} take {number} failed: {error}{}", hint.unwrap_or_default()));
    }
}

/// Makes takes, or says which would be made.
pub(crate) fn run(options: &Render) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(&options.place)?;
    let production = Production::load(&folder)?;
    let cuts = production.select(&options.cuts)?;
    let machine =
        Machine { store: settings::store()?, options: settings::machine(&options.machine)? };
    let typed = typed(options);
    if options.dry_run {
        let ledger = Ledger::open_existing(&folder)?;
        return plan(&production.plan(&cuts, &typed, &machine, ledger.as_ref())?);
    }
    ui::stop_on_interrupt();
    let mut ledger = Ledger::open(&folder)?;
    let mut told = Told { worst: None };
    let rendered = production.render(&cuts, &typed, &machine, &mut ledger, &mut told)?;
    if rendered.waiting > 0 {
        let cuts = ui::count(rendered.waiting as usize, "cut");
        ui::tell(&format!("left out: {cuts} that would go on from a cut without a take"));
    }
    match told.worst {
        None if rendered.made == 0 => ui::tell("nothing is missing"),
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

/// Prints a plan, one line a cut.
fn plan(plan: &[Want]) -> Result<ExitCode, Failure> {
    for want in plan {
        let (cut, model) = (want.cut.to_string(), &want.model);
        let takes = ui::count(want.missing() as usize, "take");
        let after = want.waits_for.as_ref().map(|cut| format!("  after {cut}"));
        let line = format!("{cut:<16} {takes:<10} {model}{}", after.unwrap_or_default());
        ui::print(&line);
    }
    let takes: u32 = plan.iter().map(Want::missing).sum();
    let (takes, cuts) = (ui::count(takes as usize, "take"), ui::count(plan.len(), "cut"));
    ui::tell(&format!("{takes} of {cuts}, all on this machine, 0.00 dollars"));
    Ok(ExitCode::SUCCESS)
}
