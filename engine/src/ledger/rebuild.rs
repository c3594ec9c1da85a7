//! Making everything again that is made from events and objects.

use std::path::Path;

use super::index::{self, Index};
use super::objects::Objects;
use super::open::Places;
use super::queries::Filter;
use super::renders::Look;
use super::steps::{Step, reached};
use super::{Error, Ledger, Result};
use crate::chain::{self, Chain};

/// Takes that are looked at together.
pub(super) const TAKES_AT_ONCE: u32 = 1000;

/// What was made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Events that were read.
    pub events: u64,
    /// Names in `renders` that were missing, or were those of something else.
    pub renders: u64,
    /// Whether the log had lost the file that says where it ends. Where it ended before is not known then.
    pub had_no_head: bool,
}

impl Ledger {
    /// Throws the index away and makes it from the events, and gives every take its names for people. Takes whose objects are
    /// gone stay without; [`Ledger::verify`] lists them.
    ///
    /// # Errors
    /// A log that cannot be followed, a disk that is full or read-only. A rebuild that was interrupted is gone on with by the
    /// next process that opens the ledger.
    pub fn rebuild(production: &Path) -> Result<Rebuilt> {
        let places = Places::new(production);
        places.make()?;
        let events = places.events();
        let mut rebuilt = Rebuilt::default();
        let mut chain = match Chain::open(&events) {
            Err(chain::Error::NoHead { .. }) => {
                Chain::renew_head(&events)?;
                rebuilt.had_no_head = true;
                Chain::open(&events)?
            }
            opened => opened?,
        };
        let mut turn = chain.turn()?;
        index::remove(&places.index())?;
        reached(Step::Forgotten);
        let mut index = Index::open(&places.index())?;
        index.catch_up(&mut turn)?;
        rebuilt.events = turn.head().seq;
        drop(turn);
        let objects = Objects::new(places.objects());
        let ledger = Self { places, objects, chain, index };
        ledger.each_take(&mut |row| {
            match ledger.show(row, Look::Content) {
                Ok(made) => rebuilt.renders += made as u64,
                Err(Error::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(rebuilt)
    }

    /// Calls `each` with every take, by scene, cut and number, without having all of them in memory.
    pub(super) fn each_take(
        &self,
        each: &mut dyn FnMut(&super::TakeRow) -> Result<()>,
    ) -> Result<()> {
        self.index.each_take(each)
    }
}

impl Index {
    /// Calls `each` with every take, by scene, cut and number, without having all of them in memory.
    pub(super) fn each_take(
        &self,
        each: &mut dyn FnMut(&super::TakeRow) -> Result<()>,
    ) -> Result<()> {
        let mut filter = Filter { limit: Some(TAKES_AT_ONCE), ..Filter::default() };
        loop {
            let rows = self.takes(&filter)?;
            rows.iter().try_for_each(&mut *each)?;
            let Some(last) = rows.last() else { return Ok(()) };
            filter.after = Some(last.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sample::Sample;
    use super::*;
    use crate::job::{JobEvent, Outcome};

    /// A ledger in which everything has happened once.
    fn eventful() -> Sample {
        let mut sample = Sample::new();
        let takes = [(); 4].map(|()| sample.take("sc01/sh0010"));
        sample.ledger.pick(takes[1]).expect("room");
        sample.ledger.reject(takes[2], "blurred \u{1F41F}\n").expect("room");
        sample.ledger.reject(takes[3], "dark").expect("room");
        sample.ledger.rate(takes[0], 4).expect("room");
        sample.ledger.note(takes[0], "closer").expect("room");
        let failure = sample.failure("sc01/sh0010");
        sample.ledger.record_failure(&failure).expect("room");
        let outcome = Outcome::Refused { why: "a face".to_owned() };
        for told in 0..4 {
            let intent = sample.intent("sc02/sh0010", "0.5");
            let take = intent.take;
            sample.ledger.reserve(intent, &Default::default()).expect("no cap");
            let (remote, why) = (format!("remote-{told}"), "cut off".to_owned());
            let event = match told {
                0 => continue,
                1 => JobEvent::Submitted { take, remote },
                2 => JobEvent::Unknown { take, why },
                _ => JobEvent::Settled { take, outcome: outcome.clone(), cost: None },
            };
            sample.ledger.job(event).expect("room");
        }
        sample.gc_rejected();
        sample.ledger.unpick(&"sc01/sh0010".parse().expect("a cut")).expect("room");
        sample.ledger.pick(takes[0]).expect("room");
        sample
    }

    #[test]
    fn everything_comes_back_byte_for_byte() {
        let mut sample = eventful();
        let production = sample.folder.path().to_owned();
        let before = sample.export();
        for word in
            ["unknown", "cut off", "closer", "blurred", "a face", "out of memory", "remote-1"]
        {
            assert!(before.contains(word), "{word} in {before}");
        }
        assert_eq!(before.lines().filter(|line| line.contains("\"is\":\"take\"")).count(), 4);
        let rebuilt = Ledger::rebuild(&production).expect("room");
        assert_eq!((rebuilt.renders, rebuilt.had_no_head), (0, false));
        sample.ledger = Ledger::open(&production).expect("whole");
        assert_eq!(sample.export(), before);
        fs::remove_dir_all(production.join("renders")).expect("there");
        fs::remove_file(production.join(".kinora/ledger.sqlite")).expect("there");
        sample.ledger = Ledger::open(&production).expect("whole");
        assert_eq!(sample.export(), before);
        // Two clips were given up, four manifests stay.
        assert_eq!(Ledger::rebuild(&production).expect("room").renders, 2 + 4);
        assert_eq!(Ledger::verify(&production).expect("readable").findings, []);
    }

    #[test]
    fn a_log_without_its_head_is_gone_on_with_only_when_somebody_says_so() {
        let sample = eventful();
        let production = sample.folder.path();
        let before = sample.export();
        fs::remove_file(production.join(".kinora/events.jsonl.head")).expect("there");
        assert!(matches!(Ledger::open(production), Err(Error::Chain(chain::Error::NoHead { .. }))));
        assert!(Ledger::rebuild(production).expect("room").had_no_head);
        let ledger = Ledger::open(production).expect("whole");
        let mut after = Vec::new();
        ledger.export(&mut after).expect("readable");
        assert_eq!(String::from_utf8(after).expect("text"), before);
    }

    #[test]
    fn a_log_that_is_gone_is_no_ledger_that_was_never_begun() {
        let mut sample = Sample::new();
        sample.take("sc01/sh0010");
        let production = sample.folder.path().to_owned();
        drop(sample.ledger);
        let gone = |name: &str| {
            fs::remove_file(production.join(".kinora").join(name)).expect("there");
            let report = Ledger::verify(&production).expect("readable");
            assert!(!report.is_sound(), "{report:?}");
            let told = report.findings[0].to_string();
            assert!(told.contains("events.jsonl is gone"), "{told}");
            for opened in [
                Ledger::open_existing(&production).map(drop),
                Ledger::open(&production).map(drop),
                Ledger::rebuild(&production).map(drop),
            ] {
                assert!(matches!(opened, Err(Error::Lost { .. })), "{opened:?}");
            }
        };
        fs::remove_file(production.join(".kinora/ledger.sqlite")).expect("there");
        gone("events.jsonl");
        gone("events.jsonl.head");
        assert!(!production.join(".kinora/events.jsonl").exists());
    }

    #[test]
    fn an_index_that_has_seen_more_than_there_is_is_told() {
        let mut sample = Sample::new();
        let production = sample.folder.path().to_owned();
        let events = production.join(".kinora/events.jsonl");
        let head = production.join(".kinora/events.jsonl.head");
        let take = sample.take("sc01/sh0010");
        let kept = (fs::read(&events).expect("there"), fs::read(&head).expect("there"));
        sample.ledger.pick(take).expect("room");
        drop(sample.ledger);
        // Brought back from an old backup, head and all.
        fs::write(&events, kept.0).expect("room");
        fs::write(&head, kept.1).expect("room");
        let told = Ledger::open(&production).expect_err("the pick is gone").to_string();
        assert!(told.contains("ends at line 1") && told.contains("seen line 2"), "{told}");
        let report = Ledger::verify(&production).expect("readable");
        assert!(report.findings[0].to_string().contains("ends at line 1"), "{report:?}");
        Ledger::rebuild(&production).expect("somebody said so");
        let ledger = Ledger::open(&production).expect("whole");
        assert_eq!(ledger.take(take).expect("readable").expect("there").picked, None);
    }

    #[test]
    fn what_was_never_begun_is_not_begun_by_looking() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Ledger::open_existing(folder.path()).expect("readable").is_none());
        assert_eq!(Ledger::verify(folder.path()).expect("readable"), Default::default());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
        let nowhere = folder.path().join("nowhere");
        assert!(matches!(Ledger::open(&nowhere), Err(Error::Write { .. })));
        drop(Ledger::open(folder.path()).expect("new"));
        assert!(Ledger::open_existing(folder.path()).expect("readable").is_some());
    }
}
