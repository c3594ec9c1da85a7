//! The backgrounds, point by point.

use super::shapes::{circle, polygon};
use super::{Background, Rgb, mix};

/// A background with its variations, for pictures of one aspect.
#[derive(Debug, Clone)]
pub struct Backdrop {
    background: Background,
    /// Width over height.
    aspect: f32,
    /// The variations as angles.
    angles: [f32; 2],
    stars: Vec<[f32; 2]>,
    firs: Vec<[[f32; 2]; 3]>,
}

impl Backdrop {
    /// Takes the two variations, each from 0 to 1.
    pub fn new(background: Background, [phase, phase2]: [f64; 2], aspect: f32) -> Self {
        #[expect(clippy::approx_constant, reason = "the script has it so")]
        let angles = [phase, phase2].map(|phase| (phase * 6.283) as f32);
        let is = |one| background == one;
        let stars = if is(Background::Night) { stars(phase, aspect) } else { Vec::new() };
        let firs = if is(Background::Snow) { firs(phase2, aspect) } else { Vec::new() };
        Self { background, aspect, angles, stars, firs }
    }

    /// The colour at a point, lines smoothed over the `1 / sharpness` of a pixel.
    pub fn at(&self, x: f32, y: f32, sharpness: f32) -> Rgb {
        let mut colour;
        let paint = |colour: &mut Rgb, d: f32, over: Rgb| {
            let alpha = (0.5 - d * sharpness).clamp(0.0, 1.0);
            if alpha > 0.0 {
                *colour = mix(*colour, over, alpha);
            }
        };
        let hill = |base: f32, amp: f32, freq: f32, angle: f32| {
            // Where the wave cannot matter it is not asked for.
            let level = base - y;
            if level.abs() > amp + 1.0 / sharpness {
                level
            } else {
                level + amp * (x * freq + angle).sin()
            }
        };
        let ([p, q], wide) = (self.angles, self.aspect);
        match self.background {
            Background::Meadow => {
                colour = mix([0.45, 0.78, 1.0], [0.80, 0.94, 1.0], (y / 0.7).clamp(0.0, 1.0));
                paint(&mut colour, circle(x, y, wide * 0.86, 0.16, 0.10), [1.0, 0.95, 0.55]);
                paint(&mut colour, hill(0.62, 0.06, 4.5, p), [0.42, 0.75, 0.38]);
                paint(&mut colour, hill(0.76, 0.03, 3.5, q), [0.50, 0.84, 0.35]);
            }
            Background::Night => {
                colour = mix([0.03, 0.04, 0.16], [0.12, 0.14, 0.36], (y / 0.8).clamp(0.0, 1.0));
                let moon = wide * 0.14;
                let shade = circle(x, y, moon + 0.06, 0.14, 0.10);
                let d = circle(x, y, moon, 0.18, 0.12).max(-shade);
                paint(&mut colour, d, [0.98, 0.96, 0.78]);
                for [sx, sy] in &self.stars {
                    paint(&mut colour, circle(x, y, *sx, *sy, 0.012), [0.95, 0.95, 0.85]);
                }
                paint(&mut colour, hill(0.78, 0.035, 3.5, q), [0.06, 0.17, 0.17]);
            }
            Background::Sea => {
                colour = mix([0.62, 0.86, 0.98], [0.93, 0.97, 1.0], (y / 0.5).clamp(0.0, 1.0));
                paint(&mut colour, 0.50 - y, [0.10, 0.50, 0.78]);
                for (i, level) in (0_u8..).zip([0.60_f32, 0.72, 0.84, 0.95]) {
                    let wave = 0.012 * (x * 9.0 + p + f32::from(i) * 2.1).sin();
                    paint(&mut colour, (y - level - wave).abs() - 0.010, [0.45, 0.76, 0.92]);
                }
            }
            Background::Desert => {
                colour = mix([0.98, 0.72, 0.42], [1.0, 0.90, 0.66], (y / 0.7).clamp(0.0, 1.0));
                paint(&mut colour, circle(x, y, wide * 0.16, 0.20, 0.12), [1.0, 0.98, 0.80]);
                paint(&mut colour, hill(0.64, 0.06, 3.6, p), [0.88, 0.68, 0.36]);
                paint(&mut colour, hill(0.77, 0.04, 4.2, q), [0.95, 0.80, 0.48]);
            }
            Background::Snow => {
                colour = mix([0.66, 0.76, 0.88], [0.86, 0.91, 0.96], (y / 0.7).clamp(0.0, 1.0));
                paint(&mut colour, hill(0.66, 0.04, 4.0, p), [0.84, 0.89, 0.95]);
                for fir in &self.firs {
                    let near = (x - fir[0][0]).abs() < 0.15 + 1.0 / sharpness;
                    if near {
                        paint(&mut colour, polygon(x, y, fir), [0.16, 0.38, 0.33]);
                    }
                }
                paint(&mut colour, hill(0.78, 0.025, 3.2, q), [0.97, 0.98, 1.0]);
            }
        }
        colour
    }

    /// Pictures of the whole background, row by row, one colour a cell.
    pub fn picture(&self, columns: usize, rows: usize) -> Vec<Rgb> {
        let sharpness = rows as f32;
        let centre = |i: usize| (i as f32 + 0.5) / sharpness;
        // Where the cells are not square, their columns still span the picture.
        let across = self.aspect * sharpness / columns as f32;
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        cells
            .map(|(column, row)| self.at(centre(column) * across, centre(row), sharpness))
            .collect()
    }
}

fn stars(phase: f64, aspect: f32) -> Vec<[f32; 2]> {
    let aspect = f64::from(aspect);
    let places = (0..9).map(|i| {
        let i = f64::from(i);
        [(0.16 + 0.61803 * i + 0.15 * phase) % 1.0, (0.07 + 0.37 * i) % 0.58]
    });
    let clear = places.filter(|[x, y]| ((x - 0.14) * aspect).abs() > 0.16 || *y > 0.35);
    clear.map(|[x, y]| [(x * aspect) as f32, y as f32]).collect()
}

fn firs(phase2: f64, aspect: f32) -> Vec<[[f32; 2]; 3]> {
    let mut firs = Vec::new();
    for side in [0.07, 0.92] {
        let x = ((side + 0.03 * (phase2 - 0.5)) * f64::from(aspect)) as f32;
        for k in [0.0_f32, 1.0, 2.0] {
            let (foot, half) = (0.72 - 0.13 * k, 0.13 - 0.025 * k);
            firs.push([[x, foot - 0.22], [x - half, foot], [x + half, foot]]);
        }
    }
    firs
}
