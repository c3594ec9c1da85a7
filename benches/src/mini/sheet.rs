//! A sheet of the first clips, a few frames of each, to look at.

use std::error::Error;
use std::path::Path;

use kinora_engine::media::{Frames, contact_sheet, write_picture};

/// Clips on a sheet, and frames of each.
const CLIPS: usize = 24;
const SHOWN: usize = 5;

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
        if self.clips.is_empty() {
            return Ok(());
        }
        Ok(write_picture(&contact_sheet(&self.clips, SHOWN)?, path)?)
    }
}
