//! `kinora generate`: a prompt becomes a file.

use std::path::Path;
use std::process::ExitCode;

use kinora_engine::local::{LocalGenerator, LocalOptions};
use kinora_engine::request::Request;
use kinora_engine::{Take, write_take};
use serde_json::json;

use crate::args::Generate;
use crate::errors::Failure;
use crate::settings::{self, Checkpoint};
use crate::ui::{self, Mode, Ui};

/// Makes a clip and says where it is.
pub(crate) fn run(options: &Generate) -> Result<ExitCode, Failure> {
    let machine = settings::machine(&options.machine)?;
    let request = settings::request(options)?;
    let checkpoint = settings::checkpoint(&options.model)?;
    let mode = if options.json { Mode::Json } else { Mode::Human };
    let take = make(&checkpoint, machine, &request, &options.output, mode)?;
    report(&take, mode);
    Ok(ExitCode::SUCCESS)
}

/// Opens a checkpoint and makes a clip with it.
pub(crate) fn make(
    checkpoint: &Checkpoint,
    machine: LocalOptions,
    request: &Request,
    output: &Path,
    mode: Mode,
) -> Result<Take, Failure> {
    ui::stop_on_interrupt();
    let ui = Ui::new(mode);
    let generator =
        LocalGenerator::open(&checkpoint.folder, &checkpoint.name, checkpoint.card, machine)?;
    Ok(write_take(&generator, request, output, &ui)?)
}

/// Prints where a take is.
pub(crate) fn report(take: &Take, mode: Mode) {
    if mode == Mode::Json {
        let manifest = &take.manifest;
        ui::print(
            &json!({
                "event": "take",
                "path": take.path,
                "manifest": take.manifest_path,
                "padded": take.padded,
                "latent_hash": manifest.latent_hash,
                "frames_hash": manifest.frames_hash,
            })
            .to_string(),
        );
        return;
    }
    if let Some((width, height)) = take.padded {
        ui::tell(&format!("padded to {width}x{height}: H.264 in 4:2:0 needs even sides"));
    }
    ui::print(&take.path.display().to_string());
}
