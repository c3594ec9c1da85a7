//! Clips that a checkpoint makes of held-out captions, and of first frames where it is given them.

use std::error::Error;

use kinora_engine::cards::built_in;
use kinora_engine::generator::Generator;
use kinora_engine::local::{LocalGenerator, LocalOptions};
use kinora_engine::media::write_picture;
use kinora_engine::request::Request;
use kinora_engine::store::{Store, StoreConfig};
use kinora_tests::world::{Character, render};

use super::film::scenes;
use super::{Options, Source, Take};

/// Opens a checkpoint and makes a clip of each scene with it.
pub(super) fn source(name: &str, options: &Options) -> Result<Source, Box<dyn Error>> {
    let store = Store::new(StoreConfig::from_env(|name| std::env::var_os(name))?);
    let found = store.find(name)?;
    let machine = LocalOptions::default();
    // A folder without a card is another version of the embedded model, and asked for what that is asked for.
    let card = found.card.unwrap_or(built_in());
    let generator = match &found.path {
        Some(path) => LocalGenerator::open(path, name, Some(card), machine)?,
        None => LocalGenerator::built_in(machine)?,
    };
    let recipe = generator.estimate(&Request::default())?.recipe;
    let size = [recipe.width.value as usize, recipe.height.value as usize];
    let place = tempfile::tempdir()?;
    let mut scenes = scenes(options);
    let (from_image, mut seed) = (options.from_image, options.seed);
    let next = move || {
        let Some((scene, asked)) = scenes.next() else { return Ok(None) };
        let mut request = Request { prompt: asked.caption.clone(), seed, ..Request::default() };
        seed += 1;
        let first = from_image.then(|| render(&scene, 1, size[0], size[1]));
        if let Some(picture) = &first {
            let path = place.path().join("first.png");
            write_picture(picture, &path)?;
            request.image = Some(path);
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
