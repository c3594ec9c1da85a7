//! The models of this machine and the keys of this user, as a production asks for them.

use kinora_engine::Error;
use kinora_engine::cards::{Card, built_in};
use kinora_engine::egress::{Keys, Token, Wanted};
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
    keys: Keys,
    options: LocalOptions,
    is_offline: bool,
}

impl Shop {
    /// The shop that these options mean.
    pub(crate) fn new(machine: &Machine, is_offline: bool) -> Result<Self, Failure> {
        let (store, keys) = (settings::store()?, settings::keys()?);
        Ok(Self { store, keys, options: settings::machine(machine)?, is_offline })
    }

    /// A shop for work that needs nothing of this machine.
    pub(crate) fn of_keys() -> Result<Self, Failure> {
        let (store, keys) = (settings::store()?, settings::keys()?);
        Ok(Self { store, keys, options: LocalOptions::default(), is_offline: false })
    }
}

/// The key of a server, as it is looked for.
pub(crate) fn wanted(server: &Server) -> Wanted<'_> {
    let variable = server.key_variable.as_ref().map(|name| name.value.as_str());
    Wanted {
        name: server.key_name(),
        variable: variable.map(|name| (name, std::env::var_os(name))),
        file: server.key_file.as_ref().map(|file| file.value.as_path()),
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
        Ok(self.keys.find(&wanted(server))?.map(|(key, _)| key))
    }

    fn is_offline(&self) -> bool {
        self.is_offline
    }
}
