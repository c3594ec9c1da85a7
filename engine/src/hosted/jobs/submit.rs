//! Asking for a clip: once, unless nothing can have been made.

use std::time::Duration;

use super::runner::{Going, Keep};
use super::steps::{Step, reached};
use super::{Ask, Ended, Error, Runner};
use crate::Kind;
use crate::hosted::Question;
use crate::hosted::provider::{Created, Found};
use crate::job::{JobEvent, Outcome};
use crate::money::Money;

/// How often a question that a provider takes once is asked, where it may not have arrived.
const MOST_TIMES: u32 = 3;
/// Pages of a list that are looked through.
const MOST_PAGES: u32 = 50;
/// The first wait for a provider that is busy, and the longest.
const BUSY: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];

/// The waits before the provider's name of a job is told once more where the ledger cannot be written: 5 minutes.
const WRITE_WAITS: [u64; 10] = [1, 2, 4, 8, 15, 30, 60, 60, 60, 60];

/// What came of asking for a clip.
pub(super) enum Sent {
    /// There is a job.
    Job(String),
    /// There is none, or nobody knows.
    Ended(Ended),
}

/// What came of looking for a job.
pub(super) enum Look {
    /// There it is.
    Job(String),
    /// There is none.
    Nothing,
    /// Nobody knows.
    Unclear,
}

/// What one attempt means.
enum Attempt {
    Means(Created, Option<Duration>),
    /// The question did not leave, and will not.
    Shut(String, Kind),
}

impl Runner<'_> {
    /// Asks for a clip until there is a job, or none.
    pub(super) fn submit(&self, going: &Going, ask: &Ask<'_>) -> Result<Sent, Error> {
        let (mut busy, mut waited, mut times) = (BUSY[0], Duration::ZERO, 0);
        loop {
            times += 1;
            let attempt = self.attempt(ask);
            reached(Step::Answered);
            let (created, after) = match attempt {
                Attempt::Means(created, after) => (created, after),
                Attempt::Shut(why, kind) => return self.never(going, why, kind).map(Sent::Ended),
            };
            let mut is_there = false;
            let why = match created {
                Created::Job { remote } => {
                    self.submitted(going, &remote)?;
                    return Ok(Sent::Job(remote));
                }
                Created::Refused { why } => {
                    let outcome = Outcome::Refused { why: self.clean(&why) };
                    return self.settle(going, outcome, Some(Money::ZERO)).map(Sent::Ended);
                }
                Created::Denied { why } => {
                    return self.never(going, why, Kind::Config).map(Sent::Ended);
                }
                Created::NotCreated { why } => {
                    return self.never(going, why, Kind::Provider).map(Sent::Ended);
                }
                Created::Busy { why } => {
                    times -= 1;
                    let wait = self.rest(after, busy);
                    busy = (busy * 2).min(BUSY[1]);
                    waited += wait;
                    if waited > self.patience.busy {
                        return self.never(going, why, Kind::Provider).map(Sent::Ended);
                    }
                    if self.pause(wait, None).is_break() {
                        let none = Some(Money::ZERO);
                        return self.settle(going, Outcome::Cancelled, none).map(Sent::Ended);
                    }
                    continue;
                }
                Created::Exists => {
                    is_there = true;
                    "the provider has a job of that name".to_owned()
                }
                Created::Unclear { why } => why,
            };
            let why = self.clean(&why);
            self.doubt(going, &why)?;
            let is_once = self.provider.is_once(self.card) && times < MOST_TIMES;
            match self.look(going)? {
                Look::Job(remote) => {
                    self.submitted(going, &remote)?;
                    return Ok(Sent::Job(remote));
                }
                // It says both that there is one and that there is none.
                Look::Nothing if is_there => return self.unknown(going, why).map(Sent::Ended),
                // Where it arrives after all, the provider refuses one of the two.
                Look::Nothing if is_once => {}
                Look::Nothing => return self.never(going, why, Kind::Provider).map(Sent::Ended),
                Look::Unclear => return self.unknown(going, why).map(Sent::Ended),
            }
        }
    }

    /// Asks for a clip once.
    fn attempt(&self, ask: &Ask<'_>) -> Attempt {
        let silence = match self.wire.open(ask).and_then(super::Stream::read) {
            Ok(reply) => {
                return Attempt::Means(self.provider.created(self.card, &reply), reply.retry_after);
            }
            Err(silence) => silence,
        };
        match (silence.is_sent, silence.kind) {
            (true, _) => Attempt::Means(Created::Unclear { why: silence.why }, None),
            // Nobody is there at the moment: nothing has left.
            (false, Kind::Provider) => Attempt::Means(Created::Busy { why: silence.why }, None),
            (false, kind) => Attempt::Shut(silence.why, kind),
        }
    }

    /// Goes on with a job that may be there.
    pub(super) fn search(
        &self,
        going: &Going,
        why: String,
        keep: Keep<'_>,
    ) -> Result<Ended, Error> {
        match self.look(going)? {
            Look::Job(remote) => {
                self.submitted(going, &remote)?;
                self.follow(going, &remote, keep)
            }
            Look::Nothing => self.never(going, why, Kind::Provider),
            Look::Unclear if !going.has_its_key => {
                self.unknown(going, format!("{why}; it was asked for with another key"))
            }
            Look::Unclear => self.unknown(going, why),
        }
    }

    /// Looks for a job by our name of it. That there is none is believed when every look says so, with the key that the job was
    /// asked for with: the list of another account is empty whatever there is.
    pub(super) fn look(&self, going: &Going) -> Result<Look, Error> {
        let mut came = None;
        for wait in &self.patience.looks {
            let Some(question) = self.provider.find(self.card, going.take) else { break };
            if self.pause(self.about(*wait), None).is_break() {
                return Ok(Look::Unclear);
            }
            let found = self.find(going, question);
            reached(Step::Looked);
            came = match (found, came) {
                (Found::Job { remote }, _) => return Ok(Look::Job(remote)),
                (Found::Nothing, None | Some(Look::Nothing)) => Some(Look::Nothing),
                _ => Some(Look::Unclear),
            };
        }
        Ok(match came {
            Some(Look::Nothing) if !going.has_its_key => Look::Unclear,
            came => came.unwrap_or(Look::Unclear),
        })
    }

    /// Looks through the pages of a list.
    fn find(&self, going: &Going, mut question: Question) -> Found {
        for _ in 0..MOST_PAGES {
            match self.ask(going, &question) {
                Ok(reply) => match self.provider.found(self.card, going.take, &reply) {
                    Found::Next(next) => question = next,
                    found => return found,
                },
                Err(silence) => return Found::Unclear { why: silence.why },
            }
        }
        Found::Next(question)
    }

    /// Says that there is a job. As long as that cannot be written nobody else has its name: it is told again until there is
    /// room, and people get it where there is none.
    pub(super) fn submitted(&self, going: &Going, remote: &str) -> Result<(), Error> {
        let take = going.take;
        let mut waits = WRITE_WAITS.into_iter().map(Duration::from_secs);
        while let Err(source) =
            self.journal.tell(JobEvent::Submitted { take, remote: remote.to_owned() })
        {
            let wait = waits.next();
            if wait.is_none_or(|wait| self.pause(wait, None).is_break()) {
                let (remote, source) = (remote.to_owned(), Box::new(source));
                return Err(Error::Unnamed { take, remote, source });
            }
        }
        reached(Step::Submitted);
        Ok(())
    }

    /// Says that nobody knows whether there is a job.
    pub(super) fn doubt(&self, going: &Going, why: &str) -> Result<(), Error> {
        let (take, why) = (going.take, why.to_owned());
        self.journal.tell(JobEvent::Unknown { take, why })?;
        reached(Step::Doubted);
        Ok(())
    }

    /// Says that there is no job, and that nothing is owed.
    pub(super) fn never(&self, going: &Going, why: String, kind: Kind) -> Result<Ended, Error> {
        let why = self.clean(&why);
        self.settle(going, Outcome::NotCreated { why: why.clone() }, None)?;
        Ok(Ended::NotCreated { why, kind })
    }

    /// Leaves it to people whether there is a job; where it costs nothing, nobody needs to know.
    pub(super) fn unknown(&self, going: &Going, why: String) -> Result<Ended, Error> {
        if self.card.is_free {
            return self.settle(going, Outcome::Failed { why }, Some(Money::ZERO));
        }
        Ok(Ended::Unknown { why })
    }
}
