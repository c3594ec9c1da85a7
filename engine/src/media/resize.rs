//! Resizing pictures exactly as Pillow does, since what a model is shown is part of the numbers.

use serde::{Deserialize, Serialize};

use super::frames::frame_bytes;
use super::{Frames, MediaError, Result};

/// The curve by which neighbours are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Cubic convolution with a = −0.5; what Pillow's `Image.resize` does unasked.
    Bicubic,
    /// Three-lobed sinc; what diffusers' image processor asks for.
    Lanczos,
    /// The pixel that is nearest, so that hard edges stay hard; the mean of those covered where it shrinks (Pillow's `BOX`).
    Nearest,
}

impl Filter {
    /// How far the curve reaches, in source pixels of an enlargement.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
            Self::Nearest => 0.5,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Bicubic => {
                const A: f64 = -0.5;
                match x {
                    x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
                    x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
                    _ => 0.0,
                }
            }
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
            Self::Nearest => f64::from(u8::from(x <= 0.5)),
        }
    }
}

impl Frames {
    /// Resizes every frame, bit-equal to Pillow's `Image.resize` of an RGB picture: antialiased when it shrinks, columns
    /// first and then rows, each pass rounded to 8 bits.
    ///
    /// # Errors
    /// Where a side is 0 or above 16,384.
    ///
    /// # Source
    /// Pillow 13.0, `src/libImaging/Resample.c`, the path for 8 bits a channel.
    pub fn resize(&self, width: usize, height: usize, filter: Filter) -> Result<Self> {
        let frame_bytes = frame_bytes(width, height);
        if frame_bytes == 0 {
            return Err(MediaError::Shape { width, height, frame_bytes, found_bytes: 0 });
        }
        let across = (width != self.width()).then(|| windows(self.width(), width, filter));
        let down = (height != self.height()).then(|| windows(self.height(), height, filter));
        let mut data = Vec::with_capacity(self.count() * frame_bytes);
        for frame in self.iter() {
            let wide = match &across {
                Some(windows) => columns(frame, self.width(), windows),
                None => frame.to_vec(),
            };
            match &down {
                Some(windows) => rows(&wide, width, windows, &mut data),
                None => data.extend(wide),
            }
        }
        Self::new(width, height, data)
    }
}

/// Bits after the point in a weight: 32, less the 8 of a channel and 2 for what overshoots.
const BITS: u32 = 22;

/// The source pixels that make up one result, and their weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(from: usize, to: usize, filter: Filter) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    (0..to)
        .map(|at| {
            let center = (at as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let last = ((center + support + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..last)
                .map(|x| filter.weight((x as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: &f64| (weight / sum * f64::from(1 << BITS)).round() as i32;
            Window { first, weights: weights.iter().map(fixed).collect() }
        })
        .collect()
}

fn columns(frame: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len() / width * windows.len());
    for row in frame.chunks_exact(width * 3) {
        for window in windows {
            let source = &row[window.first * 3..];
            out.extend([0, 1, 2].map(|c| weigh(window, |x| source[x * 3 + c])));
        }
    }
    out
}

fn rows(frame: &[u8], width: usize, windows: &[Window], out: &mut Vec<u8>) {
    for window in windows {
        let source = &frame[window.first * width * 3..];
        out.extend((0..width * 3).map(|at| weigh(window, |y| source[y * width * 3 + at])));
    }
}

fn weigh(window: &Window, source: impl Fn(usize) -> u8) -> u8 {
    let start = 1 << (BITS - 1);
    let sum = window
        .weights
        .iter()
        .enumerate()
        .fold(start, |sum, (i, weight)| sum + weight * i32::from(source(i)));
    (sum >> BITS).clamp(0, 255) as u8
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x == 0.0 { 1.0 } else { x.sin() / x }
}
