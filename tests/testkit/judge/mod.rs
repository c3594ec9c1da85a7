//! Says what a clip of the cartoon world shows, from its frames alone.
//!
//! The clip may come out of a soft decoder, with colours a little off and shapes that are not quite right, so nothing here
//! asks for exact pixels. In order:
//!
//! 1. **Background.** The median of each pixel over time, in coarse cells, against every background in many variations;
//!    cells that differ much count no more than cells that differ clearly, so that a character in the way says nothing. The
//!    nearest one's variations are then fitted. What the clip itself shows in colours that the fitted picture has nearby
//!    replaces the fitted picture, so that a hill of another shape or a shade is still background.
//! 2. **Figure.** In each frame, the largest connected part that differs from the background, its holes filled: where it
//!    is, how large, and which pixels it covers.
//! 3. **Motion.** Net way to the sides, net rise and hops of the foot, and growth over the clip, each over the least that
//!    one would call so. The foot is what stands: a figure that grows does not rise. What moves in no such way is in place.
//! 4. **Colour.** Pixels inside the figure vote for the nearest of the colours, unless they are nearer to an outline, an
//!    eye or another colour that is nobody's.
//! 5. **Character.** Pictures of every character, facing each way, are laid over the figure by its centre and area, in a
//!    few sizes and, where the figure stays in place, turned; the body's colour is solved for, so that only shape and
//!    markings count. The one that leaves the least unexplained in a few frames together is seen.
//! 6. **Spin or still.** For a figure in place, how much better that character explains the frames when it is turned.
//!
//! A score is from 0 to 1: how clear it was, 0.5 and below being a close call; it is no probability.

mod background;
mod character;
mod colour;
mod figure;
mod motion;
mod picture;

use kinora_engine::media::Frames;

use crate::world::{Action, Background, Character, Colour, Direction};
use background::Backgrounds;
use character::Templates;
use figure::Figure;
use picture::Picture;

/// One frame in so many shows a figure where a clip does.
const SHOWN: usize = 4;

/// Something that was seen, and how clearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen<T> {
    /// What.
    pub what: T,
    /// How clearly, from 0 to 1.
    pub score: f32,
}

/// What a clip shows. Where hardly a frame has a figure, only the background is
/// seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Where it is.
    pub background: Seen<Background>,
    /// The character's colour.
    pub colour: Option<Seen<Colour>>,
    /// Who it is.
    pub character: Option<Seen<Character>>,
    /// What it does.
    pub action: Option<Seen<Action>>,
    /// Where that leads.
    pub direction: Option<Seen<Direction>>,
    /// How much of the figure's look the character explains: 1 is a perfect likeness.
    pub likeness: f32,
    /// Share of what the figure covers in the first frame that looks the same later on: 1 is a still picture.
    pub stillness: f32,
}

/// Judges clips of one size.
pub struct Judge {
    width: usize,
    height: usize,
    backgrounds: Backgrounds,
    templates: Templates,
}

impl Judge {
    /// Prepares to judge clips of this size, of the characters in the base model's training.
    pub fn new(width: usize, height: usize) -> Self {
        Self::among(&Character::ALL, width, height)
    }

    /// Prepares to judge clips in which these characters may come up.
    pub fn among(characters: &[Character], width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            backgrounds: Backgrounds::new(width as f32 / height as f32),
            templates: Templates::new(characters),
        }
    }

    /// Looks at a clip.
    ///
    /// # Panics
    /// Where the clip is of another size.
    pub fn look(&self, clip: &Frames) -> Verdict {
        let size = (clip.width(), clip.height());
        assert_eq!(size, (self.width, self.height), "the judge was made for another size");
        let frames: Vec<Picture> =
            clip.iter().map(|frame| Picture::new(self.width, self.height, frame)).collect();
        let (background, empty) = self.backgrounds.fit(&frames);
        let empty = empty.softened();
        let soft: Vec<Picture> = frames.iter().map(Picture::softened).collect();
        let figures: Vec<Option<Figure>> =
            soft.iter().map(|frame| Figure::find(frame, &empty)).collect();
        let seen: Vec<(&Picture, &Figure)> = soft
            .iter()
            .zip(&figures)
            .filter_map(|(f, figure)| Some((f, figure.as_ref()?)))
            .collect();
        if seen.len() * SHOWN < clip.count() {
            let stillness = motion::stillness(&soft, None);
            return Verdict {
                background,
                colour: None,
                character: None,
                action: None,
                direction: None,
                likeness: 0.0,
                stillness,
            };
        }
        let mut evidence = motion::Evidence::new(&figures);
        let is_in_place = evidence.is_in_place();
        let (character, likeness) = self.templates.recognise(&seen, &empty, is_in_place);
        if is_in_place {
            evidence.spin = self.templates.turning(character.what, &seen, &empty);
        }
        let action = evidence.action();
        Verdict {
            background,
            colour: colour::of(&frames, &figures),
            character: Some(character),
            action: Some(action),
            direction: Some(evidence.direction()),
            likeness,
            stillness: motion::stillness(&soft, figures.iter().flatten().next()),
        }
    }
}

/// How close the first frames of two clips are, in dB of their peak signal-to-noise ratio; equal ones are at 100.
///
/// # Panics
/// Where they are of different sizes.
pub fn first_frame_psnr(a: &Frames, b: &Frames) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()), "frames of different sizes");
    let first = a.width() * a.height() * 3;
    let pairs = a.data()[..first].iter().zip(&b.data()[..first]);
    let squares: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let mean = squares / first as f64;
    if mean == 0.0 { 100.0 } else { (10.0 * (255.0 * 255.0 / mean).log10()).min(100.0) }
}
