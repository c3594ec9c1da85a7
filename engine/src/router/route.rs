//! The choice itself: judge, rule out, put in order.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use super::candidate::{Candidate, Fit, Place};
use super::error::{Error, Obstacle, Result};
use super::evidence::Evidence;
use super::kind::Proposal;
use super::need::Need;
use super::policy::Policy;
use super::rules::{Case, Finding, RULES, Rule, Stance};
use crate::id::CutId;
use crate::production::nearest;

/// Which model a cut is made on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The cut.
    pub cut: CutId,
    /// Its type, said or proposed, and why.
    pub kind: Proposal,
    /// The model that the cut names, if it names one.
    pub named: Option<String>,
    /// The model that comes first by everything but this machine.
    pub wish: Option<String>,
    /// The model that it is made on; `None` where none can make it.
    pub chosen: Option<Choice>,
    /// The models to go on with where a run fails, in order.
    pub fallback: Vec<Choice>,
    /// Every model: those that can make the cut in the order of the fallback, then the others, those first that little forbids.
    pub ranked: Vec<Ranked>,
}

/// A model that is chosen, and how the choice came to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The name of the model.
    pub model: String,
    /// How the choice came to it.
    pub step: Step,
}

/// How a choice came to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It is the best one.
    First,
    /// The best one cannot run; it is the next local model that fits.
    NextLocal,
    /// It runs on this machine with a smaller plan.
    SmallerLocal,
    /// No local model can run as asked, or none is left; it is hosted and allowed.
    Hosted,
}

/// A model with everything that was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranked {
    /// The name people type.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// The host that would be asked; `None` on this machine.
    pub host: Option<String>,
    /// How a choice would come to it; `None` where it cannot make the cut.
    pub step: Option<Step>,
    /// What puts it ahead of the next one: a rule, `step` or `name`. `None` for the last one, and where it cannot make the cut.
    pub ahead_by: Option<&'static str>,
    /// Every reason, in the order of the rules.
    pub reasons: Vec<Reason>,
}

/// A reason for or against a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule.
    pub rule: &'static str,
    /// For or against it.
    pub stance: Stance,
    /// Why.
    pub text: String,
    /// What would have to change for it not to be forbidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

impl Step {
    /// What people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first choice",
            Self::NextLocal => "next local",
            Self::SmallerLocal => "smaller local",
            Self::Hosted => "hosted",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Chooses a model for a cut. The order of the candidates changes nothing.
pub fn route(need: &Need, candidates: &[Candidate], policy: &Policy, evidence: &Evidence) -> Route {
    route_by(RULES, need, candidates, policy, evidence)
}

/// Chooses by other rules than [`RULES`].
pub fn route_by(
    rules: &[Rule],
    need: &Need,
    candidates: &[Candidate],
    policy: &Policy,
    evidence: &Evidence,
) -> Route {
    let case = Case { need, policy, evidence };
    let judged = candidates.iter().map(|candidate| Judged::new(rules, &case, candidate));
    let mut judged: Vec<Judged<'_>> = judged.collect();
    judged.sort_by(Judged::by_taste);
    // Sorted by taste, the first that only this machine may forbid is what one would want.
    let wish = judged.iter().position(Judged::is_wished);
    let name_of = |at: usize| judged[at].candidate.name.clone();
    let wished = wish.map(name_of);
    if let Some(first) = wish.map(|at| &mut judged[at])
        && matches!(first.step, Some(Step::NextLocal | Step::Hosted))
    {
        first.step = Some(Step::First);
    }
    // Stable, so that taste decides within a step.
    judged.sort_by_key(Judged::turn);
    let mut ranked: Vec<Ranked> = judged.iter().map(Judged::ranked).collect();
    for (at, pair) in judged.windows(2).enumerate() {
        ranked[at].ahead_by = pair[0].ahead_of(&pair[1]);
    }
    let mut choices = ranked
        .iter()
        .filter_map(|ranked| Some(Choice { model: ranked.name.clone(), step: ranked.step? }));
    Route {
        cut: need.cut.clone(),
        kind: need.kind.clone(),
        named: need.named().map(ToOwned::to_owned),
        wish: wished,
        chosen: choices.next(),
        fallback: choices.collect(),
        ranked,
    }
}

/// A model with what each rule found of it.
struct Judged<'a> {
    candidate: &'a Candidate,
    rules: &'a [Rule],
    findings: Vec<Option<Finding>>,
    step: Option<Step>,
}

impl<'a> Judged<'a> {
    fn new(rules: &'a [Rule], case: &Case<'_>, candidate: &'a Candidate) -> Self {
        let findings: Vec<_> = rules.iter().map(|rule| (rule.judge)(case, candidate)).collect();
        let is_possible = findings.iter().flatten().all(|found| found.stance != Stance::Forbids);
        let step = match candidate.place {
            Place::Local { fits: Fit::Smaller { .. }, .. } => Step::SmallerLocal,
            Place::Local { .. } => Step::NextLocal,
            Place::Hosted { .. } => Step::Hosted,
        };
        Self { candidate, rules, findings, step: is_possible.then_some(step) }
    }

    /// What forbids it.
    fn forbidding(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().zip(&self.findings).filter_map(|(rule, found)| {
            found.as_ref().filter(|found| found.stance == Stance::Forbids).map(|_| rule)
        })
    }

    fn is_wished(&self) -> bool {
        self.forbidding().all(|rule| rule.of_machine)
    }

    /// What puts it behind every other one.
    fn last_by(&self) -> Option<&'static str> {
        let mut found = self.rules.iter().zip(&self.findings);
        let is_last = |found: &Option<Finding>| found.as_ref().is_some_and(|found| found.is_last);
        found.find(|(_, found)| is_last(found)).map(|(rule, _)| rule.name)
    }

    /// Those that come last last; then the first rule by which two differ, else the name; two of one name are told apart by
    /// everything else of them.
    fn by_taste(&self, other: &Self) -> Ordering {
        let rank = |found: &Option<Finding>| found.as_ref().map_or(0, |found| found.rank);
        let (own, others) = (self.findings.iter().map(rank), other.findings.iter().map(rank));
        let is_last = self.last_by().is_some().cmp(&other.last_by().is_some());
        is_last
            .then_with(|| own.cmp(others))
            .then_with(|| self.candidate.name.cmp(&other.candidate.name))
            .then_with(|| self.candidate.written().cmp(&other.candidate.written()))
    }

    /// When it is its turn: those that can make the cut by step, the others by how much forbids them.
    fn turn(&self) -> (usize, bool, usize) {
        match self.step {
            Some(Step::First) => (0, false, 0),
            Some(step) => (1, self.last_by().is_some(), step as usize),
            None => (2, false, self.forbidding().count()),
        }
    }

    /// What puts it ahead of the next one.
    fn ahead_of(&self, next: &Self) -> Option<&'static str> {
        self.step?;
        next.step?;
        let is_same_turn = self.turn() == next.turn() || self.step == Some(Step::First);
        if !is_same_turn {
            return Some("step");
        }
        if self.last_by().is_none()
            && let Some(rule) = next.last_by()
        {
            return Some(rule);
        }
        let rank = |found: &Option<Finding>| found.as_ref().map_or(0, |found| found.rank);
        let mut pairs = self.rules.iter().zip(self.findings.iter().zip(&next.findings));
        let differs = pairs.find(|(_, (own, other))| rank(own) != rank(other));
        Some(differs.map_or("name", |(rule, _)| rule.name))
    }

    fn ranked(&self) -> Ranked {
        let reason = |(rule, found): (&Rule, &Option<Finding>)| {
            let Finding { stance, text, change, .. } = found.clone()?;
            Some(Reason { rule: rule.name, stance, text, change })
        };
        Ranked {
            name: self.candidate.name.clone(),
            title: self.candidate.title.clone(),
            host: self.candidate.host().map(ToOwned::to_owned),
            step: self.step,
            ahead_by: None,
            reasons: self.rules.iter().zip(&self.findings).filter_map(reason).collect(),
        }
    }
}

impl Candidate {
    /// Everything of it as one text, to tell apart two that share a name.
    fn written(&self) -> String {
        format!("{self:?}")
    }
}

impl Ranked {
    /// What forbids it.
    pub fn forbidden_by(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| reason.stance == Stance::Forbids)
    }
}

impl Route {
    /// What speaks against the model that a cut names and is made on all the same, the strongest first. That another model would be
    /// better or cheaper is not among it.
    pub fn warnings(&self) -> Vec<&Reason> {
        let chosen = self.chosen.as_ref().filter(|_| self.named.is_some());
        let is_chosen = |ranked: &&Ranked| Some(&ranked.name) == chosen.map(|it| &it.model);
        let compares = |name: &str| RULES.iter().any(|rule| rule.name == name && rule.compares);
        let reasons = self.ranked.iter().find(is_chosen).into_iter().flat_map(|it| &it.reasons);
        let against = reasons.filter(|reason| reason.stance == Stance::Against);
        against.filter(|reason| !compares(reason.rule)).collect()
    }

    /// The choice, or what stands against every one.
    ///
    /// # Errors
    /// [`Error::None`], [`Error::Named`] and [`Error::NoSuchModel`].
    pub fn choice(&self) -> Result<&Choice> {
        if let Some(chosen) = &self.chosen {
            return Ok(chosen);
        }
        let cut = self.cut.clone();
        let is_named = |ranked: &&Ranked| match &self.named {
            Some(name) => ranked.name.eq_ignore_ascii_case(name),
            None => true,
        };
        // The others of a named one are forbidden by the name alone, which says nothing.
        let nearest_to_it = self.ranked.iter().find(is_named);
        let obstacle = nearest_to_it.map(|it| {
            let list = |pick: &dyn Fn(&Reason) -> Option<String>| {
                it.forbidden_by().filter_map(pick).collect::<Vec<_>>().join("; ")
            };
            Box::new(Obstacle {
                model: it.name.clone(),
                because: list(&|reason| Some(reason.text.clone())),
                change: list(&|reason| reason.change.clone()),
                is_machine: self.wish.is_some(),
            })
        });
        Err(match (&self.named, obstacle) {
            (Some(_), Some(obstacle)) => Error::Named { cut, obstacle },
            (Some(model), None) => {
                let names = self.ranked.iter().map(|ranked| ranked.name.as_str());
                let near = nearest(model, names).map(ToOwned::to_owned);
                Error::NoSuchModel { cut, model: model.clone(), near }
            }
            (None, nearest) => Error::None { cut, nearest },
        })
    }
}
