//! What share of a model's clips of the cartoon world shows what their captions ask for.
//!
//! Scenes and captions are drawn here, by a generator that training does not have, so that every seed is held out.

mod asked;
mod clips;
mod film;
mod model;
mod sheet;
mod tally;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use kinora_engine::cards::built_in;
use kinora_engine::media::Frames;
use kinora_tests::judge::{Judge, Verdict, first_frame_psnr};
use kinora_tests::world::Character;

use asked::Asked;
use tally::Tally;

/// What is judged.
enum Of {
    /// Clips that a checkpoint makes, named as `kinora generate` does.
    Model(String),
    /// The scenes as the world draws them: what the judge itself gets right.
    Truth,
    /// Clips of a file, made elsewhere.
    Clips(PathBuf),
}

/// The command's words.
struct Options {
    of: Of,
    pairs: usize,
    seed: u64,
    from_image: bool,
    sheet: Option<PathBuf>,
}

/// A clip, what was asked for, and the picture it had to begin with.
struct Take {
    asked: Asked,
    frames: Frames,
    first: Option<Frames>,
}

/// Where clips come from.
struct Source {
    /// What they are, in words.
    what: &'static str,
    /// How many there are.
    count: usize,
    /// Who may come up in them.
    characters: Vec<Character>,
    /// Gives one at a time; `None` after the last.
    next: Next,
}

type Next = Box<dyn FnMut() -> Result<Option<Take>, Box<dyn Error>>>;

/// Judges clips and prints what they show.
pub(crate) fn run(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let options = Options::parse(words)?;
    let mut source = match &options.of {
        Of::Model(name) => model::source(name, &options)?,
        Of::Truth => film::source(&options),
        Of::Clips(file) => clips::source(file)?,
    };
    let mut judge: Option<(Judge, [usize; 2])> = None;
    let mut tally = Tally::default();
    let mut sheet = options.sheet.as_ref().map(|_| sheet::Sheet::default());
    let mut begun = Instant::now();
    while let Some(take) = (source.next)()? {
        let made_s = begun.elapsed().as_secs_f64();
        let size = [take.frames.width(), take.frames.height()];
        let judge = match &mut judge {
            Some((judge, same)) if *same == size => judge,
            judge => {
                let [width, height] = size;
                let made = Judge::among(&source.characters, width, height);
                &mut judge.insert((made, size)).0
            }
        };
        let verdict = judge.look(&take.frames);
        let psnr = take.first.as_ref().map(|first| first_frame_psnr(first, &take.frames));
        if let Some(sheet) = &mut sheet {
            sheet.add(&take.frames);
        }
        let number = tally.len() + 1;
        eprintln!(
            "{number}/{} {made_s:.1} s: {} -> {}",
            source.count,
            take.asked.caption,
            told(&verdict)
        );
        tally.add(take.asked, verdict, psnr);
        begun = Instant::now();
    }
    if let (Some(sheet), Some(path)) = (sheet, &options.sheet) {
        sheet.save(path)?;
    }
    if tally.len() == 0 {
        return Err("no clips to judge".into());
    }
    println!("{} {}", tally.len(), source.what);
    tally.print();
    Ok(())
}

/// What was seen, in words.
fn told(verdict: &Verdict) -> String {
    let place = verdict.background.what.name();
    match (verdict.colour, verdict.character, verdict.action) {
        (colour, Some(character), Some(action)) => {
            let colour = colour.map_or("no", |colour| colour.what.name());
            format!("{colour} {} {} {place}", character.what.name(), action.what.name())
        }
        _ => format!("nobody {place}"),
    }
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut of = None;
        let mut numbers = Vec::new();
        let (mut from_image, mut sheet) = (false, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut file =
                || words.next().map(PathBuf::from).ok_or(format!("{word} names no file"));
            match *word {
                "--truth" => of = Some(Of::Truth),
                "--clips" => of = Some(Of::Clips(file()?)),
                "--i2v" => from_image = true,
                "--sheet" => sheet = Some(file()?),
                word if word.starts_with("--") => return Err(format!("no option {word}").into()),
                word => match (word.parse::<u64>(), &of) {
                    (Ok(number), _) => numbers.push(number),
                    (Err(_), None) => of = Some(Of::Model(word.to_owned())),
                    (Err(_), Some(_)) => return Err(format!("a number, not {word}").into()),
                },
            }
        }
        let (pairs, seed) = match numbers[..] {
            [] => (200, 1),
            [pairs] => (pairs, 1),
            [pairs, seed] => (pairs, seed),
            _ => return Err("two numbers at most: clips and seed".into()),
        };
        let of = of.unwrap_or_else(|| Of::Model(built_in().name.clone()));
        Ok(Self { of, pairs: usize::try_from(pairs)?, seed, from_image, sheet })
    }
}
