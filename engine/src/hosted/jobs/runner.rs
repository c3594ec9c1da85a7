//! One job, from its order to its end.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::steps::{Step, reached};
use super::submit::{Look, Sent};
use super::watch::Watched;
use super::{Ask, Check, Clock, Ended, Error, Journal, Silence, Wire};
use crate::egress::{Body, Labelled, Limits, Payload};
use crate::hosted::provider::{Known, Provider, Stopped};
use crate::hosted::{HostedCard, Order, Question, Reply};
use crate::id::{CutId, TakeId};
use crate::job::{Intent, JobEvent, Outcome};
use crate::ledger::{Job, JobState};
use crate::money::Money;
use crate::observe::{Event, Observer};
use crate::privacy::Privacy;

/// What the ledger is told of a job beside the order.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The cut it is of.
    pub cut: CutId,
    /// Number of the take within its cut.
    pub number: u32,
    /// The most that it can cost.
    pub reserved: Money,
    /// What the caller needs to record the take in another process.
    pub record: serde_json::Value,
}

/// What a job needs in another process: [`Intent::record`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The card of the model.
    pub card: String,
    /// Who may see the take.
    pub label: Privacy,
    /// The [mark](crate::egress::Token::mark) of the key that it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the caller needs to record the take.
    pub record: serde_json::Value,
}

impl Kept {
    /// Reads what an intent keeps.
    ///
    /// # Errors
    /// What another version wrote.
    pub fn of(intent: &Intent) -> Result<Self, Error> {
        serde_json::from_value(intent.record.clone()).map_err(|source| Error::Record { source })
    }
}

/// A clip that was made, whole and on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The take that it is to become.
    pub take: TakeId,
    /// The file. It stays until the take is recorded and the job is settled, and is removed then.
    pub path: PathBuf,
    /// What it cost: what the provider says, or else what was reserved for it.
    pub cost: Money,
    /// What was reserved for it.
    pub reserved: Money,
    /// The provider's name of the job.
    pub remote: String,
    /// What the ticket kept.
    pub record: serde_json::Value,
}

/// How long a job is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For an answer, before the provider is taken for silent; longer for large questions.
    pub answer: Duration,
    /// For a provider that is busy, before there is a job.
    pub busy: Duration,
    /// For the clip.
    pub clip: Duration,
    /// For a paid job that its provider says it does not know, before that is believed.
    pub lost: Duration,
    /// Before each look for a job that may be there. It is not there when each of them says so.
    pub looks: Vec<Duration>,
}

impl Default for Patience {
    /// Half a minute; a quarter of an hour, two hours, ten minutes, and four looks within a minute.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            busy: Duration::from_secs(15 * 60),
            clip: Duration::from_secs(2 * 3600),
            lost: Duration::from_secs(10 * 60),
            looks: [1, 4, 15, 40].map(Duration::from_secs).to_vec(),
        }
    }
}

/// Records a take. The file keeps its name meanwhile, so that another process finds it; it is removed after it.
pub type Keep<'a> = &'a mut dyn FnMut(&Made) -> crate::Result<()>;

/// Runs one job.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// Who is asked.
    pub provider: &'a dyn Provider,
    /// For which model.
    pub card: &'a HostedCard,
    /// The way there.
    pub wire: &'a dyn Wire,
    /// Where the job is remembered.
    pub journal: &'a dyn Journal,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What tells a clip from other files.
    pub check: &'a dyn Check,
    /// The folder in which clips arrive: the ledger's `work`.
    pub work: &'a Path,
    /// How long it is waited for.
    pub patience: &'a Patience,
    /// Hears how it gets on, and may stop the wait. The job goes on then.
    pub observer: &'a dyn Observer,
}

/// The longest time that a provider is left alone where it wants that.
const MOST_REST: Duration = Duration::from_secs(6 * 3600);

/// What is known of a job on its way.
#[derive(Debug, Clone)]
pub(super) struct Going {
    pub(super) take: TakeId,
    pub(super) label: Privacy,
    pub(super) reserved: Money,
    pub(super) record: serde_json::Value,
    /// Whether it was asked for with the key that there is now. The list of another account says nothing of it.
    pub(super) has_its_key: bool,
}

impl Going {
    /// What a question about the job takes out.
    pub(super) fn payload(&self, question: &Question) -> Payload {
        let about = Payload::about(&Labelled::new((), self.label.clone()));
        match &question.body {
            Body::Empty => about,
            Body::Json(bytes) | Body::Bytes { bytes, .. } => {
                about.and("question", &Labelled::new(bytes.as_slice(), self.label.clone()))
            }
            Body::Multipart(fields) => fields.iter().fold(about, |payload, field| {
                let bytes = Labelled::new(field.bytes.as_slice(), self.label.clone());
                payload.and(field.name.clone(), &bytes)
            }),
        }
    }
}

impl Runner<'_> {
    /// Has a clip made: reserves its money, asks for it, waits, fetches it, has it recorded and settles.
    ///
    /// # Errors
    /// [`Error`] where it was not begun, or stands where it stood and [`resume`](Self::resume) goes on.
    pub fn run(&self, order: &Order, ticket: Ticket, keep: Keep<'_>) -> Result<Ended, Error> {
        let question = self.provider.create(self.card, order)?;
        let payload = order.payload();
        let mut limits = self.limits();
        limits.patience += for_upload(&question.body);
        let ask = Ask { question: &question, payload: &payload, take: order.take, limits };
        self.wire.check(&ask)?;
        reached(Step::Checked);
        let going = Going {
            take: order.take,
            label: payload.label().clone(),
            reserved: ticket.reserved,
            record: ticket.record.clone(),
            has_its_key: true,
        };
        let kept = Kept {
            card: self.card.name.clone(),
            label: going.label.clone(),
            key: self.wire.mark(),
            record: ticket.record,
        };
        self.journal.reserve(Intent {
            take: order.take,
            cut: ticket.cut,
            number: ticket.number,
            provider: self.card.provider.clone(),
            model: self.card.model.clone(),
            host: self.wire.host().to_owned(),
            payload: question.body.hash(),
            reserved: ticket.reserved,
            record: serde_json::to_value(kept).map_err(|source| Error::Record { source })?,
        })?;
        reached(Step::Intended);
        match self.submit(&going, &ask)? {
            Sent::Job(remote) => self.follow(&going, &remote, keep),
            Sent::Ended(ended) => Ok(ended),
        }
    }

    /// Goes on with a job that another process began: looks for it where nobody knows whether it is there, waits for it where
    /// it is. None for a job that is over.
    ///
    /// # Errors
    /// [`Error`] where it stands where it stood.
    pub fn resume(&self, job: &Job, keep: Keep<'_>) -> Result<Option<Ended>, Error> {
        if let JobState::Settled { .. } = job.state {
            return Ok(None);
        }
        let going = self.going(job)?;
        match (&job.state, &job.remote) {
            (JobState::Submitted, Some(remote)) => self.follow(&going, remote, keep).map(Some),
            (JobState::Unknown { .. }, Some(remote)) if self.here(&going).is_some() => {
                self.follow(&going, remote, keep).map(Some)
            }
            (JobState::Unknown { why }, Some(remote)) => {
                self.remember(&going, remote, why.clone(), keep).map(Some)
            }
            (JobState::Unknown { why }, _) => self.search(&going, why.clone(), keep).map(Some),
            _ => {
                let why = "the program ended before it knew".to_owned();
                self.doubt(&going, &why)?;
                self.search(&going, why, keep).map(Some)
            }
        }
    }

    /// Calls a job off, over there too where that is possible. None for a job that is over. One that is ready stays: the clip
    /// is paid for.
    ///
    /// # Errors
    /// [`Error`] where it stands where it stood.
    pub fn cancel(&self, job: &Job) -> Result<Option<Ended>, Error> {
        if let JobState::Settled { .. } = job.state {
            return Ok(None);
        }
        let going = self.going(job)?;
        if self.journal.cost_of(going.take)?.is_some() || self.here(&going).is_some() {
            let why = "its clip is here: the next rendering records it".to_owned();
            return Ok(Some(Ended::Left { why }));
        }
        let remote = match (&job.state, &job.remote) {
            (JobState::Submitted | JobState::Unknown { .. }, Some(remote)) => remote.clone(),
            _ => {
                let why = "the program ended before it knew".to_owned();
                match self.look(&going)? {
                    Look::Job(remote) => {
                        self.submitted(&going, &remote)?;
                        remote
                    }
                    Look::Nothing => {
                        return self.never(&going, why, crate::Kind::Provider).map(Some);
                    }
                    Look::Unclear => return Ok(Some(Ended::Unknown { why })),
                }
            }
        };
        self.call_off(&going, &remote).map(Some)
    }

    /// What is known of a job that another process began.
    fn going(&self, job: &Job) -> Result<Going, Error> {
        let (take, reserved) = (job.intent.take, job.intent.reserved);
        let (asked, now) = (&job.intent.host, self.wire.host());
        if asked != now {
            return Err(Error::Moved { take, asked: asked.clone(), now: now.to_owned() });
        }
        let Kept { label, record, key, .. } = Kept::of(&job.intent)?;
        Ok(Going { take, label, reserved, record, has_its_key: key == self.wire.mark() })
    }

    fn call_off(&self, going: &Going, remote: &str) -> Result<Ended, Error> {
        let known = Known { card: self.card, take: going.take, remote };
        let left = |why: String| Ok(Ended::Left { why });
        // Only what is not ready is called off: some providers delete what is.
        match self.once(going, &known)? {
            Watched::Going { .. } => {}
            Watched::Ended(outcome, cost) => return self.settle(going, outcome, cost),
            Watched::Clip { .. } => {
                return left("it is ready: it is fetched at the next rendering".to_owned());
            }
            Watched::Left(why) => return left(why),
        }
        let Some(question) = self.provider.cancel(&known) else {
            return left("the provider cannot call a job off".to_owned());
        };
        let stopped = self.ask(going, &question);
        reached(Step::CalledOff);
        match stopped {
            Ok(reply) => match self.provider.cancelled(&known, &reply) {
                Stopped::Yes { cost } => return self.settle(going, Outcome::Cancelled, cost),
                Stopped::No { why } => return left(self.clean(&why)),
                Stopped::Asked => {}
            },
            Err(silence) => return left(silence.why),
        }
        for wait in &self.patience.looks {
            if self.pause(*wait, None).is_break() {
                break;
            }
            if let Watched::Ended(outcome, cost) = self.once(going, &known)? {
                return self.settle(going, outcome, cost);
            }
        }
        left("the provider was asked to call it off".to_owned())
    }

    /// Goes on with a job that its provider did not know any more, where it knows it again.
    fn remember(
        &self,
        going: &Going,
        remote: &str,
        why: String,
        keep: Keep<'_>,
    ) -> Result<Ended, Error> {
        let known = Known { card: self.card, take: going.take, remote };
        match self.once(going, &known)? {
            Watched::Going { doubt: Some(_), .. } | Watched::Left(_) => self.unknown(going, why),
            _ => {
                self.submitted(going, remote)?;
                self.follow(going, remote, keep)
            }
        }
    }

    /// Waits for a job, fetches its clip and has it recorded.
    pub(super) fn follow(
        &self,
        going: &Going,
        remote: &str,
        keep: Keep<'_>,
    ) -> Result<Ended, Error> {
        // A process may have ended between recording the take and settling.
        if let Some(cost) = self.journal.cost_of(going.take)? {
            let ended = self.settle(going, Outcome::Done, Some(cost))?;
            let _ = std::fs::remove_file(self.target(going));
            return Ok(ended);
        }
        let known = Known { card: self.card, take: going.take, remote };
        // Another process may have ended when the clip was here, and its provider may have forgotten it since.
        let brought = match self.here(going) {
            Some(path) => Ok((path, self.price(going, &known))),
            None => self.bring(going, &known)?,
        };
        let (path, cost) = match brought {
            Ok(brought) => brought,
            Err(ended) => return Ok(ended),
        };
        let made = Made {
            take: going.take,
            path,
            cost: cost.unwrap_or(going.reserved),
            reserved: going.reserved,
            remote: remote.to_owned(),
            record: going.record.clone(),
        };
        keep(&made).map_err(|error| Error::Keep(Box::new(error)))?;
        reached(Step::Recorded);
        let ended = self.settle(going, Outcome::Done, cost)?;
        // Not before: until then nothing else says that the clip is here.
        let _ = std::fs::remove_file(&made.path);
        Ok(ended)
    }

    /// What a clip cost that is here already, where the provider still says so.
    fn price(&self, going: &Going, known: &Known<'_>) -> Option<Money> {
        match self.once(going, known) {
            Ok(Watched::Clip { cost, .. }) => cost,
            _ => None,
        }
    }

    /// Says that a job is over.
    pub(super) fn settle(
        &self,
        going: &Going,
        outcome: Outcome,
        cost: Option<Money>,
    ) -> Result<Ended, Error> {
        let take = going.take;
        self.journal.tell(JobEvent::Settled { take, outcome: outcome.clone(), cost })?;
        reached(Step::Settled);
        Ok(match outcome {
            Outcome::Done => Ended::Done,
            Outcome::Refused { why } => Ended::Refused { why },
            Outcome::Failed { why } => Ended::Failed { why },
            Outcome::Cancelled => Ended::Cancelled,
            Outcome::NotCreated { why } => Ended::NotCreated { why, kind: crate::Kind::Provider },
        })
    }

    /// Asks about a job that is on its way, and reads the answer.
    pub(super) fn ask(&self, going: &Going, question: &Question) -> Result<Reply, Silence> {
        let payload = going.payload(question);
        let ask = Ask { question, payload: &payload, take: going.take, limits: self.limits() };
        self.wire.open(&ask)?.read()
    }

    fn limits(&self) -> Limits {
        // Some providers put the clip into the answer, as text.
        Limits { patience: self.patience.answer, most_bytes: 256 << 20 }
    }

    /// Waits, and says all the time that it does; breaks off where the observer wants that.
    pub(super) fn pause(&self, time: Duration, progress: Option<f64>) -> ControlFlow<()> {
        const SLICE: Duration = Duration::from_millis(250);
        let mut left = time;
        loop {
            self.observer.on(&Event::Remote { progress })?;
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            let slice = left.min(SLICE);
            self.clock.sleep(slice);
            left -= slice;
        }
    }

    /// A wait of about this length, so that many do not end at once.
    pub(super) fn about(&self, time: Duration) -> Duration {
        time.mul_f64(0.8 + 0.4 * self.clock.jitter().clamp(0.0, 1.0))
    }

    /// A wait of at least as long as the provider wants to be left alone, or else of about this length.
    pub(super) fn rest(&self, after: Option<Duration>, time: Duration) -> Duration {
        let more = 1.0 + 0.2 * self.clock.jitter().clamp(0.0, 1.0);
        after.map_or_else(|| self.about(time), |after| after.min(MOST_REST).mul_f64(more))
    }

    /// What a provider says, for people and for the ledger: one line without our key and without addresses.
    pub(super) fn clean(&self, why: &str) -> String {
        const MOST_LETTERS: usize = 300;
        let text = self.wire.clean(why);
        let word = |word| if is_address(word) { "[address]" } else { word };
        let line = text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
        match line.char_indices().nth(MOST_LETTERS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// Whether a word may be an address, which may let everybody in who knows it, or a picture as text.
fn is_address(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("://") || word.contains("data:") || word.contains("%3a%2f%2f")
}

/// How much longer an answer to an upload is waited for: 4 seconds for each MB.
fn for_upload(body: &Body) -> Duration {
    let bytes = match body {
        Body::Empty => 0,
        Body::Json(bytes) | Body::Bytes { bytes, .. } => bytes.len(),
        Body::Multipart(fields) => fields.iter().map(|field| field.bytes.len()).sum(),
    };
    Duration::from_secs(4 * (bytes as u64 >> 20))
}
