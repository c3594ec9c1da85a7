//! The verbs, a file each.

mod check;
mod demo;
mod diff;
mod doctor;
mod egress;
mod explain;
mod generate;
mod jobs;
mod keys;
mod ledger;
mod models;
mod new;
mod plan;
mod render;
mod replay;
mod route;
mod takes;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::errors::Failure;
use crate::ui;

/// Runs what was asked for.
pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let done = verb(args.command);
    // What a command fails with after that, such as the wish to stop, only follows from it.
    ui::unwritten().map_or(done, Err)
}

fn verb(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Generate(options) => generate::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::New { folder } => new::run(&folder),
        Command::Check(place) => check::run(&place),
        Command::Explain(options) => explain::run(&options),
        Command::Route(options) => route::run(&options),
        Command::Render(options) => render::run(&options),
        Command::Takes(options) => takes::list(&options),
        Command::Pick(options) => takes::pick(&options),
        Command::Reject(options) => takes::reject(&options),
        Command::Rate(options) => takes::rate(&options),
        Command::Note(options) => takes::note(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Jobs(options) => jobs::run(&options),
        Command::Keys(verb) => keys::run(&verb),
        Command::Ledger(verb) => ledger::run(&verb),
        Command::Egress(verb) => egress::run(&verb),
        Command::Models(verb) => models::run(&verb),
        Command::Doctor => doctor::run(),
        Command::Demo(options) => demo::run(&options),
        Command::Completions { shell } => {
            // It panics where a write fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "kinora", &mut script);
            ui::print_bytes(&script);
            Ok(ExitCode::SUCCESS)
        }
    }
}
