//! The models of this machine and the keys of this user, as a production asks for them.

use std::path::Path;

use kinora_engine::Error;
use kinora_engine::cards::{Card, built_in};
use kinora_engine::egress::Token;
use kinora_engine::generator::Generator;
use kinora_engine::local::{self, LocalGenerator, LocalOptions};
use kinora_engine::production::{Server, Workshop};
use kinora_engine::store::Store;

use crate::args::Machine;
use crate::errors::Failure;
use crate::settings;

/// The models of this machine and the keys of this user.
pub(crate) struct Shop {
    store: Store,
    options: LocalOptions,
    is_offline: bool,
}

impl Shop {
    /// The shop that these options mean.
    pub(crate) fn new(machine: &Machine, is_offline: bool) -> Result<Self, Failure> {
        Ok(Self { store: settings::store()?, options: settings::machine(machine)?, is_offline })
    }

    /// A shop for work that needs nothing of this machine.
    pub(crate) fn of_keys() -> Result<Self, Failure> {
        let options = LocalOptions::default();
        Ok(Self { store: settings::store()?, options, is_offline: false })
    }
}

impl Workshop for Shop {
    fn card(&self, model: &str) -> Result<Option<&'static Card>, Error> {
        Ok(self.store.find(model)?.card)
    }

    fn open(&self, model: &str) -> Result<Box<dyn Generator>, Error> {
        let found = self.store.find(model)?;
        let options = self.options;
        Ok(Box::new(match &found.path {
            Some(folder) => LocalGenerator::open(folder, model, found.card, options)?,
            None => LocalGenerator::built_in(options)?,
        }))
    }

    fn here(&self) -> Vec<&'static Card> {
        // A program that carries no model makes nothing here.
        let carried = local::built_in_digest().map(|_| built_in());
        let others = self.store.list().into_iter().filter(|_| carried.is_some());
        carried.into_iter().chain(others.filter_map(|found| found.card)).collect()
    }

    fn key(&self, server: &Server) -> Result<Option<Token>, Error> {
        let variable = server.key_variable.as_ref().and_then(|name| std::env::var_os(&name.value));
        let file = server.key_file.as_ref().map_or("", |file| file.value.as_str());
        Ok(Token::find(variable, Path::new(file))?)
    }

    fn is_offline(&self) -> bool {
        self.is_offline
    }
}
