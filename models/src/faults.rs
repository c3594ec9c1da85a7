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
pub struct Injected {
    before: Option<Fault>,
}

impl Drop for Injected {
    fn drop(&mut self) {
        INJECTED.set(self.before);
    }
}

/// Puts a fault into everything that this thread computes.
pub fn inject(fault: Fault) -> Injected {
    Injected { before: INJECTED.replace(Some(fault)) }
}

/// What runs `f` on any thread with the fault that is in force on this one.
pub fn carry<T>(f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let fault = INJECTED.get();
    move || {
        let _injected = fault.map(inject);
        f()
    }
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
        let carried = std::thread::spawn(carry(|| is(Fault::AlphaIgnored))).join();
        assert_eq!(carried.ok(), Some(true));
        assert!(carry(|| is(Fault::AlphaIgnored))() && is(Fault::AlphaIgnored));
        drop(injected);
        assert!(!is(Fault::AlphaIgnored));
    }
}
