//! Disks that are full at the wrong moment: the name of a job that is paid for, and its clip, are not lost.

use std::path::PathBuf;
use std::sync::Mutex;

use kinora_engine::hosted::jobs::{self, Desk, Ended, Journal, Ticket, Verdict, resolve};
use kinora_engine::id::TakeId;
use kinora_engine::job::{Intent, JobEvent};
use kinora_engine::ledger::{self, JobState};
use kinora_engine::money::Money;
use kinora_engine::observe::Observer;
use kinora_engine::{Error, Result};
use kinora_tests::server::{DIALECTS, dialect};
use kinora_tests::studio;
use serde_json::json;

use crate::scene::{Impatient, Scene};

/// A ledger that cannot take the name of a job so many times.
struct Full<'a> {
    journal: &'a dyn Journal,
    left: Mutex<u32>,
}

impl Journal for Full<'_> {
    fn reserve(&self, intent: Intent) -> ledger::Result<()> {
        self.journal.reserve(intent)
    }

    fn tell(&self, event: JobEvent) -> ledger::Result<()> {
        let mut left = self.left.lock().expect("nobody panicked");
        if matches!(event, JobEvent::Submitted { .. }) && *left > 0 {
            *left -= 1;
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(ledger::Error::Write { path: PathBuf::from("events.jsonl"), source });
        }
        self.journal.tell(event)
    }

    fn cost_of(&self, take: TakeId) -> ledger::Result<Option<Money>> {
        self.journal.cost_of(take)
    }
}

/// Has a clip made where the ledger cannot take the name of its job so many times.
fn run(scene: &Scene, times: u32, observer: &dyn Observer) -> Result<Ended> {
    let studio = &scene.studio;
    let order = studio::order(scene.take);
    let price = studio.card.quote(&order.asked()).expect("a price").amount;
    let cut = "sc01/sh0010".parse().expect("a cut");
    let ticket = Ticket { cut, number: 1, reserved: price, record: json!({ "number": 1 }) };
    studio.at_desk(|desk| {
        let full = Full { journal: desk.journal, left: Mutex::new(times) };
        let desk = Desk { journal: &full, ..*desk };
        desk.run(&studio.card, &order, ticket, observer, &mut |made| studio.keep(made))
    })
}

#[test]
fn the_name_of_a_job_is_told_again_until_there_is_room() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        assert_eq!(run(&scene, 8, &()).expect("there is room again"), Ended::Done);
        scene.is_made(dialect.name());
    }
}

#[test]
fn people_get_the_name_of_a_job_that_cannot_be_written() {
    for observer in [&() as &dyn Observer, &Impatient] {
        let scene = Scene::new(dialect("fal"));
        let error = run(&scene, 1000, observer).expect_err("there is no room");
        assert!(matches!(error, Error::Job(jobs::Error::Unnamed { .. })), "{error}");
        let remote = scene.provider.jobs()[0].id.clone();
        let told = format!("`kinora jobs resolve {} --made {remote}`", scene.take);
        assert!(error.to_string().contains(&told), "{error}");
        assert_eq!(scene.job().state, JobState::Intended);
        // As it says.
        let verdict = Verdict::Made { remote };
        let job = scene.job();
        let clip = scene.studio.ledger().work_path(scene.take, "mp4");
        scene.studio.at_desk(|desk| resolve(desk.journal, &clip, &job, verdict)).expect("room");
        assert_eq!(scene.studio.resume().expect("it goes on"), [Ended::Done]);
        scene.is_made("fal");
    }
}
