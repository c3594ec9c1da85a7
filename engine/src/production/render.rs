//! Renders the cuts of a production: what is missing becomes takes, in an order in which a model is loaded once and nothing waits
//! for what comes later.
//!
//! There is no list of what is to be done that could be lost: what is missing follows from the production's files and the
//! ledger, so a run that was killed goes on by being started again, and makes no take twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use kinora_cards::Card;
use serde_json::json;

use super::cut::{Cut, End};
use super::order::in_order;
use super::project::Production;
use super::settings::Settings;
use super::want::{Want, Wants};
use crate::durable::json_beside;
use crate::generator::Generator;
use crate::id::{CutId, TakeId};
use crate::ledger::{Failure, Ledger, Place, SCHEMA, TakeRecord, TakeRow};
use crate::manifest::Manifest;
use crate::money::Money;
use crate::observe::Observer;
use crate::request::Request;
use crate::{Error, Hint, Kind, Result, media, write_take};

/// Where generators come from.
pub trait Workshop {
    /// The card of a model, where it has one.
    ///
    /// # Errors
    /// A model that is not there.
    fn card(&self, model: &str) -> Result<Option<&'static Card>>;

    /// Opens a model.
    ///
    /// # Errors
    /// A checkpoint that cannot be used.
    fn open(&self, model: &str) -> Result<Box<dyn Generator>>;

    /// The model that `auto` comes to.
    fn default_model(&self) -> &str;
}

/// Hears how a rendering goes.
pub trait Progress {
    /// A take begins; what the generator says of it goes to the observer.
    fn begins(&mut self, want: &Want, number: u32, seed: u64) -> Box<dyn Observer>;
    /// A take is in the ledger.
    fn made(&mut self, take: &TakeRow, path: &Path);
    /// An attempt came to nothing.
    fn failed(&mut self, cut: &CutId, number: u32, error: &Error);
}

/// What a rendering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Takes that were made.
    pub made: u32,
    /// Attempts that came to nothing.
    pub failed: u32,
    /// Cuts that wait for a cut that is not rendered.
    pub waiting: u32,
}

impl Production {
    /// What is to be made of some cuts, in the order it would be made in; nothing is begun.
    ///
    /// # Errors
    /// A file that cannot be read, a model that is not there, an index that cannot be used.
    pub fn plan(
        &self,
        cuts: &[&Cut],
        typed: &Settings,
        workshop: &dyn Workshop,
        ledger: Option<&Ledger>,
    ) -> Result<Vec<Want>> {
        let find = |model: &str| workshop.card(model);
        let mut wants = Wants::new(self, typed, &find, workshop.default_model());
        let mut left = Vec::new();
        for cut in cuts {
            let want = wants.of(ledger, cut)?;
            if want.missing() > 0 {
                left.push(want);
            }
        }
        Ok(in_order(left))
    }

    /// Makes what is missing of some cuts. Only one process renders a production at a time.
    ///
    /// # Errors
    /// [`Error::Cancelled`], another process that renders, a ledger that cannot be written. What a single take fails with is
    /// recorded and told, and the others are made.
    pub fn render(
        &self,
        cuts: &[&Cut],
        typed: &Settings,
        workshop: &dyn Workshop,
        ledger: &mut Ledger,
        progress: &mut dyn Progress,
    ) -> Result<Rendered> {
        let _lock = ledger.lock_for_rendering()?;
        ledger.show_newest()?;
        let order = self.plan(cuts, typed, workshop, Some(ledger))?;
        let find = |model: &str| workshop.card(model);
        let mut wants = Wants::new(self, typed, &find, workshop.default_model());
        let mut rendered = Rendered::default();
        let mut open: Option<(String, Box<dyn Generator>)> = None;
        for planned in order {
            let (_, cut) = self.cut(&planned.cut).expect("because the plan is of this production");
            wants.forget();
            let want = wants.of(Some(ledger), cut)?;
            if want.waits_for.is_some() {
                rendered.waiting += 1;
                continue;
            }
            for _ in 0..want.missing() {
                let number = ledger.next_number(&want.cut)?;
                let take = TakeId::new(Timestamp::now())
                    .map_err(|source| Error::Write { path: self.folder.clone(), source })?;
                let seed = want.request.seed.wrapping_add(u64::from(number - 1));
                let observer = progress.begins(&want, number, seed);
                let done =
                    self.take(&want, (take, number, seed), workshop, &mut open, ledger, &*observer);
                drop(observer);
                match done {
                    Ok(row) => {
                        rendered.made += 1;
                        progress.made(&row, &ledger.render_path(&row));
                    }
                    Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                    Err(error) => {
                        rendered.failed += 1;
                        progress.failed(&want.cut, number, &error);
                        let failure = Failure {
                            take,
                            cut: want.cut.clone(),
                            number,
                            kind: error.kind(),
                            why: error.to_string(),
                        };
                        ledger.record_failure(&failure)?;
                        // The next one would fail for the same reason.
                        break;
                    }
                }
            }
        }
        Ok(rendered)
    }

    fn take(
        &self,
        want: &Want,
        (id, number, seed): (TakeId, u32, u64),
        workshop: &dyn Workshop,
        open: &mut Option<(String, Box<dyn Generator>)>,
        ledger: &mut Ledger,
        observer: &dyn Observer,
    ) -> Result<TakeRow> {
        let begun = Instant::now();
        let generator = match open {
            Some((model, generator)) if *model == want.model => generator,
            _ => {
                // The one before makes room first.
                *open = None;
                &mut open.insert((want.model.clone(), workshop.open(&want.model)?)).1
            }
        };
        let mut request = Request { seed, ..want.request.clone() };
        if let Some((take, end)) = &want.begins {
            request.image = Some(self.frame(ledger, take, *end)?);
        }
        let work = ledger.work_path(id, EXTENSION);
        let made = write_take(generator.as_ref(), &request, &work, observer)?;
        let media = ledger.import_media(&made.path)?;
        // The ledger's manifest holds it.
        let beside = json_beside(&work);
        fs::remove_file(&beside).map_err(|source| Error::Write { path: beside, source })?;
        let record = self.record(want, (id, number, seed), media, &made.manifest, begun)?;
        ledger.record_take(&record)?;
        let row = ledger.take(id)?;
        Ok(row.expect("because it was recorded"))
    }

    fn record(
        &self,
        want: &Want,
        (id, number, seed): (TakeId, u32, u64),
        media: crate::ledger::Media,
        made: &Manifest,
        begun: Instant,
    ) -> Result<TakeRecord> {
        let unreadable = |source| Error::Manifest { path: self.folder.clone(), source };
        let hash = |text: &str| {
            let found = text.to_owned();
            text.parse().map_err(|_| Error::Unknown { what: "hash", found, known: "BLAKE3" })
        };
        let tiled =
            made.computed.vae_tile.map(|(tile, stride)| format!("VAE tiles {tile}/{stride}"));
        Ok(TakeRecord {
            schema: SCHEMA,
            id,
            cut: want.cut.clone(),
            number,
            kind: want.kind.clone(),
            request: want.hash.expect("because it waits for nothing"),
            seed,
            model: want.model.clone(),
            route: json!({ "model": want.model, "place": "local" }),
            place: Place::Local,
            cost: Money::ZERO,
            reserved: Money::ZERO,
            licence: want.card.map_or_else(String::new, |card| card.licence.spdx.clone()),
            territory: self.territory.as_ref().map_or_else(String::new, |said| said.value.clone()),
            privacy: want.privacy.clone(),
            egress: Vec::new(),
            approximations: tiled.into_iter().collect(),
            media,
            frames_hash: hash(&made.frames_hash)?,
            latent_hash: Some(hash(&made.latent_hash)?),
            made: serde_json::to_value(made).map_err(unreadable)?,
            parent: want.begins.as_ref().map(|(take, _)| take.id),
            created: Timestamp::now(),
            seconds: begun.elapsed().as_secs_f64(),
        })
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
        let (frames, _) = media::read_video(&ledger.media_path(&take.media))?;
        let at = match end {
            End::First => 0,
            End::Last => frames.count() - 1,
        };
        let frame = frames.iter().nth(at).expect("because a clip has frames").to_vec();
        let picture = media::Frames::new(frames.width(), frames.height(), frame)?;
        media::write_picture(&picture, &path)?;
        Ok(path)
    }
}

/// What a take's file ends with.
const EXTENSION: &str = "mp4";
