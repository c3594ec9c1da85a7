//! The steps by which something gets into the ledger or out of it, for the tests that end a process between two of them.

use std::cell::Cell;

/// Something that is done at this moment, and whose successor has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The clip is on the disk, where it was made.
    MediaSynced,
    /// The clip has its name in the store; nobody knows whether the name is on the disk.
    MediaNamed,
    /// The clip is in the store.
    MediaKept,
    /// An object is written, under a partial name.
    ObjectWritten,
    /// An object has its name; nobody knows whether that is on the disk.
    ObjectNamed,
    /// The manifest is in the store.
    ManifestKept,
    /// The event may happen, and is not in the log yet.
    Decided,
    /// The event is on the disk.
    Told,
    /// The index knows of it.
    Indexed,
    /// People find it in the production's folder.
    Shown,
    /// People do not find a clip any more that was given up.
    Hidden,
    /// A file that nobody needs is gone.
    Removed,
    /// The index is gone, to be made again.
    Forgotten,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::MediaSynced,
        Self::MediaNamed,
        Self::MediaKept,
        Self::ObjectWritten,
        Self::ObjectNamed,
        Self::ManifestKept,
        Self::Decided,
        Self::Told,
        Self::Indexed,
        Self::Shown,
        Self::Hidden,
        Self::Removed,
        Self::Forgotten,
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
