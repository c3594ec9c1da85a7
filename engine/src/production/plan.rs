//! What is to be made: each cut that lacks takes, with the model that it is made on, what that takes, and what it costs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::{Timestamp, tz::Offset};
use kinora_cards::Card;

use super::cut::Cut;
use super::error::{Error as Wrong, TooLarge};
use super::models::{Judged, Models, Short, smaller};
use super::order::in_order;
use super::project::{Budget, Production};
use super::record::Tried;
use super::render::Workshop;
use super::settings::Settings;
use super::want::{Shown, Want, Wants};
use crate::hosted::{Asked, HostedCard};
use crate::id::CutId;
use crate::ledger::Ledger;
use crate::money::Money;
use crate::request::Request;
use crate::router::{Choice, Evidence, Left, Need, Reason, Route, Step, route};
use crate::{Error, Result};

/// A cut that lacks takes, and how they are made.
#[derive(Debug)]
pub struct Planned {
    /// The cut.
    pub want: Want,
    /// What the picture should be, in words that every model knows.
    pub prompt: String,
    /// What it should not be, where somebody says.
    pub negative: Option<String>,
    /// What it needs of a model.
    pub need: Need,
    /// Why this model.
    pub route: Route,
    /// How it is made, or why it cannot be.
    pub work: Result<Work>,
}

/// How a take is made.
#[derive(Debug, Clone)]
pub enum Work {
    /// On this machine.
    Local(LocalWork),
    /// By a provider.
    Hosted(HostedWork),
}

/// A take that this machine makes.
#[derive(Debug, Clone)]
pub struct LocalWork {
    /// The model.
    pub model: String,
    /// Its card, where it has one.
    pub card: Option<&'static Card>,
    /// How the choice came to it.
    pub step: Step,
    /// What is asked, with the seed of the first take. A picture that is a frame of a take is an empty path.
    pub request: Request,
    /// About how long it takes.
    pub seconds: Option<f64>,
    /// What memory it takes at most.
    pub memory_bytes: Option<u64>,
    /// What is smaller than it was asked for.
    pub smaller: Option<String>,
    /// Why the model will refuse it, where that is known.
    pub refused: Option<String>,
}

/// A take that a provider makes.
#[derive(Debug, Clone)]
pub struct HostedWork {
    /// The model.
    pub card: HostedCard,
    /// Which of the production's servers is asked.
    pub server: usize,
    /// How the choice came to it.
    pub step: Step,
    /// What is asked, as far as the price depends on it.
    pub asked: Asked,
    /// What it costs at most.
    pub price: Money,
}

impl Work {
    /// The name of the model.
    pub fn model(&self) -> &str {
        match self {
            Self::Local(work) => &work.model,
            Self::Hosted(work) => &work.card.name,
        }
    }

    /// How the choice came to it.
    pub fn step(&self) -> Step {
        match self {
            Self::Local(work) => work.step,
            Self::Hosted(work) => work.step,
        }
    }

    /// What a take costs at most.
    pub fn price(&self) -> Money {
        match self {
            Self::Local(_) => Money::ZERO,
            Self::Hosted(work) => work.price,
        }
    }
}

impl Planned {
    /// The type of cut: its own word, else the type that its words speak for.
    pub fn kind(&self) -> String {
        self.need.kind.kind.to_string()
    }

    /// What speaks against the model that it names, the strongest first; none where nothing does, or where it is not made on it.
    pub fn warnings(&self) -> Vec<&Reason> {
        match &self.work {
            Err(_) | Ok(Work::Local(LocalWork { refused: Some(_), .. })) => Vec::new(),
            Ok(_) => self.route.warnings(),
        }
    }

    /// What its takes cost at most.
    pub(super) fn price(&self) -> Money {
        let price = self.work.as_ref().map_or(Money::ZERO, Work::price);
        price.times(f64::from(self.want.missing()))
    }
}

/// Chooses models for the cuts of a production.
pub struct Planner<'a> {
    production: &'a Production,
    pub(super) wants: Wants<'a>,
    models: Models<'a>,
    evidence: Evidence,
    purse: Purse,
    is_offline: bool,
    today: Date,
}

impl<'a> Planner<'a> {
    /// Looks around: at models, at what was kept, at what was spent.
    ///
    /// # Errors
    /// An index that cannot be used, evidence that cannot be read, a server that makes no sense.
    pub fn new(
        production: &'a Production,
        typed: &'a Settings,
        workshop: &'a dyn Workshop,
        ledger: Option<&Ledger>,
    ) -> Result<Self> {
        Ok(Self {
            production,
            wants: Wants::new(production, typed, workshop),
            models: Models::new(production, workshop, ledger)?,
            evidence: production.evidence(ledger)?,
            purse: Purse::new(production.budget, ledger)?,
            is_offline: workshop.is_offline(),
            today: Offset::UTC.to_datetime(Timestamp::now()).date(),
        })
    }

    /// What is left of the budget of the production, where it has one.
    pub fn left(&self) -> Option<Money> {
        let budget = self.purse.budget.production?;
        Some((budget - self.purse.total).max(Money::ZERO))
    }

    /// What lacks takes of these cuts, in the order in which it is made. Money is planned for in the order of the production.
    ///
    /// # Errors
    /// A file that cannot be read, an index that cannot be used.
    pub fn plan(&mut self, ledger: Option<&Ledger>, cuts: &[&Cut]) -> Result<Vec<Planned>> {
        let _moment = ledger.map(Ledger::moment).transpose()?;
        let mut planned = Vec::new();
        for cut in cuts {
            let want = self.wants.of(ledger, cut)?;
            if want.missing() > 0 {
                planned.push(self.settle(ledger, want)?);
            }
        }
        Ok(in_order(planned))
    }

    /// Chooses for one cut, whether or not it lacks takes.
    ///
    /// # Errors
    /// A file that cannot be read, an index that cannot be used.
    pub fn one(&mut self, ledger: Option<&Ledger>, cut: &Cut) -> Result<Planned> {
        let want = self.wants.of(ledger, cut)?;
        self.settle(ledger, want)
    }

    fn settle(&mut self, ledger: Option<&Ledger>, want: Want) -> Result<Planned> {
        if let Some(name) = &want.named {
            self.models.name(name);
        }
        let own = self.wants.resolved(&want.cut, None);
        let need = self.production.need(&own, want.missing().max(1));
        let label = self.wants.label(ledger, &want)?;
        let left = self.purse.left(&want.cut);
        let policy = self.production.policy(label, left, self.is_offline, self.today);
        let (wants, asked) = (&self.wants, &want);
        let candidates = self.models.candidates(&need, &|card| ask(wants, asked, card));
        let route = route(&need, &candidates, &policy, &self.evidence);
        let toys: Vec<&str> =
            candidates.iter().filter(|one| one.is_toy).map(|one| one.name.as_str()).collect();
        let work = match route.choice() {
            Ok(choice) => match self.instead_of_toy(&want, &route, choice, &toys) {
                Some(error) => Err(error),
                None => self.work(&want, &need, choice),
            },
            Err(error) => Err(self.short(&want).unwrap_or(error.into())),
        };
        if let Ok(work) = &work {
            self.purse.take(&want.cut, work.price().times(f64::from(want.missing())));
        }
        let negative = own.negative.map(|negative| negative.value);
        Ok(Planned { want, prompt: own.prompt, negative, need, route, work })
    }

    /// How a cut is made on a model.
    ///
    /// # Errors
    /// Too little memory, for a model that the cut names.
    pub fn work(&mut self, want: &Want, need: &Need, choice: &Choice) -> Result<Work> {
        let (model, step) = (choice.model.clone(), choice.step);
        if let Some(served) = self.models.served(&model)
            && let Some(server) = served.server
        {
            let (card, asked) = (served.card.clone(), served.card.asked(need));
            let price = card.quote(&asked).map_or(Money::ZERO, |price| price.amount);
            return Ok(Work::Hosted(HostedWork { card, server, step, asked, price }));
        }
        let card = self.models.card(&model).flatten();
        let request = ask(&self.wants, want, card);
        let mut work = LocalWork {
            model,
            card,
            step,
            request,
            seconds: None,
            memory_bytes: None,
            smaller: None,
            refused: None,
        };
        match self.models.judge_of(&work.model, &work.request) {
            Some(Judged::Fits { memory_bytes, seconds }) => {
                (work.memory_bytes, work.seconds) = (Some(memory_bytes), seconds);
            }
            Some(Judged::Smaller { short, .. }) if want.named.is_some() => {
                return Err(too_large(want, &work.model, short));
            }
            Some(Judged::Smaller { size, frames, short, seconds }) => {
                (work.request.size, work.request.num_frames) = (Some(size), Some(frames));
                (work.memory_bytes, work.seconds) = (Some(short.available), seconds);
                work.smaller = Some(smaller(size, frames));
            }
            Some(Judged::TooLarge(short)) => return Err(too_large(want, &work.model, short)),
            Some(Judged::Refused(why)) => work.refused = Some(why),
            None => {}
        }
        Ok(Work::Local(work))
    }

    /// What else could be done for so many takes where a choice fails: the next one in order that there is money for.
    pub(super) fn next(&mut self, planned: &Planned, tried: &[Tried], takes: u32) -> Option<Work> {
        let cut = &planned.want.cut;
        let others: Vec<Choice> = self.others(planned, tried).cloned().collect();
        others.iter().find_map(|choice| {
            let work = self.work(&planned.want, &planned.need, choice).ok()?;
            let price = work.price().times(f64::from(takes));
            self.purse.holds(cut, price).then(|| self.purse.take(cut, price))?;
            Some(work)
        })
    }

    /// The choices that were not tried. A cartoon is no fallback.
    pub(super) fn others<'b>(
        &self,
        planned: &'b Planned,
        tried: &'b [Tried],
    ) -> impl Iterator<Item = &'b Choice> {
        let choices = planned.route.chosen.iter().chain(&planned.route.fallback);
        choices.filter(|choice| {
            let is_new = tried.iter().all(|tried| tried.model != choice.model);
            let card = self.models.card(&choice.model).flatten();
            is_new && planned.want.named.is_none() && !card.is_some_and(|card| card.built_in)
        })
    }

    /// Chooses for one cut anew, and plans no money for it.
    ///
    /// # Errors
    /// A file that cannot be read, an index that cannot be used.
    pub(super) fn anew(&mut self, ledger: &Ledger, cut: &Cut) -> Result<Planned> {
        self.wants.forget();
        let planned = self.one(Some(ledger), cut)?;
        self.give(&cut.id, planned.price());
        Ok(planned)
    }

    /// Gives back money that was planned for a cut and not spent.
    pub(super) fn give(&mut self, cut: &CutId, price: Money) {
        self.purse.take(cut, Money::ZERO - price);
    }

    /// A cartoon is no fallback: where a checkpoint that is here lacks nothing but memory, that is said instead.
    fn instead_of_toy(
        &mut self,
        want: &Want,
        route: &Route,
        choice: &Choice,
        toys: &[&str],
    ) -> Option<Error> {
        let is_toy = |name: &str| toys.contains(&name);
        if want.named.is_some() || !is_toy(&choice.model) {
            return None;
        }
        let wish = route.wish.as_ref().filter(|wish| !is_toy(wish))?;
        self.short_of(want, wish)
    }

    /// The memory that the model lacks which a cut names.
    fn short(&mut self, want: &Want) -> Option<Error> {
        let name = want.named.clone()?;
        self.short_of(want, &name)
    }

    fn short_of(&mut self, want: &Want, model: &str) -> Option<Error> {
        let card = self.models.card(model)?;
        let request = ask(&self.wants, want, card);
        match self.models.judge_of(model, &request)? {
            Judged::TooLarge(short) | Judged::Smaller { short, .. } => {
                Some(too_large(want, model, short))
            }
            Judged::Fits { .. } | Judged::Refused(_) => None,
        }
    }
}

/// What is asked of a local model for a cut. Only where the model was chosen is the cut fitted to it.
fn ask(wants: &Wants<'_>, want: &Want, card: Option<&'static Card>) -> Request {
    let mut request = match (&want.named, card) {
        (None, Some(card)) => wants.fitted(&want.cut, card),
        _ => wants.request(&want.cut, card),
    };
    request.image = match &want.pictures.first {
        Some(Shown::File(path)) => Some(path.clone()),
        Some(Shown::Take(..)) => Some(PathBuf::new()),
        None => wants.begins_with_picture(&want.cut).then(PathBuf::new),
    };
    request
}

fn too_large(want: &Want, model: &str, short: Short) -> Error {
    let (cut, model) = (want.cut.clone(), model.to_owned());
    let Short { needed, available, fits } = short;
    Wrong::TooLarge(Box::new(TooLarge { cut, model, needed, available, fits })).into()
}

/// What is left of a budget while a plan is made.
#[derive(Debug, Default)]
struct Purse {
    budget: Budget,
    total: Money,
    today: Money,
    by_cut: BTreeMap<CutId, Money>,
}

impl Purse {
    fn new(budget: Budget, ledger: Option<&Ledger>) -> Result<Self> {
        let mut purse = Self { budget, ..Self::default() };
        let Some(ledger) = ledger else { return Ok(purse) };
        let spent = ledger.spent()?;
        (purse.total, purse.today, purse.by_cut) = (spent.total, spent.today, spent.by_cut);
        // Jobs that are not settled count as what is reserved for them, those of another day too.
        for job in ledger.open_jobs()?.into_iter().chain(ledger.unknown_jobs()?) {
            purse.take(&job.intent.cut, job.intent.reserved);
        }
        Ok(purse)
    }

    fn left(&self, cut: &CutId) -> Left {
        let of = |cap: Option<Money>, gone: Money| cap.map(|cap| (cap - gone).max(Money::ZERO));
        let gone = self.by_cut.get(cut).copied().unwrap_or_default();
        Left {
            production: of(self.budget.production, self.total),
            day: of(self.budget.day, self.today),
            cut: of(self.budget.cut, gone),
        }
    }

    /// Whether a price is within all that is left.
    fn holds(&self, cut: &CutId, price: Money) -> bool {
        let Left { production, day, cut } = self.left(cut);
        [production, day, cut].into_iter().flatten().all(|left| price <= left)
    }

    fn take(&mut self, cut: &CutId, price: Money) {
        (self.total, self.today) = (self.total + price, self.today + price);
        if price != Money::ZERO {
            let gone = self.by_cut.entry(cut.clone()).or_default();
            *gone = *gone + price;
        }
    }
}
