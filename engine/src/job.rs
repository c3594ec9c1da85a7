//! A hosted job as it is remembered: what was about to be paid for, what became of it.
//!
//! One take is at most one job. [`JobEvent::Intent`] is on the disk before anything is sent, [`JobEvent::Submitted`] as soon as the
//! provider has named the job. A job between the two may exist over there or not: [`JobEvent::Unknown`] says so, and its
//! money stays reserved until somebody knows.

use serde::{Deserialize, Serialize};

use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::money::Money;

/// What is about to be asked of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The take that the job is to become.
    pub take: TakeId,
    /// The cut it is of.
    pub cut: CutId,
    /// Number of the take within its cut.
    pub number: u32,
    /// The provider.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// The host that is asked, with its port where that is not the usual one.
    pub host: String,
    /// BLAKE3 of what is sent.
    pub payload: Blake3,
    /// The most that it can cost: reserved until the job is settled.
    pub reserved: Money,
    /// What is needed to finish the take in another process: the resolved request and its route.
    pub record: serde_json::Value,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", deny_unknown_fields)]
pub enum Outcome {
    /// There is a clip, and it is in the ledger.
    Done,
    /// The provider does not make this picture.
    Refused {
        /// What it says, without keys and addresses.
        why: String,
    },
    /// It went wrong over there.
    Failed {
        /// What the provider says, without keys and addresses.
        why: String,
    },
    /// It was called off.
    Cancelled,
    /// It never came to be: nothing was made and nothing is owed.
    NotCreated {
        /// What stood against it.
        why: String,
    },
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "job", deny_unknown_fields)]
pub enum JobEvent {
    /// It is about to be sent.
    Intent(Box<Intent>),
    /// The provider has taken it.
    Submitted {
        /// The take.
        take: TakeId,
        /// The provider's name of the job.
        remote: String,
    },
    /// It may exist: it was sent, and no answer said so or otherwise.
    Unknown {
        /// The take.
        take: TakeId,
        /// What happened instead of an answer.
        why: String,
    },
    /// It is over.
    Settled {
        /// The take.
        take: TakeId,
        /// How.
        outcome: Outcome,
        /// What it cost; where nobody says, what was reserved for it counts.
        cost: Option<Money>,
    },
}

impl JobEvent {
    /// The take that the job is to become.
    pub fn take(&self) -> TakeId {
        match self {
            Self::Intent(intent) => intent.take,
            Self::Submitted { take, .. }
            | Self::Unknown { take, .. }
            | Self::Settled { take, .. } => *take,
        }
    }
}
