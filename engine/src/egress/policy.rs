//! The rule: which host may be connected to, for what, and who may see what is taken there.

use std::fmt;

use kinora_cards::host_fits;
use serde::{Deserialize, Serialize};

use super::payload::Payload;
use super::{Error, Result};
use crate::faults::{self, Fault};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// Fetching a checkpoint.
    Checkpoint,
    /// Having a take made by a hosted model: asking for it, asking how it gets on, fetching it, calling it off.
    Generation,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "fetching a checkpoint",
            Self::Generation => "generation",
        })
    }
}

/// The user's permission to connect to one host for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// What for.
    pub purpose: Purpose,
    /// Hosts that this host may redirect to, or may say that its results lie at; as a card writes them. Nothing is ever
    /// taken there.
    pub redirect_hosts: Vec<String>,
}

impl Consent {
    /// Whether it names this very host and port, not only a pattern that fits.
    pub(super) fn names(&self, host: &str) -> bool {
        self.host == host || self.redirect_hosts.iter().any(|other| other == host)
    }

    /// Whether results may be fetched from a host.
    pub(super) fn leads_to(&self, host: &str) -> bool {
        self.host == host || self.redirect_hosts.iter().any(|pattern| host_fits(pattern, host))
    }
}

/// What the door is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    /// The host, with its port where that is not the usual one.
    pub(super) host: &'a str,
    /// What for.
    pub(super) purpose: Purpose,
    /// Whether nothing is taken out and nothing is changed there.
    pub(super) is_fetch: bool,
    /// Whether it brings a body.
    pub(super) takes_out: bool,
    /// What is taken out, or what the question is about; none for what everybody may know.
    pub(super) payload: Option<&'a Payload>,
}

/// Decides. Everything is denied that is not allowed here.
///
/// # Errors
/// What forbids it.
pub(super) fn decide<'a>(
    is_offline: bool,
    consents: &'a [Consent],
    case: &Case<'_>,
) -> Result<&'a Consent> {
    let (host, purpose) = (|| case.host.to_owned(), case.purpose);
    if is_offline {
        return Err(Error::Offline { host: host(), purpose });
    }
    let is_for_it =
        |consent: &Consent| consent.purpose == purpose || faults::is(Fault::PurposeIgnored);
    let is_there = |consent: &Consent| {
        consent.host == case.host
            || case.is_fetch && consent.leads_to(case.host)
            || faults::is(Fault::HostBySuffix) && case.host.ends_with(&consent.host)
            || faults::is(Fault::TakenWhereFetched) && consent.leads_to(case.host)
    };
    let fits = |consent: &&Consent| is_for_it(consent) && is_there(consent);
    let consent = consents.iter().find(fits);
    let consent = consent.ok_or_else(|| Error::Refused { host: host(), purpose })?;
    label(case)?;
    Ok(consent)
}

/// Decides by the label alone.
pub(super) fn label(case: &Case<'_>) -> Result<()> {
    let host = || case.host.to_owned();
    match case.payload {
        // Only which checkpoint is fetched may be known without a label.
        None if case.purpose == Purpose::Checkpoint => Ok(()),
        None => Err(Error::Unlabelled { host: host(), purpose: case.purpose }),
        // A body that is made of nothing was made of something that nobody labelled.
        Some(payload) if case.takes_out && payload.parts().is_empty() => {
            Err(Error::Unlabelled { host: host(), purpose: case.purpose })
        }
        Some(payload) if payload.label().admits(case.host) => Ok(()),
        Some(payload) if faults::is(Fault::AnyPart) && payload.admits_some(case.host) => Ok(()),
        Some(payload) => Err(Error::Label {
            host: host(),
            what: payload.forbidding(case.host),
            label: payload.label().clone(),
        }),
    }
}
