//! The characters, as shapes painted over each other in units of their own radius.

use std::f32::consts::PI;

use super::shapes::{STAR, circle, ellipse, polygon, rounded_box};
use super::{Character, Rgb};

/// A colour that follows the character's: `base + share * colour`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    /// What does not follow.
    pub base: Rgb,
    /// How much of the character's colour is added.
    pub share: f32,
}

impl Paint {
    /// The character's colour.
    pub const BODY: Self = Self { base: [0.0; 3], share: 1.0 };
    /// Its outline.
    pub const DARK: Self = Self { base: [0.0; 3], share: 0.40 };
    /// The gleam on it.
    pub const LIGHT: Self = Self { base: [0.55; 3], share: 0.45 };
    /// The mouth in it.
    pub const MOUTH: Self = Self { base: [0.0; 3], share: 0.24 };
    /// The white of eyes and stripes.
    pub const WHITE: Self = Self::fixed([1.0; 3]);
    /// The black of eyes.
    pub const BLACK: Self = Self::fixed([0.06, 0.05, 0.10]);

    /// A colour that does not follow.
    pub const fn fixed(base: Rgb) -> Self {
        Self { base, share: 0.0 }
    }

    /// The colour on a character of this colour.
    pub fn on(self, colour: Rgb) -> Rgb {
        [0, 1, 2].map(|i| self.base[i] + self.share * colour[i])
    }
}

/// The colour of Momo.
const ONION: Rgb = [0.55, 0.22, 0.72];
const SIDES: [f32; 2] = [-1.0, 1.0];

/// Gives the layers of a character at a point, back to front: signed distance and colour. It looks to the left with
/// `face` at -1, to the right at 1.
pub fn layers(
    character: Character,
    [u, v]: [f32; 2],
    face: f32,
    mut paint: impl FnMut(f32, Paint),
) {
    match character {
        Character::Ball => {
            let d = circle(u, v, 0.0, 0.0, 0.98);
            body(&mut paint, d, 0.10);
            paint((d + 0.10).max((v - 0.52).abs() - 0.14), Paint::WHITE);
            paint(circle(u, v, -0.40, -0.58, 0.15), Paint::LIGHT);
            eyes(&mut paint, [u, v], [0.05 * face, -0.10], 0.33, 0.27, 0.55, face);
        }
        Character::Cat => {
            for e in SIDES {
                let ear = [[e * 0.94, -1.12], [e * 0.18, -0.62], [e * 0.88, 0.10]];
                body(&mut paint, polygon(u, v, &ear), 0.10);
            }
            body(&mut paint, ellipse(u, v, 0.0, 0.12, 1.0, 0.84), 0.10);
            for e in SIDES {
                let ear = [[e * 0.80, -0.86], [e * 0.42, -0.56], [e * 0.78, -0.24]];
                paint(polygon(u, v, &ear), Paint::fixed([1.0, 0.72, 0.76]));
            }
            paint(ellipse(u, v, 0.0, 0.52, 0.42, 0.28), Paint::WHITE);
            paint(ellipse(u, v, 0.0, 0.40, 0.14, 0.10), Paint::fixed([0.95, 0.35, 0.45]));
            eyes(&mut paint, [u, v], [0.0, -0.04], 0.40, 0.25, 0.55, face);
        }
        Character::Robot => {
            let rbox = |at, sides, r| rounded_box([u, v], at, sides, r);
            paint(rbox([0.0, -0.95], [0.06, 0.25], 0.03), Paint::fixed([0.35, 0.35, 0.40]));
            paint(circle(u, v, 0.0, -1.12, 0.17), Paint::DARK);
            paint(circle(u, v, 0.0, -1.12, 0.10), Paint::fixed([1.0, 0.95, 0.4]));
            for e in SIDES {
                let arm = rbox([e * 0.98, 0.05], [0.14, 0.24], 0.06);
                paint(arm, Paint::fixed([0.45, 0.45, 0.52]));
            }
            body(&mut paint, rbox([0.0, 0.08], [0.92, 0.88], 0.18), 0.10);
            paint(rbox([0.0, -0.12], [0.70, 0.40], 0.12), Paint::fixed([0.12, 0.13, 0.20]));
            for e in SIDES {
                let eye = rbox([e * 0.32 + 0.08 * face, -0.12], [0.17, 0.20], 0.05);
                paint(eye, Paint::fixed([0.55, 1.0, 1.0]));
            }
            paint(rbox([0.0, 0.58], [0.46, 0.12], 0.04), Paint::fixed([0.92, 0.92, 0.95]));
        }
        Character::Ghost => {
            let dome = circle(u, v, 0.0, -0.18, 0.82);
            let hem = v - 0.86 - 0.14 * (u * 3.0 * PI / 0.82).cos();
            let skirt = (u.abs() - 0.82).max((-0.18 - v).max(hem));
            body(&mut paint, dome.min(skirt), 0.10);
            eyes(&mut paint, [u, v], [0.06 * face, -0.20], 0.32, 0.25, 0.55, face);
            paint(ellipse(u, v, 0.06 * face, 0.26, 0.16, 0.17), Paint::MOUTH);
        }
        Character::Fish => {
            let u = if face == 0.0 { u } else { u * face };
            let tail = [[-0.55, 0.0], [-1.22, -0.62], [-1.05, 0.0], [-1.22, 0.62]];
            body(&mut paint, polygon(u, v, &tail), 0.10);
            let fin = [[0.35, -0.55], [-0.35, -1.05], [-0.40, -0.45]];
            body(&mut paint, polygon(u, v, &fin), 0.10);
            let d = ellipse(u, v, 0.15, 0.0, 0.98, 0.72);
            body(&mut paint, d, 0.10);
            paint((d + 0.10).max((u + 0.12).abs() - 0.11), Paint::WHITE);
            paint(circle(u, v, 0.62, -0.16, 0.24), Paint::WHITE);
            paint(circle(u, v, 0.69, -0.14, 0.13), Paint::BLACK);
        }
        Character::Star => {
            body(&mut paint, polygon(u, v, &STAR), 0.09);
            eyes(&mut paint, [u, v], [0.04 * face, -0.02], 0.23, 0.19, 0.55, face);
            paint(circle(u, v, 0.04 * face, 0.24, 0.20).max(0.24 - v), Paint::MOUTH);
        }
        Character::Momo => momo(&mut paint, [u, v], face),
    }
}

fn momo(paint: &mut impl FnMut(f32, Paint), [u, v]: [f32; 2], face: f32) {
    let onion = Paint::fixed(ONION);
    let dark = Paint::fixed(ONION.map(|c| c * 0.40));
    let leaf = [[0.02, -0.80], [-0.10, -1.45], [-0.62, -1.32]];
    paint(polygon(u, v, &leaf), Paint::fixed([0.08, 0.42, 0.12]));
    let leaf = [[-0.02, -0.80], [0.10, -1.48], [0.70, -1.22]];
    paint(polygon(u, v, &leaf), Paint::fixed([0.30, 0.85, 0.25]));
    let tip = polygon(u, v, &[[0.0, -1.08], [-0.62, -0.30], [0.62, -0.30]]);
    let d = ellipse(u, v, 0.0, 0.18, 0.98, 0.80).min(tip);
    paint(d, dark);
    paint(d + 0.10, onion);
    let stripes = (u.abs() - 0.62 + 0.12 * v * v).abs() - 0.05;
    paint((d + 0.10).max(stripes), Paint::fixed(ONION.map(|c| 1.0 - (1.0 - c) * 0.6)));
    eyes(paint, [u, v], [0.03 * face, 0.06], 0.36, 0.34, 0.58, face);
    paint(circle(u, v, 0.03 * face, 0.50, 0.20).max(0.50 - v), dark);
}

/// A shape of the character's colour with an outline.
fn body(paint: &mut impl FnMut(f32, Paint), d: f32, line: f32) {
    paint(d, Paint::DARK);
    paint(d + line, Paint::BODY);
}

/// Two eyes that look where the character does.
fn eyes(
    paint: &mut impl FnMut(f32, Paint),
    [u, v]: [f32; 2],
    [cx, cy]: [f32; 2],
    gap: f32,
    r: f32,
    pupil: f32,
    face: f32,
) {
    for e in SIDES {
        paint(circle(u, v, cx + e * gap, cy, r), Paint::WHITE);
    }
    for e in SIDES {
        let x = cx + e * gap + face * r * 0.32;
        paint(circle(u, v, x, cy + 0.02, r * pupil), Paint::BLACK);
    }
}
