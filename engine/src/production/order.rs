//! The order in which cuts are made: a model is loaded as rarely as can be, and nothing waits for what comes later.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Planned;
use crate::id::CutId;

/// Puts cuts in the order in which they are made: the next one that waits for nothing that is still to come, of the model that
/// made the one before where there is such a cut, else the first of any model.
pub(super) fn in_order(plan: Vec<Planned>) -> Vec<Planned> {
    let at: BTreeMap<&CutId, usize> =
        plan.iter().enumerate().map(|(at, planned)| (&planned.want.cut, at)).collect();
    let work = |planned: &'_ Planned| {
        let waits_for = planned.want.waits_for.as_ref().and_then(|cut| at.get(cut)).copied();
        let model = planned.work.as_ref().map_or(String::new(), |work| work.model().to_owned());
        (model, waits_for)
    };
    let works: Vec<(String, Option<usize>)> = plan.iter().map(work).collect();
    let works: Vec<Work<'_>> =
        works.iter().map(|(model, waits_for)| Work { model, waits_for: *waits_for }).collect();
    let order = order(&works);
    let mut plan: Vec<Option<Planned>> = plan.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| plan[at].take()).collect()
}

/// What the order of a cut depends on.
struct Work<'a> {
    model: &'a str,
    /// Which of the others has to come first.
    waits_for: Option<usize>,
}

/// In time that grows little faster than the number of works.
fn order(works: &[Work<'_>]) -> Vec<usize> {
    let mut awaited: Vec<Vec<usize>> = vec![Vec::new(); works.len()];
    let (mut ready, mut by_model) = (BTreeSet::new(), BTreeMap::<&str, BTreeSet<usize>>::new());
    let mut is_left = vec![true; works.len()];
    for (at, work) in works.iter().enumerate() {
        match work.waits_for {
            Some(other) => awaited[other].push(at),
            None => {
                ready.insert(at);
                by_model.entry(work.model).or_default().insert(at);
            }
        }
    }
    let mut order = Vec::with_capacity(works.len());
    let mut model = None;
    loop {
        let same = model.and_then(|model| by_model.get(model)?.first().copied());
        let Some(next) = same.or_else(|| ready.first().copied()) else { break };
        let work = &works[next];
        model = Some(work.model);
        ready.remove(&next);
        by_model.entry(work.model).or_default().remove(&next);
        is_left[next] = false;
        order.push(next);
        for at in awaited[next].drain(..) {
            ready.insert(at);
            by_model.entry(works[at].model).or_default().insert(at);
        }
    }
    // A production has no circles; were there one, its cuts would be told to wait, and not be left out.
    order.extend((0..works.len()).filter(|at| is_left[*at]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule word by word, however long it takes.
    fn plainly(works: &[Work<'_>]) -> Vec<usize> {
        let (mut left, mut order): (Vec<usize>, Vec<usize>) = ((0..works.len()).collect(), vec![]);
        while !left.is_empty() {
            let waits = |at: usize| works[at].waits_for.is_some_and(|other| left.contains(&other));
            let model = order.last().map(|last: &usize| works[*last].model);
            let is_same = |at: &usize| Some(works[*at].model) == model && !waits(*at);
            let next = left.iter().position(is_same);
            let next = next.or_else(|| left.iter().position(|at| !waits(*at)));
            order.push(left.remove(next.expect("no circles")));
        }
        order
    }

    #[test]
    fn the_order_is_the_rule() {
        // Works of three models that wait for an earlier or a later one or for nothing, by a small generator of numbers.
        let mut state = 7_u32;
        let mut below = |most: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % most
        };
        for count in 1..60 {
            let mut places: Vec<usize> = (0..count).collect();
            for at in (1..count).rev() {
                places.swap(at, below(at + 1));
            }
            let mut works: Vec<Work<'_>> = Vec::new();
            works.resize_with(count, || Work { model: ["a", "b", "c"][below(3)], waits_for: None });
            for rank in 1..count {
                if below(2) == 0 {
                    works[places[rank]].waits_for = Some(places[below(rank)]);
                }
            }
            assert_eq!(order(&works), plainly(&works));
        }
    }

    #[test]
    fn a_circle_is_not_left_out() {
        let work = |waits_for| Work { model: "a", waits_for };
        assert_eq!(order(&[work(Some(1)), work(Some(0)), work(None)]), [2, 0, 1]);
    }

    #[test]
    fn very_many_take_no_time() {
        // One that goes on from the next, all the way: the rule word by word would look at each a million times.
        let count = 200_000;
        let work = |at: usize| Work {
            model: if at.is_multiple_of(2) { "a" } else { "b" },
            waits_for: (at + 1 < count).then_some(at + 1),
        };
        let works: Vec<Work<'_>> = (0..count).map(work).collect();
        assert!(order(&works).into_iter().eq((0..count).rev()));
    }
}
