//! The steps of a hosted job, for the tests that end a process between two of them.

use std::cell::Cell;

/// Something that is done at this moment, and whose successor has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The order can be asked for; nobody was told of it.
    Checked,
    /// The intent is on the disk, its money is reserved; nothing was sent.
    Intended,
    /// Something came of asking; it is not on the disk.
    Answered,
    /// The provider's name of the job is on the disk.
    Submitted,
    /// It is on the disk that nobody knows whether there is a job.
    Doubted,
    /// Something came of looking for the job; it is not on the disk.
    Looked,
    /// The provider says that the clip is ready.
    Ready,
    /// The clip begins to arrive.
    Arriving,
    /// All of the clip is in its partial file.
    Arrived,
    /// The clip decodes.
    Decoded,
    /// The clip has its name in the folder for work.
    Named,
    /// The caller has recorded the take.
    Recorded,
    /// Something came of calling the job off; it is not on the disk.
    CalledOff,
    /// The job is over.
    Settled,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Checked,
        Self::Intended,
        Self::Answered,
        Self::Submitted,
        Self::Doubted,
        Self::Looked,
        Self::Ready,
        Self::Arriving,
        Self::Arrived,
        Self::Decoded,
        Self::Named,
        Self::Recorded,
        Self::CalledOff,
        Self::Settled,
    ];
}

thread_local! {
    static WATCHER: Cell<Option<fn(Step)>> = const { Cell::new(None) };
}

/// Calls `watcher` at every step that this thread does from now on.
pub fn watch(watcher: fn(Step)) {
    WATCHER.set(Some(watcher));
}

/// Says that a step is done.
pub(super) fn reached(step: Step) {
    if let Some(watcher) = WATCHER.get() {
        watcher(step);
    }
}
