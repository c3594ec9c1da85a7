//! What people find out about a job that nobody here knows about.

use std::path::Path;

use super::{Check, Decodes, Error, Flaw, Journal};
use crate::hosted::is_name;
use crate::job::{JobEvent, Outcome};
use crate::ledger::{Job, JobState};

/// What people found out, in the provider's own list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Made {
        /// The provider's name of it.
        remote: String,
    },
    /// It never came to be, and nothing is owed.
    NotMade,
    /// Its clip will never come. What was reserved for it is spent.
    Lost,
}

/// Tells what people found out about a job whose clip would be `clip`. One that is there is fetched by the next rendering.
///
/// # Errors
/// A job that is over, a name that none can have, a verdict that contradicts what the provider said or what is on the disk.
pub fn resolve(
    journal: &dyn Journal,
    clip: &Path,
    job: &Job,
    verdict: Verdict,
) -> Result<(), Error> {
    let take = job.intent.take;
    let wrong = |why| Err(Error::Verdict { take, why });
    let is_clip = || clip.is_file() && !matches!(Decodes.check(clip), Err(Flaw::NoClip(_)));
    if !matches!(verdict, Verdict::Made { .. }) && (journal.cost_of(take)?.is_some() || is_clip()) {
        return wrong("its clip is here: the next `kinora render` records it");
    }
    let is_known = match &job.state {
        JobState::Settled { .. } => return wrong("it is over"),
        JobState::Submitted => true,
        // What the provider forgot it may never have billed.
        JobState::Intended | JobState::Unknown { .. } => false,
    };
    let event = match verdict {
        Verdict::Made { .. } | Verdict::NotMade if is_known => {
            return wrong("the provider has said that it is there");
        }
        Verdict::Made { remote } if !is_name(&remote) => {
            return wrong("no provider names a job like that");
        }
        Verdict::Made { remote } => JobEvent::Submitted { take, remote },
        Verdict::NotMade => {
            let outcome = Outcome::NotCreated { why: "somebody looked it up".to_owned() };
            JobEvent::Settled { take, outcome, cost: None }
        }
        Verdict::Lost => {
            let outcome = Outcome::Failed { why: "somebody gave it up".to_owned() };
            JobEvent::Settled { take, outcome, cost: None }
        }
    };
    Ok(journal.tell(event)?)
}
