//! A frame in numbers that can be reckoned with.

use crate::world::Rgb;

/// One picture, each channel from 0 to 1.
#[derive(Clone)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Rgb>,
}

impl Picture {
    /// Takes the bytes of a frame.
    pub(super) fn new(width: usize, height: usize, frame: &[u8]) -> Self {
        let (pixels, _) = frame.as_chunks::<3>();
        let pixels = pixels.iter().map(|p| p.map(|c| f32::from(c) / 255.0)).collect();
        Self { width, height, pixels }
    }

    /// The mean of each pixel and its neighbours, which takes out noise.
    pub(super) fn softened(&self) -> Self {
        let rows = |pixels: &[Rgb], stride: usize, count: usize, at: usize, place: usize| {
            let before = if place > 0 { at - stride } else { at };
            let after = if place + 1 < count { at + stride } else { at };
            let (a, b, c) = (pixels[before], pixels[at], pixels[after]);
            [(a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0, (a[2] + b[2] + c[2]) / 3.0]
        };
        let mut across = Vec::with_capacity(self.pixels.len());
        for y in 0..self.height {
            for x in 0..self.width {
                across.push(rows(&self.pixels, 1, self.width, y * self.width + x, x));
            }
        }
        let mut both = Vec::with_capacity(self.pixels.len());
        for y in 0..self.height {
            for x in 0..self.width {
                both.push(rows(&across, self.width, self.height, y * self.width + x, y));
            }
        }
        Self { pixels: both, ..*self }
    }

    /// Means over `columns` x `rows` cells.
    pub(super) fn cells(&self, columns: usize, rows: usize) -> Vec<Rgb> {
        let mut cells = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            let ys = row * self.height / rows..((row + 1) * self.height).div_ceil(rows);
            for column in 0..columns {
                let xs =
                    column * self.width / columns..((column + 1) * self.width).div_ceil(columns);
                let mut sum = [0.0; 3];
                for y in ys.clone() {
                    for pixel in &self.pixels[y * self.width + xs.start..y * self.width + xs.end] {
                        for (sum, c) in sum.iter_mut().zip(pixel) {
                            *sum += c;
                        }
                    }
                }
                let count = (ys.len() * xs.len()) as f32;
                cells.push(sum.map(|sum| sum / count));
            }
        }
        cells
    }

    /// The four pixels around a point and their weights; `None` outside the picture.
    pub(super) fn around(&self, x: f32, y: f32) -> Option<Around> {
        let (x, y) = (x * self.height as f32 - 0.5, y * self.height as f32 - 0.5);
        let (right, bottom) = ((self.width - 1) as f32, (self.height - 1) as f32);
        if x < -0.5 || y < -0.5 || x > right + 0.5 || y > bottom + 0.5 {
            return None;
        }
        let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
        let (column, row) = (x as usize, y as usize);
        let (fx, fy) = (x - column as f32, y - row as f32);
        let next = usize::from(column + 1 < self.width);
        let below = if row + 1 < self.height { self.width } else { 0 };
        let at = row * self.width + column;
        Some(Around {
            at: [at, at + next, at + below, at + below + next],
            weights: [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy],
        })
    }
}

/// Where between pixels a point lies.
pub(super) struct Around {
    at: [usize; 4],
    weights: [f32; 4],
}

impl Around {
    /// The colour there.
    pub(super) fn of(&self, picture: &Picture) -> Rgb {
        let [a, b, c, d] = self.at.map(|at| picture.pixels[at]);
        let [wa, wb, wc, wd] = self.weights;
        let one = |i: usize| a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
        [one(0), one(1), one(2)]
    }
}

/// How far two colours are apart.
pub(super) fn apart(a: Rgb, b: Rgb) -> f32 {
    squared(a, b).sqrt()
}

/// The square of how far two colours are apart.
pub(super) fn squared(a: Rgb, b: Rgb) -> f32 {
    let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    x * x + y * y + z * z
}
