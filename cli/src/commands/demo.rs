//! `kinora demo`: four short cartoons and a contact sheet, by the model that the program carries.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use kinora_engine::local::{self, LocalGenerator, LocalOptions};
use kinora_engine::media::{self, Filter, Frames};
use kinora_engine::request::{Enlarge, Request};
use kinora_engine::{Error, Kind, write_take};

use super::generate;
use crate::args::Demo;
use crate::errors::Failure;
use crate::ui::{self, Mode, Ui};

/// Clips by words alone: name and prompt.
const BY_WORDS: [(&str, &str); 3] = [
    ("cat", "a red cat jumps in a snowy field"),
    ("ghost", "a green ghost floats up at night"),
    ("robot", "a blue robot moves left in the desert"),
];

/// The clip that goes on from a picture.
const BY_PICTURE: (&str, &str) = ("fish", "an orange fish moves right over the sea");

/// Large enough to look at.
const ENLARGE: Enlarge = Enlarge { factor: 6, filter: Filter::Lanczos };

/// Times that a picture on the sheet is larger than it was made.
const ON_SHEET: usize = 3;

/// Frames of each clip on the sheet.
const ACROSS: usize = 5;

/// Makes the clips and says what they are.
pub(crate) fn run(options: &Demo) -> Result<ExitCode, Failure> {
    let folder = &options.output;
    // A program that is damaged or carries no model leaves nothing behind.
    let generator = LocalGenerator::built_in(LocalOptions::default())?;
    ui::stop_on_interrupt();
    make_folder(folder)?;
    let picture = folder.join("fish.png");
    local::write_built_in_picture(&picture)?;
    let by_words = BY_WORDS.map(|(name, prompt)| (name, prompt, None));
    let by_picture = (BY_PICTURE.0, BY_PICTURE.1, Some(picture));
    ui::tell("four clips from a small cartoon model that this program carries; nothing is fetched");
    let mut clips = Vec::with_capacity(by_words.len() + 1);
    for (name, prompt, picture) in by_words.into_iter().chain([by_picture]) {
        ui::tell(&match &picture {
            None => format!("\u{201c}{prompt}\u{201d}"),
            Some(picture) => {
                format!("\u{201c}{prompt}\u{201d}, beginning with {}", picture.display())
            }
        });
        let request = Request {
            prompt: prompt.to_owned(),
            seed: options.seed,
            image: picture.map(|path| std::path::absolute(&path).unwrap_or(path)),
            enlarge: Some(ENLARGE),
            ..Request::default()
        };
        clips.push(clip(&generator, &request, &folder.join(format!("{name}.mp4")))?);
    }
    let sheet = folder.join("sheet.png");
    let laid_out = media::contact_sheet(&clips, ACROSS).map_err(Error::Media)?;
    media::write_picture(&laid_out, &sheet).map_err(Error::Media)?;
    ui::print(&sheet.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// Makes a clip, prints where it is and gives its frames back as the sheet shows them.
fn clip(generator: &LocalGenerator, request: &Request, output: &Path) -> Result<Frames, Failure> {
    let take = write_take(generator, request, output, &Ui::new(Mode::Film))?;
    generate::report(&take, Mode::Human);
    let (width, height) = (take.frames.width() * ON_SHEET, take.frames.height() * ON_SHEET);
    Ok(take.frames.resize(width, height, ENLARGE.filter).map_err(Error::Media)?)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    match std::fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => {
            let message = format!("folder {} cannot be made: {error}", folder.display());
            Err(Failure::new(Kind::Resources, message)
                .hint("kinora demo -o FOLDER writes elsewhere"))
        }
    }
}
