//! Renders the cuts of a production: what is missing becomes takes, in an order in which a model is loaded once and nothing waits
//! for what comes later. This machine makes one take at a time; meanwhile providers make others.
//!
//! There is no list of what is to be done that could be lost: what is missing follows from the production's files and the
//! ledger, so a run that was killed goes on by being started again, and makes no take twice. What a provider was making then is
//! waited for again.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use kinora_cards::Card;

use super::crew::Crew;
use super::cut::Cut;
use super::hosting::{Hosting, held};
use super::plan::{Planned, Planner, Work};
use super::project::Production;
use super::queue::Queue;
use super::run::Run;
use super::server::Server;
use super::settings::Settings;
use crate::egress::Token;
use crate::generator::Generator;
use crate::id::CutId;
use crate::ledger::{Job, Ledger, TakeRow};
use crate::observe::Observer;
use crate::{Error, Result};

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

    /// The key for a server, where there is one.
    ///
    /// # Errors
    /// A place that should hold one and does not, or that others can read.
    fn key(&self, server: &Server) -> Result<Option<Token>>;

    /// Whether no host may be asked.
    fn is_offline(&self) -> bool;
}

/// Hears how a rendering goes.
pub trait Progress {
    /// A cut is begun on a model that it names, and something speaks against that model: [`Planned::warnings`]. Told once a cut.
    fn warns(&mut self, planned: &Planned);
    /// A take is to be made; what is told of it goes to the observer. A provider may begin with it later.
    fn begins(
        &mut self,
        planned: &Planned,
        work: &Work,
        number: u32,
        seed: u64,
    ) -> Box<dyn Observer>;
    /// A take that a provider was asked for before is waited for.
    fn resumes(&mut self, job: &Job) -> Box<dyn Observer>;
    /// A take is in the ledger.
    fn made(&mut self, take: &TakeRow, path: &Path);
    /// An attempt came to nothing.
    fn failed(&mut self, cut: &CutId, number: u32, error: &Error);
    /// An attempt came to nothing, and another model is tried.
    fn goes_on(&mut self, cut: &CutId, number: u32, error: &Error, work: &Work);
    /// A cut cannot be made; nothing was tried.
    fn refused(&mut self, cut: &CutId, error: &Error);
    /// A take is still being made by a provider, or may be, and nobody waits for it now.
    fn left(&mut self, cut: &CutId, number: u32, why: &str);
    /// Whether people want it to stop.
    fn is_stopped(&self) -> bool;
}

/// What a rendering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Takes that were made.
    pub made: u32,
    /// Attempts that came to nothing and that no other model was left for, and cuts that could not be tried.
    pub failed: u32,
    /// Cuts that wait for a cut that is not rendered.
    pub waiting: u32,
    /// Takes that providers still make, or may make.
    pub left: u32,
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

    /// Makes what is missing of some cuts, with so many takes at a time by providers. Only one process renders a production at a
    /// time.
    ///
    /// # Errors
    /// [`Error::Cancelled`], another process that renders, a ledger that cannot be written. What a single take fails with is
    /// recorded and told, and the others are made.
    pub fn render(
        &self,
        cuts: &[&Cut],
        typed: &Settings,
        workshop: &dyn Workshop,
        ledger: &Mutex<Ledger>,
        parallel: usize,
        progress: &mut dyn Progress,
    ) -> Result<Rendered> {
        let (_lock, hosting, jobs, planner, queue);
        {
            let ledger = held(ledger);
            _lock = ledger.lock_for_rendering()?;
            ledger.show_newest()?;
            hosting = Hosting::new(self, workshop, &ledger)?;
            jobs = [ledger.open_jobs()?, ledger.unknown_jobs()?].concat();
            let mut chooses = Planner::new(self, typed, workshop, Some(&ledger))?;
            queue = Queue::new(chooses.plan(Some(&ledger), cuts)?);
            planner = chooses;
        }
        thread::scope(|scope| {
            let crew = Crew::hire(scope, self, ledger, &hosting, parallel);
            Run::new(self, workshop, planner, ledger, progress, crew, cuts).all(queue, jobs)
        })
    }
}
