//! `kinora replay`: a file becomes its recipe, and the recipe a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kinora_engine::generator::Generator;
use kinora_engine::id::TakeId;
use kinora_engine::local::{self, LocalOptions, VaeTile};
use kinora_engine::{Kind, Replay, read_manifest, replay_request};
use serde_json::json;

use super::{generate, takes};
use crate::args;
use crate::errors::Failure;
use crate::settings;
use crate::ui::{self, Mode, Ui};

/// Makes a clip again, or makes it again only to compare.
pub(crate) fn run(options: &args::Replay) -> Result<ExitCode, Failure> {
    let file = clip(options)?;
    let manifest = read_manifest(&file)?;
    let request = replay_request(&manifest)?;
    manifest.check_files().map_err(|error| {
        Failure::from(error).hint("put back the file that the clip was made from")
    })?;
    let model = options.model.as_ref().unwrap_or(&manifest.model);
    let checkpoint = settings::checkpoint(model)?;
    let another = manifest.built_in.is_some()
        && manifest.built_in.as_deref() != local::built_in_digest()
        && options.model.is_none();
    if another {
        let message = format!(
            "{} was made by another version of the model {model} than this program carries",
            file.display()
        );
        let hint = format!("it was made by {}", manifest.engine);
        return Err(Failure::new(Kind::Input, message).hint(hint));
    }
    let computed = &manifest.computed;
    let machine = LocalOptions {
        device: computed.device.parse()?,
        precision: computed.dtype.parse()?,
        vae_precision: computed.vae_dtype.parse()?,
        vae_tile: match computed.vae_tile {
            None => VaeTile::Off,
            Some((tile_px, stride_px)) => VaeTile::Tiles { tile_px, stride_px },
        },
        threads: options.threads,
        memory_bytes: None,
    };
    let mode = if options.json { Mode::Json } else { Mode::Human };
    if !options.verify {
        let output = options.output.clone().unwrap_or_else(|| beside(&file));
        let take = generate::make(&checkpoint, machine, &request, &output, &Ui::new(mode))?;
        generate::report(&take, mode);
        return Ok(ExitCode::SUCCESS);
    }
    ui::stop_on_interrupt();
    let ui = Ui::new(mode);
    let generator = checkpoint.open(machine)?;
    let again = generator.generate(&request, &ui)?;
    let replay = Replay::compare(&manifest, &again.manifest);
    let say = |equal| if equal { "equal" } else { "different" };
    if mode == Mode::Json {
        let line = json!({
            "event": "replay",
            "latents_equal": replay.latents_equal,
            "frames_equal": replay.frames_equal,
        });
        ui::print(&line.to_string());
    } else {
        ui::print(&format!("latents {}", say(replay.latents_equal)));
        ui::print(&format!("frames  {}", say(replay.frames_equal)));
    }
    if replay.agrees() {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{} could not be made again bit for bit", file.display());
    let here = &again.manifest.computed;
    let hint = if here == computed && again.manifest.engine == manifest.engine {
        "a file it was made from has changed".to_owned()
    } else {
        format!(
            "it was made by {} on {} ({}), this is {} on {} ({})",
            manifest.engine,
            computed.device,
            computed.kernels,
            again.manifest.engine,
            here.device,
            here.kernels
        )
    };
    Err(Failure::new(Kind::Input, message).hint(hint))
}

/// The clip that is meant: a file, or else a take by the name that `kinora takes` gives it.
fn clip(options: &args::Replay) -> Result<PathBuf, Failure> {
    let file = &options.file;
    let word = file.to_str().filter(|word| word.contains(':') || word.parse::<TakeId>().is_ok());
    match word {
        Some(word) if !file.exists() => {
            let (ledger, take) = takes::find(&options.place, word)?;
            Ok(ledger.render_path(&take))
        }
        _ => Ok(file.clone()),
    }
}

/// `take.mp4` and `take.mp4.json` become `take.replay.mp4`; the folder `take` and its manifest become `take.replay/`.
fn beside(file: &Path) -> PathBuf {
    let mut file = file.to_owned();
    if file.file_name().is_some_and(|name| name == "manifest.json") {
        file.set_file_name("");
    } else if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        file.set_extension("");
    }
    if file.file_name().is_none() {
        // The working directory and those above it have a name elsewhere.
        file = std::fs::canonicalize(Path::new(".").join(&file)).unwrap_or(file);
    }
    if file.is_dir() {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".replay");
        // The empty name ends the path in a separator, which says that it is a folder.
        return file.with_file_name(name).join("");
    }
    match file.extension() {
        Some(extension) => {
            let mut last = std::ffi::OsString::from("replay.");
            last.push(extension);
            file.with_extension(last)
        }
        None => file.with_extension("replay"),
    }
}
