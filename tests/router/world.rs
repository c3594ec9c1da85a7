//! A small world to choose in: a cut, models by their built-in cards, a policy that allows much, and nothing known by experience.

use kinora_engine::cards::{self, Size};
use kinora_engine::hosted::{self, Task};
use kinora_engine::ledger::KeepRate;
use kinora_engine::money::Money;
use kinora_engine::privacy::Privacy;
use kinora_engine::production::Length;
use kinora_engine::router::{
    Candidate, CutKind, Evidence, Fit, Known, Left, Need, Policy, Proposal, Route, Rule, Step,
    route_by,
};

const GIB: u64 = 1 << 30;

/// What is chosen in.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) need: Need,
    pub(crate) policy: Policy,
    pub(crate) evidence: Evidence,
    /// Checkpoints: name, whether they are here, whether they fit, seconds.
    pub(crate) local: Vec<(&'static str, bool, Fit, Option<f64>)>,
    /// Hosted models: name, whether there is a key.
    pub(crate) hosted: Vec<(&'static str, bool)>,
    /// What is different from the cards.
    pub(crate) touch: fn(&mut Vec<Candidate>),
}

impl World {
    /// A filler of five seconds in a production that allows much.
    pub(crate) fn new() -> Self {
        let fits = |gib| Fit::Fits { memory_bytes: gib * GIB };
        Self {
            need: Need {
                cut: "sc02/sh0020".parse().expect("a cut"),
                kind: Proposal::said(CutKind::Filler),
                task: Task::Text,
                references: 0,
                audio: None,
                multi_shot: false,
                length: Some(Length::Seconds(5.0)),
                size: Some(Size { width: 1280, height: 720 }),
                fps: None,
                characters: Vec::new(),
                model: None,
                deadline_secs: None,
                takes: 1,
            },
            policy: Policy {
                privacy: Privacy::Any,
                labelled_by: None,
                providers: None,
                commercial: false,
                territory: None,
                left: Left::default(),
                offline: false,
                today: jiff::civil::date(2026, 11, 1),
                accepts_unverified: false,
            },
            evidence: Evidence::default(),
            local: vec![
                ("wan2.1-t2v-14b", true, fits(20), Some(300.0)),
                ("wan2.1-t2v-1.3b", true, fits(9), Some(90.0)),
                ("mini", true, fits(1), Some(5.0)),
            ],
            hosted: vec![
                ("kling-3.0", true),
                ("kling-4.0", true),
                ("seedance-2.0", true),
                ("veo-3.1", true),
            ],
            touch: |_| {},
        }
    }

    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let local = self.local.iter().map(|(name, installed, fits, seconds)| {
            let card = cards::find(name).expect("a built-in card");
            Candidate::local(card, *installed, fits.clone(), *seconds)
        });
        let hosted = self.hosted.iter().map(|(name, has_key)| {
            let card = hosted::find(name).expect("a built-in card");
            Candidate::hosted(card, &self.need, *has_key)
        });
        let mut all = local.chain(hosted).collect();
        (self.touch)(&mut all);
        all
    }

    pub(crate) fn route(&self, rules: &[Rule]) -> Route {
        route_by(rules, &self.need, &self.candidates(), &self.policy, &self.evidence)
    }

    /// A type that somebody wrote.
    pub(crate) fn kind(&mut self, kind: CutKind) {
        self.need.kind = Proposal::said(kind);
    }

    pub(crate) fn size(&mut self, width: u32, height: u32) {
        self.need.size = Some(Size { width, height });
    }

    /// A length in seconds.
    pub(crate) fn seconds(&mut self, seconds: f64) {
        self.need.length = Some(Length::Seconds(seconds));
    }

    pub(crate) fn knows(&mut self, name: &str, adapters: &[&str], references: u32) {
        let adapters = adapters.iter().map(|key| (*key).to_owned()).collect();
        self.need.characters.push(Known { name: name.to_owned(), adapters, references });
    }

    pub(crate) fn kept(&mut self, kind: &str, model: &str, kept: u32, of: u32) {
        let (kind, model) = (kind.to_owned(), model.to_owned());
        self.evidence.keep_rates.push(KeepRate { kind, model, kept, of });
    }

    pub(crate) fn prefer(&mut self, text: &str) {
        self.evidence.preferences = self.evidence.preferences.with(text).expect("right");
    }

    /// No local model is here but the small one.
    pub(crate) fn nothing_installed(&mut self) {
        for (_, installed, ..) in &mut self.local {
            *installed = false;
        }
    }
}

/// An amount of dollars.
pub(crate) fn usd(text: &str) -> Option<Money> {
    Some(text.parse().expect("an amount"))
}

/// A model that does not fit.
pub(crate) fn too_large() -> Fit {
    Fit::No { needed: 40 * GIB, available: 24 * GIB }
}

/// A model that fits with a smaller plan.
pub(crate) fn smaller() -> Fit {
    Fit::Smaller { plan: "streamed weights".to_owned() }
}

/// A candidate by its name.
pub(crate) fn of<'a>(all: &'a mut [Candidate], name: &str) -> &'a mut Candidate {
    all.iter_mut().find(|candidate| candidate.name == name).expect("it is there")
}

/// What comes of a route, without the reasons: models in order with their steps, and those that are out.
pub(crate) fn decision(route: &Route) -> Vec<(String, Option<Step>)> {
    route.ranked.iter().map(|ranked| (ranked.name.clone(), ranked.step)).collect()
}

/// A route in a few lines: models in order, each with what puts it ahead of the next; then those that are out, with what forbids them.
pub(crate) fn brief(route: &Route) -> String {
    let mut lines = Vec::new();
    for ranked in &route.ranked {
        let rules: Vec<&str> = ranked.forbidden_by().map(|reason| reason.rule).collect();
        lines.push(match (ranked.step, ranked.ahead_by) {
            (None, _) => format!("- {}: {}", ranked.name, rules.join(", ")),
            (Some(step), None) => format!("{}: {step}", ranked.name),
            (Some(step), Some(rule)) => format!("{}: {step}, by {rule}", ranked.name),
        });
    }
    lines.join("\n")
}
