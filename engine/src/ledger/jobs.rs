//! Hosted jobs and money: what is asked for is reserved first, in a turn, so that no two processes spend the same dollar.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::apply::day;
use super::error::Cap;
use super::event::Event;
use super::index::Index;
use super::rows::{Job, all, cut, money, only};
use super::{Error, Ledger, Result};
use crate::id::{CutId, TakeId};
use crate::job::{Intent, JobEvent};
use crate::money::Money;

/// How much may be spent. What is not said is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// For the whole production.
    pub production: Option<Money>,
    /// For the jobs that are begun on one day (UTC).
    pub per_day: Option<Money>,
    /// For one cut.
    pub per_cut: Option<Money>,
}

/// What was spent on hosted jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spent {
    /// On jobs that are settled.
    pub total: Money,
    /// On those of them that were begun today (UTC).
    pub today: Money,
    /// On those of each cut.
    pub by_cut: BTreeMap<CutId, Money>,
    /// Reserved for jobs that are not settled, unknown ones among them.
    pub reserved: Money,
}

impl Ledger {
    /// Reserves the money of a job and says that it is about to be sent. What was spent, what is reserved for jobs that are
    /// not settled, and this one stay within the caps together, whoever else reserves at the same time.
    ///
    /// # Errors
    /// [`Error::Cap`] where a cap has too little left; a number or a name that belongs to something else; a disk that is full
    /// or read-only. Nothing is reserved then, and nothing may be sent.
    pub fn reserve(&mut self, intent: Intent, caps: &Caps) -> Result<()> {
        self.reserve_at(Timestamp::now(), intent, caps)
    }

    fn reserve_at(&mut self, at: Timestamp, intent: Intent, caps: &Caps) -> Result<()> {
        self.tell(at, |index, _| {
            let take = intent.take;
            if intent.reserved < Money::ZERO {
                return Err(Error::Job { take, why: "its price is less than nothing" });
            }
            if index.job(take)?.is_some() {
                return Err(Error::Job { take, why: "there is one already" });
            }
            if super::apply::has_take(&index.conn, take)? {
                return Err(Error::Recorded { take });
            }
            if intent.number == 0 || !index.may_have(&intent.cut, intent.number, take)? {
                let (cut, number) = (intent.cut.clone(), intent.number);
                return Err(Error::Number { cut, number, take });
            }
            index.check_caps(at, &intent, caps)?;
            Ok(vec![Event::Job { job: JobEvent::Intent(Box::new(intent)) }])
        })
    }

    /// Says what happened to a job that was [reserved](Self::reserve).
    ///
    /// # Errors
    /// A job that nobody reserved or that is settled, an intent, a disk that is full or read-only.
    pub fn job(&mut self, event: JobEvent) -> Result<()> {
        if let JobEvent::Intent(intent) = &event {
            return Err(Error::Job { take: intent.take, why: "its money was not reserved" });
        }
        self.tell(Timestamp::now(), |_, _| Ok(vec![Event::Job { job: event }]))
    }

    /// The job that a take was to become of.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn job_of(&self, take: TakeId) -> Result<Option<Job>> {
        self.index.job(take)
    }

    /// The jobs that an answer is awaited of: submitted ones, and those that a process ended over before it told whether they
    /// were sent. By age.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn open_jobs(&self) -> Result<Vec<Job>> {
        self.index.jobs("state IN ('intended', 'submitted')")
    }

    /// The jobs of which nobody knows whether they exist. By age.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn unknown_jobs(&self) -> Result<Vec<Job>> {
        self.index.jobs("state = 'unknown'")
    }

    /// The jobs that a provider gave a name, whatever became of them: each was asked for through the door. By age.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn sent_jobs(&self) -> Result<Vec<Job>> {
        let columns = Job::COLUMNS;
        let sql = format!("SELECT {columns} FROM job WHERE remote IS NOT NULL ORDER BY at, take");
        all(&self.index.conn, &sql, [], Job::read)
    }

    /// What was spent.
    ///
    /// # Errors
    /// An index that cannot be used.
    pub fn spent(&self) -> Result<Spent> {
        self.spent_at(Timestamp::now())
    }

    fn spent_at(&self, now: Timestamp) -> Result<Spent> {
        // Of one moment.
        let transaction = self.index.conn.unchecked_transaction()?;
        let sum = |place: &str, values: &[&dyn rusqlite::ToSql]| -> Result<Money> {
            let sql = format!("SELECT COALESCE(SUM(amount), 0) FROM job WHERE {place}");
            only(&transaction, &sql, values).map(Money::from_micros)
        };
        let sql =
            "SELECT scene, cut, SUM(amount) FROM job WHERE is_settled = 1 GROUP BY scene, cut";
        let by_cut = all(&transaction, sql, [], |row| Ok((cut(row, 0)?, money(row, 2)?)))?;
        let today = sum("is_settled = 1 AND day = ?", &[&day(now)])?;
        let (total, reserved) = (sum("is_settled = 1", &[])?, sum("is_settled = 0", &[])?);
        Ok(Spent { total, today, by_cut: by_cut.into_iter().collect(), reserved })
    }
}

impl Index {
    fn check_caps(&self, at: Timestamp, intent: &Intent, caps: &Caps) -> Result<()> {
        let sum = |place: &str, values: &[&dyn rusqlite::ToSql]| -> Result<Money> {
            let sql = format!("SELECT COALESCE(SUM(amount), 0) FROM job WHERE {place}");
            only(&self.conn, &sql, values).map(Money::from_micros)
        };
        let check = |cap, allowed: Money, gone: Money| {
            let (left, asked) = (allowed - gone, intent.reserved);
            if asked <= left { Ok(()) } else { Err(Error::Cap { cap, allowed, left, asked }) }
        };
        if let Some(allowed) = caps.production {
            check(Cap::Production, allowed, sum("TRUE", &[])?)?;
        }
        if let Some(allowed) = caps.per_day {
            check(Cap::Day, allowed, sum("day = ?", &[&day(at)])?)?;
        }
        if let Some(allowed) = caps.per_cut {
            let cut = &intent.cut;
            let gone = sum("scene = ? AND cut = ?", &[&cut.scene(), &cut.cut()])?;
            check(Cap::Cut(cut.clone()), allowed, gone)?;
        }
        Ok(())
    }

    fn job(&self, take: TakeId) -> Result<Option<Job>> {
        let sql = format!("SELECT {} FROM job WHERE take = ?", Job::COLUMNS);
        Ok(self.conn.query_row(&sql, params![take.to_string()], Job::read).optional()?)
    }

    /// Jobs that are not settled.
    pub(super) fn jobs(&self, place: &str) -> Result<Vec<Job>> {
        let columns = Job::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM job WHERE state <> 'settled' AND ({place}) ORDER BY at, take"
        );
        all(&self.conn, &sql, [], Job::read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, id};
    use super::super::{Error, JobState};
    use super::*;
    use crate::job::Outcome;

    fn dollars(text: &str) -> Money {
        text.parse().expect("money")
    }

    fn settled(take: TakeId, outcome: Outcome, cost: Option<&str>) -> JobEvent {
        JobEvent::Settled { take, outcome, cost: cost.map(dollars) }
    }

    #[test]
    fn a_job_from_intent_to_take() {
        let mut sample = Sample::new();
        let intent = sample.intent("sc01/sh0010", "0.42");
        let take = intent.take;
        sample.ledger.reserve(intent.clone(), &Caps::default()).expect("no cap");
        let states = |ledger: &Ledger| {
            let jobs = |jobs: Result<Vec<Job>>| -> Vec<JobState> {
                jobs.expect("readable").into_iter().map(|job| job.state).collect()
            };
            (jobs(ledger.open_jobs()), jobs(ledger.unknown_jobs()))
        };
        assert_eq!(states(&sample.ledger), (vec![JobState::Intended], vec![]));
        let why = "the connection was cut".to_owned();
        sample.ledger.job(JobEvent::Unknown { take, why: why.clone() }).expect("room");
        assert_eq!(states(&sample.ledger), (vec![], vec![JobState::Unknown { why }]));
        assert_eq!(sample.ledger.spent().expect("readable").reserved, dollars("0.42"));
        let remote = "req-1".to_owned();
        sample.ledger.job(JobEvent::Submitted { take, remote }).expect("room");
        assert_eq!(states(&sample.ledger), (vec![JobState::Submitted], vec![]));
        let done = settled(take, Outcome::Done, Some("0.40"));
        let error = sample.ledger.job(done.clone()).expect_err("there is no take");
        assert!(matches!(error, Error::Job { .. }), "{error}");
        let mut record = sample.made("sc01/sh0010", "as it is", None);
        (record.id, record.number) = (take, intent.number);
        sample.ledger.record_take(&record).expect("room");
        sample.ledger.job(done.clone()).expect("room");
        let job = sample.ledger.job_of(take).expect("readable").expect("there");
        assert_eq!((job.intent, job.remote.as_deref()), (intent, Some("req-1")));
        let state = JobState::Settled {
            outcome: Outcome::Done,
            cost: Some(dollars("0.40")),
            spent: dollars("0.40"),
        };
        assert_eq!(job.state, state);
        let spent = sample.ledger.spent().expect("readable");
        let by_cut = [(record.cut, dollars("0.40"))].into();
        let (total, today) = (dollars("0.40"), dollars("0.40"));
        assert_eq!(spent, Spent { total, today, by_cut, reserved: Money::ZERO });
        assert_eq!(states(&sample.ledger), (vec![], vec![]));
        let error = sample.ledger.job(done).expect_err("it is settled");
        assert!(matches!(error, Error::Job { .. }), "{error}");
    }

    #[test]
    fn what_nobody_says_the_price_of_costs_what_was_reserved() {
        let mut sample = Sample::new();
        let why = || "no".to_owned();
        for (outcome, cost, spent) in [
            (Outcome::Refused { why: why() }, None, "1"),
            (Outcome::Failed { why: why() }, Some("0.25"), "0.25"),
            (Outcome::Cancelled, None, "1"),
            (Outcome::NotCreated { why: why() }, None, "0"),
            (Outcome::Cancelled, Some("0"), "0"),
            (Outcome::Cancelled, Some("-5"), "0"),
            (Outcome::Cancelled, Some("3"), "3"),
        ] {
            let before = sample.ledger.spent().expect("readable").total;
            let intent = sample.intent("sc01/sh0010", "1");
            let take = intent.take;
            sample.ledger.reserve(intent, &Caps::default()).expect("no cap");
            sample.ledger.job(settled(take, outcome.clone(), cost)).expect("room");
            let after = sample.ledger.spent().expect("readable").total;
            assert_eq!(after - before, dollars(spent), "{outcome:?} {cost:?}");
        }
    }

    #[test]
    fn every_cap_holds_and_says_what_is_left() {
        let mut sample = Sample::new();
        let day =
            |hours: i64| Timestamp::from_second(1_800_000_000 / 86_400 * 86_400 + hours * 3600);
        let at = |hours| day(hours).expect("a time");
        let caps = Caps {
            production: Some(dollars("5")),
            per_day: Some(dollars("3")),
            per_cut: Some(dollars("2")),
        };
        let mut ask = |cut: &str, price: &str, hours| {
            let intent = sample.intent(cut, price);
            sample.ledger.reserve_at(at(hours), intent, &caps)
        };
        let text = |refused: Result<()>| refused.expect_err("a cap").to_string();
        ask("a/a", "2", 1).expect("room");
        assert_eq!(
            text(ask("a/a", "0.000001", 1)),
            "0.000001 USD is asked for, 0.00 of 2.00 USD are left for cut a/a"
        );
        ask("a/b", "0.50", 23).expect("room");
        assert_eq!(
            text(ask("a/c", "0.75", 23)),
            "0.75 USD is asked for, 0.50 of 3.00 USD are left for today (UTC)"
        );
        // Another day, another cap; the jobs of yesterday count where they were begun.
        ask("a/c", "2", 24).expect("room");
        assert_eq!(
            text(ask("a/d", "0.51", 24)),
            "0.51 USD is asked for, 0.50 of 5.00 USD are left for the production"
        );
        ask("a/d", "0.50", 24).expect("exactly");
        let spent = sample.ledger.spent_at(at(24)).expect("readable");
        assert_eq!((spent.total, spent.reserved), (Money::ZERO, dollars("5")));
    }

    #[test]
    fn one_take_is_one_job() {
        let mut sample = Sample::new();
        let intent = sample.intent("sc01/sh0010", "1");
        let mut again = intent.clone();
        sample.ledger.reserve(intent.clone(), &Caps::default()).expect("no cap");
        again.number += 1;
        let mut other = intent.clone();
        other.take = id();
        let recorded = sample.take("sc02/sh0010");
        let mut late = intent.clone();
        (late.take, late.cut, late.number) = (recorded, "sc02/sh0010".parse().expect("a cut"), 1);
        let mut gift = sample.intent("sc01/sh0010", "1");
        gift.reserved = dollars("-1");
        for (intent, why) in [
            (again, "there is one already"),
            (other, "belongs to another take"),
            (late, "recorded already"),
            (gift, "less than nothing"),
        ] {
            let error = sample.ledger.reserve(intent, &Caps::default()).expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
        let error = sample.ledger.job(JobEvent::Intent(Box::new(intent))).expect_err("reserve it");
        assert!(matches!(error, Error::Job { .. }), "{error}");
        let remote = "x".to_owned();
        let error = sample.ledger.job(JobEvent::Submitted { take: id(), remote });
        assert!(matches!(error, Err(Error::Job { .. })), "{error:?}");
    }
}
