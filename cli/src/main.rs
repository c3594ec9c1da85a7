//! The `kinora` command: arguments, settings and terminal of the Kinora engine.

mod args;
mod commands;
mod errors;
mod settings;
mod ui;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::run(args) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
