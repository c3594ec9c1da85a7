//! Models of this machine that draw stripes, and somebody who listens: a production is rendered in this process with them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kinora_engine::cards::{Card, Grid, find};
use kinora_engine::egress::Token;
use kinora_engine::generator::{Capabilities, Estimate, Generated, Generator, StageMemory};
use kinora_engine::id::CutId;
use kinora_engine::ledger::{Job, TakeRow};
use kinora_engine::manifest::{Computed, Manifest, SCHEMA};
use kinora_engine::media::{Frames, frames_hash};
use kinora_engine::observe::{Event, Observer, Stage};
use kinora_engine::production::{Planned, Progress, Server, Work, Workshop};
use kinora_engine::request::{FolderRecipe, Recipe, Request};
use kinora_engine::{Error, Result};
use kinora_tests::server::KEY;

/// Models of this machine.
#[derive(Default)]
pub(crate) struct Shop {
    here: Vec<&'static Card>,
    /// How often each has no memory left while it makes something.
    short: Arc<Mutex<BTreeMap<String, u32>>>,
    /// The most pictures that there is memory for.
    most_frames: Option<u32>,
}

impl Shop {
    /// Models by their names.
    pub(crate) fn of(names: &[&str]) -> Self {
        let card = |name: &&str| find(name).expect("there is such a card");
        Self { here: names.iter().map(card).collect(), ..Self::default() }
    }

    /// A model has no memory left the next so many times.
    pub(crate) fn runs_short(self, model: &str, times: u32) -> Self {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        short.insert(model.to_owned(), times);
        drop(short);
        self
    }

    /// There is memory for so many pictures of a clip.
    pub(crate) fn with_most_frames(self, most: u32) -> Self {
        Self { most_frames: Some(most), ..self }
    }
}

impl Workshop for Shop {
    fn card(&self, model: &str) -> Result<Option<&'static Card>> {
        let found = self.here.iter().find(|card| card.name == model).copied();
        found.map(Some).ok_or_else(|| Error::Unknown {
            what: "model",
            found: model.to_owned(),
            known: "those of the test",
        })
    }

    fn open(&self, model: &str) -> Result<Box<dyn Generator>> {
        let card = self.card(model)?.expect("each has a card");
        Ok(Box::new(Stripes { card, short: Arc::clone(&self.short), most: self.most_frames }))
    }

    fn here(&self) -> Vec<&'static Card> {
        self.here.clone()
    }

    fn key(&self, _: &Server) -> Result<Option<Token>> {
        Ok(Token::new(KEY))
    }

    fn is_offline(&self) -> bool {
        false
    }
}

/// A model that draws stripes.
struct Stripes {
    card: &'static Card,
    short: Arc<Mutex<BTreeMap<String, u32>>>,
    most: Option<u32>,
}

impl Stripes {
    fn memory(&self, fits: Option<u32>, recipe: &Recipe) -> Error {
        let size = recipe.size();
        let fits = fits.map(|frames| (size, kinora_engine::cards::Frames(frames)));
        Error::Memory {
            stage: "denoise",
            needed: 3 << 30,
            available: 2 << 30,
            weights: 1 << 30,
            fits,
        }
    }
}

impl Generator for Stripes {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: self.card.name.clone(),
            tasks: self.card.tasks.clone(),
            frames: self.card.limits.frames,
            multiple_of: self.card.limits.multiple_of,
            adapters: true,
        }
    }

    fn estimate(&self, request: &Request) -> Result<Estimate> {
        let folder = FolderRecipe::default();
        let recipe = Recipe::resolve(request, Some(self.card), folder, &Grid::WAN21)?;
        if let Some(most) = self.most.filter(|most| recipe.num_frames.value > *most) {
            return Err(self.memory(Some(most), &recipe));
        }
        let stage = Stage::Denoise;
        let memory = vec![StageMemory { stage, weights_bytes: 1 << 30, working_bytes: 0 }];
        Ok(Estimate { recipe, tokens: 1, memory })
    }

    fn generate(&self, request: &Request, _: &dyn Observer) -> Result<Generated> {
        let recipe = self.estimate(request)?.recipe;
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = short.get_mut(&self.card.name).filter(|left| **left > 0) {
            *left -= 1;
            return Err(self.memory(None, &recipe));
        }
        drop(short);
        let (width, height) = (recipe.width.value as usize, recipe.height.value as usize);
        let bytes = width * height * 3 * recipe.num_frames.value as usize;
        let stripe = |at: usize| ((at / 3 % width) * 255 / width) as u8;
        let frames = Frames::new(width, height, (0..bytes).map(stripe).collect())?;
        let frames_hash = frames_hash(&frames).to_hex().to_string();
        let fps = recipe.fps()?;
        let manifest = Manifest {
            schema: SCHEMA,
            engine: "stripes".to_owned(),
            model: self.card.name.clone(),
            card: Some(self.card.name.clone()),
            built_in: None,
            files: Vec::new(),
            recipe,
            token_ids: Vec::new(),
            loras: Vec::new(),
            image: None,
            init_latents: None,
            enlarge: request.enlarge,
            computed: Computed {
                device: "cpu".to_owned(),
                kernels: kinora_engine::local::survey().kernels,
                dtype: "f32".to_owned(),
                vae_dtype: "f32".to_owned(),
                vae_tile: None,
                noise: "none".to_owned(),
            },
            sigmas: vec![1.0, 0.0],
            seconds: Vec::new(),
            latent_hash: frames_hash.clone(),
            frames_hash,
        };
        Ok(Generated { frames, fps, manifest })
    }
}

/// Writes down what is told.
#[derive(Default)]
pub(crate) struct Heard<'a> {
    /// A line for each thing.
    pub(crate) lines: Vec<String>,
    /// What somebody does when a take of a cut begins.
    pub(crate) meanwhile: Option<&'a mut dyn FnMut(&CutId)>,
}

/// Lets everything go on.
struct Calm;

impl Observer for Calm {
    fn on(&self, _: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Progress for Heard<'_> {
    fn warns(&mut self, planned: &Planned) {
        for reason in planned.warnings() {
            self.lines.push(format!("{} is warned: {}", planned.want.cut, reason.text));
        }
    }

    fn begins(&mut self, planned: &Planned, work: &Work, number: u32, _: u64) -> Box<dyn Observer> {
        self.lines.push(format!("{} take {number} begins on {}", planned.want.cut, work.model()));
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile(&planned.want.cut);
        }
        Box::new(Calm)
    }

    fn resumes(&mut self, job: &Job) -> Box<dyn Observer> {
        self.lines.push(format!("{} take {} resumes", job.intent.cut, job.intent.number));
        Box::new(Calm)
    }

    fn made(&mut self, take: &TakeRow, _: &Path) {
        self.lines.push(format!("{} take {} is made by {}", take.cut, take.number, take.model));
    }

    fn failed(&mut self, cut: &CutId, number: u32, error: &Error) {
        use kinora_engine::Hint;
        let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
        self.lines.push(format!("{cut} take {number} failed: {error}{hint}"));
    }

    fn goes_on(&mut self, cut: &CutId, number: u32, error: &Error, work: &Work) {
        let model = work.model();
        self.lines.push(format!("{cut} take {number} failed: {error}; next is {model}"));
    }

    fn refused(&mut self, cut: &CutId, error: &Error) {
        self.lines.push(format!("{cut} is refused: {error}"));
    }

    fn left(&mut self, cut: &CutId, number: u32, why: &str) {
        self.lines.push(format!("{cut} take {number} is left: {why}"));
    }

    fn is_stopped(&self) -> bool {
        false
    }
}
