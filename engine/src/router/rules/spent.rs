//! What a take costs, and what is left to spend.

use super::{Case, Finding};
use crate::money::Money;
use crate::router::candidate::{Candidate, Place};

/// What is left for the cut.
pub(super) fn of_cut(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    within(case, case.policy.left.cut, "the cut", candidate)
}

/// What is left for the day.
pub(super) fn of_day(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    within(case, case.policy.left.day, "the day", candidate)
}

/// What is left for the production.
pub(super) fn of_production(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    within(case, case.policy.left.production, "the production", candidate)
}

fn within(
    case: &Case<'_>,
    left: Option<Money>,
    of: &str,
    candidate: &Candidate,
) -> Option<Finding> {
    let left = left?;
    let Place::Hosted { price, .. } = &candidate.place else { return None };
    if has_no_price(case, candidate) {
        return None;
    }
    let takes = case.need.takes.max(1);
    let for_takes = if takes > 1 { format!(" for {takes} takes") } else { String::new() };
    Some(match price.map(|price| price.times(f64::from(takes))) {
        Some(price) if price <= left => {
            Finding::good(format!("up to {price} USD{for_takes} of {left} left for {of}"))
        }
        Some(price) => Finding::forbids(
            format!("up to {price} USD{for_takes}, and {left} is left for {of}"),
            format!("raise the budget of {of}, or ask for a shorter or smaller clip"),
        ),
        // What cannot be reserved cannot be kept within a cap.
        None => Finding::forbids(
            format!("nobody knows its price, and {of} has a budget"),
            format!("take away the budget of {of}"),
        ),
    })
}

/// Whether the price is the provider's own word.
pub(super) fn price(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Hosted { price, verified, .. } = &candidate.place else { return None };
    if has_no_price(case, candidate) {
        return None;
    }
    let text = match price {
        Some(price) if *verified => {
            return Some(Finding::good(format!("{price} USD is the provider's own word")));
        }
        Some(price) => format!("{price} USD is what others say"),
        None => "nobody knows its price".to_owned(),
    };
    Some(if case.policy.accepts_unverified {
        Finding::bad(text, 1)
    } else {
        Finding::forbids(text, "accept prices that are not verified")
    })
}

/// Whether there is no price because there is no such clip, which another rule says.
fn has_no_price(case: &Case<'_>, candidate: &Candidate) -> bool {
    let price = matches!(&candidate.place, Place::Hosted { price: None, .. });
    price && !candidate.makes_length(case.need)
}

/// The cheaper one first.
pub(super) fn cost(_: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Hosted { price, .. } = &candidate.place else {
        return Some(Finding::good("it costs no money"));
    };
    Some(match price {
        Some(Money::ZERO) => Finding::good("it costs no money"),
        Some(price) => Finding::bad(format!("it costs up to {price} USD"), price.micros()),
        None => Finding::bad("nobody knows what it costs", i64::MAX),
    })
}
