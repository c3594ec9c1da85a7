//! Faults put in on purpose, for the tests that must find them. Off unless a test asks, on its own thread alone.

use std::cell::Cell;

/// One way of being wrong about who may see what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Of several labels the one that was said last holds, not the strictest.
    LastLabel,
    /// The labels of reference pictures are not looked at.
    ReferencesForgotten,
    /// A host is the one that was consented to where it ends like it.
    HostBySuffix,
    /// A consent for one purpose is one for all.
    PurposeIgnored,
    /// It is enough that a host may see one part of what it is sent.
    AnyPart,
    /// Where results may be fetched from, things may be taken to.
    TakenWhereFetched,
}

thread_local! {
    static INJECTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Keeps a fault in force until it is dropped.
#[derive(Debug)]
#[must_use = "the fault ends when this is dropped"]
pub struct Injected(());

impl Drop for Injected {
    fn drop(&mut self) {
        INJECTED.set(None);
    }
}

/// Puts a fault into everything that this thread decides.
pub fn inject(fault: Fault) -> Injected {
    INJECTED.set(Some(fault));
    Injected(())
}

/// Whether a fault is in force on this thread.
pub(crate) fn is(fault: Fault) -> bool {
    INJECTED.get() == Some(fault)
}
