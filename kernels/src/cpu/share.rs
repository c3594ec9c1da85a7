//! Numbered tasks, and rows of a matrix, over the threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Threads that [`share`] spreads so many tasks over, at most.
pub(crate) fn sharers(tasks: usize) -> usize {
    rayon::current_num_threads().min(tasks)
}

/// Calls `f` with every number below `tasks`, each thread taking the next one when it is done with its last, so that a
/// thread that was held up keeps no more than one task from the others. `scratch` is made once a thread.
pub(crate) fn share<S>(
    tasks: usize,
    scratch: impl Fn() -> S + Sync,
    f: impl Fn(&mut S, usize) + Sync,
) {
    if sharers(tasks) <= 1 {
        let mut scratch = scratch();
        return (0..tasks).for_each(|task| f(&mut scratch, task));
    }
    let next = AtomicUsize::new(0);
    (0..sharers(tasks)).into_par_iter().with_max_len(1).for_each(|_| {
        let mut scratch = scratch();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return;
            }
            f(&mut scratch, task);
        }
    });
}

/// Calls `f` with the number of every row of `d` values, as many in a task as a second cache holds comfortably.
pub(crate) fn share_rows<S>(
    rows: usize,
    d: usize,
    scratch: impl Fn() -> S + Sync,
    f: impl Fn(&mut S, usize) + Sync,
) {
    const VALUES: usize = 32 * 1024;
    let together = (VALUES / d.max(1)).max(1);
    share(rows.div_ceil(together), scratch, |scratch, task| {
        (task * together..rows.min((task + 1) * together)).for_each(|row| f(scratch, row));
    });
}
