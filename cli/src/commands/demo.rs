//! `kinora demo`: a clip from a tiny model of random weights that the program writes itself.

use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::cards::{Frames, Size};
use kinora_engine::local::{self, LocalOptions};
use kinora_engine::request::Request;
use tempfile::TempDir;

use super::generate;
use crate::args::Demo;
use crate::errors::Failure;
use crate::settings::Checkpoint;
use crate::ui::{self, Mode, Ui};

const SIZE: Size = Size { width: 256, height: 144 };
const FRAMES: Frames = Frames(17);

/// The name of the model in the manifest of a demo's clip.
pub(super) const MODEL: &str = "demo";

/// Writes the model, the same each time, into a folder that goes when it is dropped.
pub(super) fn checkpoint() -> Result<(TempDir, Checkpoint), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|e| Failure::new(Kind::Resources, format!("no folder for a demo model: {e}")))?;
    local::write_demo_model(folder.path())?;
    let (name, path) = (MODEL.to_owned(), folder.path().to_owned());
    Ok((folder, Checkpoint { name, folder: path, card: None }))
}

/// Makes the clip and says what it is.
pub(crate) fn run(options: &Demo) -> Result<ExitCode, Failure> {
    let (_folder, checkpoint) = checkpoint()?;
    ui::tell(
        "The demo model is tiny and its weights are random: expect moving colours, no picture.",
    );
    let request = Request {
        prompt: "a ball rolls across the floor".to_owned(),
        size: Some(SIZE),
        num_frames: Some(FRAMES),
        num_inference_steps: Some(6),
        ..Request::default()
    };
    let take = generate::make(
        &checkpoint,
        LocalOptions::default(),
        &request,
        &options.output,
        &Ui::new(Mode::Human),
    )?;
    generate::report(&take, Mode::Human);
    Ok(ExitCode::SUCCESS)
}
