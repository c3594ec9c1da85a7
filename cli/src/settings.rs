//! Options as typed words become settings of the engine.

use std::path::{Path, PathBuf};

use kinora_engine::cards::{Card, Frames, SamplerKind, Size, built_in};
use kinora_engine::egress::{Keyring, Keys, log};
use kinora_engine::local::{self, Inspection, LocalGenerator, LocalOptions};
use kinora_engine::media::Filter;
use kinora_engine::production::Production;
use kinora_engine::request::{Enlarge, Lora, NegativePrompt, Request};
use kinora_engine::store::{Store, StoreConfig};
use kinora_engine::{Error, Kind};

use crate::args::{Generate, Machine, Where};
use crate::errors::Failure;

/// A checkpoint as it was asked for and where it is.
pub(crate) struct Checkpoint {
    /// As it was asked for.
    pub(crate) name: String,
    /// Its folder; none where the program carries it.
    pub(crate) folder: Option<PathBuf>,
    /// Its card, when its provenance says which.
    pub(crate) card: Option<&'static Card>,
}

impl Checkpoint {
    /// The model that the program carries.
    pub(crate) fn built_in() -> Self {
        let card = built_in();
        Self { name: card.name.clone(), folder: None, card: Some(card) }
    }

    /// Opens it on this machine.
    pub(crate) fn open(&self, machine: LocalOptions) -> Result<LocalGenerator, Failure> {
        Ok(match &self.folder {
            Some(folder) => LocalGenerator::open(folder, &self.name, self.card, machine)?,
            None => LocalGenerator::built_in(machine)?,
        })
    }

    /// Looks into it; reads no weight.
    pub(crate) fn inspect(&self) -> Result<Inspection, Failure> {
        Ok(match &self.folder {
            Some(folder) => local::inspect(folder)?,
            None => local::inspect_built_in()?,
        })
    }
}

/// The folder of the production that a command is about.
pub(crate) fn production_folder(place: &Where) -> Result<PathBuf, Failure> {
    let folder = place.production.as_deref().unwrap_or(Path::new("."));
    Ok(Production::find(folder)?)
}

/// The log of the door that a command is about: the production's, and outside of one the user's own.
pub(crate) fn egress_log(place: &Where) -> Result<PathBuf, Failure> {
    let folder = match (place.production.as_deref(), production_folder(place)) {
        (_, Ok(production)) => log::folder_of(&production),
        (None, Err(_)) => data_folder(&store()?)?.to_owned(),
        (Some(_), Err(error)) => return Err(error),
    };
    Ok(folder.join(log::NAME))
}

/// The folder of what belongs to the user and to no production.
pub(crate) fn data_folder(store: &Store) -> Result<&Path, Failure> {
    store.config().data_folder.as_deref().ok_or_else(|| {
        Failure::new(Kind::Config, "there is no folder for the log of what leaves this machine")
            .hint("set KINORA_HOME")
    })
}

/// The keys of this user.
pub(crate) fn keys() -> Result<Keys, Failure> {
    let folder = store()?.config().data_folder.as_ref().map(|folder| folder.join("keys"));
    Ok(Keys::new(keyring(), folder))
}

/// The keyring of this desktop.
pub(crate) fn keyring() -> Option<Keyring> {
    Keyring::from_env(|name| std::env::var_os(name))
}

/// The environment variable that names the model to use where none is named.
const MODEL_VARIABLE: &str = "KINORA_MODEL";

/// The model that the user has chosen for all times, where there is one.
fn configured_model() -> Result<Option<String>, Failure> {
    match std::env::var_os(MODEL_VARIABLE) {
        None => Ok(None),
        Some(name) if name.is_empty() => Ok(None),
        Some(name) => name.into_string().map(Some).map_err(|name| {
            let name = name.to_string_lossy();
            Failure::new(Kind::Config, format!("{MODEL_VARIABLE} is not Unicode: {name}"))
        }),
    }
}

/// The store of this user: the places that the environment names.
pub(crate) fn store() -> Result<Store, Failure> {
    Ok(Store::new(StoreConfig::from_env(|name| std::env::var_os(name))?))
}

/// Finds the checkpoint that is named, else the one that the user has chosen for all times, where there is one.
pub(crate) fn chosen_checkpoint(named: Option<&str>) -> Result<Option<Checkpoint>, Failure> {
    if let Some(name) = named {
        return checkpoint(name).map(Some);
    }
    let Some(name) = configured_model()? else { return Ok(None) };
    let hint = format!("{name} was named by the variable {MODEL_VARIABLE}");
    checkpoint(&name).map(Some).map_err(|failure| failure.hint(hint))
}

/// Finds the checkpoint that a word names.
pub(crate) fn checkpoint(name: &str) -> Result<Checkpoint, Failure> {
    let found = store()?.find(name)?;
    let name = match found.card {
        Some(card) if found.path.is_none() => card.name.clone(),
        _ => name.to_owned(),
    };
    Ok(Checkpoint { name, folder: found.path, card: found.card })
}

/// Turns machine options into the engine's.
pub(crate) fn machine(options: &Machine) -> Result<LocalOptions, Failure> {
    Ok(LocalOptions {
        device: options.device.parse()?,
        precision: options.dtype.parse()?,
        vae_precision: options.vae_dtype.parse()?,
        vae_tile: options.vae_tile.parse()?,
        threads: options.threads,
        memory_bytes: options.memory.as_deref().map(bytes).transpose()?,
    })
}

/// Turns the options of `generate` into a request.
pub(crate) fn request(options: &Generate) -> Result<Request, Failure> {
    Ok(Request {
        prompt: options.prompt.clone(),
        negative: NegativePrompt::from_option(options.negative.clone()),
        size: options.size.as_deref().map(size).transpose()?,
        num_frames: options.frames.map(Frames),
        fps: options
            .fps
            .as_deref()
            .map(|text| text.parse().map_err(|error| Failure::from(Error::Media(error))))
            .transpose()?,
        num_inference_steps: options.steps,
        guidance_scale: options.guidance,
        flow_shift: options.flow_shift,
        sampler: options.sampler.as_deref().map(sampler).transpose()?,
        seed: options.seed,
        image: options.image.as_deref().map(|file| absolute("--image", file)).transpose()?,
        loras: options.loras.iter().map(|text| lora(text)).collect::<Result<_, _>>()?,
        enlarge: options.enlarge.as_deref().map(enlarge).transpose()?,
        init_latents: options
            .init_latents
            .as_deref()
            .map(|file| absolute("--init-latents", file))
            .transpose()?,
        save_latents: options.save_latents.clone(),
        trace: options.trace.clone(),
        trace_blocks: options.trace_blocks,
    })
}

fn unknown(what: &'static str, found: &str, known: &'static str) -> Failure {
    Error::Unknown { what, found: found.to_owned(), known }.into()
}

fn size(text: &str) -> Result<Size, Failure> {
    let parsed = text.split_once(['x', 'X']).and_then(|(width, height)| {
        Some(Size { width: width.parse().ok()?, height: height.parse().ok()? })
    });
    parsed.ok_or_else(|| unknown("size", text, "WIDTHxHEIGHT, such as 832x480"))
}

fn sampler(text: &str) -> Result<SamplerKind, Failure> {
    text.parse().map_err(|_| unknown("sampler", text, "unipc, euler"))
}

/// `N`, or `N:FILTER`.
fn enlarge(text: &str) -> Result<Enlarge, Failure> {
    let (factor, filter) = text.split_once(':').unwrap_or((text, "lanczos"));
    let filter = match filter {
        "lanczos" => Some(Filter::Lanczos),
        "nearest" => Some(Filter::Nearest),
        _ => None,
    };
    match (factor.parse(), filter) {
        (Ok(factor), Some(filter)) => Ok(Enlarge { factor, filter }.check()?),
        _ => Err(unknown("enlargement", text, "N, N:lanczos, N:nearest")),
    }
}

/// `FILE`, or `FILE:SCALE` where what follows the last colon is a number.
fn lora(text: &str) -> Result<Lora, Failure> {
    let (path, scale) = match text.rsplit_once(':') {
        Some((path, scale)) if !path.is_empty() => match scale.parse::<f64>() {
            Ok(scale) => (path, scale),
            Err(_) => (text, 1.0),
        },
        _ => (text, 1.0),
    };
    if !scale.is_finite() {
        let (name, found) = ("the strength of --lora", scale);
        return Err(Error::Value { name, found, expected: "a finite number" }.into());
    }
    Ok(Lora { path: absolute("--lora", Path::new(path))?, scale })
}

/// A path that a manifest may hold: a relative one would depend on where a replay is started.
fn absolute(option: &str, path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|e| Failure::new(Kind::Usage, format!("{option} {}: {e}", path.display())))
}

/// Reads `8GB`, `512MB`, `1.5GiB` or plain bytes.
fn bytes(text: &str) -> Result<u64, Failure> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "mb" | "m" => 1e6,
        "mib" => 1024.0 * 1024.0,
        "gb" | "g" => 1e9,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(unknown("memory size", text, "8GB, 512MB, 1.5GiB")),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok((number * factor) as u64),
        _ => Err(unknown("memory size", text, "8GB, 512MB, 1.5GiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, enlarge, lora, size};

    #[test]
    fn a_colon_in_a_lora_path_is_no_scale() {
        let read = |text: &str| lora(text).map(|l| (l.path.ends_with("a:b"), l.scale)).ok();
        assert_eq!(read("a:b"), Some((true, 1.0)));
        assert_eq!(read("a:b:0.5"), Some((true, 0.5)));
        assert_eq!(read("a:b:-1"), Some((true, -1.0)));
        assert_eq!(read("a:b:nan"), None);
    }

    #[test]
    fn enlargements_are_read() {
        let read = |text: &str| enlarge(text).ok().map(|e| (e.factor, format!("{:?}", e.filter)));
        assert_eq!(read("4"), Some((4, "Lanczos".to_owned())));
        assert_eq!(read("6:nearest"), Some((6, "Nearest".to_owned())));
        for wrong in ["", "0", "65", "2.5", "-2", "2:cubic", ":nearest", "2:"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_and_memory_are_read() {
        assert!(size("832x480").is_ok_and(|s| s.width == 832 && s.height == 480));
        assert!(size("832").is_err() && size("8x-4").is_err());
        assert_eq!(bytes("8GB").ok(), Some(8_000_000_000));
        assert_eq!(bytes("1.5GiB").ok(), Some(1_610_612_736));
        assert!(bytes("lots").is_err() && bytes("-1GB").is_err());
    }
}
