//! Faults put in on purpose, for the tests that must find them. Off unless a test asks, on its own thread alone.

use std::cell::Cell;

/// One way of being wrong that a golden must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Rotary positions give width what belongs to time.
    RopeAxisSplit,
    /// Every layer of the text encoder takes the relative position bias of layer 0.
    SharedBias,
    /// The schedule is not shifted.
    ShiftIgnored,
    /// The VAE forgets the frames before the ones it decodes.
    VaeCacheDropped,
    /// An adapter's alpha is not read.
    AlphaIgnored,
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

/// Puts a fault into everything that this thread computes.
pub fn inject(fault: Fault) -> Injected {
    INJECTED.set(Some(fault));
    Injected(())
}

/// Whether a fault is in force on this thread.
pub fn is(fault: Fault) -> bool {
    INJECTED.get() == Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_ends_with_its_guard_and_stays_on_its_thread() {
        let injected = inject(Fault::AlphaIgnored);
        assert!(is(Fault::AlphaIgnored) && !is(Fault::ShiftIgnored));
        let elsewhere = std::thread::spawn(|| is(Fault::AlphaIgnored)).join();
        assert_eq!(elsewhere.ok(), Some(false));
        drop(injected);
        assert!(!is(Fault::AlphaIgnored));
    }
}
