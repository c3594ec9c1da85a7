//! Under which terms a checkpoint may be used.

use serde::{Deserialize, Serialize};

/// The licence of a checkpoint's weights. Facts for people to read, not legal advice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// The SPDX identifier, or `LicenseRef-…` where there is none.
    pub spdx: String,
    /// Where the text is.
    pub url: String,
    /// Whether the weights may be used commercially without asking anyone.
    pub commercial_use: bool,
    /// Whether the hub asks for an account that has accepted the terms.
    #[serde(default)]
    pub gated: bool,
    /// Regions the licence leaves out, as people write them.
    #[serde(default)]
    pub excluded_regions: Vec<String>,
}
