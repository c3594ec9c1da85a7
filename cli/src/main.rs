//! The `kinora` command: arguments, settings and terminal of the Kinora engine.

mod args;
mod commands;
mod errors;
mod settings;
mod ui;
mod workshop;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let done = match args::Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(refusal) if refusal.use_stderr() => refusal.exit(),
        Err(help) => {
            ui::written(help.print());
            ui::unwritten().map_or(Ok(ExitCode::SUCCESS), Err)
        }
    };
    done.unwrap_or_else(errors::Failure::report)
}
