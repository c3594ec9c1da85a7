//! A rendering that goes on: this machine's takes one after the other, providers' takes beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::Timestamp;

use super::crew::{Back, Crew};
use super::cut::Cut;
use super::hashes::Hashes;
use super::hosting::{Fresh, Task, held};
use super::plan::{HostedWork, LocalWork, Planned, Planner, Work};
use super::project::Production;
use super::queue::Queue;
use super::record::{Numbered, Tried};
use super::render::{Progress, Rendered, Workshop};
use super::round::{Round, Ticket};
use super::want::Want;
use crate::generator::Generator;
use crate::hosted::jobs::Ended;
use crate::id::{CutId, TakeId};
use crate::job::Intent;
use crate::ledger::{Failure, Job, JobState, Ledger, TakeRow};
use crate::money::Money;
use crate::observe::Observer;
use crate::request::Request;
use crate::{Error, Hint, Kind, Result, write_take};

/// A rendering that goes on.
pub(super) struct Run<'a> {
    production: &'a Production,
    workshop: &'a dyn Workshop,
    planner: Planner<'a>,
    ledger: &'a Mutex<Ledger>,
    progress: &'a mut dyn Progress,
    /// The model that is open.
    open: Option<(String, Box<dyn Generator>)>,
    rendered: Rendered,
    crew: Crew,
    /// The last number that was given to a take of a cut; the ledger may not know of it yet.
    given: BTreeMap<CutId, u32>,
    /// The cuts that are to be made.
    asked: BTreeSet<CutId>,
    /// What came to nothing of the cuts that providers make.
    rounds: BTreeMap<CutId, Round>,
    /// What was tried of each cut.
    tried: BTreeMap<CutId, Vec<Tried>>,
    /// The most takes of a cut that another model is to make.
    most: BTreeMap<CutId, u32>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        production: &'a Production,
        workshop: &'a dyn Workshop,
        planner: Planner<'a>,
        ledger: &'a Mutex<Ledger>,
        progress: &'a mut dyn Progress,
        crew: Crew,
        cuts: &[&Cut],
    ) -> Self {
        Self {
            production,
            workshop,
            planner,
            ledger,
            progress,
            open: None,
            rendered: Rendered::default(),
            crew,
            given: BTreeMap::new(),
            asked: cuts.iter().map(|cut| cut.id.clone()).collect(),
            rounds: BTreeMap::new(),
            tried: BTreeMap::new(),
            most: BTreeMap::new(),
        }
    }

    /// Goes on with old jobs, and makes what is queued. Says what came of all.
    pub(super) fn all(mut self, mut queue: Queue, jobs: Vec<Job>) -> Result<Rendered> {
        for job in jobs {
            let observer = self.progress.resumes(&job);
            let (model, tried) = super::hosted::models_of(&job);
            let Intent { cut, number, take, reserved: price, .. } = job.intent.clone();
            let ticket = Ticket { cut, number, take, model, price, tried };
            self.crew.send(ticket, Task::Old(Box::new(job)), observer);
        }
        let mut is_stopped = false;
        loop {
            is_stopped |= self.progress.is_stopped();
            while let Some(back) = self.crew.came() {
                self.ended(back, &mut queue)?;
            }
            let open = self.open.as_ref().map(|(model, _)| model.as_str());
            match queue.next(open) {
                Some(planned) if !is_stopped => match self.begin(planned, &mut queue) {
                    // What is away is still heard of.
                    Err(error) if error.kind() == Kind::Interrupted => is_stopped = true,
                    begun => begun?,
                },
                _ => match self.crew.wait() {
                    Some(back) => self.ended(back, &mut queue)?,
                    None => break,
                },
            }
        }
        self.rendered.waiting += queue.waiting();
        if is_stopped { Err(Error::Cancelled) } else { Ok(self.rendered) }
    }

    fn begin(&mut self, mut planned: Planned, queue: &mut Queue) -> Result<()> {
        // People pick meanwhile, and other processes make takes.
        planned.want = self.want(&planned)?;
        if planned.want.waits_for.is_some() {
            // The take that it goes on from was rejected meanwhile.
            queue.put(planned);
            return Ok(());
        }
        let cut = planned.want.cut.clone();
        if !planned.warnings().is_empty() {
            self.progress.warns(&planned);
        }
        let missing = planned.want.missing().min(self.most.remove(&cut).unwrap_or(u32::MAX));
        let work = std::mem::replace(&mut planned.work, Err(Error::Cancelled));
        let (planned, read) = (Arc::new(planned), Arc::new(self.planner.wants.read()));
        match work {
            Ok(Work::Local(work)) => {
                if let Some((next, missing)) = self.local(&planned, work, missing)? {
                    self.hosted(&planned, &read, &next, missing)?;
                }
            }
            Ok(Work::Hosted(work)) => self.hosted(&planned, &read, &work, missing)?,
            Err(error) => {
                self.rendered.failed += 1;
                self.progress.refused(&cut, &error);
            }
        }
        if self.crew.is_out_for(&cut) { Ok(()) } else { self.free(&cut, queue) }
    }

    /// What a cut needs now.
    fn want(&mut self, planned: &Planned) -> Result<Want> {
        let (_, cut) = self.production.cut(&planned.want.cut).expect("because it is planned");
        self.planner.wants.forget();
        self.planner.wants.of(Some(&held(self.ledger)), cut)
    }

    /// Puts what waited for a cut that is over to where it can be begun.
    fn free(&mut self, cut: &CutId, queue: &mut Queue) -> Result<()> {
        for mut freed in queue.freed_by(cut) {
            freed.want = self.want(&freed)?;
            queue.put(freed);
        }
        Ok(())
    }

    /// A number, a name and a seed for the next take of a cut.
    fn numbered(&mut self, planned: &Planned) -> Result<Numbered> {
        let cut = &planned.want.cut;
        let given = self.given.entry(cut.clone()).or_default();
        let number = held(self.ledger).next_number(cut)?.max(given.saturating_add(1));
        *given = number;
        let folder = || self.production.folder.clone();
        let id = TakeId::new(Timestamp::now())
            .map_err(|source| Error::Write { path: folder(), source })?;
        let seed = planned.want.seed.wrapping_add(u64::from(number - 1));
        Ok(Numbered { id, number, seed, begun: Instant::now() })
    }

    /// Sends for so many takes of a cut.
    fn hosted(
        &mut self,
        planned: &Arc<Planned>,
        read: &Arc<Hashes>,
        work: &HostedWork,
        takes: u32,
    ) -> Result<()> {
        let tried = self.tried.get(&planned.want.cut).cloned().unwrap_or_default();
        for _ in 0..takes {
            let made = self.numbered(planned)?;
            let how = Work::Hosted(work.clone());
            let observer = self.progress.begins(planned, &how, made.number, made.seed);
            let ticket = Ticket {
                cut: planned.want.cut.clone(),
                number: made.number,
                take: made.id,
                model: work.card.name.clone(),
                price: work.price,
                tried: tried.clone(),
            };
            let (planned, read) = (Arc::clone(planned), Arc::clone(read));
            let (work, tried) = (work.clone(), tried.clone());
            let task = Task::New(Box::new(Fresh { planned, read, work, tried, made }));
            self.crew.send(ticket, task, observer);
        }
        Ok(())
    }

    /// Hears what became of a take that a provider was to make.
    fn ended(&mut self, (ticket, ended): Back, queue: &mut Queue) -> Result<()> {
        let (cut, number, take) = (ticket.cut.clone(), ticket.number, ticket.take);
        let job = held(self.ledger).job_of(take)?.map(|job| job.state);
        let spent = match &job {
            None => Some(Money::ZERO),
            Some(JobState::Settled { spent, .. }) => Some(*spent),
            Some(_) => None,
        };
        if let Some(spent) = spent {
            self.planner.give(&cut, ticket.price - spent);
        }
        match ended {
            Ok(Some(Ended::Done)) => {
                let ledger = held(self.ledger);
                if let Some(row) = ledger.take(take)? {
                    self.rendered.made += 1;
                    self.progress.made(&row, &ledger.render_path(&row));
                }
            }
            Ok(Some(Ended::Unknown { why } | Ended::Left { why })) => {
                self.rendered.left += 1;
                self.progress.left(&cut, number, &why);
            }
            Ok(Some(ended)) => {
                let others = match ended {
                    Ended::Refused { .. } => self.others(&ticket)?,
                    _ => Vec::new(),
                };
                let error = super::error::outcome(ended.clone(), others).into();
                self.rounds.entry(cut.clone()).or_default().ended(ticket, &ended, error);
            }
            Ok(None) => {}
            Err(error) if error.kind() == Kind::Interrupted => {}
            // What was asked for is in the ledger, and the next rendering goes on with it.
            Err(error) if job.is_some() && error.kind() == Kind::Internal => {
                self.tell(&cut, number, &error, None);
            }
            Err(error) if job.is_some() => {
                self.rendered.left += 1;
                self.progress.left(&cut, number, &error.to_string());
            }
            Err(error) => {
                self.note(&cut, number, take, &error)?;
                self.rounds.entry(cut.clone()).or_default().not_begun(ticket, error);
            }
        }
        if self.crew.is_last(&cut) && !self.instead(&cut, queue)? {
            self.free(&cut, queue)?;
        }
        Ok(())
    }

    /// The models that could be named for a take that a provider does not want to make.
    fn others(&mut self, ticket: &Ticket) -> Result<Vec<String>> {
        let Some((_, cut)) = self.production.cut(&ticket.cut) else { return Ok(Vec::new()) };
        // What cannot be planned now is told when it is to be made.
        let Ok(planned) = self.planner.anew(&held(self.ledger), cut) else {
            return Ok(Vec::new());
        };
        let tried = [Tried { model: ticket.model.clone(), why: String::new() }];
        let others = self.planner.others(&planned, &tried);
        Ok(others.map(|choice| choice.model.clone()).collect())
    }

    /// Tells of what came to nothing of a cut of which nothing is away any more, and queues it for the next model where there is
    /// one.
    fn instead(&mut self, cut: &CutId, queue: &mut Queue) -> Result<bool> {
        let Some(round) = self.rounds.remove(cut) else { return Ok(false) };
        let next = self.next(cut, &round, queue)?;
        let work = next.as_ref().and_then(|planned| planned.work.as_ref().ok());
        for failed in &round.failed {
            let work = work.filter(|_| failed.is_open);
            self.tell(cut, failed.number, &failed.error, work);
        }
        let is_queued = next.is_some();
        self.tried.insert(cut.clone(), round.tried);
        next.into_iter().for_each(|planned| queue.put(planned));
        Ok(is_queued)
    }

    /// What another model is to make of a cut.
    fn next(&mut self, cut: &CutId, round: &Round, queue: &mut Queue) -> Result<Option<Planned>> {
        let is_over = round.open() == 0 || !self.asked.contains(cut) || self.progress.is_stopped();
        let Some((_, of)) = self.production.cut(cut).filter(|_| !is_over) else { return Ok(None) };
        // Takes that are not begun are made by the same model.
        let queued = queue.take(cut);
        let price = queued.as_ref().map_or(Money::ZERO, Planned::price);
        self.planner.give(cut, price);
        let most = if queued.is_some() { u32::MAX } else { round.open() };
        // What cannot be planned now is told when it is to be made.
        if let Ok(mut planned) = self.planner.anew(&held(self.ledger), of) {
            let takes = planned.want.missing().min(most);
            let next = (takes > 0).then(|| self.planner.next(&planned, &round.tried, takes));
            if let Some(work) = next.flatten() {
                self.most.insert(cut.clone(), takes);
                planned.work = Ok(work);
                return Ok(Some(planned));
            }
        }
        self.planner.give(cut, Money::ZERO - price);
        queued.into_iter().for_each(|queued| queue.put(queued));
        Ok(None)
    }

    /// Makes so many takes of a cut on this machine. Returns how a provider makes the rest, where that is what is left to try.
    fn local(
        &mut self,
        planned: &Planned,
        mut work: LocalWork,
        mut missing: u32,
    ) -> Result<Option<(HostedWork, u32)>> {
        let cut = &planned.want.cut;
        while missing > 0 {
            let tried = self.tried.get(cut).cloned().unwrap_or_default();
            let take = self.numbered(planned)?;
            let how = Work::Local(work.clone());
            let observer = self.progress.begins(planned, &how, take.number, take.seed);
            let done = self.take(planned, &work, &tried, take, &*observer);
            drop(observer);
            let error = match done {
                Ok(row) => {
                    missing -= 1;
                    self.rendered.made += 1;
                    let path = held(self.ledger).render_path(&row);
                    self.progress.made(&row, &path);
                    continue;
                }
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => error,
            };
            self.note(cut, take.number, take.id, &error)?;
            let tried = self.tried.entry(cut.clone()).or_default();
            tried.push(Tried { model: work.model, why: error.to_string() });
            // Only what another model might have room for is tried there; all else would fail in the same way.
            let may_fit = error.kind() == Kind::Resources && planned.want.named.is_none();
            let next = may_fit.then(|| self.planner.next(planned, tried, missing)).flatten();
            self.tell(cut, take.number, &error, next.as_ref());
            match next {
                Some(Work::Local(next)) => work = next,
                Some(Work::Hosted(next)) => return Ok(Some((next, missing))),
                None => break,
            }
        }
        Ok(None)
    }

    /// Tells of a take that came to nothing, and of what is tried instead.
    fn tell(&mut self, cut: &CutId, number: u32, error: &Error, instead: Option<&Work>) {
        if let Some(work) = instead {
            self.progress.goes_on(cut, number, error, work);
        } else {
            self.rendered.failed += 1;
            self.progress.failed(cut, number, error);
        }
    }

    /// Writes down that a take came to nothing of which no job tells.
    fn note(&mut self, cut: &CutId, number: u32, take: TakeId, error: &Error) -> Result<()> {
        let (cut, kind, why) = (cut.clone(), error.kind(), error.to_string());
        held(self.ledger).record_failure(&Failure { take, cut, number, kind, why })?;
        Ok(())
    }

    /// Makes one take on this machine.
    fn take(
        &mut self,
        planned: &Planned,
        work: &LocalWork,
        tried: &[Tried],
        take: Numbered,
        observer: &dyn Observer,
    ) -> Result<TakeRow> {
        let generator = match &mut self.open {
            Some((model, generator)) if *model == work.model => generator,
            open => {
                // The one before makes room first.
                *open = None;
                &mut open.insert((work.model.clone(), self.workshop.open(&work.model)?)).1
            }
        };
        let mut request = Request { seed: take.seed, ..work.request.clone() };
        let path = {
            let ledger = held(self.ledger);
            if let Some(first) = &planned.want.pictures.first {
                request.image = Some(self.production.picture(&ledger, first)?);
            }
            ledger.work_path(take.id, super::record::EXTENSION)
        };
        let made = write_take(generator.as_ref(), &request, &path, observer)?;
        self.production.keep_local(&mut held(self.ledger), planned, work, tried, take, &made)
    }
}
