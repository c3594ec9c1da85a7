//! What is kept of a take: its manifest, written once and never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::money::Money;

/// Version of the manifest's layout.
pub const SCHEMA: u32 = 1;

/// Everything that is known of a take on the day it was made. A take that was recorded never changes: what people think of it
/// is in events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeRecord {
    /// Version of this layout: [`SCHEMA`].
    pub schema: u32,
    /// The take.
    pub id: TakeId,
    /// The cut it is of.
    pub cut: CutId,
    /// Its number within the cut, from 1.
    pub number: u32,
    /// The kind of cut, in the word of the production.
    pub kind: String,
    /// BLAKE3 of the resolved request without its seed: takes with the same one are takes of the cut as it was then.
    pub request: Blake3,
    /// The seed.
    pub seed: u64,
    /// The model, by the name of its card.
    pub model: String,
    /// Why this generator: reasons, and the step of the fallback.
    pub route: serde_json::Value,
    /// Where it was made.
    pub place: Place,
    /// What it cost.
    pub cost: Money,
    /// What was reserved for it.
    pub reserved: Money,
    /// The licence of the model at that time.
    pub licence: String,
    /// Where it may be used.
    pub territory: String,
    /// The word of the label of everything that went into it.
    pub privacy: String,
    /// BLAKE3 of each part that left this machine for it.
    pub egress: Vec<Blake3>,
    /// Shortcuts that were on: caches, tiles, quantized weights.
    pub approximations: Vec<String>,
    /// The clip.
    pub media: Media,
    /// BLAKE3 of size and RGB bytes of the frames: before they were encoded where this machine made them, else as the clip came.
    /// None where the program could not read the clip that came; nothing but the file itself can be verified then.
    pub frames_hash: Option<Blake3>,
    /// BLAKE3 of the final latents, where this machine made them.
    pub latent_hash: Option<Blake3>,
    /// The generator's own manifest: [`crate::manifest::Manifest`] for local takes.
    pub made: serde_json::Value,
    /// The take that it goes on from.
    pub parent: Option<TakeId>,
    /// When it was finished.
    pub created: Timestamp,
    /// How long it took.
    pub seconds: f64,
}

/// Where a take was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// On this machine.
    Local,
    /// By a provider.
    Hosted {
        /// The provider.
        provider: String,
        /// The provider's name of the model.
        model: String,
        /// The host that was asked.
        host: String,
    },
}

/// A clip in the store of objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// BLAKE3 of the file.
    pub blake3: Blake3,
    /// Its length.
    pub bytes: u64,
    /// What its name ends with, without the point.
    pub extension: String,
}

/// Whether a text can end a file's name: up to eight lower-case letters and digits.
pub(super) fn is_extension(text: &str) -> bool {
    (1..=8).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether the index can say a moment exactly: of the years 1678 to 2261 it can.
pub(super) fn is_moment(at: Timestamp) -> bool {
    i64::try_from(at.as_nanosecond()).is_ok()
}

impl TakeRecord {
    /// Refuses what could not be read again.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what, found| Err(Error::Record { take: self.id, what, found });
        if self.schema != SCHEMA {
            return wrong("schema", self.schema.to_string());
        }
        if self.number == 0 {
            return wrong("number", "0".to_owned());
        }
        if !self.seconds.is_finite() {
            return wrong("seconds", self.seconds.to_string());
        }
        if !is_extension(&self.media.extension) {
            return wrong("extension", self.media.extension.clone());
        }
        if !is_moment(self.created) {
            return wrong("created", self.created.to_string());
        }
        if i64::try_from(self.media.bytes).is_err() {
            return wrong("bytes", self.media.bytes.to_string());
        }
        Ok(())
    }

    /// The manifest as it is written.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec_pretty(self);
        let mut json = json.map_err(|source| Error::Manifest { take: self.id, source })?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a manifest.
    pub(super) fn from_json(take: TakeId, json: &[u8]) -> Result<Self> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let unreadable = |source| Error::Manifest { take, source };
        // Another version has other fields: they are no reason to refuse it, its number is.
        let Version { schema } = serde_json::from_slice(json).map_err(unreadable)?;
        if schema != SCHEMA {
            return Err(Error::Record { take, what: "schema", found: schema.to_string() });
        }
        serde_json::from_slice(json).map_err(unreadable)
    }
}
