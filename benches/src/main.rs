//! Benchmarks that print rows of CSV, and the measure of what the embedded model's clips show.
//!
//! - `ops [FILTER]`: every operation at the sizes models have.
//! - `step FOLDER denoiser[:WORDS]|decode WxHxFRAMES bf16|f32 PAIRS [PEER...]`: passes of a checkpoint, by turns with those
//!   of the command PEER, such as `python benches/peers/diffusers_step.py`. WORDS are in the prompt, which they fill unless
//!   it is said how many.
//! - `ledger FOLDER CUTS TAKES`: the commands of a production of so many cuts with so many takes each, in a folder where it is
//!   made unless it is there.
//! - `mini [FOLDER|CARD|--truth|--clips FILE] [PAIRS [SEED]] [--i2v] [--sheet FILE.png]`: the share of clips of the cartoon
//!   world that show what was asked for, beside that of shuffled captions: clips that a checkpoint, else the embedded
//!   model, makes of PAIRS held-out captions, with `--i2v` each from a scene's first frame too; the scenes themselves,
//!   which tells how good the judge is; or clips made elsewhere.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints rows")]

mod clock;
mod ledger;
mod mini;
mod ops;
mod peer;
mod step;

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result: Result<(), Box<dyn Error>> = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()[..]
    {
        ["ops"] => ops::run("").map_err(Into::into),
        ["ops", filter] => ops::run(filter).map_err(Into::into),
        ["step", folder, part, size, dtype, pairs, ref peer @ ..] => match pairs.parse() {
            Ok(pairs) if pairs > 0 => step::run([folder, part, size, dtype], pairs, peer),
            _ => Err(format!("a number of pairs, not {pairs}").into()),
        },
        ["ledger", folder, cuts, takes] => match (cuts.parse(), takes.parse()) {
            (Ok(cuts), Ok(takes)) if cuts > 7 && takes > 1 => {
                ledger::run(folder.as_ref(), cuts, takes)
            }
            _ => Err("more than 7 cuts and more than one take of each".into()),
        },
        ["mini", ref words @ ..] => mini::run(words),
        _ => {
            eprintln!(
                "usage: ops [FILTER]\n       step FOLDER denoiser[:WORDS]|decode WxHxFRAMES bf16|f32 PAIRS [PEER...]\n       ledger FOLDER CUTS TAKES\n       mini [FOLDER|CARD|--truth|--clips FILE] [PAIRS [SEED]] [--i2v] [--sheet FILE.png]"
            );
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
