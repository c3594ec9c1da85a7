//! A process that has one clip made and ends where it is told to: `child FOLDER PROVIDER HOST TAKE PLAN [STEP]`.
//!
//! The plan is `run` (and go on with what is there), or `cancel`. A step is `job:NAME:N` or `ledger:NAME:N`: the process aborts
//! when that step is done for the nth time. It exits with 0 when all that could be done is done.

use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use kinora_engine::hosted::jobs::steps as job;
use kinora_engine::ledger::steps as ledger;
use kinora_tests::server::dialect;
use kinora_tests::studio::{self, Studio};

/// The step to end at.
static STEP: OnceLock<String> = OnceLock::new();
/// How often it is still to be done.
static LEFT: AtomicU32 = AtomicU32::new(0);

fn reached(name: &str) {
    if STEP.get().is_some_and(|step| step == name) && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}

fn work(words: &[String]) -> kinora_engine::Result<()> {
    let [folder, provider, host, take, plan, ..] = words else {
        panic!("child FOLDER PROVIDER HOST TAKE PLAN [STEP]");
    };
    if let Some((step, count)) = words.get(5).and_then(|step| step.rsplit_once(':')) {
        STEP.get_or_init(|| step.to_owned());
        LEFT.store(count.parse().expect("a number"), Ordering::SeqCst);
        job::watch(|step| reached(&format!("job:{step:?}")));
        ledger::watch(|step| reached(&format!("ledger:{step:?}")));
    }
    let mut studio = Studio::open(Path::new(folder), dialect(provider), host)?;
    studio.patience.answer = std::time::Duration::from_secs(2);
    let take = take.parse().expect("a take");
    let known = studio.ledger().job_of(take)?;
    match (plan.as_str(), known) {
        (_, None) => drop(studio.run(&studio::order(take), 1, &())?),
        ("cancel", Some(_)) => drop(studio.cancel()?),
        (_, Some(_)) => drop(studio.resume()?),
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match work(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
