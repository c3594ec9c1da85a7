//! The rules of a choice, each one small function, in the order in which they decide.

mod able;
mod allowed;
mod here;
mod spent;
mod taste;

use std::fmt;

use serde::Serialize;

use super::candidate::Candidate;
use super::evidence::Evidence;
use super::need::Need;
use super::policy::Policy;

/// One rule: what it is called, what it says, and how it judges a model for a cut.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name that reasons carry.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub says: &'static str,
    /// Whether it is about this machine: a model that only such rules forbid would have been the choice on another one.
    pub of_machine: bool,
    /// Whether it only tells models apart, and says nothing of a model that people chose themselves.
    pub compares: bool,
    /// What it finds; nothing where it has nothing to say.
    pub judge: fn(&Case<'_>, &Candidate) -> Option<Finding>,
}

/// What a rule may look at besides the model. Never the other models: each is judged for itself, so that one more of them never
/// makes another impossible.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The cut.
    pub need: &'a Need,
    /// What binds.
    pub policy: &'a Policy,
    /// What is known by experience.
    pub evidence: &'a Evidence,
}

/// For or against a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stance {
    /// For it.
    For,
    /// Against it, without ruling it out.
    Against,
    /// It cannot be.
    Forbids,
}

/// What a rule finds of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For or against it.
    pub stance: Stance,
    /// Why.
    pub text: String,
    /// What would have to change for it not to be forbidden.
    pub change: Option<String>,
    /// Of two models the one with the lower rank comes first. 0 where nothing is found, or nothing that decides.
    pub rank: i64,
    /// Whether the model comes after every other that can make the cut, whatever step leads to it.
    pub is_last: bool,
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::For => "for",
            Self::Against => "against",
            Self::Forbids => "forbids",
        })
    }
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { stance: Stance::For, text: text.into(), change: None, rank: 0, is_last: false }
    }

    fn bad(text: impl Into<String>, rank: i64) -> Self {
        Self { stance: Stance::Against, text: text.into(), change: None, rank, is_last: false }
    }

    fn forbids(text: impl Into<String>, change: impl Into<String>) -> Self {
        let change = Some(change.into());
        Self { stance: Stance::Forbids, text: text.into(), change, rank: 0, is_last: false }
    }
}

const fn rule(
    name: &'static str,
    says: &'static str,
    judge: fn(&Case<'_>, &Candidate) -> Option<Finding>,
) -> Rule {
    Rule { name, says, of_machine: false, compares: false, judge }
}

const fn machine(
    name: &'static str,
    says: &'static str,
    judge: fn(&Case<'_>, &Candidate) -> Option<Finding>,
) -> Rule {
    Rule { name, says, of_machine: true, compares: false, judge }
}

const fn between(
    name: &'static str,
    says: &'static str,
    judge: fn(&Case<'_>, &Candidate) -> Option<Finding>,
) -> Rule {
    Rule { name, says, of_machine: false, compares: true, judge }
}

/// Every rule. What forbids does so wherever it stands; of what does not, the first rule by which two models differ decides.
///
/// First what may be done at all, then what a model can, then what this machine can, then what is better: faces before
/// experience before opinion before money.
pub const RULES: &[Rule] = &[
    rule("model", "a model that the cut names is the only one", allowed::model),
    rule("privacy", "only hosts that the label admits may see the cut", allowed::privacy),
    rule("provider", "only providers that the production allows are asked", allowed::provider),
    rule("offline", "without a network nobody is asked", allowed::offline),
    rule("key", "a provider is asked with the user's key", allowed::key),
    rule("territory", "terms may leave out the country the film is made in", allowed::territory),
    rule("cut-budget", "a take costs no more than is left for the cut", spent::of_cut),
    rule("day-budget", "a take costs no more than is left for the day", spent::of_day),
    rule(
        "production-budget",
        "a take costs no more than is left for the production",
        spent::of_production,
    ),
    rule("task", "a model makes clips from what is given", able::task),
    rule("frames", "given frames are kept", able::frames),
    rule("references", "given reference pictures are taken along", able::references),
    rule("audio", "sound that is wanted is made", able::audio),
    rule("shots", "several shots that are wanted are made", able::shots),
    rule("length", "a clip is long enough, and no longer than a model holds out", able::length),
    rule("size", "a clip is large enough", able::size),
    rule("shape", "little of a picture is cut away", able::shape),
    machine("installed", "the files of a local model are here", here::installed),
    machine("memory", "a local model fits into memory", here::memory),
    machine("deadline", "a take is there in time", here::deadline),
    between("toy", "the small model that the program carries is for trying things out", taste::toy),
    rule("characters", "characters are known by more than words", taste::characters),
    rule("keep-rate", "what was kept and rejected counts, once there is enough of it", taste::kept),
    between("preference", "each type of cut has its preferred models", taste::preference),
    rule("commercial", "terms allow what the film is made for", allowed::commercial),
    rule("retired", "a model that its provider ended is not asked", allowed::retired),
    between("price", "a price should be the provider's own word", spent::price),
    rule("silence", "sound that is not wanted is not made", able::silence),
    rule("fps", "frames come at the speed of the film", able::fps),
    between("local", "this machine is asked before others", taste::local),
    between("cost", "the cheaper one comes first", spent::cost),
];
