//! `kinora generate`: a prompt becomes a file.

use std::path::Path;
use std::process::ExitCode;

use kinora_engine::local::LocalOptions;
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
    let chosen = settings::chosen_checkpoint(options.model.as_deref())?;
    let is_default = chosen.is_none();
    let checkpoint = chosen.unwrap_or_else(Checkpoint::built_in);
    let mode = if options.json { Mode::Json } else { Mode::Human };
    let mut ui = Ui::new(mode);
    if is_default {
        ui.mention(format!(
            "no model is named: this is {}, the small cartoon model inside this program; for a real one, \
             kinora models pull wan2.1-t2v-1.3b, then --model wan2.1-t2v-1.3b",
            checkpoint.name
        ));
    }
    outside_training(&checkpoint, &request).into_iter().for_each(|note| ui.mention(note));
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
    let generator = checkpoint.open(machine)?;
    Ok(write_take(&generator, request, output, ui)?)
}

/// Unknown words that a note lists.
const LISTED_WORDS: usize = 6;

/// Gentle words where a model that knows little is asked for more.
fn outside_training(checkpoint: &Checkpoint, request: &Request) -> Vec<String> {
    let Some(card) = checkpoint.card.filter(|card| card.built_in) else { return Vec::new() };
    let mut notes = Vec::new();
    // An adapter may bring words of its own.
    let unknown = match &card.vocabulary {
        Some(vocabulary) if request.loras.is_empty() => vocabulary.unknown(&request.prompt),
        _ => Vec::new(),
    };
    let words = match unknown.as_slice() {
        [] => None,
        [word] => Some(format!("the word {word} is")),
        [others @ .., last] if unknown.len() <= LISTED_WORDS => {
            Some(format!("the words {} and {last} are", others.join(", ")))
        }
        listed => {
            let more = listed.len() - LISTED_WORDS;
            Some(format!("the words {} and {more} more are", listed[..LISTED_WORDS].join(", ")))
        }
    };
    let name = &card.name;
    notes.extend(words.map(|words| {
        format!("{name} knows a small world, and {words} not in it; kinora models show {name} lists what is")
    }));
    let defaults = &card.defaults;
    let is_other = request.size.is_some_and(|size| size != defaults.size())
        || request.num_frames.is_some_and(|frames| frames != defaults.num_frames);
    if is_other {
        notes.push(format!(
            "{name} was trained at {}x{} and {} frames; what it makes of others may be noise. --enlarge N writes a \
             larger picture",
            defaults.width, defaults.height, defaults.num_frames
        ));
    }
    notes
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
