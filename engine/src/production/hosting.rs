//! How a production asks providers: through which door, where, with which keys.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hashes::Hashes;
use super::plan::{HostedWork, Planned};
use super::project::Production;
use super::record::{Numbered, Tried};
use super::render::Workshop;
use crate::egress::{Address, Consent, Egress, Purpose, Token};
use crate::hosted::jobs::{
    Access, Decodes, Desk, Directory, Ended, Error as JobError, LedgerJournal, Made, Patience,
    SystemClock,
};
use crate::hosted::{HostedCard, provider};
use crate::ledger::{Caps, Job, Ledger};
use crate::observe::Observer;
use crate::{Error, Result};

/// The ledger, for a moment. What is true is on the disk: a thread that panicked took nothing of it along.
pub(super) fn held(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that asking providers takes. Several threads share it.
pub(super) struct Hosting {
    egress: Egress,
    servers: Servers,
    work: PathBuf,
    patience: Patience,
    caps: Caps,
}

/// The servers of a production: what each runs, where it is, the key for it.
struct Servers(Vec<(HostedCard, Address, Key)>);

/// A key, where there is one, or why it cannot be read.
type Key = Result<Option<Token>, Arc<Error>>;

impl Directory for Servers {
    fn card(&self, name: &str) -> Option<HostedCard> {
        self.0.iter().map(|(card, ..)| card).find(|card| card.name == name).cloned()
    }

    fn access(&self, card: &HostedCard) -> Result<Access> {
        let found = self.0.iter().find(|(other, ..)| other.name == card.name);
        let found = found.ok_or_else(|| JobError::NoCard { name: card.name.clone() });
        let (_, base, key) = found.map_err(Error::from)?;
        let key = match key {
            Err(error) if card.needs_key => return Err(JobError::Key(Arc::clone(error)).into()),
            Err(_) => None,
            Ok(key) => key.clone(),
        };
        Ok(Access { base: base.clone(), key })
    }
}

/// One take that a provider is to make.
pub(super) enum Task {
    /// A new one.
    New(Box<Fresh>),
    /// One that another process asked for.
    Old(Box<Job>),
}

/// A take that nobody was asked for yet. Its pictures are read when somebody is free to ask for it.
pub(super) struct Fresh {
    pub(super) planned: Arc<Planned>,
    /// BLAKE3 of each file that it is planned from.
    pub(super) read: Arc<Hashes>,
    pub(super) work: HostedWork,
    /// What was tried before.
    pub(super) tried: Vec<Tried>,
    pub(super) made: Numbered,
}

impl Hosting {
    /// Opens the door for the servers of a production, and for nobody else.
    pub(super) fn new(
        production: &Production,
        workshop: &dyn Workshop,
        ledger: &Ledger,
    ) -> Result<Self> {
        let mut egress =
            Egress::new(workshop.is_offline()).log_in(&production.folder.join(".kinora"));
        let mut servers = Vec::new();
        for server in &production.servers {
            let key = workshop.key(server).map_err(Arc::new);
            for card in server.cards()? {
                let base = match &server.base {
                    Some(base) => Address::parse(&base.value)?,
                    None => Address::parse(&format!("https://{}", card.host))?,
                };
                let results = provider(&card.provider).map_or(&[][..], |one| one.result_hosts());
                egress.allow(Consent {
                    host: base.host().to_owned(),
                    purpose: Purpose::Generation,
                    redirect_hosts: results.iter().map(|host| (*host).to_owned()).collect(),
                });
                servers.push((card, base, key.clone()));
            }
        }
        let budget = production.budget;
        Ok(Self {
            egress,
            servers: Servers(servers),
            work: ledger.work_folder(),
            patience: Patience::default(),
            caps: Caps { production: budget.production, per_day: budget.day, per_cut: budget.cut },
        })
    }

    /// Has a take made, or goes on with it; none where it was over.
    pub(super) fn work(
        &self,
        production: &Production,
        ledger: &Mutex<Ledger>,
        task: Task,
        observer: &dyn Observer,
    ) -> Result<Option<Ended>> {
        let journal = LedgerJournal { ledger, caps: self.caps };
        let desk = self.desk(&journal);
        let mut keep = |made: &Made| production.keep_hosted(ledger, made);
        match task {
            Task::New(fresh) => {
                let (order, ticket) = production.order(ledger, &fresh)?;
                desk.run(&fresh.work.card, &order, ticket, observer, &mut keep).map(Some)
            }
            Task::Old(job) => desk.resume(&job, observer, &mut keep),
        }
    }

    fn desk<'a>(&'a self, journal: &'a LedgerJournal<'a>) -> Desk<'a> {
        Desk {
            egress: &self.egress,
            directory: &self.servers,
            journal,
            clock: &SystemClock,
            check: &Decodes,
            work: &self.work,
            patience: &self.patience,
        }
    }
}

impl Production {
    /// Calls a hosted job off, at its provider too where that is possible; none where it is over. Only while nobody renders.
    ///
    /// # Errors
    /// A server that the production no longer names, no key for it, another process that renders, a job that stands where it
    /// stood.
    pub fn cancel_job(
        &self,
        workshop: &dyn Workshop,
        ledger: &Mutex<Ledger>,
        job: &Job,
        observer: &dyn Observer,
    ) -> Result<Option<Ended>> {
        let (_lock, hosting);
        {
            let ledger = held(ledger);
            _lock = ledger.lock_for_rendering()?;
            hosting = Hosting::new(self, workshop, &ledger)?;
        }
        let journal = LedgerJournal { ledger, caps: hosting.caps };
        hosting.desk(&journal).cancel(job, observer)
    }
}
