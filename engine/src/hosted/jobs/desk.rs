//! Everything that the jobs of a production need, in one place.

use std::path::Path;

use super::runner::Keep;
use super::{Check, Clock, Door, Ended, Error, Journal, Kept, Patience, Runner, Ticket};
use crate::egress::{Address, Egress, Token};
use crate::hosted::{HostedCard, Order, provider};
use crate::ledger::Job;
use crate::observe::Observer;

/// How a provider is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// What all its paths are below, such as `https://queue.fal.run`.
    pub base: Address,
    /// The key for it.
    pub key: Option<Token>,
}

/// What callers know and the engine does not: cards of the user's own servers, addresses, keys.
pub trait Directory: Send + Sync {
    /// The card of a hosted model.
    fn card(&self, name: &str) -> Option<HostedCard>;

    /// How the provider of a card is reached.
    ///
    /// # Errors
    /// A key that cannot be read, an address that is none.
    fn access(&self, card: &HostedCard) -> crate::Result<Access>;
}

/// Everything that the jobs of a production need. Several threads share one.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The door, with a log and with the consents of the production.
    pub egress: &'a Egress,
    /// Cards, addresses, keys.
    pub directory: &'a dyn Directory,
    /// Where jobs are remembered.
    pub journal: &'a dyn Journal,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What tells a clip from other files.
    pub check: &'a dyn Check,
    /// The folder in which clips arrive: [`crate::ledger::Ledger::work_folder`].
    pub work: &'a Path,
    /// How long jobs are waited for.
    pub patience: &'a Patience,
}

impl Desk<'_> {
    /// Has a clip made: reserves its money, asks for it, waits, fetches it, has it recorded by `keep` and settles.
    ///
    /// # Errors
    /// A clip that was not begun, or that stands where it stood.
    pub fn run(
        &self,
        card: &HostedCard,
        order: &Order,
        ticket: Ticket,
        observer: &dyn Observer,
        keep: Keep<'_>,
    ) -> crate::Result<Ended> {
        self.with(card, observer, |runner| runner.run(order, ticket, keep))
    }

    /// Goes on with a job that another process began; none where it is over. See [`Runner::resume`].
    ///
    /// # Errors
    /// A job that stands where it stood.
    pub fn resume(
        &self,
        job: &Job,
        observer: &dyn Observer,
        keep: Keep<'_>,
    ) -> crate::Result<Option<Ended>> {
        self.with(&self.card_of(job)?, observer, |runner| runner.resume(job, keep))
    }

    /// Calls a job off; none where it is over. See [`Runner::cancel`].
    ///
    /// # Errors
    /// A job that stands where it stood.
    pub fn cancel(&self, job: &Job, observer: &dyn Observer) -> crate::Result<Option<Ended>> {
        self.with(&self.card_of(job)?, observer, |runner| runner.cancel(job))
    }

    fn card_of(&self, job: &Job) -> crate::Result<HostedCard> {
        let name = Kept::of(&job.intent)?.card;
        Ok(self.directory.card(&name).ok_or(Error::NoCard { name })?)
    }

    fn with<T>(
        &self,
        card: &HostedCard,
        observer: &dyn Observer,
        work: impl FnOnce(&Runner<'_>) -> Result<T, Error>,
    ) -> crate::Result<T> {
        let name = || card.provider.clone();
        let provider =
            provider(&card.provider).ok_or_else(|| Error::NoProvider { name: name() })?;
        let Access { base, key } = self.directory.access(card)?;
        if card.needs_key && key.is_none() {
            return Err(Error::NoKey { provider: name() }.into());
        }
        let wire = Door { egress: self.egress, base, header: provider.key(), key };
        let Self { journal, clock, check, patience, .. } = *self;
        let runner = Runner {
            provider,
            card,
            wire: &wire,
            journal,
            clock,
            check,
            work: self.work,
            patience,
            observer,
        };
        Ok(work(&runner)?)
    }
}
