//! From a request to a file, and from a file back to its request.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use crate::durable::json_beside;
use crate::generator::Generator;
use crate::manifest::{Manifest, SCHEMA};
use crate::media::{self, Fps, Frames};
use crate::observe::{Event, Observer, Stage, tell};
use crate::request::{NegativePrompt, Recipe, Request};
use crate::{Error, Result};

/// A written take.
#[derive(Debug, Clone)]
pub struct Take {
    /// The clip.
    pub path: PathBuf,
    /// Its manifest as JSON, beside it.
    pub manifest_path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its frames as they were made: not enlarged, not encoded.
    pub frames: Frames,
    /// Width and height of the file where they had to be padded to even numbers.
    pub padded: Option<(usize, usize)>,
}

/// Makes a clip and writes it. The output is looked at before any work begins.
///
/// # Errors
/// Those of the generator and of the media room; nothing is left under the final name.
pub fn write_take(
    generator: &dyn Generator,
    request: &Request,
    output: &Path,
    observer: &dyn Observer,
) -> Result<Take> {
    let begun = Instant::now();
    check_apart(request, output)?;
    let recipe = generator.estimate(request)?.recipe;
    let (width, height) = enlarged(request, &recipe)?;
    media::check_output(output, recipe.num_frames.value as usize)?;
    for file in [&request.save_latents, &request.trace].into_iter().flatten() {
        crate::durable::check_file(file)?;
    }
    let generated = generator.generate(request, observer)?;
    tell(observer, &Event::Stage(Stage::Media))?;
    let large = request.enlarge.map(|how| generated.frames.resize(width, height, how.filter));
    let large = large.transpose()?;
    let frames = large.as_ref().unwrap_or(&generated.frames);
    let text = serde_json::to_string_pretty(&generated.manifest)
        .map_err(|source| Error::Manifest { path: output.to_owned(), source })?;
    let total = frames.count();
    let written = media::write(frames, generated.fps, &text, output, &mut |index| {
        observer.on(&Event::Media { index, total })
    })?;
    // The file is complete: a wish to stop comes too late.
    let _: ControlFlow<()> = observer.on(&Event::Done { seconds: begun.elapsed().as_secs_f64() });
    Ok(Take {
        path: written.path,
        manifest_path: written.manifest,
        manifest: generated.manifest,
        frames: generated.frames,
        padded: written.padded,
    })
}

/// The most bytes of an enlarged clip: all its frames are in memory at once.
const MOST_ENLARGED_BYTES: u64 = 512 << 20;

/// The size that a clip is written at.
fn enlarged(request: &Request, recipe: &Recipe) -> Result<(usize, usize)> {
    let made = [recipe.width.value, recipe.height.value].map(u64::from);
    let Some(enlarge) = request.enlarge else { return Ok((made[0] as usize, made[1] as usize)) };
    let factor = enlarge.check()?.factor;
    let [width, height] = made.map(|side| side * u64::from(factor));
    let most = media::MAX_SIDE_PX as u64;
    let bytes = width.saturating_mul(height).saturating_mul(3);
    let bytes = bytes.saturating_mul(u64::from(recipe.num_frames.value));
    if width > most || height > most || bytes > MOST_ENLARGED_BYTES {
        let (name, found) = ("enlargement", f64::from(factor));
        let expected = "a factor that keeps a side within 16384 pixels and the clip within 512 MiB";
        return Err(Error::Value { name, found, expected });
    }
    Ok((width as usize, height as usize))
}

/// Refuses a request that writes one file twice.
fn check_apart(request: &Request, output: &Path) -> Result<()> {
    let manifest = json_beside(output);
    let files = [
        ("the clip", Some(output)),
        ("its manifest", Some(manifest.as_path())),
        ("the latents", request.save_latents.as_deref()),
        ("the trace", request.trace.as_deref()),
    ];
    let mut seen: Vec<(&'static str, PathBuf)> = Vec::with_capacity(files.len());
    for (name, path) in files.into_iter().filter_map(|(name, path)| Some((name, path?))) {
        let path = std::path::absolute(path)
            .map_err(|source| Error::Write { path: path.to_owned(), source })?;
        if let Some((first, _)) = seen.iter().find(|(_, other)| *other == path) {
            return Err(Error::SameFile { path, first, second: name });
        }
        seen.push((name, path));
    }
    Ok(())
}

/// Reads the manifest that travels with a clip.
///
/// # Errors
/// A file without one, or one of another version.
pub fn read_manifest(path: &Path) -> Result<Manifest> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Version {
        schema: u64,
    }
    let text = media::read_manifest(path)?;
    let unreadable = |source| Error::Manifest { path: path.to_owned(), source };
    // Another version has other fields: they are no reason to refuse it, its number is.
    let Version { schema } = serde_json::from_str(&text).map_err(unreadable)?;
    if schema != u64::from(SCHEMA) {
        let (expected, found) = (SCHEMA.to_string(), schema.to_string());
        return Err(Error::Setting { file: path.to_owned(), setting: "schema", expected, found });
    }
    serde_json::from_str(&text).map_err(unreadable)
}

/// How a replay compares with its original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Whether the final latents are equal bit for bit.
    pub latents_equal: bool,
    /// Whether the frames before encoding are equal bit for bit.
    pub frames_equal: bool,
}

impl Replay {
    /// Compares two manifests.
    pub fn compare(original: &Manifest, again: &Manifest) -> Self {
        Self {
            latents_equal: original.latent_hash == again.latent_hash,
            frames_equal: original.frames_hash == again.frames_hash,
        }
    }

    /// Whether nothing differs.
    pub fn agrees(&self) -> bool {
        self.latents_equal && self.frames_equal
    }
}

/// The request that makes the same clip again: every value of the recipe said explicitly.
/// Whether its files are still those it was made from is for [`Manifest::check_files`] to say.
///
/// # Errors
/// A frame rate out of range.
pub fn replay_request(manifest: &Manifest) -> Result<Request> {
    let recipe: &Recipe = &manifest.recipe;
    Ok(Request {
        prompt: recipe.prompt.clone(),
        negative: NegativePrompt::from_option(Some(recipe.negative_prompt.value.clone())),
        size: Some(recipe.size()),
        num_frames: Some(recipe.frames()),
        fps: Some(Fps::new(recipe.fps.value.0, recipe.fps.value.1)?),
        num_inference_steps: Some(recipe.num_inference_steps.value),
        guidance_scale: Some(recipe.guidance_scale.value),
        flow_shift: Some(recipe.flow_shift.value),
        sampler: Some(recipe.sampler.value),
        seed: recipe.seed,
        image: manifest.image.as_ref().map(|file| PathBuf::from(&file.path)),
        loras: manifest.loras.iter().map(|record| record.lora.clone()).collect(),
        enlarge: manifest.enlarge,
        init_latents: manifest.init_latents.as_ref().map(|file| PathBuf::from(&file.path)),
        ..Request::default()
    })
}
