//! Checkpoints on this machine: where they are found, and how they get here.
//!
//! [`Store::find`] takes what people type: a card's name, a repository's name or a path. It looks in Kinora's folder
//! and in the Hugging Face cache, which the Python tools share. [`Store::pull`] fetches what is missing into that
//! cache, through a door that the caller opened:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use kinora_engine::{egress::Egress, store::{PullOptions, Store, StoreConfig}};
//!
//! let store = Store::new(StoreConfig::from_env(|name| std::env::var_os(name))?);
//! let card = kinora_cards::find("wan2.1-t2v-1.3b").expect("because the card is built in");
//! let source = &card.sources[0];
//! // The command is the consent, for this host and this purpose.
//! let log = store.config().data_folder.as_deref().expect("because there is a user");
//! let mut door = Egress::new(store.config().is_offline).log_in(log);
//! door.allow(store.consent(source));
//! let pulled = store.pull(&door, source, &PullOptions::default(), &mut |event| {
//!     println!("{event:?}");
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(store.find(&card.name)?.path, Some(pulled.folder));
//! # Ok::<(), kinora_engine::store::Error>(())
//! ```

mod cache;
mod config;
mod digest;
mod error;
mod find;
mod hub;
mod pull;

pub use config::StoreConfig;
pub use error::{Error, Looked, Result};
pub use find::{Found, Provenance};
pub use pull::{PullEvent, PullOptions, Pulled};

/// The checkpoints of one user on one machine.
#[derive(Debug, Clone)]
pub struct Store {
    config: StoreConfig,
}

impl Store {
    /// Makes a store over the places a configuration names. Touches nothing yet.
    pub fn new(config: StoreConfig) -> Self {
        Self { config }
    }

    /// Returns where this store looks.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }
}
