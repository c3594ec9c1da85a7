//! `kinora ledger`: whether the ledger is whole, and how it is put right.

use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::ledger::{Collect, Ledger};

use crate::args::{LedgerVerb, Where};
use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// Does what the verb says.
pub(crate) fn run(verb: &LedgerVerb) -> Result<ExitCode, Failure> {
    match verb {
        LedgerVerb::Verify(place) => verify(place),
        LedgerVerb::Rebuild(place) => {
            let rebuilt = Ledger::rebuild(&settings::production_folder(place)?)?;
            let (events, renders) = (rebuilt.events, rebuilt.renders);
            ui::print(&format!("{events} events read, {renders} names in renders made again"));
            if rebuilt.had_no_head {
                ui::tell(
                    "the file that says where the log ends was gone: a tail that was cut off would not be missed",
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        LedgerVerb::Export(place) => {
            if let Some(ledger) = Ledger::open_existing(&settings::production_folder(place)?)? {
                let mut lines = Vec::new();
                ledger.export(&mut lines)?;
                ui::print_bytes(&lines);
            }
            Ok(ExitCode::SUCCESS)
        }
        LedgerVerb::Gc { dry_run, place } => gc(*dry_run, place),
    }
}

fn verify(place: &Where) -> Result<ExitCode, Failure> {
    let report = Ledger::verify(&settings::production_folder(place)?)?;
    for finding in &report.findings {
        ui::print(&finding.to_string());
    }
    if report.unread > 0 {
        ui::tell(&format!(
            "{} takes have no hash of their frames: their clips came in a form that the program could not read, and are verified as files",
            report.unread
        ));
    }
    if report.is_sound() {
        ui::print(&format!(
            "{} events and {} takes are as they were written",
            report.events, report.takes
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let wrong = report.findings.iter().filter(|finding| !finding.is_harmless());
    let lost = wrong.clone().any(|finding| !finding.is_repairable());
    let failure =
        Failure::new(Kind::Input, format!("{} things are not as they were written", wrong.count()));
    Err(failure.hint(if lost {
        "bring events and objects back from a backup: nothing else knows what was in them"
    } else {
        "`kinora ledger rebuild` puts it right"
    }))
}

fn gc(dry_run: bool, place: &Where) -> Result<ExitCode, Failure> {
    let Some(mut ledger) = Ledger::open_existing(&settings::production_folder(place)?)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let what = Collect { rejected: true, dry_run, ..Collect::default() };
    let collected = ledger.gc(&what)?;
    let (takes, strays) = (collected.takes.len(), collected.strays.len());
    let bytes = ui::bytes(collected.bytes + collected.stray_bytes);
    let would = if dry_run { "would be " } else { "" };
    ui::print(&format!(
        "{takes} rejected clips and {strays} files that belong to nothing {would}removed, {bytes}"
    ));
    Ok(ExitCode::SUCCESS)
}
