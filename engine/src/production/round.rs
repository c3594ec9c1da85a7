//! The takes of a cut that providers were asked for together, as far as they came to nothing; and which of them another model may
//! make.
//!
//! Another model is asked where the first one can bring no clip any more: a job that is settled, or that never came to be.
//! What nobody knows of, or what goes on, is waited for and never made elsewhere. A picture that a provider does not want to make
//! is not shown to the next one in silence either: that is for people to say.

use super::record::Tried;
use crate::hosted::jobs::{Ended, Error as JobError};
use crate::id::{CutId, TakeId};
use crate::money::Money;
use crate::{Error, Kind, ledger};

/// A take that somebody waits for.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) cut: CutId,
    pub(super) number: u32,
    pub(super) take: TakeId,
    pub(super) model: String,
    /// What is planned for it.
    pub(super) price: Money,
    /// What was tried before it.
    pub(super) tried: Vec<Tried>,
}

/// A take that came to nothing.
pub(super) struct Failed {
    pub(super) number: u32,
    pub(super) error: Error,
    /// Whether another model may make it.
    pub(super) is_open: bool,
}

/// The takes of a cut that came to nothing since providers were asked for the first of them.
#[derive(Default)]
pub(super) struct Round {
    pub(super) failed: Vec<Failed>,
    /// What was tried for them, and what for those before.
    pub(super) tried: Vec<Tried>,
    /// Whether somebody said no to the cut itself, or called it off.
    is_over: bool,
}

impl Round {
    /// A job that brought no clip, and what people are told of it.
    pub(super) fn ended(&mut self, ticket: Ticket, ended: &Ended, error: Error) {
        let is_open = match ended {
            Ended::NotCreated { kind, .. } => !matches!(kind, Kind::Policy | Kind::Interrupted),
            Ended::Failed { .. } => true,
            _ => false,
        };
        self.is_over |= !is_open;
        self.note(ticket, error, is_open);
    }

    /// A job that was not begun.
    pub(super) fn not_begun(&mut self, ticket: Ticket, error: Error) {
        let is_open = matches!(
            error,
            Error::Job(
                JobError::Unfit(_)
                    | JobError::NoProvider { .. }
                    | JobError::NoCard { .. }
                    | JobError::NoKey { .. }
                    | JobError::Ledger(ledger::Error::Cap { .. })
            )
        );
        self.note(ticket, error, is_open);
    }

    fn note(&mut self, ticket: Ticket, error: Error, is_open: bool) {
        let Ticket { number, model, tried, .. } = ticket;
        let why = error.to_string();
        for one in tried.into_iter().chain([Tried { model, why }]) {
            if self.tried.iter().all(|other| other.model != one.model) {
                self.tried.push(one);
            }
        }
        self.failed.push(Failed { number, error, is_open });
    }

    /// How many takes another model may make.
    pub(super) fn open(&self) -> u32 {
        let open = self.failed.iter().filter(|failed| failed.is_open && !self.is_over);
        u32::try_from(open.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn ticket(model: &str, before: &[&str]) -> Ticket {
        let tried = |model: &&str| Tried { model: (*model).to_owned(), why: "no".to_owned() };
        Ticket {
            cut: "sc01/sh0010".parse().expect("a cut"),
            number: 1,
            take: TakeId::new(Timestamp::now()).expect("random numbers"),
            model: model.to_owned(),
            price: Money::ZERO,
            tried: before.iter().map(tried).collect(),
        }
    }

    fn after(all: &[Ended]) -> Round {
        let mut round = Round::default();
        for ended in all {
            let error = super::super::error::outcome(ended.clone(), Vec::new()).into();
            round.ended(ticket("one", &["none"]), ended, error);
        }
        round
    }

    #[test]
    fn only_what_nobody_makes_any_more_is_made_elsewhere() {
        let why = || "no".to_owned();
        let never = |kind| Ended::NotCreated { why: why(), kind };
        assert_eq!(after(&[never(Kind::Config), never(Kind::Provider)]).open(), 2);
        assert_eq!(after(&[Ended::Failed { why: why() }]).open(), 1);
        for over in [
            Ended::Refused { why: why() },
            Ended::Cancelled,
            never(Kind::Policy),
            never(Kind::Interrupted),
        ] {
            assert_eq!(after(std::slice::from_ref(&over)).open(), 0, "{over:?}");
            // One take that is refused is enough: the others are of the same words.
            assert_eq!(after(&[never(Kind::Config), over]).open(), 0);
        }
    }

    #[test]
    fn what_was_not_begun_is_made_elsewhere_where_it_could_be() {
        let open = |error: JobError| {
            let mut round = Round::default();
            round.not_begun(ticket("one", &[]), error.into());
            round.open()
        };
        assert_eq!(open(JobError::NoKey { provider: "fal".to_owned() }), 1);
        let cap = ledger::Error::Cap {
            cap: ledger::Cap::Day,
            allowed: Money::ZERO,
            left: Money::ZERO,
            asked: Money::ZERO,
        };
        assert_eq!(open(cap.into()), 1);
        let (path, source) = ("x".into(), std::io::Error::other("full"));
        assert_eq!(open(JobError::Write { path, source }), 0);
    }

    #[test]
    fn each_model_is_said_to_be_tried_once() {
        let mut round = after(&[Ended::Cancelled, Ended::Cancelled]);
        round.not_begun(ticket("two", &["none", "one"]), Error::Cancelled);
        let models: Vec<&str> = round.tried.iter().map(|tried| tried.model.as_str()).collect();
        assert_eq!(models, ["none", "one", "two"]);
    }
}
