//! Waiting for a job.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::download::Fetched;
use super::runner::Going;
use super::steps::{Step, reached};
use super::{Ended, Error, Runner};
use crate::Kind;
use crate::hosted::provider::{Clip, Known, Polled};
use crate::job::Outcome;
use crate::money::Money;

/// How often in a row a provider must say that it does not know a job, so that it is believed; for at least as long as
/// [`Patience::lost`](super::Patience::lost), too, where the job is paid for.
const LOST_TIMES: u32 = 4;
/// How often a fresh address of a clip is asked for.
const FRESH_TIMES: u32 = 4;
/// Questions one after the other that one answer may lead to.
const MOST_HOPS: u32 = 4;

/// How a job stands.
pub(super) enum Watched {
    /// It is not over. The wait that the provider wants, and how much is done.
    Going {
        /// How much of it is done.
        progress: Option<f64>,
        /// How long the provider wants to be left alone.
        after: Option<Duration>,
        /// Why nothing is known of it.
        doubt: Option<Doubt>,
    },
    /// The clip is ready.
    Clip {
        /// Where.
        clip: Clip,
        /// What it cost.
        cost: Option<Money>,
    },
    /// It is over, without a clip.
    Ended(Outcome, Option<Money>),
    /// Waiting makes no sense now.
    Left(String),
}

/// Why nothing is known of a job.
pub(super) enum Doubt {
    /// The provider does not know it.
    Lost(String),
    /// Something else.
    Unclear(String),
}

impl Runner<'_> {
    /// Waits for a clip and fetches it; what else the job came to where there is none.
    pub(super) fn bring(
        &self,
        going: &Going,
        known: &Known<'_>,
    ) -> Result<Result<(PathBuf, Option<Money>), Ended>, Error> {
        let (mut why, mut before) = (String::new(), None);
        for round in 0..FRESH_TIMES {
            if round > 0 && self.pause(self.about(self.provider.pace().first), None).is_break() {
                break;
            }
            match self.wait(going, known)? {
                Watched::Clip { clip, cost } => {
                    reached(Step::Ready);
                    match self.fetch(going, clip, &mut before)? {
                        Fetched::File(path) => return Ok(Ok((path, cost))),
                        Fetched::Stale(found) => why = found,
                        Fetched::Left(why) => return Ok(Err(Ended::Left { why })),
                    }
                }
                Watched::Ended(outcome, cost) => {
                    return self.settle(going, outcome, cost).map(Err);
                }
                Watched::Left(why) => return Ok(Err(Ended::Left { why })),
                Watched::Going { doubt: Some(Doubt::Lost(said)), .. } => {
                    let why = format!("the provider does not know the job any more: {said}");
                    self.doubt(going, &why)?;
                    return self.unknown(going, why).map(Err);
                }
                Watched::Going { .. } => break,
            }
        }
        Ok(Err(Ended::Left { why }))
    }

    /// Waits until a job is over. Returns [`Watched::Going`] only for a job that its provider seems to have lost.
    fn wait(&self, going: &Going, known: &Known<'_>) -> Result<Watched, Error> {
        let pace = self.provider.pace();
        let (mut wait, begun) = (pace.first, self.clock.now());
        // How often in a row it was not known, and since when.
        let mut lost: Option<(u32, Timestamp)> = None;
        loop {
            let (progress, after, doubt) = match self.once(going, known)? {
                Watched::Going { progress, after, doubt } => (progress, after, doubt),
                other => return Ok(other),
            };
            let now = self.clock.now();
            let mut late = "it is not ready".to_owned();
            match &doubt {
                Some(Doubt::Lost(why)) => {
                    let (times, since) = lost.map_or((1, now), |(times, since)| (times + 1, since));
                    lost = Some((times, since));
                    let is_long = now.duration_since(since).unsigned_abs() >= self.patience.lost;
                    if times >= LOST_TIMES && (is_long || self.card.is_free) {
                        return Ok(Watched::Going { progress, after, doubt });
                    }
                    late.clone_from(why);
                }
                Some(Doubt::Unclear(why)) => {
                    lost = None;
                    late.clone_from(why);
                }
                None => lost = None,
            }
            let waited = now.duration_since(begun).unsigned_abs();
            if waited > self.patience.clip {
                let minutes = waited.as_secs() / 60;
                return Ok(Watched::Left(format!("after {minutes} minutes: {late}")));
            }
            let pause = self.rest(after, wait);
            if self.pause(pause, progress).is_break() {
                return Ok(Watched::Left("nobody waits for it".to_owned()));
            }
            wait = wait.mul_f64(1.5).min(pace.most);
        }
    }

    /// Asks once how a job stands, and whatever that leads to.
    pub(super) fn once(&self, going: &Going, known: &Known<'_>) -> Result<Watched, Error> {
        let unclear =
            |why| Watched::Going { progress: None, after: None, doubt: Some(Doubt::Unclear(why)) };
        let mut question = self.provider.poll(known);
        for hop in 0..MOST_HOPS {
            let reply = match self.ask(going, &question) {
                Ok(reply) => reply,
                Err(silence) if silence.kind == Kind::Provider => return Ok(unclear(silence.why)),
                Err(silence) => return Ok(Watched::Left(silence.why)),
            };
            let polled = match hop {
                0 => self.provider.polled(known, &reply),
                _ => self.provider.result(known, &reply),
            };
            let clean = |why: String| self.clean(&why);
            return Ok(match polled {
                Polled::Next(next) => {
                    question = next;
                    continue;
                }
                Polled::Waiting { progress, after } => Watched::Going {
                    progress: progress.filter(|part| (0.0..=1.0).contains(part)),
                    after,
                    doubt: None,
                },
                Polled::Done { clip, cost } => Watched::Clip { clip, cost },
                Polled::Refused { why, cost } => {
                    Watched::Ended(Outcome::Refused { why: clean(why) }, cost)
                }
                Polled::Failed { why, cost } => {
                    Watched::Ended(Outcome::Failed { why: clean(why) }, cost)
                }
                Polled::Cancelled { cost } => Watched::Ended(Outcome::Cancelled, cost),
                Polled::Denied { why } => Watched::Left(clean(why)),
                Polled::Unclear { why } => unclear(clean(why)),
                Polled::Gone { why } => Watched::Ended(Outcome::Failed { why: clean(why) }, None),
                Polled::Lost { why } => {
                    let doubt = Some(Doubt::Lost(clean(why)));
                    Watched::Going { progress: None, after: reply.retry_after, doubt }
                }
            });
        }
        Ok(unclear("one question leads to another without end".to_owned()))
    }
}
