//! What may be done at all: the cut's word, privacy, providers, terms.

use super::{Case, Finding};
use crate::hosted::Retires;
use crate::privacy::Privacy;
use crate::router::candidate::{Candidate, Place};
use crate::router::territory::{Inside, inside};

/// The model that the cut names.
pub(super) fn model(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let named = case.need.named()?;
    Some(if named.eq_ignore_ascii_case(&candidate.name) {
        Finding::good("the cut names it")
    } else {
        Finding::forbids(
            format!("the cut names {named}"),
            format!("write `model = \"auto\"` or `model = \"{}\"`", candidate.name),
        )
    })
}

/// Who may see the cut.
pub(super) fn privacy(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let label = &case.policy.privacy;
    let Some(host) = candidate.host() else {
        return Some(Finding::good("nothing leaves this machine"));
    };
    Some(if label.admits(host) {
        Finding::good(format!("the label {label} admits {host}"))
    } else {
        let change = match label {
            Privacy::LocalOnly => "label the cut and all that it is made from `any`, or `studio`",
            Privacy::Studio(_) => "add the host to `studio`",
            Privacy::Any => "label it `any`",
        };
        let by = case.policy.labelled_by.as_ref().map(|by| format!(" ({by})"));
        let text = format!("the label {label}{} does not admit {host}", by.unwrap_or_default());
        Finding::forbids(text, change)
    })
}

/// Which providers may be asked.
pub(super) fn provider(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let allowed = case.policy.providers.as_ref()?;
    let Place::Hosted { provider, .. } = &candidate.place else { return None };
    Some(if allowed.iter().any(|name| name.eq_ignore_ascii_case(provider)) {
        Finding::good(format!("the production allows {provider}"))
    } else {
        Finding::forbids(
            format!("the production does not allow {provider}"),
            format!("set up a server of {provider} in project.toml"),
        )
    })
}

/// Whether anybody may be asked.
pub(super) fn offline(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if !case.policy.offline {
        return None;
    }
    Some(match candidate.host() {
        None => Finding::good("it needs no network"),
        Some(_) => Finding::forbids("no host is asked offline", "leave out --offline"),
    })
}

/// Whether there is a key.
pub(super) fn key(_: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Hosted { provider, has_key, why_no_key, .. } = &candidate.place else { return None };
    Some(match why_no_key {
        _ if *has_key => {
            Finding::good(format!("{provider} can be asked: its key is there, or it needs none"))
        }
        Some(why) => {
            Finding::forbids(format!("there is no key for {provider}: {why}"), "put that right")
        }
        None => Finding::forbids(
            format!("there is no key for {provider}"),
            format!("set up a key for {provider}"),
        ),
    })
}

/// Where the film is made.
pub(super) fn territory(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let excluded = &candidate.terms.excluded;
    let list = || excluded.join(", ");
    if excluded.is_empty() {
        return None;
    }
    let Some(here) = &case.policy.territory else {
        let text = format!("its terms leave out {}, and the production says no territory", list());
        return Some(Finding::bad(text, 1));
    };
    let all: Vec<Inside> = excluded.iter().map(|region| inside(here, region)).collect();
    Some(if all.contains(&Inside::Yes) {
        Finding::forbids(
            format!("its terms leave out {}, and the production is made in {here}", list()),
            "take a model with other terms, or ask for a licence",
        )
    } else if all.contains(&Inside::Unknown) {
        Finding::bad(format!("its terms leave out {}: read whether {here} is there", list()), 1)
    } else {
        Finding::good(format!("its terms leave out {}, not {here}", list()))
    })
}

/// What the film is made for.
pub(super) fn commercial(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if !case.policy.commercial {
        return None;
    }
    let name = &candidate.terms.name;
    Some(match candidate.terms.commercial_use {
        Some(true) => Finding::good(format!("{name} allows commercial use")),
        Some(false) => Finding::forbids(
            format!("{name} allows no commercial use"),
            "take a model with other terms, or ask for a licence",
        ),
        None => Finding::bad(format!("nobody here read whether {name} allows commercial use"), 1),
    })
}

/// Whether the provider ended it.
pub(super) fn retired(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let Place::Hosted { provider, retires, .. } = &candidate.place else { return None };
    let Retires { on, verified } = (*retires)?;
    Some(match (case.policy.today >= on, verified) {
        (false, _) => Finding::good(format!("{provider} runs it until {on}")),
        (true, false) => Finding::bad(format!("{provider} is said to have ended it on {on}"), 1),
        (true, true) => {
            Finding::forbids(format!("{provider} ended it on {on}"), "take its successor")
        }
    })
}
