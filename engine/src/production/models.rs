//! The models that a cut can be made on: those of this machine, each with whether the cut fits and how long it takes, and those of
//! the servers that the production names.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use kinora_cards::{Card, Frames, Size, Task as LocalTask};

use super::pace::Pace;
use super::project::Production;
use super::render::Workshop;
use crate::generator::{Estimate, Generator};
use crate::hosted::{self, Audio, HostedCard, MultiShot, Task};
use crate::ledger::Ledger;
use crate::local::Survey;
use crate::request::Request;
use crate::router::{Candidate, Fit, Limits, Need, Place, Terms};
use crate::{Error, Result};

/// The models of this machine and of the servers of a production.
pub(super) struct Models<'a> {
    workshop: &'a dyn Workshop,
    survey: Survey,
    local: Vec<Here>,
    served: Vec<Served>,
    /// What was found, by model and what is asked: most cuts ask for the same.
    found: BTreeMap<String, Judged>,
}

/// A checkpoint.
struct Here {
    name: String,
    card: Option<&'static Card>,
    installed: bool,
    pace: Option<Pace>,
    /// The checkpoint, open, with no weight read; or why it cannot be opened.
    generator: OnceCell<Result<Box<dyn Generator>, String>>,
}

/// A hosted model that the production may ask for.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// Its card, with the host that is asked.
    pub(super) card: HostedCard,
    /// Which of the production's servers runs it; none where the production names none.
    pub(super) server: Option<usize>,
    /// Whether there is a key, or what is wrong with the place that should hold it.
    pub(super) key: Result<bool, String>,
}

/// Whether and how a local model makes a cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judged {
    /// As asked.
    Fits { memory_bytes: u64, seconds: Option<f64> },
    /// Not as asked, but so.
    Smaller { size: Size, frames: Frames, short: Short, seconds: Option<f64> },
    /// Not at all: memory.
    TooLarge(Short),
    /// Not at all: something else.
    Refused(String),
}

/// The memory that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) needed: u64,
    pub(super) available: u64,
    pub(super) fits: Option<(Size, Frames)>,
}

impl<'a> Models<'a> {
    /// Looks around.
    ///
    /// # Errors
    /// A server whose name or host makes no card, a ledger that cannot be read.
    pub(super) fn new(
        production: &Production,
        workshop: &'a dyn Workshop,
        ledger: Option<&Ledger>,
    ) -> Result<Self> {
        let survey = crate::local::survey();
        let here = workshop.here();
        let mut local = Vec::new();
        // A program without the local runtime has none, not even those that could be fetched.
        let cards = kinora_cards::cards().iter().filter(|_| !here.is_empty());
        for card in cards {
            let remembered = ledger.map(|ledger| Pace::remembered(ledger, card, &survey.kernels));
            let pace = remembered.transpose()?.flatten().unwrap_or_else(|| Pace::of(&survey));
            local.push(Here {
                name: card.name.clone(),
                card: Some(card),
                installed: here.iter().any(|here| here.name == card.name),
                pace: Some(pace),
                generator: OnceCell::new(),
            });
        }
        let mut served = Vec::new();
        for (at, server) in production.servers.iter().enumerate() {
            let key = workshop.key(server).map(|key| key.is_some());
            let key = key.map_err(|error| error.to_string());
            let of_server = |card| Served { card, server: Some(at), key: key.clone() };
            served.extend(server.cards()?.into_iter().map(of_server));
        }
        Ok(Self { workshop, survey, local, served, found: BTreeMap::new() })
    }

    /// Adds a model that a cut names and that is not among the others: a checkpoint by its path, a hosted model that no server of the
    /// production runs. A name that means nothing adds nothing.
    pub(super) fn name(&mut self, name: &str) {
        let is_called = |other: &str| other.eq_ignore_ascii_case(name);
        let is_here = self.local.iter().any(|here| is_called(&here.name));
        if is_here || self.served.iter().any(|served| is_called(&served.card.name)) {
            return;
        }
        if let Some(card) = hosted::find(name) {
            self.served.push(Served { card: card.clone(), server: None, key: Ok(false) });
        } else if let Ok(card) = self.workshop.card(name) {
            self.local.push(Here {
                name: name.to_owned(),
                card,
                installed: true,
                pace: card.map(|_| Pace::of(&self.survey)),
                generator: OnceCell::new(),
            });
        }
    }

    /// A hosted model by its name.
    pub(super) fn served(&self, name: &str) -> Option<&Served> {
        self.served.iter().find(|served| served.card.name == name)
    }

    /// The card of a local model; `None` where there is no such model.
    pub(super) fn card(&self, name: &str) -> Option<Option<&'static Card>> {
        self.local.iter().find(|here| here.name == name).map(|here| here.card)
    }

    /// Every model as the router wants it. `ask` says what would be asked of a local one.
    pub(super) fn candidates(
        &mut self,
        need: &Need,
        ask: &dyn Fn(Option<&'static Card>) -> Request,
    ) -> Vec<Candidate> {
        let mut all = Vec::with_capacity(self.local.len() + self.served.len());
        for at in 0..self.local.len() {
            let mut candidate = self.candidate(at, ask);
            if need.named().is_some() {
                // Its own refusal is more exact than a reason not to choose it.
                candidate.limits.refuses = None;
            }
            all.push(candidate);
        }
        all.extend(self.served.iter().map(|served| match &served.key {
            Ok(has_key) => Candidate::hosted(&served.card, need, *has_key),
            Err(why) => Candidate::hosted(&served.card, need, false).without_key(why),
        }));
        all
    }

    fn candidate(
        &mut self,
        at: usize,
        ask: &dyn Fn(Option<&'static Card>) -> Request,
    ) -> Candidate {
        let (card, installed) = (self.local[at].card, self.local[at].installed);
        let judged = installed.then(|| self.judge(at, &ask(card)));
        let (mut fits, mut seconds, mut refuses) = (Fit::Unknown, None, None);
        match judged {
            None => {}
            Some(Judged::Fits { memory_bytes, seconds: about }) => {
                (fits, seconds) = (Fit::Fits { memory_bytes }, about);
            }
            Some(Judged::Smaller { size, frames, seconds: about, .. }) => {
                (fits, seconds) = (Fit::Smaller { plan: smaller(size, frames) }, about);
            }
            Some(Judged::TooLarge(short)) => {
                fits = Fit::No { needed: short.needed, available: short.available };
            }
            Some(Judged::Refused(why)) => refuses = Some(why),
        }
        let here = &self.local[at];
        let mut candidate = match card {
            Some(card) => Candidate::local(card, installed, fits, seconds),
            None => here.uncarded(fits),
        };
        candidate.name.clone_from(&here.name);
        candidate.limits.refuses = refuses;
        candidate
    }

    /// Whether and how a local model makes what is asked of it.
    pub(super) fn judge_of(&mut self, name: &str, request: &Request) -> Option<Judged> {
        let at = self.local.iter().position(|here| here.name == name)?;
        Some(self.judge(at, request))
    }

    fn judge(&mut self, at: usize, request: &Request) -> Judged {
        let here = &self.local[at];
        let key = format!(
            "{} {:?} {:?} {:?} {:?} {} {:?}",
            here.name,
            request.size,
            request.num_frames,
            request.num_inference_steps,
            request.guidance_scale,
            request.image.is_some(),
            request.loras,
        );
        if let Some(judged) = self.found.get(&key) {
            return judged.clone();
        }
        let judged = here.judge(self.workshop, request);
        self.found.insert(key, judged.clone());
        judged
    }
}

impl Here {
    fn open(&self, workshop: &dyn Workshop) -> Result<&dyn Generator, &String> {
        let open = || workshop.open(&self.name).map_err(|error| error.to_string());
        self.generator.get_or_init(open).as_ref().map(AsRef::as_ref)
    }

    fn judge(&self, workshop: &dyn Workshop, request: &Request) -> Judged {
        let generator = match self.open(workshop) {
            Ok(generator) => generator,
            Err(why) => return Judged::Refused(why.clone()),
        };
        let seconds = |estimate: &Estimate| {
            let pace = self.pace.zip(self.card);
            pace.map(|(pace, card)| pace.seconds(card, &estimate.recipe))
        };
        match generator.estimate(request) {
            Ok(estimate) => {
                Judged::Fits { memory_bytes: estimate.memory_bytes(), seconds: seconds(&estimate) }
            }
            Err(Error::Memory { needed, available, fits, .. }) => {
                let short = Short { needed, available, fits };
                let Some((size, frames)) = fits else { return Judged::TooLarge(short) };
                let smaller =
                    Request { size: Some(size), num_frames: Some(frames), ..request.clone() };
                let seconds = generator.estimate(&smaller).ok().as_ref().and_then(seconds);
                Judged::Smaller { size, frames, short, seconds }
            }
            Err(error) => Judged::Refused(error.to_string()),
        }
    }

    /// A checkpoint that no card names: what it says itself, and nothing else.
    fn uncarded(&self, fits: Fit) -> Candidate {
        let open = self.generator.get().and_then(|opened| opened.as_ref().ok());
        let can = open.map(|generator| generator.capabilities());
        let task = |task: &LocalTask| match task {
            LocalTask::T2v => Task::Text,
            LocalTask::I2v => Task::FirstFrame,
        };
        let tasks = can.as_ref().map_or_else(Vec::new, |can| can.tasks.iter().map(task).collect());
        Candidate {
            name: self.name.clone(),
            title: "a checkpoint without a card".to_owned(),
            family: String::new(),
            place: Place::Local { installed: self.installed, fits, seconds: None },
            tasks,
            limits: Limits {
                seconds: None,
                trained_seconds: None,
                short_sides: None,
                aspects: Vec::new(),
                multiple_of: can.map_or(1, |can| can.multiple_of),
                fps: None,
                max_references: 0,
                references_with_frames: false,
                refuses: None,
            },
            audio: Audio::Never,
            multi_shot: MultiShot::No,
            terms: Terms {
                name: "its terms".to_owned(),
                commercial_use: None,
                excluded: Vec::new(),
            },
            takes_adapters: true,
            is_toy: false,
        }
    }
}

/// A smaller plan in words.
pub(super) fn smaller(size: Size, frames: Frames) -> String {
    format!("{size} pixels and {frames} frames")
}
