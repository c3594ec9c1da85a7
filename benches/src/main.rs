//! Benchmarks that print rows of CSV: `cargo run --release -p kinora-benches -- ops [FILTER]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints rows")]

mod clock;
mod ops;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ops"] => ops::run(""),
        ["ops", filter] => ops::run(filter),
        _ => {
            eprintln!("usage: kinora-benches ops [FILTER]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
