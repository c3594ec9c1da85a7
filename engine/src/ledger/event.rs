//! What happens to takes. The log of these, with the objects they name, is the truth; all else is made from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::take::{Media, Place, TakeRecord};
use crate::Kind;
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::job::JobEvent;
use crate::money::Money;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event", deny_unknown_fields)]
pub enum Event {
    /// A take was finished.
    Take {
        /// What of its manifest questions are asked about.
        take: Box<Recorded>,
    },
    /// An attempt at a take came to nothing.
    Failure {
        /// Which, and why.
        failure: Failure,
    },
    /// A take was picked, in place of any other of its cut. It is not rejected any more.
    Pick {
        /// The take.
        take: TakeId,
    },
    /// No take of a cut is picked any more.
    Unpick {
        /// The cut.
        cut: CutId,
    },
    /// A take was rejected. It is not picked any more.
    Reject {
        /// The take.
        take: TakeId,
        /// What is wrong with it.
        why: String,
    },
    /// A take was given stars.
    Rate {
        /// The take.
        take: TakeId,
        /// How many, from 1 to 5.
        stars: u8,
    },
    /// Somebody said something about a take.
    Note {
        /// The take.
        take: TakeId,
        /// What.
        text: String,
    },
    /// Something happened to a hosted job.
    Job {
        /// What.
        job: JobEvent,
    },
    /// Clips were given up for their room; the manifests stay.
    Collected {
        /// The takes they were of.
        takes: Vec<TakeId>,
    },
}

/// A finished take, as far as questions are asked about it. The rest is in its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The take.
    pub id: TakeId,
    /// The cut it is of.
    pub cut: CutId,
    /// Its number within the cut.
    pub number: u32,
    /// BLAKE3 of its manifest.
    pub manifest: Blake3,
    /// The clip.
    pub media: Media,
    /// The kind of cut.
    pub kind: String,
    /// BLAKE3 of the resolved request without its seed.
    pub request: Blake3,
    /// The seed.
    pub seed: u64,
    /// The model.
    pub model: String,
    /// Where it was made.
    pub place: Place,
    /// What it cost.
    pub cost: Money,
    /// The take that it goes on from.
    pub parent: Option<TakeId>,
    /// When it was finished.
    pub created: Timestamp,
    /// How long it took.
    pub seconds: f64,
}

impl Recorded {
    /// What the log says of a take with this manifest.
    pub fn of(record: &TakeRecord, manifest: Blake3) -> Self {
        Self {
            id: record.id,
            cut: record.cut.clone(),
            number: record.number,
            manifest,
            media: record.media.clone(),
            kind: record.kind.clone(),
            request: record.request,
            seed: record.seed,
            model: record.model.clone(),
            place: record.place.clone(),
            cost: record.cost,
            parent: record.parent,
            created: record.created,
            seconds: record.seconds,
        }
    }
}

/// An attempt that came to nothing. Its number is not given to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The take that it was to become.
    pub take: TakeId,
    /// The cut.
    pub cut: CutId,
    /// Number of the take within its cut.
    pub number: u32,
    /// The kind of failure.
    pub kind: Kind,
    /// What went wrong, without keys and addresses.
    pub why: String,
}
