//! What is still to be rendered: what can be begun, and what waits for a take of another cut.

use std::collections::{BTreeMap, VecDeque};

use super::plan::Planned;
use crate::id::CutId;

/// What is still to be rendered, in order.
pub(super) struct Queue {
    ready: VecDeque<Planned>,
    waiting: BTreeMap<CutId, Vec<Planned>>,
}

impl Queue {
    /// Takes over a plan.
    pub(super) fn new(plan: Vec<Planned>) -> Self {
        let mut queue = Self { ready: VecDeque::new(), waiting: BTreeMap::new() };
        for planned in plan {
            queue.put(planned);
        }
        queue
    }

    /// Puts something at the end of what is like it.
    pub(super) fn put(&mut self, planned: Planned) {
        match planned.want.waits_for.clone() {
            Some(other) => self.waiting.entry(other).or_default().push(planned),
            None => self.ready.push_back(planned),
        }
    }

    /// What is begun next: the first on the model that is open, else the first.
    pub(super) fn next(&mut self, open: Option<&str>) -> Option<Planned> {
        let is_open =
            |planned: &Planned| planned.work.as_ref().is_ok_and(|work| Some(work.model()) == open);
        let at = self.ready.iter().position(is_open).unwrap_or(0);
        self.ready.remove(at)
    }

    /// A cut that is not begun yet, taken out.
    pub(super) fn take(&mut self, cut: &CutId) -> Option<Planned> {
        let is_it = |planned: &Planned| planned.want.cut == *cut;
        if let Some(at) = self.ready.iter().position(is_it) {
            return self.ready.remove(at);
        }
        // What waits for another cut is not begun either.
        self.waiting.values_mut().find_map(|all| Some(all.remove(all.iter().position(is_it)?)))
    }

    /// What waited for a cut that is over, with or without a take.
    pub(super) fn freed_by(&mut self, cut: &CutId) -> Vec<Planned> {
        self.waiting.remove(cut).unwrap_or_default()
    }

    /// How many wait for what does not come.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.values().map(|all| u32::try_from(all.len()).unwrap_or(u32::MAX)).sum()
    }
}
