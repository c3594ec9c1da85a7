//! A take as it gets into the ledger, and the frames that others begin with.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cut::End;
use super::owner::Owners;
use super::plan::{LocalWork, Planned};
use super::project::Production;
use super::want::Shown;
use crate::durable::json_beside;
use crate::id::TakeId;
use crate::ledger::{Ledger, Place, SCHEMA, TakeRecord, TakeRow};
use crate::money::Money;
use crate::router::Step;
use crate::{Error, Result, Take, media};

/// What a take's file ends with.
pub(super) const EXTENSION: &str = "mp4";

/// A take that is being made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    pub(super) id: TakeId,
    pub(super) number: u32,
    pub(super) seed: u64,
    pub(super) begun: Instant,
}

/// A model that was tried before, and what it failed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tried {
    pub(super) model: String,
    pub(super) why: String,
}

impl Planned {
    /// Why a take was made on a model: what the ledger keeps of the route.
    pub(super) fn reasons(&self, model: &str, place: &str, step: Step, tried: &[Tried]) -> Value {
        let ranked = self.route.ranked.iter().find(|ranked| ranked.name == model);
        json!({
            "model": model,
            "place": place,
            "step": step,
            "type": self.route.kind,
            "named": self.route.named,
            "wish": self.route.wish,
            "tried": tried,
            "reasons": ranked.map(|ranked| &ranked.reasons),
        })
    }
}

impl Production {
    /// Puts a take that this machine made into the ledger.
    pub(super) fn keep_local(
        &self,
        ledger: &mut Ledger,
        planned: &Planned,
        work: &LocalWork,
        tried: &[Tried],
        made: Numbered,
        take: &Take,
    ) -> Result<TakeRow> {
        let media = ledger.import_media(&take.path)?;
        // The ledger's manifest holds it.
        let beside = json_beside(&take.path);
        fs::remove_file(&beside).map_err(|source| Error::Write { path: beside, source })?;
        let manifest = &take.manifest;
        let unreadable = |source| Error::Manifest { path: self.folder.clone(), source };
        let hash = |text: &str| {
            let found = text.to_owned();
            text.parse().map_err(|_| Error::Unknown { what: "hash", found, known: "BLAKE3" })
        };
        let tiled = manifest.computed.vae_tile;
        let tiled = tiled.map(|(tile, stride)| format!("VAE tiles {tile}/{stride}"));
        let smaller = work.smaller.as_ref().map(|smaller| format!("made smaller: {smaller}"));
        let record = TakeRecord {
            model: work.model.clone(),
            route: planned.reasons(&work.model, "local", work.step, tried),
            place: Place::Local,
            licence: work.card.map_or_else(String::new, |card| card.licence.spdx.clone()),
            approximations: tiled.into_iter().chain(smaller).collect(),
            latent_hash: Some(hash(&manifest.latent_hash)?),
            made: serde_json::to_value(manifest).map_err(unreadable)?,
            ..self.blank(ledger, planned, made, media, hash(&manifest.frames_hash)?)?
        };
        ledger.record_take(&record)?;
        // The ledger has it. One that cannot be removed is a stray.
        let _ = fs::remove_file(&take.path);
        let row = ledger.take(made.id)?;
        Ok(row.expect("because it was recorded"))
    }

    /// What is known of a take wherever it was made.
    fn blank(
        &self,
        ledger: &Ledger,
        planned: &Planned,
        made: Numbered,
        media: crate::ledger::Media,
        frames_hash: crate::hash::Blake3,
    ) -> Result<TakeRecord> {
        let want = &planned.want;
        let mut owners = Owners::new(self);
        let label = self.label_with_takes(Some(ledger), want, Some(&mut owners))?.privacy;
        Ok(TakeRecord {
            schema: SCHEMA,
            id: made.id,
            cut: want.cut.clone(),
            number: made.number,
            kind: planned.kind(),
            request: want.hash.expect("because it waits for nothing"),
            seed: made.seed,
            model: String::new(),
            route: Value::Null,
            place: Place::Local,
            cost: Money::ZERO,
            reserved: Money::ZERO,
            licence: String::new(),
            territory: self.territory.as_ref().map_or_else(String::new, |said| said.value.clone()),
            privacy: label.word().to_owned(),
            egress: Vec::new(),
            approximations: Vec::new(),
            media,
            frames_hash: Some(frames_hash),
            latent_hash: None,
            made: Value::Null,
            parent: want.parent(),
            created: Timestamp::now(),
            seconds: made.begun.elapsed().as_secs_f64(),
        })
    }

    /// A picture that a cut is made from, as a file.
    pub(super) fn picture(&self, ledger: &Ledger, shown: &Shown) -> Result<PathBuf> {
        match shown {
            Shown::File(path) => Ok(path.clone()),
            Shown::Take(take, end) => self.frame(ledger, take, *end),
        }
    }

    /// A frame of a take as a picture; made again where it is not there.
    fn frame(&self, ledger: &Ledger, take: &TakeRow, end: End) -> Result<PathBuf> {
        let name = match end {
            End::First => "first",
            End::Last => "last",
        };
        let folder = self.folder.join(".kinora/frames");
        let path = folder.join(format!("{}-{name}.png", take.media.blake3));
        if path.is_file() {
            return Ok(path);
        }
        fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder, source })?;
        let clip = ledger.media_path(&take.media);
        let picture = match end {
            End::First => media::read_first_frame(&clip)?,
            End::Last => media::read_last_frame(&clip)?,
        };
        media::write_picture(&picture, &path)?;
        Ok(path)
    }
}
