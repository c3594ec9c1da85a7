//! `kinora route`: which model each cut is made on, and why.

use std::process::ExitCode;

use kinora_engine::ledger::Ledger;
use kinora_engine::production::{Place, Planned, Planner, Production, Said, Settings, Work};
use kinora_engine::{Error, Hint, Kind};
use serde_json::json;

use super::plan;
use crate::args::Route;
use crate::errors::Failure;
use crate::settings;
use crate::ui;
use crate::workshop::Shop;

/// Prints the choice for each cut.
pub(crate) fn run(options: &Route) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(&options.place)?;
    let production = Production::load(&folder)?;
    let cuts = production.select(&options.cuts)?;
    let shop = Shop::new(&options.machine, options.offline)?;
    let typed = |model: &String| Said { value: model.clone(), place: Place::whole("") };
    let typed = Settings { model: options.model.as_ref().map(typed), ..Settings::default() };
    let ledger = Ledger::open_existing(&folder)?;
    let mut planner = Planner::new(&production, &typed, &shop, ledger.as_ref())?;
    let mut worst: Option<Kind> = None;
    let mut cannot = 0;
    for cut in cuts {
        let planned = planner.one(ledger.as_ref(), cut)?;
        if let Err(error) = &planned.work {
            worst.get_or_insert(error.kind());
            cannot += 1;
        }
        ui::print(&match (options.json, options.explain) {
            (true, _) => written(&planned),
            (false, true) => explained(&planned),
            (false, false) => line(&planned),
        });
    }
    match worst {
        None => Ok(ExitCode::SUCCESS),
        Some(kind) => {
            let cuts = ui::count(cannot, "cut");
            Err(Failure::new(kind, format!("{cuts} cannot be made")))
        }
    }
}

/// One line: the model, how the choice came to it, what it takes, and the type of the cut.
fn line(planned: &Planned) -> String {
    let cut = planned.want.cut.to_string();
    let kind = &planned.route.kind;
    match &planned.work {
        Ok(work) => {
            let details = plan::details(work, 1);
            let (model, step) = (work.model(), work.step());
            format!("{cut:<16} {model:<16} {step:<14} {details}  ({}: {})", kind.kind, kind.why)
        }
        Err(error) => format!("{cut:<16} {}", refusal(error)),
    }
}

/// The route with every reason, and what comes of it where that is something else.
fn explained(planned: &Planned) -> String {
    let text = planned.route.to_string().trim_end().to_owned();
    match &planned.work {
        Ok(work) => format!("{text}\n  {}: {}", work.model(), plan::details(work, 1)),
        Err(error) => format!("{text}\n  {}", refusal(error)),
    }
}

fn refusal(error: &Error) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("cannot be made: {error}{hint}")
}

fn written(planned: &Planned) -> String {
    let work = match &planned.work {
        Ok(Work::Local(work)) => json!({
            "model": work.model,
            "place": "local",
            "step": work.step,
            "seconds": work.seconds,
            "memory_bytes": work.memory_bytes,
            "smaller": work.smaller,
            "refused": work.refused,
        }),
        Ok(Work::Hosted(work)) => json!({
            "model": work.card.name,
            "place": work.card.host,
            "step": work.step,
            "price": work.price,
        }),
        Err(error) => json!({ "error": error.to_string(), "hint": error.hint() }),
    };
    let warnings = planned.warnings();
    json!({ "route": planned.route, "work": work, "warnings": warnings }).to_string()
}
