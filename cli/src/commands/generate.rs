//! `kinora generate`: a prompt becomes a file.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use kinora_engine::local::{LocalGenerator, LocalOptions};
use kinora_engine::observe::{Event, Observer, Stage};
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
    let ui = Ui::new(mode);
    let take = if mode == Mode::Human && checkpoint.card.is_none() {
        let watch = WithoutCard { ui, name: checkpoint.name.clone(), has_told: false.into() };
        watched(&checkpoint, machine, &request, &options.output, &watch)
    } else {
        watched(&checkpoint, machine, &request, &options.output, &ui)
    }?;
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
    watched(checkpoint, machine, request, output, &Ui::new(mode))
}

fn watched(
    checkpoint: &Checkpoint,
    machine: LocalOptions,
    request: &Request,
    output: &Path,
    observer: &dyn Observer,
) -> Result<Take, Failure> {
    ui::stop_on_interrupt();
    let generator =
        LocalGenerator::open(&checkpoint.folder, &checkpoint.name, checkpoint.card, machine)?;
    Ok(write_take(&generator, request, output, observer)?)
}

/// Says once that no card is known, as soon as the request is known to be possible: a failure stays one line.
struct WithoutCard {
    ui: Ui,
    name: String,
    has_told: AtomicBool,
}

impl Observer for WithoutCard {
    fn on(&self, event: &Event) -> ControlFlow<()> {
        let begins = matches!(event, Event::Stage(stage) if *stage != Stage::Plan);
        if begins && !self.has_told.swap(true, Ordering::Relaxed) {
            // Ends the bar of the stage before, which would be drawn over the line.
            self.ui.on(&Event::Done { seconds: 0.0 })?;
            ui::tell(&format!(
                "no card is known for {}: defaults come from the folder and the family; \
                 --model with a card's name uses the card's (kinora models list)",
                self.name
            ));
        }
        self.ui.on(event)
    }
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
