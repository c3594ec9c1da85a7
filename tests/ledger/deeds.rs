//! Everything that can be done to a ledger, each once, on what [`Place::eventful`](crate::place::Place::eventful) holds.

use std::path::Path;

use jiff::Timestamp;
use kinora_engine::hash::Blake3;
use kinora_engine::id::{CutId, TakeId};
use kinora_engine::job::{JobEvent, Outcome};
use kinora_engine::ledger::{Collect, Ledger, Media, Result, TakeRecord};
use kinora_engine::money::Money;
use kinora_tests::takes;

/// The takes that there are.
pub(crate) const TAKES: [&str; 3] =
    ["01ARZ3NDEKTSV4RRFFQ69G5FA1", "01ARZ3NDEKTSV4RRFFQ69G5FA2", "01ARZ3NDEKTSV4RRFFQ69G5FA3"];

/// The jobs that there are: one that was submitted, one that is about to be.
pub(crate) const JOBS: [&str; 2] = ["01ARZ3NDEKTSV4RRFFQ69G5FB1", "01ARZ3NDEKTSV4RRFFQ69G5FB2"];

/// Takes that there are not yet: one that will be made, one that will fail, one that a job is to become.
const NEW: [&str; 3] =
    ["01ARZ3NDEKTSV4RRFFQ69G5FC1", "01ARZ3NDEKTSV4RRFFQ69G5FC2", "01ARZ3NDEKTSV4RRFFQ69G5FC3"];

/// The cut of the takes, and that of the jobs.
pub(crate) const CUT: &str = "sc01/sh0010";
pub(crate) const HOSTED: &str = "sc02/sh0010";

/// Their names.
pub(crate) const DEEDS: [&str; 14] = [
    "take",
    "failure",
    "import",
    "pick",
    "unpick",
    "reject",
    "rate",
    "note",
    "reserve",
    "submitted",
    "unknown",
    "settled",
    "collect",
    "rebuild",
];

/// Does one of them.
pub(crate) fn act(folder: &Path, deed: &str) -> Result<()> {
    if deed == "rebuild" {
        return Ledger::rebuild(folder).map(drop);
    }
    let mut ledger = Ledger::open(folder)?;
    let ([new, failed, asked], job) = (NEW.map(take), take(JOBS[1]));
    match deed {
        "take" => {
            let media = takes::clip(&ledger, new, "new frames")?;
            ledger.record_take(&record(NEW[0], CUT, 4, media))
        }
        "failure" => ledger.record_failure(&takes::failure(failed, &cut(CUT), 5)),
        "import" => takes::clip(&ledger, new, "new frames").map(drop),
        "pick" => ledger.pick(take(TAKES[0])),
        "unpick" => ledger.unpick(&cut(CUT)),
        "reject" => ledger.reject(take(TAKES[2]), "dark"),
        "rate" => ledger.rate(take(TAKES[0]), 4),
        "note" => ledger.note(take(TAKES[0]), "closer"),
        "reserve" => {
            let intent = takes::intent(asked, &cut(HOSTED), 3, money("0.25"));
            ledger.reserve(intent, &Default::default())
        }
        "submitted" => ledger.job(JobEvent::Submitted { take: job, remote: "remote-2".to_owned() }),
        "unknown" => ledger.job(JobEvent::Unknown { take: job, why: "cut off".to_owned() }),
        "settled" => {
            let outcome = Outcome::Failed { why: "over there".to_owned() };
            let cost = Some(money("0.4"));
            ledger.job(JobEvent::Settled { take: take(JOBS[0]), outcome, cost })
        }
        "collect" => {
            let what = Collect { rejected: true, ..Collect::default() };
            ledger.gc(&what).map(drop)
        }
        other => panic!("there is no deed {other}"),
    }
}

/// A take, always of the same moment.
pub(crate) fn record(name: &str, of: &str, number: u32, media: Media) -> TakeRecord {
    let mut record = takes::record(take(name), &cut(of), number, Blake3::of(b"request"), media);
    record.created = Timestamp::from_second(1_800_000_000).expect("a time");
    record
}

pub(crate) fn take(name: &str) -> TakeId {
    name.parse().expect("a take")
}

pub(crate) fn cut(name: &str) -> CutId {
    name.parse().expect("a cut")
}

pub(crate) fn money(text: &str) -> Money {
    text.parse().expect("money")
}
