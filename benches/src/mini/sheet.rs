//! A sheet of the first clips, a few frames of each, to look at.

use std::error::Error;
use std::path::Path;

use image::{Rgb, RgbImage};
use kinora_engine::media::Frames;

/// Clips on a sheet, in columns of this many, and frames of each.
const CLIPS: usize = 24;
const ROWS: usize = 12;
const SHOWN: usize = 5;
/// Pixels between clips.
const GAP: usize = 4;

/// The clips that are shown.
#[derive(Default)]
pub(super) struct Sheet {
    clips: Vec<Frames>,
}

impl Sheet {
    /// Takes a clip, until there are enough.
    pub(super) fn add(&mut self, clip: &Frames) {
        if self.clips.len() < CLIPS {
            self.clips.push(clip.clone());
        }
    }

    /// Writes the sheet as a picture, its clips downwards in the order they came.
    pub(super) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let Some(first) = self.clips.first() else { return Ok(()) };
        let (width, height) = (first.width(), first.height());
        let columns = self.clips.len().div_ceil(ROWS);
        let rows = self.clips.len().min(ROWS);
        let across = SHOWN * width + GAP;
        let sides = [columns * across - GAP, rows * (height + GAP) - GAP].map(u32::try_from);
        let [wide, tall] = sides;
        let mut sheet = RgbImage::from_pixel(wide?, tall?, Rgb([255; 3]));
        for (number, clip) in self.clips.iter().enumerate() {
            let (left, top) = (number / ROWS * across, number % ROWS * (height + GAP));
            let last = clip.count() - 1;
            for shown in 0..SHOWN {
                let frame = clip.iter().nth(shown * last / (SHOWN - 1)).unwrap_or_default();
                for (at, pixel) in frame.as_chunks::<3>().0.iter().enumerate() {
                    let x = left + shown * width + at % clip.width();
                    let y = top + at / clip.width();
                    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                        && let Some(place) = sheet.get_pixel_mut_checked(x, y)
                    {
                        *place = Rgb(*pixel);
                    }
                }
            }
        }
        Ok(sheet.save(path)?)
    }
}
