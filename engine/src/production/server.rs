//! Servers of hosted models that the user has set up. One that is set up may be asked: the table is the consent.

use std::path::{Path, PathBuf};

use super::place::{Said, nearest};
use super::reader::Reader;
use crate::egress::Address;
use crate::hosted::{self, CardError, HostedCard};
use crate::money::Money;

/// The language of servers of one's own.
const OWN: &str = "openai-compatible";

/// A server that the user has set up for hosted models.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name.
    pub id: Said<String>,
    /// The provider whose language it speaks.
    pub provider: Said<String>,
    /// Its address, where that is not the provider's own.
    pub base: Option<Said<String>>,
    /// The environment variable that holds the key.
    pub key_variable: Option<Said<String>>,
    /// The file that holds the key; one that is no whole path is in the production's folder.
    pub key_file: Option<Said<PathBuf>>,
    /// The models that it serves, where no cards say.
    pub models: Vec<Said<String>>,
    /// What a second of a clip costs, where no cards say; nothing where nobody says.
    pub second: Option<Money>,
}

impl Server {
    pub(super) fn read(folder: &Path, id: Said<String>, table: Reader<'_>) -> Self {
        super::character::check_name(&table, "provider", &id);
        let server = Self {
            provider: table.text("provider").unwrap_or_else(|| id.clone()),
            id,
            base: table.parsed("base", |text| {
                let address = Address::parse(text).map_err(|error| error.to_string());
                address.map(|_| text.to_owned())
            }),
            key_variable: table.text("key_variable"),
            key_file: table
                .text("key_file")
                .map(|said| Said { value: folder.join(said.value), place: said.place }),
            models: table.texts("models"),
            second: super::project::money(&table, "second"),
        };
        if let Some(key) = table.text("key") {
            let hint = "name the environment variable with `key_variable`, or a private file with `key_file`";
            let what = "a key is never written into a production";
            table.wrong(&key.place, what, Some(hint.to_owned()));
        }
        server.check(&table);
        table.finish();
        server
    }

    fn check(&self, table: &Reader<'_>) {
        let provider = &self.provider.value;
        let known = || hosted::cards().iter().map(|card| card.provider.as_str()).chain([OWN]);
        if !known().any(|known| known == provider) {
            let near = nearest(provider, known()).map(|near| format!("did you mean {near:?}?"));
            let mut all: Vec<&str> = known().collect();
            all.sort_unstable();
            all.dedup();
            let hint = near.unwrap_or_else(|| format!("there are {}", all.join(", ")));
            let what = format!("there is no provider {provider:?}");
            table.wrong(&self.provider.place, what, Some(hint));
            return;
        }
        let (is_own, place) = (provider == OWN, &self.id.place);
        let wrong = |what: &str, hint: &str| table.wrong(place, what, Some(hint.to_owned()));
        match (is_own, table.has_text("base"), self.models.is_empty()) {
            (true, false, _) => wrong(
                "a server of one's own needs a `base`",
                "write `base = \"https://host:port\"`",
            ),
            (true, true, true) => {
                wrong("a server of one's own needs `models`", "write `models = [\"name\"]`")
            }
            (false, _, false) => {
                wrong("`models` are for servers of one's own", "its models are known: leave it out")
            }
            (false, ..) if self.second.is_some() => {
                wrong("`second` is for servers of one's own", "its prices are known: leave it out");
            }
            _ => {}
        }
        if let Err(error) = self.cards() {
            table.wrong(place, error.to_string(), None);
        }
    }

    /// The host that is asked, where it is not the provider's own.
    fn host(&self) -> Option<String> {
        let address = Address::parse(&self.base.as_ref()?.value).ok()?;
        Some(address.host().to_owned())
    }

    /// The name of its key among the user's own: its provider's at the provider's own hosts, and at any other the host. A production
    /// says where a server is, and must not have the key for one sent to another.
    pub fn key_name(&self) -> String {
        let provider = &self.provider.value;
        let is_its = |host: &str| {
            hosted::cards().iter().any(|card| card.provider == *provider && card.host == host)
        };
        match self.host() {
            Some(host) if is_its(&host) => provider.clone(),
            // A host could be called like a provider, were it not for its port.
            Some(host) if !host.contains(['.', ':']) => format!("{host}:443"),
            Some(host) => host,
            None => provider.clone(),
        }
    }

    /// The cards of its models: those of its provider, at its address. A server of one's own gives its only model its name, and each
    /// of several its name and theirs.
    ///
    /// # Errors
    /// A model whose name cannot be part of one.
    pub fn cards(&self) -> Result<Vec<HostedCard>, CardError> {
        let host = self.host();
        if self.provider.value != OWN {
            let cards = hosted::cards().iter().filter(|card| card.provider == self.provider.value);
            let at_host = |card: &HostedCard| {
                let host = host.clone().unwrap_or_else(|| card.host.clone());
                HostedCard { host, ..card.clone() }
            };
            return Ok(cards.map(at_host).collect());
        }
        let Some(host) = host else { return Ok(Vec::new()) };
        let mut cards = Vec::new();
        for model in &self.models {
            let name = match self.models.len() {
                1 => self.id.value.clone(),
                _ => format!("{}-{}", self.id.value, short(&model.value)),
            };
            let mut card = hosted::server(&name, &host, &model.value)?;
            card.needs_key = self.key_variable.is_some() || self.key_file.is_some();
            if let Some(second) = self.second.filter(|second| *second > Money::ZERO) {
                (card.is_free, card.second) = (false, Some(second));
            }
            cards.push(card);
        }
        Ok(cards)
    }
}

/// The last part of a model's name, in letters that a name may have.
fn short(model: &str) -> String {
    let last = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
    last.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::place::Place;
    use super::*;

    #[test]
    fn a_production_cannot_have_the_key_for_a_provider_sent_to_another_host() {
        let said =
            |text: &str| Said { value: text.to_owned(), place: Place::whole("project.toml") };
        let name = |provider: &str, base: Option<&str>| {
            let server = Server {
                id: said("server"),
                provider: said(provider),
                base: base.map(said),
                key_variable: None,
                key_file: None,
                models: Vec::new(),
                second: None,
            };
            server.key_name()
        };
        assert_eq!(name("fal", None), "fal");
        assert_eq!(name("fal", Some("https://queue.fal.run")), "fal");
        assert_eq!(name("fal", Some("https://queue.fal.run:444")), "queue.fal.run:444");
        assert_eq!(name("fal", Some("https://example.org/queue.fal.run")), "example.org");
        assert_eq!(name(OWN, Some("https://queue.fal.run")), "queue.fal.run");
        assert_eq!(name(OWN, Some("https://fal")), "fal:443");
        assert_eq!(name(OWN, Some("http://localhost:8000")), "localhost:8000");
    }
}
