//! Clips that a checkpoint makes of held-out captions, and of first frames where it is given them.

use std::error::Error;
use std::path::PathBuf;

use kinora_engine::cards::{Frames as Count, SamplerKind, Size};
use kinora_engine::generator::Generator;
use kinora_engine::local::{LocalGenerator, LocalOptions};
use kinora_engine::media::{Fps, Frames};
use kinora_engine::request::Request;
use kinora_engine::store::{Store, StoreConfig};
use kinora_tests::world::{Character, render};
use tempfile::TempDir;

use super::film::{FRAMES, SIZE_PX, scenes};
use super::{Options, Source, Take};

/// Opens a checkpoint and makes a clip of each scene with it.
pub(super) fn source(name: &str, options: &Options) -> Result<Source, Box<dyn Error>> {
    let store = Store::new(StoreConfig::from_env(|name| std::env::var_os(name))?);
    let found = store.find(name)?;
    let machine = LocalOptions::default();
    let generator = match &found.path {
        Some(path) => LocalGenerator::open(path, name, found.card, machine)?,
        None => LocalGenerator::built_in(machine)?,
    };
    let defaults = match found.card {
        Some(_) => Request::default(),
        None => bare()?,
    };
    let recipe = generator.estimate(&defaults)?.recipe;
    let size = [recipe.width.value as usize, recipe.height.value as usize];
    let place = tempfile::tempdir()?;
    let mut scenes = scenes(options);
    let (from_image, mut seed) = (options.from_image, options.seed);
    let next = move || {
        let Some((scene, asked)) = scenes.next() else { return Ok(None) };
        let mut request = Request { prompt: asked.caption.clone(), seed, ..defaults.clone() };
        seed += 1;
        let first = from_image.then(|| render(&scene, 1, size[0], size[1]));
        if let Some(picture) = &first {
            request.image = Some(written(picture, &place)?);
        }
        let frames = generator.generate(&request, &())?.frames;
        Ok(Some(Take { asked, frames, first }))
    };
    let characters = Character::ALL.to_vec();
    Ok(Source {
        what: "clips of the model",
        count: options.pairs,
        characters,
        next: Box::new(next),
    })
}

/// What a folder without a card is asked for: how the embedded model was trained.
fn bare() -> Result<Request, Box<dyn Error>> {
    let [width, height] = SIZE_PX.map(|side| side as u32);
    Ok(Request {
        size: Some(Size { width, height }),
        num_frames: Some(Count(FRAMES as u32)),
        fps: Some(Fps::new(8, 1)?),
        num_inference_steps: Some(24),
        guidance_scale: Some(4.0),
        flow_shift: Some(3.0),
        sampler: Some(SamplerKind::UniPc),
        ..Request::default()
    })
}

/// Writes a frame as a picture.
fn written(picture: &Frames, place: &TempDir) -> Result<PathBuf, Box<dyn Error>> {
    let path = place.path().join("first.png");
    let [width, height] = [picture.width(), picture.height()].map(u32::try_from);
    image::save_buffer(&path, picture.data(), width?, height?, image::ColorType::Rgb8)?;
    Ok(path)
}
