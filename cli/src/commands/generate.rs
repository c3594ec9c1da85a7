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
    let mut ui = Ui::new(mode);
    if checkpoint.card.is_none() {
        ui.mention(format!(
            "no card is known for {}: defaults come from the folder and the family; \
             --model with a card's name uses the card's (kinora models list)",
            checkpoint.name
        ));
    }
    let take = make(&checkpoint, machine, &request, &options.output, &ui)?;
    report(&take, mode);
    Ok(ExitCode::SUCCESS)
}

/// Opens a checkpoint and makes a clip with it.
pub(crate) fn make(
    checkpoint: &Checkpoint,
    machine: LocalOptions,
    request: &Request,
    output: &Path,
    ui: &Ui,
) -> Result<Take, Failure> {
    ui::stop_on_interrupt();
    let generator =
        LocalGenerator::open(&checkpoint.folder, &checkpoint.name, checkpoint.card, machine)?;
    Ok(write_take(&generator, request, output, ui)?)
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
