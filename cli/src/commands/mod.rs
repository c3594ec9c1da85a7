//! The verbs, a file each.

mod demo;
mod doctor;
mod generate;
mod models;
mod replay;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::errors::Failure;

/// Runs what was asked for.
pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Generate(options) => generate::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Models(verb) => models::run(&verb),
        Command::Doctor => doctor::run(),
        Command::Demo(options) => demo::run(&options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "kinora", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
