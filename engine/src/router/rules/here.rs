//! What this machine can do.

use super::{Case, Finding};
use crate::router::candidate::{Candidate, Fit, Place};

/// Whether the files are here.
pub(super) fn installed(_: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Local { installed, .. } = &candidate.place else { return None };
    Some(if *installed {
        Finding::good("its files are here")
    } else {
        Finding::forbids(
            "its files are not here",
            format!("fetch them: kinora models pull {}", candidate.name),
        )
    })
}

/// Whether it fits into memory.
pub(super) fn memory(_: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Local { fits, .. } = &candidate.place else { return None };
    Some(match fits {
        Fit::Fits { memory_bytes } => {
            Finding::good(format!("it fits into memory, with {}", gib(*memory_bytes)))
        }
        Fit::Smaller { plan } => Finding::bad(format!("it fits into memory only with {plan}"), 0),
        Fit::Unknown => Finding::bad("nobody measured whether it fits into memory", 0),
        Fit::No { needed, available } => Finding::forbids(
            format!("it needs {} of memory, and there are {}", gib(*needed), gib(*available)),
            "ask for fewer frames or smaller pictures, or free memory",
        ),
    })
}

/// Whether it is there in time.
pub(super) fn deadline(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let deadline = case.need.deadline_secs?;
    let Place::Local { seconds, .. } = &candidate.place else { return None };
    Some(match seconds {
        None => Finding::bad(format!("nobody measured whether it takes {deadline:.0} s"), 0),
        Some(seconds) if *seconds <= deadline => {
            Finding::good(format!("about {seconds:.0} s of the {deadline:.0} s there are"))
        }
        Some(seconds) => Finding::forbids(
            format!("about {seconds:.0} s, and there are {deadline:.0} s"),
            "give it more time, or ask for fewer frames, smaller pictures or fewer steps",
        ),
    })
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
