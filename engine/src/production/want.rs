//! What a cut still needs: its request, which of its takes are of the cut as it is now, and what it has to wait for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kinora_cards::Card;
use serde_json::json;

use super::cut::{Cut, End, Picture};
use super::project::Production;
use super::resolve::{ResolvedCut, is_for};
use super::settings::{Length, Settings};
use crate::Result;
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::ledger::{Ledger, TakeRow};
use crate::manifest::FileRecord;
use crate::request::{Lora, NegativePrompt, Request};

/// A cut with what is asked of a model for it.
#[derive(Debug, Clone)]
pub struct Want {
    /// The cut.
    pub cut: CutId,
    /// The kind of cut, in the word of the production; empty where nobody says.
    pub kind: String,
    /// The model, by name.
    pub model: String,
    /// Its card, where it has one.
    pub card: Option<&'static Card>,
    /// What is asked, with the seed of the first take.
    pub request: Request,
    /// The frame of another take that it begins with.
    pub begins: Option<(TakeRow, End)>,
    /// The cut whose take it waits for, where there is none yet.
    pub waits_for: Option<CutId>,
    /// BLAKE3 of the request without its seed; none while it waits.
    pub hash: Option<Blake3>,
    /// Takes there are of the cut as it is now.
    pub made: u32,
    /// Takes there are to be.
    pub takes: u32,
    /// The take that is picked.
    pub picked: Option<TakeId>,
    /// The word of the cut's label.
    pub privacy: String,
}

impl Want {
    /// How many takes are missing: none where one is picked.
    pub fn missing(&self) -> u32 {
        if self.picked.is_some() { 0 } else { self.takes.saturating_sub(self.made) }
    }
}

/// Answers for the cuts of one production, each once.
pub struct Wants<'a> {
    production: &'a Production,
    typed: &'a Settings,
    find: &'a dyn Fn(&str) -> Result<Option<&'static Card>>,
    default_model: &'a str,
    known: BTreeMap<CutId, Want>,
    /// The cards of the models that were asked for.
    cards: BTreeMap<String, Option<&'static Card>>,
    /// BLAKE3 of the files that were read.
    files: BTreeMap<PathBuf, String>,
}

impl<'a> Wants<'a> {
    /// Asks for cuts as the command line says; `find` finds the card of a model, `default_model` is what `auto` comes to.
    pub fn new(
        production: &'a Production,
        typed: &'a Settings,
        find: &'a dyn Fn(&str) -> Result<Option<&'static Card>>,
        default_model: &'a str,
    ) -> Self {
        let (known, cards, files) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { production, typed, find, default_model, known, cards, files }
    }

    /// Forgets what was answered: takes were made since, and files may have changed.
    pub fn forget(&mut self) {
        self.known.clear();
        self.files.clear();
    }

    /// What a cut needs now. Its production was read without a problem, so no cut waits for itself.
    ///
    /// # Errors
    /// A file that cannot be read, a model that is not there, an index that cannot be used.
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

    /// The card of a model.
    fn card(&mut self, model: &str) -> Result<Option<&'static Card>> {
        if let Some(card) = self.cards.get(model) {
            return Ok(*card);
        }
        let card = (self.find)(model)?;
        self.cards.insert(model.to_owned(), card);
        Ok(card)
    }

    /// BLAKE3 of what is in a file. The same adapter serves many cuts, and is large.
    fn file(&mut self, path: &Path) -> Result<String> {
        if let Some(hash) = self.files.get(path) {
            return Ok(hash.clone());
        }
        let hash = FileRecord::of(path)?.blake3;
        self.files.insert(path.to_owned(), hash.clone());
        Ok(hash)
    }

    fn resolve(&mut self, ledger: Option<&Ledger>, cut: &Cut) -> Result<Want> {
        let resolve = |card| {
            let resolved = self.production.resolve(&cut.id, self.typed, card);
            resolved.expect("because the cut is of this production")
        };
        let said = resolve(None).model.map(|model| model.value);
        let model = said.filter(|model| model != "auto").unwrap_or(self.default_model.to_owned());
        let card = self.card(&model)?;
        let resolved = resolve(card);
        let mut request = self.request(&resolved, card);
        let picture = cut.first_frame.as_ref().map(|said| &said.value);
        let (mut begins, mut waits_for, mut image_hash) = (None, None, None);
        match picture {
            Some(Picture::File(file)) => {
                let path = self.production.folder.join(file);
                image_hash = Some(self.file(&path)?);
                request.image = Some(path);
            }
            Some(Picture::Take { cut: from, end }) => match self.take_of(ledger, from)? {
                Some(take) => {
                    image_hash = Some(format!("{} {end:?}", take.media.blake3));
                    begins = Some((take, *end));
                }
                None => waits_for = Some(from.clone()),
            },
            None => {}
        }
        let hash = match waits_for {
            None => Some(self.hash(&model, &request, image_hash)?),
            Some(_) => None,
        };
        let (mut made, mut picked) = (0, None);
        if let Some(ledger) = ledger {
            picked = ledger.picked(&cut.id)?.map(|take| take.id);
            made = hash.map_or(Ok(0), |hash| ledger.count(&cut.id, hash))?;
        }
        let kind = cut.kind.as_ref().map_or_else(String::new, |kind| kind.value.clone());
        Ok(Want {
            cut: cut.id.clone(),
            kind,
            model,
            card,
            request,
            begins,
            waits_for,
            hash,
            made,
            takes: resolved.takes.value,
            picked,
            privacy: resolved.label.privacy.to_string(),
        })
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

    fn request(&self, resolved: &ResolvedCut<'_>, card: Option<&'static Card>) -> Request {
        let num_frames = match (resolved.length.as_ref().map(|length| length.value), card) {
            (Some(Length::Frames(frames)), _) => Some(kinora_cards::Frames(frames)),
            (Some(_), Some(card)) => Some(resolved.frames(card)),
            _ => None,
        };
        Request {
            prompt: resolved.prompt.clone(),
            negative: NegativePrompt::from_option(
                resolved.negative.as_ref().map(|negative| negative.value.clone()),
            ),
            size: resolved.size.as_ref().map(|size| size.value),
            num_frames,
            num_inference_steps: resolved.steps.as_ref().map(|steps| steps.value),
            guidance_scale: resolved.guidance.as_ref().map(|scale| scale.value),
            flow_shift: resolved.flow_shift.as_ref().map(|shift| shift.value),
            sampler: resolved.sampler.as_ref().map(|sampler| sampler.value),
            seed: resolved.seed.value,
            loras: self.loras(resolved, card),
            ..Request::default()
        }
    }

    /// The adapters of the style and then of the characters that fit a model.
    fn loras(&self, resolved: &ResolvedCut<'_>, card: Option<&Card>) -> Vec<Lora> {
        let Some(card) = card else { return Vec::new() };
        let style = self.production.style_of(resolved.scene, resolved.cut).map(|s| &s.adapters);
        let characters = resolved.cut.characters.iter();
        let characters = characters.filter_map(|c| self.production.character(&c.value));
        let adapters = style.into_iter().chain(characters.map(|c| &c.adapters)).flatten();
        let fitting = adapters.filter(|(fits, _)| is_for(&fits.value, card));
        let files = fitting.flat_map(|(_, files)| files);
        let path = |file: &str| -> PathBuf { self.production.folder.join(file) };
        files.map(|file| Lora { path: path(&file.file.value), scale: file.scale }).collect()
    }

    /// BLAKE3 of everything that a take is made from but its seed.
    fn hash(&mut self, model: &str, request: &Request, image: Option<String>) -> Result<Blake3> {
        let mut loras = Vec::new();
        for lora in &request.loras {
            loras.push(json!({ "blake3": self.file(&lora.path)?, "scale": lora.scale }));
        }
        let negative = match &request.negative {
            NegativePrompt::Absent => None,
            NegativePrompt::Empty => Some(""),
            NegativePrompt::Text(text) => Some(text.as_str()),
        };
        let text = json!({
            "model": model,
            "prompt": request.prompt,
            "negative": negative,
            "size": request.size.map(|size| [size.width, size.height]),
            "num_frames": request.num_frames.map(|frames| frames.0),
            "steps": request.num_inference_steps,
            "guidance": request.guidance_scale,
            "flow_shift": request.flow_shift,
            "sampler": request.sampler,
            "loras": loras,
            "image": image,
        });
        Ok(Blake3::of(text.to_string().as_bytes()))
    }
}
