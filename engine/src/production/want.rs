//! What a cut still needs: what it is made from, which of its takes are of the cut as it is now, and what it has to wait for.
//!
//! A cut that names its model is another one when the model is; a cut that leaves the choice to the router is not, whatever the
//! choice comes to. Otherwise money that was spent, or memory that somebody else takes, would make its takes worthless.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kinora_cards::{Card, Size};
use serde_json::json;

use super::cut::{Cut, End, Picture};
use super::hashes::Hashes;
use super::label::Label;
use super::owner::Owners;
use super::project::Production;
use super::render::Workshop;
use super::resolve::{ResolvedCut, is_for};
use super::settings::{Length, Settings};
use crate::Result;
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::ledger::{Ledger, TakeRow};
use crate::privacy::Privacy;
use crate::request::{Lora, NegativePrompt, Request};
use crate::router::Need;

/// A cut with what it is made from.
#[derive(Debug, Clone)]
pub struct Want {
    /// The cut.
    pub cut: CutId,
    /// The model that it names; none where it is to be chosen.
    pub named: Option<String>,
    /// The pictures that it is made from.
    pub pictures: Pictures,
    /// The cut whose take it waits for, where there is none yet.
    pub waits_for: Option<CutId>,
    /// BLAKE3 of what it is made from but the seed; none while it waits.
    pub hash: Option<Blake3>,
    /// Takes there are of the cut as it is now.
    pub made: u32,
    /// Takes of the cut as it is now that providers were asked for.
    pub away: u32,
    /// Takes there are to be.
    pub takes: u32,
    /// The take that is picked.
    pub picked: Option<TakeId>,
    /// Seed of the first take.
    pub seed: u64,
}

/// The pictures that a cut is made from, but those of its characters.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    /// The one that it begins with.
    pub first: Option<Shown>,
    /// The one that it ends with.
    pub last: Option<Shown>,
    /// Those to go by.
    pub references: Vec<Shown>,
}

/// A picture, and where it is from.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A file.
    File(PathBuf),
    /// A frame of a take.
    Take(Box<TakeRow>, End),
}

impl Want {
    /// How many takes are missing: none where one is picked.
    pub fn missing(&self) -> u32 {
        let there = self.made.saturating_add(self.away);
        if self.picked.is_some() { 0 } else { self.takes.saturating_sub(there) }
    }

    /// The take that it goes on from.
    pub fn parent(&self) -> Option<TakeId> {
        match self.pictures.first.as_ref()? {
            Shown::Take(take, _) => Some(take.id),
            Shown::File(_) => None,
        }
    }
}

/// Answers for the cuts of one production, each once.
pub struct Wants<'a> {
    production: &'a Production,
    typed: &'a Settings,
    workshop: &'a dyn Workshop,
    known: BTreeMap<CutId, Want>,
    /// The cards of the models that were asked for.
    cards: BTreeMap<String, Option<&'static Card>>,
    /// BLAKE3 of the files that were read.
    files: Hashes,
    /// What providers were asked for, by cut and by what it is made from.
    away: Option<BTreeMap<(CutId, Blake3), u32>>,
    owners: Owners<'a>,
}

impl<'a> Wants<'a> {
    /// Asks for cuts as the command line says.
    pub fn new(
        production: &'a Production,
        typed: &'a Settings,
        workshop: &'a dyn Workshop,
    ) -> Self {
        let (known, cards, files) = (BTreeMap::new(), BTreeMap::new(), Hashes::default());
        let owners = Owners::new(production);
        Self { production, typed, workshop, known, cards, files, away: None, owners }
    }

    /// Forgets what was answered: takes were made since, and files that changed are read again.
    pub fn forget(&mut self) {
        self.known.clear();
        self.away = None;
        self.owners.forget();
    }

    /// BLAKE3 of each file that was read for an answer.
    pub(super) fn read(&self) -> Hashes {
        self.files.clone()
    }

    /// What a cut needs now. Its production was read without a problem, so no cut waits for itself.
    ///
    /// # Errors
    /// A file that cannot be read, an index that cannot be used.
    pub fn of(&mut self, ledger: Option<&Ledger>, cut: &Cut) -> Result<Want> {
        // The cuts that it waits for come first, without recursion: a chain may be long.
        let mut open = vec![cut.id.clone()];
        while let Some(id) = open.last().cloned() {
            let Some((_, cut)) = self.production.cut(&id) else { break };
            let from = cut.waits_for().map(|(id, _)| id.clone());
            let unknown: Vec<CutId> = from.filter(|id| !self.known.contains_key(id)).collect();
            if unknown.is_empty() {
                let want = self.resolve(ledger, cut)?;
                self.known.insert(id, want);
                open.pop();
            } else {
                open.extend(unknown);
            }
        }
        Ok(self.known[&cut.id].clone())
    }

    /// The values of a cut for a model, or its own where none is meant.
    pub fn resolved(&self, cut: &CutId, card: Option<&'a Card>) -> ResolvedCut<'a> {
        let resolved = self.production.resolve(cut, self.typed, card);
        resolved.expect("because the cut is of this production")
    }

    /// What is asked of a local model for a cut, without its pictures.
    pub fn request(&self, cut: &CutId, card: Option<&'static Card>) -> Request {
        let resolved = self.resolved(cut, card);
        let num_frames = match (resolved.length.as_ref().map(|length| length.value), card) {
            (Some(Length::Frames(frames)), _) => Some(kinora_cards::Frames(frames)),
            (Some(_), Some(card)) => Some(resolved.frames(card)),
            _ => None,
        };
        Request {
            num_frames,
            size: resolved.size.as_ref().map(|size| size.value),
            loras: self.loras(&resolved, &|fits| card.is_some_and(|card| is_for(fits, card))),
            ..words(&resolved)
        }
    }

    /// The same where the model was chosen: what it does not make to the pixel and to the frame is fitted.
    pub fn fitted(&self, cut: &CutId, card: &'static Card) -> Request {
        let mut request = self.request(cut, Some(card));
        let of = card.limits.multiple_of.max(1);
        let fit = |side: u32| side.div_ceil(of).saturating_mul(of);
        let size = request.size.map(|s| Size { width: fit(s.width), height: fit(s.height) });
        let frames = request.num_frames;
        request.size = size;
        request.num_frames = frames.map(|frames| card.limits.frames.nearest(f64::from(frames.0)));
        request
    }

    /// Who may see what a cut is made from. Where no provider could be asked, no picture is looked at.
    pub(super) fn label(&mut self, ledger: Option<&Ledger>, want: &Want) -> Result<Label> {
        let owners = Some(&mut self.owners).filter(|_| !self.production.servers.is_empty());
        self.production.label_with_takes(ledger, want, owners)
    }

    /// Whether a cut begins with a picture.
    pub(super) fn begins_with_picture(&self, cut: &CutId) -> bool {
        self.production.cut(cut).is_some_and(|(_, cut)| cut.first_frame.is_some())
    }

    /// The card of a model.
    fn card(&mut self, model: &str) -> Option<&'static Card> {
        if let Some(card) = self.cards.get(model) {
            return *card;
        }
        // A checkpoint that is not here has a card all the same, and a hosted model has none of this kind.
        let card = self.workshop.card(model).ok().flatten().or_else(|| kinora_cards::find(model));
        self.cards.insert(model.to_owned(), card);
        card
    }

    /// BLAKE3 of what is in a file. The same adapter serves many cuts, and is large.
    fn file(&mut self, path: &Path) -> Result<String> {
        Ok(self.files.of(path)?.to_string())
    }

    fn resolve(&mut self, ledger: Option<&Ledger>, cut: &Cut) -> Result<Want> {
        let own = self.resolved(&cut.id, None);
        let named = own.model.as_ref().map(|model| model.value.clone());
        let named = named.filter(|name| !name.eq_ignore_ascii_case(Need::AUTO));
        let mut waits_for = None;
        let mut show = |picture: &Picture| -> Result<Option<Shown>> {
            let (from, end) = match picture {
                Picture::File(file) => {
                    return Ok(Some(Shown::File(self.production.folder.join(file))));
                }
                Picture::Take { cut, end } => (cut, *end),
            };
            let Some(take) = self.take_of(ledger, from)? else {
                waits_for.get_or_insert_with(|| from.clone());
                return Ok(None);
            };
            Ok(Some(Shown::Take(Box::new(take), end)))
        };
        let frame = |said: &Option<super::Said<Picture>>| said.as_ref().map(|s| s.value.clone());
        let mut pictures = Pictures::default();
        if let Some(picture) = frame(&cut.first_frame) {
            pictures.first = show(&picture)?;
        }
        if let Some(picture) = frame(&cut.last_frame) {
            pictures.last = show(&picture)?;
        }
        for said in &cut.references {
            pictures.references.extend(show(&said.value)?);
        }
        let hash = match waits_for {
            None => Some(self.hash(&own, named.as_deref(), &pictures)?),
            Some(_) => None,
        };
        let (mut made, mut away, mut picked) = (0, 0, None);
        if let Some(ledger) = ledger {
            picked = ledger.picked(&cut.id)?.map(|take| take.id);
            if let Some(hash) = hash {
                made = ledger.count(&cut.id, hash)?;
                away = self.away(ledger, &cut.id, hash)?;
            }
        }
        Ok(Want {
            cut: cut.id.clone(),
            named,
            pictures,
            waits_for,
            hash,
            made,
            away,
            takes: own.takes.value,
            picked,
            seed: own.seed.value,
        })
    }

    /// How many takes of a cut providers were asked for.
    fn away(&mut self, ledger: &Ledger, cut: &CutId, hash: Blake3) -> Result<u32> {
        if self.away.is_none() {
            let mut away = BTreeMap::new();
            for job in ledger.open_jobs()?.into_iter().chain(ledger.unknown_jobs()?) {
                if let Some(request) = super::hosted::request_of(&job) {
                    *away.entry((job.intent.cut, request)).or_default() += 1;
                }
            }
            self.away = Some(away);
        }
        let away = self.away.as_ref().and_then(|away| away.get(&(cut.clone(), hash)));
        Ok(away.copied().unwrap_or_default())
    }

    /// The take of a cut that others go on from: the picked one, else the first of the cut as it is now that is not rejected.
    fn take_of(&self, ledger: Option<&Ledger>, cut: &CutId) -> Result<Option<TakeRow>> {
        let Some(ledger) = ledger else { return Ok(None) };
        if let Some(picked) = ledger.picked(cut)? {
            return Ok(Some(picked));
        }
        let hash = self.known.get(cut).and_then(|want| want.hash);
        Ok(hash.map_or(Ok(None), |hash| ledger.first(cut, hash))?)
    }

    /// The adapters of the style and then of the characters that fit.
    fn loras(&self, resolved: &ResolvedCut<'_>, fits: &dyn Fn(&str) -> bool) -> Vec<Lora> {
        let style = self.production.style_of(resolved.scene, resolved.cut).map(|s| &s.adapters);
        let characters = resolved.cut.characters.iter();
        let characters = characters.filter_map(|c| self.production.character(&c.value));
        let adapters = style.into_iter().chain(characters.map(|c| &c.adapters)).flatten();
        let files = adapters.filter(|(family, _)| fits(&family.value)).flat_map(|(_, files)| files);
        let path = |file: &str| -> PathBuf { self.production.folder.join(file) };
        files.map(|file| Lora { path: path(&file.file.value), scale: file.scale }).collect()
    }

    /// BLAKE3 of everything that a take is made from but its seed; where the model is to be chosen, of all that might be used.
    fn hash(
        &mut self,
        own: &ResolvedCut<'_>,
        named: Option<&str>,
        pictures: &Pictures,
    ) -> Result<Blake3> {
        let cut = own.cut;
        let card = named.and_then(|name| self.card(name));
        let request = match named {
            Some(_) => self.request(&cut.id, card),
            None => {
                let frames = match own.length.as_ref().map(|length| length.value) {
                    Some(Length::Frames(frames)) => Some(kinora_cards::Frames(frames)),
                    _ => None,
                };
                let size = own.size.as_ref().map(|size| size.value);
                let loras = self.loras(own, &|_| true);
                Request { num_frames: frames, size, loras, ..words(own) }
            }
        };
        let mut loras = Vec::new();
        for lora in &request.loras {
            loras.push(json!({ "blake3": self.file(&lora.path)?, "scale": lora.scale }));
        }
        let first = pictures.first.as_ref().map(|picture| self.picture(picture)).transpose()?;
        let mut text = json!({
            "model": named.unwrap_or(Need::AUTO),
            "prompt": request.prompt,
            "negative": match &request.negative {
                NegativePrompt::Absent => None,
                NegativePrompt::Empty => Some(""),
                NegativePrompt::Text(text) => Some(text.as_str()),
            },
            "size": request.size.map(|size| [size.width, size.height]),
            "num_frames": request.num_frames.map(|frames| frames.0),
            "steps": request.num_inference_steps,
            "guidance": request.guidance_scale,
            "flow_shift": request.flow_shift,
            "sampler": request.sampler,
            "loras": loras,
            "image": first,
        });
        // What no local model takes is only there where it is said.
        if let Some(last) = &pictures.last {
            text["last"] = self.picture(last)?.into();
        }
        if card.is_none() {
            let mut references = Vec::new();
            for picture in &pictures.references {
                references.push(self.picture(picture)?);
            }
            for character in &cut.characters {
                let of = self.production.character(&character.value);
                for reference in of.into_iter().flat_map(|character| &character.references) {
                    references
                        .push(self.file(&self.production.folder.join(&reference.file.value))?);
                }
            }
            text["references"] = references.into();
            text["audio"] = own.audio.as_ref().map(|audio| audio.value).into();
            text["multi_shot"] = cut.multi_shot.into();
            text["length"] = own.length.as_ref().map(|length| length.value.to_string()).into();
        }
        Ok(Blake3::of(text.to_string().as_bytes()))
    }

    fn picture(&mut self, picture: &Shown) -> Result<String> {
        match picture {
            Shown::File(path) => self.file(path),
            Shown::Take(take, end) => Ok(format!("{} {end:?}", take.media.blake3)),
        }
    }
}

impl Production {
    /// Who may see what a cut is made from: what the files say, what the owners of its pictures say, and what was said of the takes
    /// that it goes on from when they were made.
    pub(super) fn label_with_takes(
        &self,
        ledger: Option<&Ledger>,
        want: &Want,
        owners: Option<&mut Owners<'_>>,
    ) -> Result<Label> {
        let (scene, cut) = self.cut(&want.cut).expect("because the cut is of this production");
        let mut label = self.label_of(scene, cut);
        for shown in want.pictures.all() {
            if label.privacy == Privacy::LocalOnly {
                // Nothing is stricter, and takes need not be read for it.
                break;
            }
            if let (Shown::Take(take, _), Some(ledger)) = (shown, ledger) {
                let privacy = self.privacy_called(&ledger.record(take.id)?.privacy);
                let by = format!("take {}:{}", take.cut, take.number);
                label = label.meet(Label { privacy, by, place: None });
            }
        }
        // Nothing is stricter than this.
        if let Some(owners) = owners.filter(|_| label.privacy != Privacy::LocalOnly)
            && let Some(owner) = owners.label(cut)?
        {
            label = label.meet(owner);
        }
        Ok(label)
    }
}

impl Pictures {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Shown> {
        self.first.iter().chain(&self.last).chain(&self.references)
    }
}

/// What the words and numbers of a cut ask for, whatever makes it.
fn words(resolved: &ResolvedCut<'_>) -> Request {
    Request {
        prompt: resolved.prompt.clone(),
        negative: NegativePrompt::from_option(
            resolved.negative.as_ref().map(|negative| negative.value.clone()),
        ),
        num_inference_steps: resolved.steps.as_ref().map(|steps| steps.value),
        guidance_scale: resolved.guidance.as_ref().map(|scale| scale.value),
        flow_shift: resolved.flow_shift.as_ref().map(|shift| shift.value),
        sampler: resolved.sampler.as_ref().map(|sampler| sampler.value),
        seed: resolved.seed.value,
        ..Request::default()
    }
}
