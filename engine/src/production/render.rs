//! Renders the cuts of a production: what is missing becomes takes, in an order in which a model is loaded once and nothing waits
//! for what comes later.
//!
//! There is no list of what is to be done that could be lost: what is missing follows from the production's files and the
//! ledger, so a run that was killed goes on by being started again, and makes no take twice.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use kinora_cards::Card;

use super::cut::Cut;
use super::plan::{LocalWork, Planned, Planner, Work};
use super::project::Production;
use super::queue::Queue;
use super::record::{Made, Tried};
use super::server::Server;
use super::settings::Settings;
use super::want::Want;
use crate::generator::Generator;
use crate::id::{CutId, TakeId};
use crate::ledger::{Failure, Ledger, TakeRow};
use crate::observe::Observer;
use crate::request::Request;
use crate::{Error, Hint, Kind, Result, write_take};

/// Where models come from.
pub trait Workshop {
    /// The card of a local model, where it has one.
    ///
    /// # Errors
    /// A model that is not there.
    fn card(&self, model: &str) -> Result<Option<&'static Card>>;

    /// Opens a local model.
    ///
    /// # Errors
    /// A checkpoint that cannot be used.
    fn open(&self, model: &str) -> Result<Box<dyn Generator>>;

    /// The cards whose checkpoints are on this machine; none where nothing is made here.
    fn here(&self) -> Vec<&'static Card>;

    /// Whether there is a key for a server.
    fn has_key(&self, server: &Server) -> bool;

    /// Whether no host may be asked.
    fn is_offline(&self) -> bool;
}

/// Hears how a rendering goes.
pub trait Progress {
    /// A take begins; what the generator says of it goes to the observer.
    fn begins(
        &mut self,
        planned: &Planned,
        work: &Work,
        number: u32,
        seed: u64,
    ) -> Box<dyn Observer>;
    /// A take is in the ledger.
    fn made(&mut self, take: &TakeRow, path: &Path);
    /// An attempt came to nothing.
    fn failed(&mut self, cut: &CutId, number: u32, error: &Error);
    /// A cut cannot be made; nothing was tried.
    fn refused(&mut self, cut: &CutId, error: &Error);
}

/// What a rendering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Takes that were made.
    pub made: u32,
    /// Attempts that came to nothing, and cuts that could not be tried.
    pub failed: u32,
    /// Cuts that wait for a cut that is not rendered.
    pub waiting: u32,
}

impl Production {
    /// What is to be made of some cuts, in the order it would be made in; nothing is begun.
    ///
    /// # Errors
    /// A file that cannot be read, an index that cannot be used.
    pub fn plan(
        &self,
        cuts: &[&Cut],
        typed: &Settings,
        workshop: &dyn Workshop,
        ledger: Option<&Ledger>,
    ) -> Result<Vec<Planned>> {
        Planner::new(self, typed, workshop, ledger)?.plan(ledger, cuts)
    }

    /// Makes what is missing of some cuts. Only one process renders a production at a time.
    ///
    /// # Errors
    /// [`Error::Cancelled`], another process that renders, a ledger that cannot be written. What a single take fails with is
    /// recorded and told, and the others are made.
    pub fn render(
        &self,
        cuts: &[&Cut],
        typed: &Settings,
        workshop: &dyn Workshop,
        ledger: &mut Ledger,
        progress: &mut dyn Progress,
    ) -> Result<Rendered> {
        let _lock = ledger.lock_for_rendering()?;
        ledger.show_newest()?;
        let mut planner = Planner::new(self, typed, workshop, Some(ledger))?;
        let queue = Queue::new(planner.plan(Some(ledger), cuts)?);
        let mut run = Run {
            production: self,
            workshop,
            planner,
            ledger,
            progress,
            open: None,
            rendered: Rendered::default(),
        };
        run.all(queue)?;
        Ok(run.rendered)
    }
}

/// A rendering that goes on.
struct Run<'a> {
    production: &'a Production,
    workshop: &'a dyn Workshop,
    planner: Planner<'a>,
    ledger: &'a mut Ledger,
    progress: &'a mut dyn Progress,
    /// The model that is open.
    open: Option<(String, Box<dyn Generator>)>,
    rendered: Rendered,
}

impl Run<'_> {
    fn all(&mut self, mut queue: Queue) -> Result<()> {
        loop {
            let open = self.open.as_ref().map(|(model, _)| model.as_str());
            let Some(mut planned) = queue.next(open) else { break };
            // People pick meanwhile, and other processes make takes.
            planned.want = self.want(&planned)?;
            match std::mem::replace(&mut planned.work, Err(Error::Cancelled)) {
                Ok(work) => self.cut(&planned, work)?,
                Err(error) => {
                    self.rendered.failed += 1;
                    self.progress.refused(&planned.want.cut, &error);
                }
            }
            for mut freed in queue.freed_by(&planned.want.cut) {
                freed.want = self.want(&freed)?;
                queue.put(freed);
            }
        }
        self.rendered.waiting += queue.waiting();
        Ok(())
    }

    /// What a cut needs now.
    fn want(&mut self, planned: &Planned) -> Result<Want> {
        let (_, cut) = self.production.cut(&planned.want.cut).expect("because it is planned");
        self.planner.wants.forget();
        self.planner.wants.of(Some(self.ledger), cut)
    }

    /// Makes the takes that a cut lacks.
    fn cut(&mut self, planned: &Planned, work: Work) -> Result<()> {
        if planned.want.waits_for.is_some() {
            self.rendered.waiting += 1;
            return Ok(());
        }
        let (mut work, mut tried) = (work, Vec::new());
        let mut missing = planned.want.missing();
        while missing > 0 {
            let number = self.ledger.next_number(&planned.want.cut)?;
            let id = TakeId::new(Timestamp::now())
                .map_err(|source| Error::Write { path: self.production.folder.clone(), source })?;
            let made = Made { id, number, seed: seed_of(planned, number), begun: Instant::now() };
            let observer = self.progress.begins(planned, &work, number, made.seed);
            let done = match &work {
                Work::Local(local) => self.take(planned, local, &tried, made, &*observer),
                Work::Hosted(_) => {
                    Err(Error::NotBuilt { what: "asking hosted models", feature: "hosted" })
                }
            };
            drop(observer);
            match done {
                Ok(row) => {
                    missing -= 1;
                    self.rendered.made += 1;
                    self.progress.made(&row, &self.ledger.render_path(&row));
                }
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => {
                    self.fail(planned, made, &error)?;
                    tried.push(Tried { model: work.model().to_owned(), why: error.to_string() });
                    // Only what another model might have room for is tried there; all else would fail in the same way.
                    let next = (error.kind() == Kind::Resources && planned.want.named.is_none())
                        .then(|| self.planner.next(planned, &tried))
                        .flatten();
                    match next {
                        Some(next) => work = next,
                        None => break,
                    }
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, planned: &Planned, made: Made, error: &Error) -> Result<()> {
        self.rendered.failed += 1;
        self.progress.failed(&planned.want.cut, made.number, error);
        self.ledger.record_failure(&Failure {
            take: made.id,
            cut: planned.want.cut.clone(),
            number: made.number,
            kind: error.kind(),
            why: error.to_string(),
        })?;
        Ok(())
    }

    /// Makes one take on this machine.
    fn take(
        &mut self,
        planned: &Planned,
        work: &LocalWork,
        tried: &[Tried],
        made: Made,
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
        let mut request = Request { seed: made.seed, ..work.request.clone() };
        if let Some(first) = &planned.want.pictures.first {
            request.image = Some(self.production.picture(self.ledger, first)?);
        }
        let path = self.ledger.work_path(made.id, super::record::EXTENSION);
        let take = write_take(generator.as_ref(), &request, &path, observer)?;
        self.production.keep_local(self.ledger, planned, work, tried, made, &take)
    }
}

/// The seed of a take.
fn seed_of(planned: &Planned, number: u32) -> u64 {
    planned.want.seed.wrapping_add(u64::from(number - 1))
}
