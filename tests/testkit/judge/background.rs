//! Which background, and what the picture would be without the figure.

use super::Seen;
use super::picture::{Picture, apart, squared};
use crate::world::{Backdrop, Background, Rgb};

/// Rows of coarse cells.
const ROWS: usize = 16;
/// Steps of each variation of a background.
const STEPS: u32 = 16;
/// How far apart colours are that clearly differ.
const CLEAR: f32 = 0.35;
/// How far a pixel's colour may be from those of the fitted background around it and still be background.
const NEAR: f32 = 0.16;
/// Rows above and below that count as around, as shares of the height.
const AROUND: [f32; 5] = [0.0, -0.03, 0.03, -0.07, 0.07];

/// A background in one variation, in coarse cells.
struct Sketch {
    background: Background,
    phases: [f64; 2],
    cells: Vec<Rgb>,
}

/// Every background in many variations, for pictures of one aspect.
pub(super) struct Backgrounds {
    aspect: f32,
    columns: usize,
    sketches: Vec<Sketch>,
}

impl Backgrounds {
    pub(super) fn new(aspect: f32) -> Self {
        let columns = ((ROWS as f32 * aspect).round() as usize).max(1);
        let mut sketches = Vec::new();
        for background in Background::ALL {
            let (first, second) = match background {
                Background::Night => (2, STEPS),
                Background::Sea => (STEPS, 1),
                _ => (STEPS, STEPS),
            };
            for (p, q) in (0..first).flat_map(|p| (0..second).map(move |q| (p, q))) {
                let phases = [(p, first), (q, second)]
                    .map(|(step, steps)| f64::from(step) / f64::from(steps));
                let cells = Backdrop::new(background, phases, aspect).picture(columns, ROWS);
                sketches.push(Sketch { background, phases, cells });
            }
        }
        Self { aspect, columns, sketches }
    }

    /// Says which background it is, and what the clip would look like with nothing before it.
    pub(super) fn fit(&self, frames: &[Picture]) -> (Seen<Background>, Picture) {
        let median = median(frames);
        let cells = median.cells(self.columns, ROWS);
        let mut best: Vec<(f32, &Sketch)> = Vec::new();
        for sketch in &self.sketches {
            let loss = loss(&sketch.cells, &cells);
            match best.iter_mut().find(|(_, other)| other.background == sketch.background) {
                Some(other) if loss < other.0 => *other = (loss, sketch),
                Some(_) => {}
                None => best.push((loss, sketch)),
            }
        }
        best.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (least, sketch) = best[0];
        let score = 1.0 - least / best[1].0.max(1e-6);
        let background = sketch.background;
        let phases = self.refine(background, sketch.phases, &median);
        let fitted = Backdrop::new(background, phases, self.aspect);
        let fitted = fitted.picture(median.width, median.height);
        (Seen { what: background, score }, clear(frames, fitted))
    }

    /// Fits the variations in ever smaller steps.
    fn refine(&self, background: Background, start: [f64; 2], median: &Picture) -> [f64; 2] {
        let (columns, rows) = (2 * self.columns, 2 * ROWS);
        let cells = median.cells(columns, rows);
        let at = |phases: [f64; 2]| {
            loss(&Backdrop::new(background, phases, self.aspect).picture(columns, rows), &cells)
        };
        let (mut phases, mut least) = (start, at(start));
        let mut step = 0.5 / f64::from(STEPS);
        while step > 0.004 {
            for which in [0, 1] {
                for way in [-step, step] {
                    let mut other = phases;
                    other[which] += way;
                    let loss = at(other);
                    if loss < least {
                        (phases, least) = (other, loss);
                    }
                }
            }
            step /= 2.0;
        }
        phases
    }
}

/// The mean distance of cells, no cell's counted for more than clear.
fn loss(a: &[Rgb], b: &[Rgb]) -> f32 {
    let sum: f32 = a.iter().zip(b).map(|(a, b)| apart(*a, *b).min(CLEAR)).sum();
    sum / a.len() as f32
}

/// The median of each channel of each pixel over time, of every other frame where there are many.
fn median(frames: &[Picture]) -> Picture {
    let first = &frames[0];
    let some: Vec<&Picture> = frames.iter().step_by(if frames.len() > 8 { 2 } else { 1 }).collect();
    let mut values = vec![0.0_f32; some.len()];
    let middle = values.len() / 2;
    let mut pixels = Vec::with_capacity(first.pixels.len());
    for at in 0..first.pixels.len() {
        pixels.push([0, 1, 2].map(|channel| {
            for (value, frame) in values.iter_mut().zip(&some) {
                *value = frame.pixels[at][channel];
            }
            *values.select_nth_unstable_by(middle, f32::total_cmp).1
        }));
    }
    Picture { pixels, ..*first }
}

/// The fitted picture, each pixel as the clip shows it when that could be background.
fn clear(frames: &[Picture], fitted: Vec<Rgb>) -> Picture {
    let (width, height) = (frames[0].width, frames[0].height);
    let fitted = Picture { width, height, pixels: fitted };
    let rows = AROUND.map(|part| (part * height as f32).round() as isize);
    let mut pixels = Vec::with_capacity(fitted.pixels.len());
    for y in 0..height {
        let rows = rows.map(|row| y.saturating_add_signed(row).min(height - 1) * width);
        for x in 0..width {
            let around = rows.map(|row| fitted.pixels[row + x]);
            let mut sum = [0.0_f32; 3];
            let mut count = 0.0;
            for frame in frames {
                let pixel = frame.pixels[y * width + x];
                if around.iter().any(|colour| squared(*colour, pixel) < NEAR * NEAR) {
                    sum = [0, 1, 2].map(|i| sum[i] + pixel[i]);
                    count += 1.0;
                }
            }
            // One frame alone may show a part of the figure.
            let is_shown = count >= (frames.len() as f32 / 8.0).max(1.0);
            pixels.push(if is_shown { sum.map(|sum| sum / count) } else { around[0] });
        }
    }
    Picture { width, height, pixels }
}
