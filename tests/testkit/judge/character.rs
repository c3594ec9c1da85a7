//! Which character a figure is, and whether it turns.

use std::f32::consts::PI;

use super::Seen;
use super::figure::Figure;
use super::picture::{Picture, squared};
use crate::world::{Character, Rgb, layers};

/// Points of a template a side, and how far it reaches from the figure's centre, in roots of the figure's area.
const SIDE: u8 = 22;
const REACH: f32 = 1.0;
/// How sharp its lines are, per radius of the character: as soft as a frame whose pixels were taken together.
const SHARPNESS: f32 = 5.0;
/// Sizes that are tried, as factors of the one that the area says: blur makes a figure look larger.
const SIZES: [f32; 3] = [0.92, 0.98, 1.04];
/// Angles in a turn that are tried.
const ANGLES: u8 = 16;
/// Frames that are looked at to recognise a character.
const LOOKS: usize = 5;
/// The least share of what an upright character leaves unexplained that turning it must explain, for a spin.
const TURNED: f32 = 0.15;

/// A character facing one way, on the points of [`grid`]: how much it covers, its colour that does not follow the body's,
/// and the share that does.
struct Template {
    character: Character,
    points: Vec<(f32, Rgb, f32)>,
}

/// What is seen at the points of [`grid`] laid over a figure, and the background there; `None` outside the picture.
struct Sample {
    points: Vec<Option<(Rgb, Rgb)>>,
    /// Area of a point, in squared heights.
    cell: f32,
}

/// Every character that is known.
pub(super) struct Templates {
    all: Vec<Template>,
}

impl Templates {
    pub(super) fn new(characters: &[Character]) -> Self {
        let faces = |character: &Character| match character {
            Character::Fish => [-1.0, 1.0].as_slice(),
            _ => [-1.0, 0.0, 1.0].as_slice(),
        };
        let all = characters.iter().flat_map(|character| {
            faces(character).iter().map(|face| Template::new(*character, *face))
        });
        Self { all: all.collect() }
    }

    /// Says which character explains the figures best, in the mean over a few frames, and how much of them it explains.
    pub(super) fn recognise(
        &self,
        seen: &[(&Picture, &Figure)],
        empty: &Picture,
        may_turn: bool,
    ) -> (Seen<Character>, f32) {
        let looks = LOOKS.min(seen.len());
        let mut left: Vec<(f32, Character)> = Vec::new();
        for look in 0..looks {
            let (frame, figure) = seen[look * (seen.len() - 1) / (looks - 1).max(1)];
            let is_inside = look > 0 && look + 1 < looks;
            let turned = angles().skip(1).filter(|_| may_turn && is_inside);
            let ways = SIZES.map(|size| (0.0, size)).into_iter();
            let ways = ways.chain(turned.map(|rotation| (rotation, SIZES[1])));
            let samples: Vec<Sample> = ways
                .map(|(rotation, size)| Sample::new(frame, empty, figure, rotation, size))
                .collect();
            let shown = shown(frame, empty, figure) * looks as f32;
            for (character, share) in self.by_character(|template| {
                let left = samples.iter().map(|sample| template.unexplained(sample));
                left.fold(f32::MAX, f32::min) / shown
            }) {
                match left.iter_mut().find(|(_, other)| *other == character) {
                    Some(total) => total.0 += share,
                    None => left.push((share, character)),
                }
            }
        }
        left.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (least, what) = left[0];
        let second = left.get(1).map_or(1.0, |(share, _)| *share);
        let score = (1.0 - least / second.max(1e-6)).clamp(0.0, 1.0);
        (Seen { what, score }, (1.0 - least).clamp(0.0, 1.0))
    }

    /// The least that each character leaves, whichever way it faces.
    fn by_character(&self, mut left: impl FnMut(&Template) -> f32) -> Vec<(Character, f32)> {
        let mut least: Vec<(Character, f32)> = Vec::new();
        for template in &self.all {
            let left = left(template);
            match least.last_mut() {
                Some((character, least)) if *character == template.character => {
                    *least = least.min(left);
                }
                _ => least.push((template.character, left)),
            }
        }
        least
    }

    /// How much speaks for a character that turns in place; 1 is just enough.
    pub(super) fn turning(
        &self,
        character: Character,
        seen: &[(&Picture, &Figure)],
        empty: &Picture,
    ) -> f32 {
        let (mut upright, mut best) = (0.0, 0.0);
        for (frame, figure) in seen.iter().step_by(2) {
            let mut least = f32::MAX;
            for rotation in angles() {
                let sample = Sample::new(frame, empty, figure, rotation, SIZES[1]);
                let faces = self.all.iter().filter(|template| template.character == character);
                let left = faces.map(|template| template.unexplained(&sample));
                let left = left.fold(f32::MAX, f32::min);
                least = least.min(left);
                if rotation == 0.0 {
                    upright += left;
                }
            }
            best += least;
        }
        if upright > 0.0 { (upright - best) / upright / TURNED } else { 0.0 }
    }
}

impl Template {
    fn new(character: Character, face: f32) -> Self {
        let cover = |point| {
            let (mut alpha, mut base, mut share) = (0.0, [0.0; 3], 0.0);
            layers(character, point, face, |d, paint| {
                let over = (0.5 - d * SHARPNESS).clamp(0.0, 1.0);
                base = [0, 1, 2].map(|i| base[i] * (1.0 - over) + paint.base[i] * over);
                share = share * (1.0 - over) + paint.share * over;
                alpha = alpha * (1.0 - over) + over;
            });
            (alpha, base, share)
        };
        // Its centre and area first, over a square that holds every character.
        let half = 1.75;
        let (mut sum, mut centre) = (0.0, [0.0; 2]);
        for point in grid().map(|point| point.map(|x| x / REACH * half)) {
            let (alpha, ..) = cover(point);
            sum += alpha;
            centre = [0, 1].map(|i| centre[i] + alpha * point[i]);
        }
        let centre = centre.map(|all| all / sum);
        let scale = sum.sqrt() * 2.0 * half / f32::from(SIDE);
        let points = grid().map(|point| cover([0, 1].map(|i| centre[i] + scale * point[i])));
        Self { character, points: points.collect() }
    }

    /// What is left of a frame when this is laid over the background, with the body's colour that leaves the least: a sum
    /// of squares over squared heights.
    fn unexplained(&self, sample: &Sample) -> f32 {
        let (mut squares, mut products, mut shares) = (0.0_f32, [0.0_f32; 3], 0.0_f32);
        for ((alpha, base, share), seen) in self.points.iter().zip(&sample.points) {
            let Some((there, behind)) = seen else { continue };
            let clear = 1.0 - alpha;
            let rest = [
                there[0] - base[0] - clear * behind[0],
                there[1] - base[1] - clear * behind[1],
                there[2] - base[2] - clear * behind[2],
            ];
            squares += rest[0] * rest[0] + rest[1] * rest[1] + rest[2] * rest[2];
            products[0] += rest[0] * share;
            products[1] += rest[1] * share;
            products[2] += rest[2] * share;
            shares += share * share;
        }
        let solved = products.map(|product| {
            let colour = if shares > 0.0 { (product / shares).clamp(0.0, 1.0) } else { 0.0 };
            colour * (colour * shares - 2.0 * product)
        });
        (squares + solved.iter().sum::<f32>()).max(0.0) * sample.cell
    }
}

impl Sample {
    fn new(frame: &Picture, empty: &Picture, figure: &Figure, rotation: f32, size: f32) -> Self {
        let scale = size * figure.area.sqrt();
        let (sin, cos) = rotation.sin_cos();
        let points = grid().map(|[u, v]| {
            let (x, y) = (u * cos - v * sin, u * sin + v * cos);
            let around = frame.around(figure.x + scale * x, figure.y + scale * y)?;
            Some((around.of(frame), around.of(empty)))
        });
        let step = 2.0 * REACH / f32::from(SIDE) * scale;
        Self { points: points.collect(), cell: step * step }
    }
}

/// The points at which a figure and the templates are compared, in roots of the figure's area around its centre.
fn grid() -> impl Iterator<Item = [f32; 2]> {
    let place = |i: u8| (f32::from(i) + 0.5) * 2.0 * REACH / f32::from(SIDE) - REACH;
    (0..SIDE).flat_map(move |row| (0..SIDE).map(move |column| [place(column), place(row)]))
}

fn angles() -> impl Iterator<Item = f32> {
    (0..ANGLES).map(|angle| f32::from(angle) * 2.0 * PI / f32::from(ANGLES))
}

/// What there is to explain: the squared differences of the figure from the background over squared heights.
fn shown(frame: &Picture, empty: &Picture, figure: &Figure) -> f32 {
    let tall = frame.height as f32;
    let pixels = frame.pixels.iter().zip(&empty.pixels).zip(&figure.mask);
    let inside = pixels.filter(|(_, is_in)| **is_in).map(|((a, b), _)| squared(*a, *b));
    (inside.sum::<f32>() / (tall * tall)).max(1e-6)
}
