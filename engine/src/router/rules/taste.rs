//! What is better, of what is possible.

use super::{Case, Finding};
use crate::router::candidate::Candidate;
use crate::router::evidence::{Evidence, Verdict};

/// The small model that the program carries comes last.
pub(super) fn toy(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    if !candidate.is_toy {
        return None;
    }
    Some(if case.need.named().is_some_and(|name| name.eq_ignore_ascii_case(&candidate.name)) {
        Finding::good("a small model, asked for on purpose")
    } else {
        Finding { is_last: true, ..Finding::bad("a small model for trying things out", 1) }
    })
}

/// Whether the characters are known by more than words.
pub(super) fn characters(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let need = case.need;
    let room = candidate.room_for_references(need.task);
    let mut room = room.saturating_sub(need.references);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for character in &need.characters {
        let name = &character.name;
        if let Some(key) = candidate.adapter(&character.adapters) {
            known.push(format!("{name} by an adapter for {key}"));
            continue;
        }
        let pictures = character.references.min(room);
        if pictures > 0 {
            room -= pictures;
            known.push(format!("{name} by {pictures} of {} pictures", character.references));
        } else if character.references > 0 || !character.adapters.is_empty() {
            unknown.push(name.as_str());
        }
    }
    if !unknown.is_empty() {
        let rank = i64::try_from(unknown.len()).unwrap_or(i64::MAX);
        return Some(Finding::bad(format!("it knows {} by words only", unknown.join(", ")), rank));
    }
    (!known.is_empty()).then(|| Finding::good(format!("it knows {}", known.join(", "))))
}

/// What people kept of its takes.
pub(super) fn kept(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let kind = case.need.kind.kind;
    let (kept, of) = case.evidence.kept(kind, &candidate.name);
    if of < Evidence::ENOUGH {
        return None;
    }
    let text = format!("{kept} of {of} of its takes of type {kind} were kept");
    Some(match Evidence::verdict(kept, of) {
        Verdict::Kept => Finding { rank: -1, ..Finding::good(text) },
        Verdict::Rejected => Finding::bad(text, 1),
        Verdict::Open if u64::from(kept) * 2 >= u64::from(of) => Finding::good(text),
        Verdict::Open => Finding::bad(text, 0),
    })
}

/// Whether it is preferred for the type of cut.
pub(super) fn preference(case: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    let (kind, preferences) = (case.need.kind.kind, &case.evidence.preferences);
    let all = preferences.of(kind);
    if all.is_empty() {
        return None;
    }
    let rank = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    Some(match preferences.rank(kind, candidate) {
        Some((place, preference)) => {
            let text = format!("choice {} for {kind}: {}", place + 1, preference.why);
            Finding { rank: rank(place), ..Finding::good(text) }
        }
        None => Finding::bad(format!("not among the preferred ones for {kind}"), rank(all.len())),
    })
}

/// This machine before others.
pub(super) fn local(_: &Case<'_>, candidate: &Candidate) -> Option<Finding> {
    Some(match candidate.host() {
        None => Finding::good("it is on this machine"),
        Some(host) => Finding::bad(format!("it is at {host}"), 1),
    })
}
