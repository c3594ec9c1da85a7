//! `kinora models`: cards, and the checkpoints on this machine.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kinora_engine::cards::{self, Card, Layout, Vocabulary};
use kinora_engine::egress::Egress;
use kinora_engine::local::{self, Inspection, LocalOptions};
use kinora_engine::store::{Found, Provenance, PullEvent, PullOptions};
use kinora_engine::{Error, Kind};

use crate::args::Models;
use crate::errors::Failure;
use crate::settings::{self, Checkpoint};
use crate::ui;

/// Runs one of the verbs.
pub(crate) fn run(verb: &Models) -> Result<ExitCode, Failure> {
    match verb {
        Models::List => list(),
        Models::Show { card } => show(card),
        Models::Pull { card, layout } => pull(card, layout),
        Models::Inspect { path } => inspect(path),
        Models::Verify { path } => verify(path),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<(), Failure> {
    let store = settings::store()?;
    for card in cards::cards() {
        let place = match store.find(&card.name) {
            Ok(Found { path: Some(path), .. }) => path.display().to_string(),
            Ok(Found { path: None, .. }) => "inside this program".to_owned(),
            Err(_) => format!("not here (kinora models pull {})", card.name),
        };
        ui::print(&format!("{:<20} {:<28} {place}", card.name, card.title));
    }
    for found in store.list().into_iter().filter(|found| found.card.is_none()) {
        let name = match &found.provenance {
            Provenance::HubCache { repo, .. } => repo,
            // The card's own name means what the program carries.
            Provenance::KinoraFolder { name } if cards::find(name).is_some() => "-",
            Provenance::KinoraFolder { name } => name,
            Provenance::Path | Provenance::BuiltIn => "-",
        };
        let path = found.path.unwrap_or_default();
        ui::print(&format!("{name:<20} {:<28} {}", "no card", path.display()));
    }
    Ok(())
}

fn card(name: &str) -> Result<&'static Card, Failure> {
    cards::find(name).ok_or_else(|| {
        let known: Vec<&str> = cards::cards().iter().map(|card| card.name.as_str()).collect();
        Failure::new(Kind::Usage, format!("no card is called {name:?}"))
            .hint(format!("cards: {}", known.join(", ")))
    })
}

fn show(name: &str) -> Result<(), Failure> {
    let card = card(name)?;
    let line = |name: &str, value: &str| ui::print(&format!("{name:<18} {value}"));
    line("name", &card.name);
    line("title", &card.title);
    line("family", &card.family);
    let tasks: Vec<String> = card.tasks.iter().map(ToString::to_string).collect();
    line("tasks", &tasks.join(", "));
    let defaults = &card.defaults;
    line("size", &format!("{}x{}", defaults.width, defaults.height));
    line("frames", &format!("{} at {} a second", defaults.num_frames.0, defaults.fps));
    line("frame counts", &card.limits.frames.to_string());
    line("size grid", &format!("multiples of {}", card.limits.multiple_of));
    line("steps", &defaults.num_inference_steps.to_string());
    line("guidance", &defaults.guidance_scale.to_string());
    line("flow shift", &defaults.flow_shift.to_string());
    line("sampler", &defaults.sampler.to_string());
    line("negative prompt", &defaults.negative_prompt);
    line("licence", &format!("{} {}", card.licence.spdx, card.licence.url));
    for source in &card.sources {
        line(
            &format!("{} layout", source.layout),
            &format!("{} at {}", source.repo, source.revision),
        );
    }
    if card.built_in {
        line("where", "inside this program");
    }
    if let Some(vocabulary) = &card.vocabulary {
        show_vocabulary(vocabulary);
    }
    Ok(())
}

/// Prints what a small model can be asked for: each thing by its first word, the others behind it.
fn show_vocabulary(vocabulary: &Vocabulary) {
    ui::print("");
    ui::print("It knows one small world. A prompt names one of each:");
    for things in &vocabulary.things {
        ui::print(&format!("  {}", things.what));
        for words in &things.words {
            if let [first, others @ ..] = words.as_slice() {
                let others = others.join(", ");
                ui::print(format!("    {first:<16} {others}").trim_end());
            }
        }
    }
    ui::print(&format!("such as: {}", vocabulary.example));
}

fn pull(name: &str, layout: &str) -> Result<(), Failure> {
    let card = card(name)?;
    if card.built_in {
        let message = format!("{} is inside this program: there is nothing to fetch", card.name);
        let hint = format!("kinora generate PROMPT --model {} -o clip.mp4 uses it", card.name);
        return Err(Failure::new(Kind::Usage, message).hint(hint));
    }
    let known = "diffusers, original";
    let unknown = || Error::Unknown { what: "layout", found: layout.to_owned(), known };
    let wanted = match layout {
        "diffusers" => Layout::Diffusers,
        "original" => Layout::Original,
        _ => return Err(unknown().into()),
    };
    let source = card.source(wanted).ok_or_else(unknown)?;
    let store = settings::store()?;
    let log = settings::data_folder(&store)?;
    let failed = |error| Failure::new(Kind::Resources, format!("make {}: {error}", log.display()));
    std::fs::create_dir_all(log).map_err(failed)?;
    let mut door = Egress::new(store.config().is_offline).log_in(log);
    door.allow(store.consent(source));
    ui::stop_on_interrupt();
    let mut bar = PullBar::default();
    let pulled = store.pull(&door, source, &PullOptions::default(), &mut |event| {
        bar.show(event);
        if ui::is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish();
    let pulled = pulled?;
    ui::tell(&format!("{:.2} GB received", pulled.received_bytes as f64 / 1e9));
    ui::print(&pulled.folder.display().to_string());
    Ok(())
}

/// Shows how far a pull is.
#[derive(Default)]
struct PullBar {
    bytes: Option<ui::Bytes>,
    waiting: bool,
}

impl PullBar {
    fn show(&mut self, event: &PullEvent<'_>) {
        let was_waiting =
            std::mem::replace(&mut self.waiting, matches!(event, PullEvent::Waiting { .. }));
        match event {
            PullEvent::Listed { commit, files } => {
                ui::tell(&format!("{files} files of commit {commit}"));
            }
            PullEvent::Planned { total_bytes, missing_bytes } => {
                self.bytes =
                    Some(ui::Bytes::new(*total_bytes, total_bytes.saturating_sub(*missing_bytes)));
            }
            PullEvent::Checking { file, done_bytes, total_bytes } => {
                if let Some(bytes) = &mut self.bytes {
                    // They are among those that were there when the pull was planned.
                    bytes.show(
                        &format!("{file}, checking what is here"),
                        0,
                        *done_bytes,
                        *total_bytes,
                    );
                }
            }
            PullEvent::Received { file, done_bytes, total_bytes, new_bytes } => {
                if let Some(bytes) = &mut self.bytes {
                    bytes.show(file, *new_bytes, *done_bytes, *total_bytes);
                }
            }
            PullEvent::Locked { file } => {
                ui::tell(&format!("another pull has {file}; waiting for it"));
            }
            PullEvent::Waiting { error, wait } if !was_waiting => {
                ui::tell(&format!("{error}; trying again in {} s", wait.as_secs()));
            }
            _ => {}
        }
    }

    fn finish(&self) {
        if let Some(bytes) = &self.bytes {
            bytes.finish();
        }
    }
}

/// Finds what `generate` would find, by a card's name, a repository's or a path.
fn checkpoint(name: &Path) -> Result<Checkpoint, Failure> {
    match name.to_str() {
        Some(name) => settings::checkpoint(name),
        // Cards and repositories have names in Unicode: anything else is a path.
        None => {
            let folder = Some(name.to_owned());
            Ok(Checkpoint { name: name.display().to_string(), folder, card: None })
        }
    }
}

fn inspect(name: &Path) -> Result<(), Failure> {
    let checkpoint = checkpoint(name)?;
    let inspection = checkpoint.inspect()?;
    ui::print(&inspection.kind);
    for part in &inspection.parts {
        let dtypes: Vec<String> = part.dtypes.iter().map(|(d, n)| format!("{n} {d}")).collect();
        ui::print(&format!(
            "{:<13} {} tensors ({}), {} values, {}",
            part.name,
            part.tensors.len(),
            dtypes.join(", "),
            match part.values as f64 {
                values if values < 1e8 => format!("{:.2} million", values / 1e6),
                values => format!("{:.3} billion", values / 1e9),
            },
            ui::bytes(part.bytes)
        ));
        for file in &part.files {
            ui::print(&format!("  {}", file.display()));
        }
    }
    if checkpoint.folder.is_some_and(|path| path.is_file()) {
        for (name, dtype, shape) in inspection.parts.iter().flat_map(|part| &part.tensors) {
            let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
            ui::print(&format!("{name} {dtype} {}", shape.join("x")));
        }
    }
    Ok(())
}

fn verify(name: &Path) -> Result<(), Failure> {
    let checkpoint = checkpoint(name)?;
    let generator = checkpoint.open(LocalOptions::default())?;
    let sum = |found: &Inspection| found.parts.iter().map(|part| part.bytes).sum::<u64>();
    let inspection = checkpoint.inspect()?;
    let whole = |file: &Path| {
        let parts = inspection.parts.iter();
        match parts.clone().find(|part| part.files.iter().any(|of| of == file)) {
            Some(part) => part.bytes,
            // The index of shards.
            None => local::inspect(file).map_or(0, |found| sum(&found)),
        }
    };
    let mut shown = ui::Bytes::new(sum(&inspection), 0);
    // Read and whole of each file.
    let mut files: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
    let verified = generator.verify(&mut |file, read| {
        let (before, total) =
            files.entry(file.to_owned()).or_insert_with(|| (0, whole(file).max(read)));
        shown.show(&file.display().to_string(), read.saturating_sub(*before), read, *total);
        *before = read;
    });
    shown.finish();
    verified?;
    let bytes: u64 = files.values().map(|(read, _)| read).sum();
    let bytes = ui::bytes(bytes);
    ui::print(&format!("every tensor is accounted for and finite: {bytes} read"));
    Ok(())
}
