//! What a provider must be able to say: functions from what is asked for to a question, and from an answer to its meaning.
//!
//! A provider opens no connection, keeps no state and reads no clock; `jobs` does what it says in the order that loses
//! nothing. So a provider is a file of its own words, and all of them are tested by the same tests.
//!
//! Two meanings decide about money, and a provider gives them only where its documents or its code bear them out.
//! [`Created::Busy`], [`Created::Denied`], [`Created::NotCreated`] and [`Created::Refused`] say that *nothing was made*:
//! everything else that is no job is [`Created::Unclear`], and is never asked for again. [`Found::Nothing`] says that the
//! provider keeps our name of a job and has none of that name.

use std::time::Duration;

use super::order::Unfit;
use super::{HostedCard, KeyHeader, Order, Question, Reply};
use crate::id::TakeId;
use crate::money::Money;

/// A job that a provider has given a name.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The model.
    pub card: &'a HostedCard,
    /// The take that it is to become.
    pub take: TakeId,
    /// The provider's name of it; what [`Created::Job`] brought.
    pub remote: &'a str,
}

/// What came of asking for a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// There is a job.
    Job {
        /// The provider's name of it: all that is kept to ask for it again, by another process too.
        remote: String,
    },
    /// The provider does not make this picture. Nothing was made.
    Refused {
        /// What it says.
        why: String,
    },
    /// The provider makes nothing for us: a wrong key, no money, a model that is gone. Nothing was made.
    Denied {
        /// What it says.
        why: String,
    },
    /// The question is wrong. Nothing was made.
    NotCreated {
        /// What it says.
        why: String,
    },
    /// Not now: too many questions, too many jobs. Nothing was made, and it may be asked again.
    Busy {
        /// What it says.
        why: String,
    },
    /// There is a job of that take already: the question arrived before. It is looked for with [`Provider::find`].
    Exists,
    /// It may have been made or not.
    Unclear {
        /// What it says.
        why: String,
    },
}

/// A clip that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clip {
    /// At an address for everybody who knows it. No key goes there.
    Url(String),
    /// In the answer itself.
    Inline(Vec<u8>),
    /// The answer to a question, whose key goes to the provider's own origin only.
    Question(Question),
}

/// How a job gets on.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// It is waiting or being made.
    Waiting {
        /// How much of it is done, from 0 to 1.
        progress: Option<f64>,
        /// How long the provider wants to be left alone, where it says so.
        after: Option<Duration>,
    },
    /// It is done.
    Done {
        /// The clip.
        clip: Clip,
        /// What it cost, where the provider says so.
        cost: Option<Money>,
    },
    /// It is done, and another question tells where the clip is: [`Provider::result`] reads the answer.
    Next(Question),
    /// The provider does not give us this picture.
    Refused {
        /// What it says.
        why: String,
        /// What it cost all the same; none where nobody says.
        cost: Option<Money>,
    },
    /// It went wrong, or was not begun in time.
    Failed {
        /// What the provider says.
        why: String,
        /// What it cost all the same; none where nobody says.
        cost: Option<Money>,
    },
    /// It was called off.
    Cancelled {
        /// What it cost all the same; none where nobody says.
        cost: Option<Money>,
    },
    /// The provider does not know this job, or what stands before the provider does not: another key, another region and a page
    /// of a server that is being changed say the same. Believed only when nothing else is said for a long time, and never taken
    /// to mean that nothing was made.
    Lost {
        /// What it says.
        why: String,
    },
    /// The provider knows this job, and says in its documented words that the clip will not come any more: it was deleted, or
    /// its time is over.
    Gone {
        /// What it says.
        why: String,
    },
    /// The provider does not answer us: a wrong key. The job goes on.
    Denied {
        /// What it says.
        why: String,
    },
    /// Nothing that says how the job gets on, a word that nobody knows among them: ask again later.
    Unclear {
        /// What it says.
        why: String,
    },
}

/// What came of calling a job off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It ends.
    Yes {
        /// What it costs all the same; none where nobody says.
        cost: Option<Money>,
    },
    /// It may end: how it gets on tells.
    Asked,
    /// It goes on, or has ended.
    No {
        /// What the provider says.
        why: String,
    },
}

/// What came of looking for a job by our name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There it is.
    Job {
        /// The provider's name of it.
        remote: String,
    },
    /// There is none, for certain.
    Nothing,
    /// It may be behind this question: the next page.
    Next(Question),
    /// It may be there or not.
    Unclear {
        /// What the provider says.
        why: String,
    },
}

/// How often a provider wants to be asked how a job gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The first wait.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Pace {
    /// 5 seconds, growing to 30.
    fn default() -> Self {
        Self { first: Duration::from_secs(5), most: Duration::from_secs(30) }
    }
}

/// Somebody who makes clips for money, or a server of one's own.
pub trait Provider: Sync {
    /// Its name: the `provider` of its cards.
    fn name(&self) -> &'static str;

    /// How it wants to be shown the key.
    fn key(&self) -> KeyHeader {
        KeyHeader::BEARER
    }

    /// Where its results lie, beside its own host: hosts, or `*.domain`, as [`crate::egress::Consent`] takes them.
    fn result_hosts(&self) -> &'static [&'static str] {
        &[]
    }

    /// How often it wants to be asked.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// Whether asking twice for one take makes one clip, because the provider refuses or repeats what has the same name of
    /// ours. Only then is an unclear question asked again.
    fn is_once(&self, _card: &HostedCard) -> bool {
        false
    }

    /// The question that asks for a clip, for one and no more.
    ///
    /// # Errors
    /// What the model cannot be asked for.
    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit>;

    /// What the answer to [`create`](Self::create) means.
    fn created(&self, card: &HostedCard, reply: &Reply) -> Created;

    /// The question how a job gets on.
    fn poll(&self, job: &Known<'_>) -> Question;

    /// What the answer to [`poll`](Self::poll) means.
    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled;

    /// What the answer to a [`Polled::Next`] means.
    fn result(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        self.polled(job, reply)
    }

    /// The question that calls a job off; none where it cannot be called off. It is only asked of jobs that wait or are made.
    fn cancel(&self, _job: &Known<'_>) -> Option<Question> {
        None
    }

    /// What the answer to [`cancel`](Self::cancel) means.
    fn cancelled(&self, _job: &Known<'_>, _reply: &Reply) -> Stopped {
        Stopped::Asked
    }

    /// The question that looks for the job of a take by our name of it; none where the provider keeps no such name.
    fn find(&self, _card: &HostedCard, _take: TakeId) -> Option<Question> {
        None
    }

    /// What the answer to [`find`](Self::find) means.
    fn found(&self, _card: &HostedCard, _take: TakeId, _reply: &Reply) -> Found {
        Found::Unclear { why: "it keeps no names of ours".to_owned() }
    }
}

impl Created {
    /// What an answer that is no job means by its status alone: what the words of a provider do not say better.
    ///
    /// 401, 402, 403, 404, 405, 410 and 413 are said before anything is made, and so are the other 4xx with JSON in them. After
    /// 408, 409, 5xx, and everything that nobody can read, there may be a job.
    pub fn by_status(reply: &Reply, why: String) -> Self {
        match reply.status {
            401..=403 | 404 | 405 | 410 => Self::Denied { why },
            429 => Self::Busy { why },
            413 => Self::NotCreated { why },
            408 | 409 => Self::Unclear { why },
            400..500 if reply.json().is_some() => Self::NotCreated { why },
            _ => Self::Unclear { why },
        }
    }
}

impl Polled {
    /// What an answer that says nothing of the job means by its status alone.
    pub fn by_status(reply: &Reply, why: String) -> Self {
        match reply.status {
            401..=403 => Self::Denied { why },
            404 | 410 => Self::Lost { why },
            429 => Self::Waiting { progress: None, after: reply.retry_after },
            _ => Self::Unclear { why },
        }
    }
}
