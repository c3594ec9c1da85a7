//! `kinora keys`: the keys of providers, where they are kept, and never what they are.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::egress::{KeyPlace, Keys, Token, Wanted};
use kinora_engine::hosted;
use kinora_engine::production::{Production, nearest};
use serde_json::json;

use crate::args::{KeysVerb, Where};
use crate::errors::Failure;
use crate::settings;
use crate::ui;
use crate::workshop::wanted;

/// The longest key that is taken.
const MOST_BYTES: u64 = 4096;

/// Does what the verb says.
pub(crate) fn run(verb: &KeysVerb) -> Result<ExitCode, Failure> {
    match verb {
        KeysVerb::Set { provider, file } => set(provider, *file),
        KeysVerb::List { json, place } => list(*json, place),
        KeysVerb::Remove { provider } => remove(provider),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn set(provider: &str, in_file: bool) -> Result<(), Failure> {
    let name = named(provider)?;
    let keys = settings::keys()?;
    let key = typed(&name)?;
    let place = if in_file { keys.keep_in_file(&name, &key) } else { keys.keep(&name, &key) }?;
    ui::print(&match &place {
        KeyPlace::Keyring => format!("the key for {name} is in the keyring"),
        other => format!("the key for {name} is in the {other}, which only you can read"),
    });
    if !in_file && place != KeyPlace::Keyring {
        ui::tell("there is no keyring here that `secret-tool` or `security` could put it into");
    }
    match keys.find(&Wanted { name: name.clone(), ..Wanted::default() }) {
        Ok(Some((_, KeyPlace::Keyring))) if place != KeyPlace::Keyring => {
            ui::tell("the keyring has a key of this name too, which comes first");
        }
        _ => {}
    }
    Ok(())
}

/// Reads a key from standard input; a terminal does not show it.
fn typed(name: &str) -> Result<Token, Failure> {
    let mut text = String::new();
    let read = if std::io::stdin().is_terminal() {
        ui::ask_hidden(&format!("key for {name}: "), &mut text)
    } else {
        std::io::stdin().take(MOST_BYTES + 1).read_to_string(&mut text).map(drop)
    };
    // What cannot be read could be told with what was read.
    let key =
        read.ok().and_then(|()| Token::new(&text)).filter(|_| text.len() as u64 <= MOST_BYTES);
    key.ok_or_else(|| {
        Failure::new(Kind::Input, "standard input holds no key")
            .hint("type it, or pipe it in; it is one word, and is not an argument, which others could read")
    })
}

/// What a key is called in the user's own places.
fn named(provider: &str) -> Result<String, Failure> {
    let name = provider.to_ascii_lowercase();
    let is_host = name.contains(['.', ':']);
    if Keys::is_name(&name) && (is_host || providers().contains(&name.as_str())) {
        return Ok(name);
    }
    let near = nearest(&name, providers()).map(|near| format!("did you mean {near:?}?"));
    let all = || {
        let known = providers().join(", ");
        format!("there are {known}; a server of your own goes by its host, such as render.lan:8000")
    };
    let what = format!("there is no provider {provider:?}");
    Err(Failure::new(Kind::Usage, what).hint(near.unwrap_or_else(all)))
}

/// The providers that there are cards of.
fn providers() -> Vec<&'static str> {
    let mut all: Vec<&str> = hosted::cards().iter().map(|card| card.provider.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A line for each provider, each server of the production and each file.
fn list(is_json: bool, place: &Where) -> Result<(), Failure> {
    let keys = settings::keys()?;
    let production = match settings::production_folder(place) {
        Ok(folder) => Some(Production::load(&folder)?),
        Err(error) if place.production.is_some() => return Err(error),
        Err(_) => None,
    };
    let own = providers().into_iter().map(str::to_owned).chain(keys.files());
    let own = own.map(|name| (name.clone(), Wanted { name, ..Wanted::default() }));
    let mut all: BTreeMap<String, Wanted<'_>> = own.collect();
    let servers = production.iter().flat_map(|production| &production.servers);
    all.extend(servers.map(|server| (server.key_name(), wanted(server))));
    for (name, wanted) in &all {
        let found = keys.find(wanted);
        let place = found.as_ref().ok().and_then(|found| found.as_ref()).map(|(_, place)| place);
        let wrong = found.as_ref().err().map(ToString::to_string);
        if is_json {
            let kind = place.map(|place| match place {
                KeyPlace::Variable(_) => "variable",
                KeyPlace::Keyring => "keyring",
                KeyPlace::File(_) => "file",
            });
            let at = match place {
                Some(KeyPlace::Variable(name)) => Some(name.clone()),
                Some(KeyPlace::File(path)) => Some(path.display().to_string()),
                _ => None,
            };
            let line = json!({ "provider": name, "place": kind, "at": at, "error": wrong });
            ui::print(&line.to_string());
        } else {
            let nothing = || wrong.unwrap_or_else(|| "no key".to_owned());
            let shown = place.map_or_else(nothing, ToString::to_string);
            ui::print(&format!("{name:<20} {shown}"));
        }
    }
    Ok(())
}

fn remove(provider: &str) -> Result<(), Failure> {
    let name = named(provider)?;
    let gone = settings::keys()?.remove(&name)?;
    if gone.is_empty() {
        let what = format!("there is no key for {name} in the keyring or in a file of yours");
        return Err(
            Failure::new(Kind::Usage, what).hint("`kinora keys list` shows where there is one")
        );
    }
    for place in gone {
        ui::print(&format!("the key for {name} is gone from the {place}"));
    }
    Ok(())
}
