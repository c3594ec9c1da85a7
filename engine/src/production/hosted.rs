//! A take that a provider makes: what is ordered, what its job keeps until it is there, and how it gets into the ledger.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hosting::{Fresh, held};
use super::owner::Owners;
use super::plan::Planned;
use super::project::Production;
use super::record::Tried;
use super::want::Shown;
use crate::egress::Labelled;
use crate::egress::upload::{self, Wanted};
use crate::hash::Blake3;
use crate::hosted::jobs::{Kept, Made, Ticket};
use crate::hosted::{Order, Picture};
use crate::id::{CutId, TakeId};
use crate::ledger::{Job, Ledger, Place, SCHEMA, TakeRecord};
use crate::manifest::FileRecord;
use crate::media::PictureFormat;
use crate::{Error, Result, media};

/// What every provider takes of a picture.
const WANTED: Wanted =
    Wanted { format: PictureFormat::Png, most_side_px: 2048, most_bytes: 8 << 20 };

/// What is known of a take before it is made: what its job keeps, so that any process can put it into the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begun {
    cut: CutId,
    number: u32,
    kind: String,
    request: Blake3,
    seed: u64,
    model: String,
    route: Value,
    place: Place,
    licence: String,
    territory: String,
    privacy: String,
    egress: Vec<Blake3>,
    parent: Option<TakeId>,
    order: Value,
    begun: Timestamp,
}

/// What a take that a provider was asked for is made from, as its job keeps it; none where another version asked.
pub(super) fn request_of(job: &Job) -> Option<Blake3> {
    let kept = Kept::of(&job.intent).ok()?;
    serde_json::from_value::<Begun>(kept.record).ok().map(|begun| begun.request)
}

/// The model that a job asks for, and those that were tried before; the provider's name of it where another version asked.
pub(super) fn models_of(job: &Job) -> (String, Vec<Tried>) {
    let Ok(kept) = Kept::of(&job.intent) else { return (job.intent.model.clone(), Vec::new()) };
    let tried = kept.record.pointer("/route/tried").cloned().unwrap_or_default();
    (kept.card, serde_json::from_value(tried).unwrap_or_default())
}

impl Production {
    /// What is asked of a provider for a take, and what its job keeps.
    ///
    /// # Errors
    /// A picture that cannot be read, or was changed since the take was planned.
    pub(super) fn order(&self, ledger: &Mutex<Ledger>, fresh: &Fresh) -> Result<(Order, Ticket)> {
        let Fresh { planned, read, work, tried, made } = fresh;
        let (want, asked) = (&planned.want, work.asked);
        let mut owners = Owners::new(self);
        let (label, first, last, mut references);
        {
            let ledger = held(ledger);
            label = self.label_with_takes(Some(&ledger), want, Some(&mut owners))?.privacy;
            let shown = |shown: &Option<Shown>| {
                shown.as_ref().map(|shown| self.picture(&ledger, shown)).transpose()
            };
            (first, last) = (shown(&want.pictures.first)?, shown(&want.pictures.last)?);
            references = self.references(&ledger, planned)?;
        }
        references.truncate(asked.references as usize);
        let labelled = |text: String| Labelled::new(text, label.clone());
        let picture = |path: &Path| -> Result<Picture> {
            Ok(upload::picture(path, label.clone(), &WANTED)?.into())
        };
        let pictures = (
            first.as_deref().map(picture).transpose()?,
            last.as_deref().map(picture).transpose()?,
            references.iter().map(|path| picture(path)).collect::<Result<_>>()?,
        );
        // The take is to be of what it is said to be of.
        for path in first.iter().chain(&last).chain(&references) {
            if let Some(was) = read.known(path)
                && FileRecord::of(path)?.blake3 != was.to_string()
            {
                return Err(super::Error::Changed { path: path.clone() }.into());
            }
        }
        let (first_frame, last_frame, references) = pictures;
        let order = Order {
            take: made.id,
            prompt: labelled(planned.prompt.clone()),
            negative: planned.negative.clone().map(labelled),
            seconds: asked.seconds,
            size: asked.size,
            fps: planned.need.fps.map(|fps| fps.round() as u32),
            seed: made.seed,
            audio: asked.audio,
            first_frame,
            last_frame,
            references,
        };
        let card = &work.card;
        let payload = order.payload();
        let begun = Begun {
            cut: want.cut.clone(),
            number: made.number,
            kind: planned.kind(),
            request: want.hash.expect("because it waits for nothing"),
            seed: made.seed,
            model: card.name.clone(),
            route: planned.reasons(&card.name, &card.host, work.step, tried),
            place: Place::Hosted {
                provider: card.provider.clone(),
                model: card.model.clone(),
                host: card.host.clone(),
            },
            licence: card.licence.spdx.clone(),
            territory: self.territory.as_ref().map_or_else(String::new, |said| said.value.clone()),
            privacy: label.word().to_owned(),
            egress: payload.parts().iter().map(|part| part.blake3).collect(),
            parent: want.parent(),
            order: json!({
                "prompt": order.prompt.value(),
                "negative": order.negative.as_ref().map(Labelled::value),
                "seconds": order.seconds,
                "size": [order.size.width, order.size.height],
                "fps": order.fps,
                "audio": order.audio,
                "parts": payload.parts(),
            }),
            begun: Timestamp::now(),
        };
        let unreadable = |source| Error::Manifest { path: self.folder.clone(), source };
        let ticket = Ticket {
            cut: want.cut.clone(),
            number: made.number,
            reserved: work.price,
            record: serde_json::to_value(begun).map_err(unreadable)?,
        };
        Ok((order, ticket))
    }

    /// The pictures to go by: the cut's own, then those of its characters.
    fn references(&self, ledger: &Ledger, planned: &Planned) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for shown in &planned.want.pictures.references {
            paths.push(self.picture(ledger, shown)?);
        }
        for known in &planned.need.characters {
            let character = self.character(&known.name).into_iter();
            let files = character.flat_map(|one| &one.references).map(|one| &one.file.value);
            paths.extend(files.map(|file| self.folder.join(file)));
        }
        Ok(paths)
    }

    /// Puts a take that a provider made into the ledger.
    ///
    /// # Errors
    /// A clip that cannot be read, a record of another version, a ledger that cannot be written.
    pub(super) fn keep_hosted(&self, ledger: &Mutex<Ledger>, made: &Made) -> Result<()> {
        let unreadable = |source| Error::Manifest { path: self.folder.clone(), source };
        let begun: Begun = serde_json::from_value(made.record.clone()).map_err(unreadable)?;
        let frames_hash = media::frames_hash_of(&made.path)?.map(Blake3::from);
        let created = Timestamp::now();
        let mut ledger = held(ledger);
        let media = ledger.import_media(&made.path)?;
        ledger.record_take(&TakeRecord {
            schema: SCHEMA,
            id: made.take,
            cut: begun.cut,
            number: begun.number,
            kind: begun.kind,
            request: begun.request,
            seed: begun.seed,
            model: begun.model,
            route: begun.route,
            place: begun.place,
            cost: made.cost,
            reserved: made.reserved,
            licence: begun.licence,
            territory: begun.territory,
            privacy: begun.privacy,
            egress: begun.egress,
            approximations: Vec::new(),
            media,
            frames_hash,
            latent_hash: None,
            made: json!({ "order": begun.order, "remote": made.remote }),
            parent: begun.parent,
            created,
            seconds: created.duration_since(begun.begun).as_secs_f64().max(0.0),
        })?;
        Ok(())
    }
}
