//! Time by the wall and by the processor, so that a busy machine is seen for what it is.

use std::time::{Duration, Instant};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// By the wall.
    pub wall: Duration,
    /// By all threads of this process; by the wall where the system does not say.
    pub processor: Duration,
}

/// A pass being timed.
pub(crate) struct Clock {
    wall: Instant,
    processor: Option<Duration>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), processor: processor() }
    }

    pub(crate) fn stop(self) -> Taken {
        let wall = self.wall.elapsed();
        let processor = match (self.processor, processor()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => wall,
        };
        Taken { wall, processor }
    }
}

/// Runs `f` once untimed, then until `rounds` runs are made or a few seconds are gone; the run with the least
/// processor time.
pub(crate) fn best<E>(rounds: usize, mut f: impl FnMut() -> Result<(), E>) -> Result<Taken, E> {
    f()?;
    let begun = Instant::now();
    let mut best: Option<Taken> = None;
    for _ in 0..rounds {
        let clock = Clock::start();
        f()?;
        let taken = clock.stop();
        if best.is_none_or(|best| taken.processor < best.processor) {
            best = Some(taken);
        }
        if begun.elapsed() > Duration::from_secs(8) {
            break;
        }
    }
    Ok(best.unwrap_or(Taken { wall: Duration::ZERO, processor: Duration::ZERO }))
}

/// Processor time of all threads that still run, from Linux's scheduler.
fn processor() -> Option<Duration> {
    let mut total = 0u64;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(path).ok()?;
        total += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total))
}
