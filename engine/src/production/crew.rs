//! The threads that wait for providers while this machine makes takes of its own.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::hosting::{Hosting, Task};
use super::project::Production;
use super::round::Ticket;
use crate::hosted::jobs::Ended;
use crate::id::CutId;
use crate::ledger::Ledger;
use crate::observe::{Event, Observer};
use crate::{Error, Result};

/// What one of them is given.
struct Errand {
    ticket: Ticket,
    task: Task,
    observer: Box<dyn Observer>,
}

/// What one of them brings back.
pub(super) type Back = (Ticket, Result<Option<Ended>>);

/// The threads, and what they are out for. They go home when this is dropped.
pub(super) struct Crew {
    errands: Sender<Errand>,
    back: Receiver<Back>,
    /// Takes of each cut that providers make.
    away: BTreeMap<CutId, u32>,
}

impl Crew {
    /// Has so many threads wait for providers.
    pub(super) fn hire<'scope, 'a>(
        scope: &'scope Scope<'scope, 'a>,
        production: &'a Production,
        ledger: &'a Mutex<Ledger>,
        hosting: &'a Hosting,
        parallel: usize,
    ) -> Self {
        let (errands, received) = channel::<Errand>();
        let (bring, back) = channel::<Back>();
        let received = Arc::new(Mutex::new(received));
        for _ in 0..parallel.max(1) {
            let (received, bring) = (Arc::clone(&received), bring.clone());
            scope.spawn(move || {
                loop {
                    let next = received.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Errand { ticket, task, observer }) = next else { break };
                    let work = || {
                        // Nothing is begun that nobody waits for.
                        match observer.on(&Event::Remote { progress: None }).is_break() {
                            true => Err(Error::Cancelled),
                            false => hosting.work(production, ledger, task, &*observer),
                        }
                    };
                    // Whoever waits for it hears of it, whatever happens: what was asked for is in the ledger.
                    let ended = catch_unwind(AssertUnwindSafe(work));
                    let ended = ended.unwrap_or(Err(super::Error::Panicked.into()));
                    if bring.send((ticket, ended)).is_err() {
                        break;
                    }
                }
            });
        }
        Self { errands, back, away: BTreeMap::new() }
    }

    /// Sends one of them out.
    pub(super) fn send(&mut self, ticket: Ticket, task: Task, observer: Box<dyn Observer>) {
        let cut = ticket.cut.clone();
        if self.errands.send(Errand { ticket, task, observer }).is_ok() {
            *self.away.entry(cut).or_default() += 1;
        }
    }

    /// What one of them brought back meanwhile.
    pub(super) fn came(&self) -> Option<Back> {
        self.back.try_recv().ok()
    }

    /// Waits for the next one that comes back; `None` where nobody is out.
    pub(super) fn wait(&self) -> Option<Back> {
        if self.away.is_empty() { None } else { self.back.recv().ok() }
    }

    /// Whether somebody is out for a cut.
    pub(super) fn is_out_for(&self, cut: &CutId) -> bool {
        self.away.contains_key(cut)
    }

    /// Counts one that came back. Says whether it was the last one that was out for its cut.
    pub(super) fn is_last(&mut self, cut: &CutId) -> bool {
        let Some(away) = self.away.get_mut(cut) else { return false };
        *away -= 1;
        let is_last = *away == 0;
        if is_last {
            self.away.remove(cut);
        }
        is_last
    }
}
