//! What the tests of the door have in common.

use std::path::Path;

use kinora_engine::egress::log::{self, Entry};
use kinora_engine::egress::{Address, Body, Consent, Egress, Labelled, Payload, Purpose};
use kinora_engine::privacy::Privacy;

/// A door that is open for generation at these hosts, and writes its log into this folder.
pub(crate) fn door(folder: &Path, hosts: &[&str]) -> Egress {
    let mut door = Egress::new(false).log_in(folder);
    for host in hosts {
        door.allow(consent(host, &[]));
    }
    door
}

/// The consent to generation at a host, which may redirect to others.
pub(crate) fn consent(host: &str, redirects: &[&str]) -> Consent {
    Consent {
        host: host.to_owned(),
        purpose: Purpose::Generation,
        redirect_hosts: redirects.iter().map(|&host| host.to_owned()).collect(),
    }
}

/// An address of this machine.
pub(crate) fn address(host: &str, path: &str) -> Address {
    Address::parse(&format!("http://{host}{path}")).expect("it is this machine's")
}

/// A prompt that everybody may see.
pub(crate) fn prompt(text: &str) -> Payload {
    Payload::of("prompt", &Labelled::new(text, Privacy::Any))
}

/// A body with a prompt.
pub(crate) fn json(prompt: &str) -> Body {
    Body::Json(json_bytes(prompt))
}

/// Its bytes.
pub(crate) fn json_bytes(prompt: &str) -> Vec<u8> {
    serde_json::json!({ "prompt": prompt }).to_string().into_bytes()
}

/// What stands in the log of a folder.
pub(crate) fn entries(folder: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    log::read(&folder.join(log::NAME), &mut |line| entries.push(line.entry)).expect("it is whole");
    entries
}
