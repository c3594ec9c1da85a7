//! The steps of work that loses nothing when a process ends between two of them, for the tests that end one there.

/// Defines the enum `Step` of a room, all of its steps in their order, and how a test hears of them.
macro_rules! steps {
    ($($(#[$doc:meta])+ $step:ident,)+) => {
        /// Something that is done at this moment, and whose successor has not begun.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[$doc])+ $step,)+
        }

        impl Step {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$step,)+];
        }

        thread_local! {
            static WATCHER: std::cell::Cell<Option<fn(Step)>> = const { std::cell::Cell::new(None) };
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
    };
}

pub(crate) use steps;
