//! Jobs in the ledger.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Journal;
use crate::id::TakeId;
use crate::job::{Intent, JobEvent};
use crate::ledger::{Caps, Ledger, Result};
use crate::money::Money;

/// Remembers jobs in the ledger of a production, and reserves their money within caps. Several threads share one ledger.
#[derive(Debug, Clone, Copy)]
pub struct LedgerJournal<'a> {
    /// The ledger.
    pub ledger: &'a Mutex<Ledger>,
    /// How much may be spent.
    pub caps: Caps,
}

impl LedgerJournal<'_> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // What is true is on the disk: a thread that panicked took nothing of it along.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for LedgerJournal<'_> {
    fn reserve(&self, intent: Intent) -> Result<()> {
        self.ledger().reserve(intent, &self.caps)
    }

    fn tell(&self, event: JobEvent) -> Result<()> {
        self.ledger().job(event)
    }

    fn cost_of(&self, take: TakeId) -> Result<Option<Money>> {
        Ok(self.ledger().take(take)?.map(|row| row.cost))
    }
}
