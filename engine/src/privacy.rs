//! Who may see what: the label that everything in a production carries.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who may see something. Labels only meet: what several of them cover, the strictest of them covers.
///
/// ```
/// use kinora_engine::privacy::Privacy;
///
/// let studio = Privacy::studio(["render.lan:8000"]);
/// assert!(studio.admits("render.lan:8000") && !studio.admits("api.example.com"));
/// assert_eq!(Privacy::Any.meet(&studio), studio);
/// assert_eq!(studio.meet(&Privacy::LocalOnly), Privacy::LocalOnly);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privacy {
    /// Nobody: it stays on this machine.
    #[default]
    LocalOnly,
    /// These hosts of the studio, each with its port where that is not the usual one.
    Studio(BTreeSet<String>),
    /// Every host that the user has set up.
    Any,
}

impl Privacy {
    /// The words that a label is written with.
    pub const WORDS: [&'static str; 3] = ["local-only", "studio", "any"];

    /// A label for the hosts of a studio.
    pub fn studio<H: Into<String>>(hosts: impl IntoIterator<Item = H>) -> Self {
        Self::Studio(hosts.into_iter().map(|host| host.into().to_ascii_lowercase()).collect())
    }

    /// The label of two things together: what both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::LocalOnly, _) | (_, Self::LocalOnly) => Self::LocalOnly,
            (Self::Any, label) | (label, Self::Any) => label.clone(),
            (Self::Studio(one), Self::Studio(two)) => Self::Studio(one & two),
        }
    }

    /// The label of all of these together. Nothing at all may go anywhere.
    pub fn of_all<'a>(labels: impl IntoIterator<Item = &'a Self>) -> Self {
        labels.into_iter().fold(Self::Any, |label, other| label.meet(other))
    }

    /// Whether a host may see it.
    pub fn admits(&self, host: &str) -> bool {
        match self {
            Self::LocalOnly => false,
            Self::Studio(hosts) => hosts.contains(&host.to_ascii_lowercase()),
            Self::Any => true,
        }
    }

    /// Whether it allows nothing that `other` forbids.
    pub fn is_within(&self, other: &Self) -> bool {
        self.meet(other) == *self
    }

    /// The word that it is written with.
    pub fn word(&self) -> &'static str {
        match self {
            Self::LocalOnly => "local-only",
            Self::Studio(_) => "studio",
            Self::Any => "any",
        }
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_only_tighten() {
        let labels = [
            Privacy::LocalOnly,
            Privacy::studio(["a"]),
            Privacy::studio(["a", "B:1"]),
            Privacy::studio([] as [&str; 0]),
            Privacy::Any,
        ];
        for one in &labels {
            for two in &labels {
                let both = one.meet(two);
                assert_eq!(both, two.meet(one));
                assert!(both.is_within(one) && both.is_within(two));
                for host in ["a", "b:1", "B:1", "c"] {
                    assert_eq!(both.admits(host), one.admits(host) && two.admits(host));
                }
            }
        }
        assert!(labels[2].admits("b:1"));
    }
}
