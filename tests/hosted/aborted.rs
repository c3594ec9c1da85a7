//! A process that is aborted at every step of a job, for every provider, and started again: there are never two clips for one
//! take, and nothing that was paid for is lost.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use kinora_engine::hosted::jobs::steps::Step;
use kinora_engine::job::Outcome;
use kinora_engine::ledger::JobState;
use kinora_tests::server::{DIALECTS, Dialect, Fault};

use crate::scene::Scene;

/// How often the ledger tells something while one clip is made: the intent, the job, the take, the end.
const TOLD: u32 = 4;

/// The steps of a clip that is made without trouble, of the job and of the ledger below it.
fn steps() -> Vec<String> {
    let trouble = [Step::Doubted, Step::Looked, Step::CalledOff];
    let job = Step::ALL.iter().filter(|step| !trouble.contains(step));
    let mut steps: Vec<String> = job.map(|step| format!("job:{step:?}:1")).collect();
    for step in ["MediaSynced", "MediaNamed", "MediaKept", "ObjectWritten", "ManifestKept"] {
        steps.push(format!("ledger:{step}:1"));
    }
    for step in ["Decided", "Told", "Indexed"] {
        steps.extend((1..=TOLD).map(|count| format!("ledger:{step}:{count}")));
    }
    steps.push("ledger:Shown:1".to_owned());
    steps
}

/// Runs a process of its own, up to a step.
pub(crate) fn child(scene: &Scene, plan: &str, step: Option<&str>) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hosted-child"));
    command.arg(&scene.studio.folder).arg(scene.dialect.name()).arg(scene.provider.host());
    command.arg(scene.take.to_string()).arg(plan).args(step);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("it starts")
}

/// Aborts a child at a step, and lets others go on until nothing changes.
fn abort(dialect: &'static dyn Dialect, plan: &str, step: &str, faults: &[Fault]) -> Scene {
    let scene = Scene::new(dialect);
    let what = format!("{} {plan} {step} {faults:?}", dialect.provider());
    scene.provider.break_next(faults.iter().cloned());
    if plan == "cancel" {
        scene.provider.never_ready(true);
        // Begun by another process, which ended.
        let ended = child(&scene, "run", Some("job:Submitted:1"));
        assert_eq!(ended.signal(), Some(6), "{what}");
    }
    let ended = child(&scene, plan, Some(step));
    assert_eq!(ended.signal(), Some(6), "{what}: the step was not reached: {ended}");
    for _ in 0..2 {
        assert!(child(&scene, plan, None).success(), "{what}");
    }
    scene.studio.ledger().refresh().expect("readable");
    scene.is_sound(&what);
    let paid = scene.provider.jobs().len();
    assert!(paid <= 1, "{what}: {paid} clips for one take");
    scene
}

/// A clip that is paid for is in the ledger, or the ledger says that it may be there.
fn nothing_is_lost(scene: &Scene, what: &str) {
    let paid = scene.provider.jobs().len();
    let state = scene.job().state;
    match (&state, paid) {
        (JobState::Settled { outcome: Outcome::Done, .. }, 1) => scene.is_made(what),
        // Its name was lost with the process, and the provider keeps none of ours.
        (JobState::Unknown { .. }, _) => {
            assert!(!scene.dialect.finds(), "{what}: {state:?}");
            let reserved = scene.studio.ledger().spent().expect("readable").reserved;
            assert_eq!(reserved, scene.price(), "{what}");
        }
        (JobState::Settled { outcome: Outcome::NotCreated { .. }, .. }, 0) => {}
        (JobState::Settled { outcome: Outcome::Failed { .. }, .. }, _) => {
            assert!(scene.studio.card.is_free, "{what}: {state:?}");
        }
        _ => panic!("{what}: {state:?}, and {paid} are paid for"),
    }
}

#[test]
fn a_process_that_ends_at_any_step_loses_nothing_and_pays_once() {
    for dialect in DIALECTS {
        for step in steps() {
            let scene = abort(*dialect, "run", &step, &[]);
            nothing_is_lost(&scene, &format!("{} {step}", dialect.provider()));
        }
    }
}

#[test]
fn a_process_that_ends_while_it_looks_for_a_job_loses_nothing_and_pays_once() {
    for dialect in DIALECTS {
        for fault in [Fault::DropBefore, Fault::DropAfter] {
            for step in [Step::Answered, Step::Doubted, Step::Looked] {
                if step == Step::Looked && !dialect.finds() {
                    continue;
                }
                let step = format!("job:{step:?}:1");
                let scene = abort(*dialect, "run", &step, std::slice::from_ref(&fault));
                let what = format!("{} {step} {fault:?}", dialect.provider());
                nothing_is_lost(&scene, &what);
            }
        }
    }
}

#[test]
fn a_process_that_ends_while_it_calls_a_job_off_calls_it_off_later() {
    for dialect in DIALECTS.iter().filter(|dialect| dialect.cancels()) {
        for step in ["job:CalledOff:1", "job:Settled:1"] {
            let scene = abort(*dialect, "cancel", step, &[]);
            let state = scene.job().state;
            let is_over = matches!(&state, JobState::Settled { outcome, .. }
                if matches!(outcome, Outcome::Cancelled | Outcome::Failed { .. }));
            assert!(is_over, "{} {step}: {state:?}", dialect.provider());
        }
    }
}
