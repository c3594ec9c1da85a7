//! A contact sheet: clips side by side, at a glance.

use super::{Frames, MediaError, Result};

/// Pixels between pictures, and around them.
const GAP_PX: usize = 6;

/// A dark grey, so that bright and dark pictures both end where they end.
const PAPER: u8 = 24;

/// Lays clips out as one picture: a row for each clip, with `across` frames of it from the first to the last.
///
/// # Errors
/// Where there is no clip, the clips differ in size, or the sheet would be larger than a picture may be.
pub fn contact_sheet(clips: &[Frames], across: usize) -> Result<Frames> {
    let (width, height) = clips.first().map_or((0, 0), |clip| (clip.width(), clip.height()));
    let frame_bytes = width * height * 3;
    let found_bytes = |clip: &Frames| clip.width() * clip.height() * 3;
    let other = clips.iter().find(|clip| (clip.width(), clip.height()) != (width, height));
    if clips.is_empty() || other.is_some() {
        let found_bytes = other.map_or(0, found_bytes);
        return Err(MediaError::Shape { width, height, frame_bytes, found_bytes });
    }
    let across = across.max(1);
    let sheet_width = across * (width + GAP_PX) + GAP_PX;
    let sheet_height = clips.len() * (height + GAP_PX) + GAP_PX;
    let mut sheet = vec![PAPER; sheet_width * sheet_height * 3];
    for (row, clip) in clips.iter().enumerate() {
        let frames: Vec<&[u8]> = clip.iter().collect();
        for column in 0..across {
            let frame = frames[column * (frames.len() - 1) / (across - 1).max(1)];
            let left = GAP_PX + column * (width + GAP_PX);
            let top = GAP_PX + row * (height + GAP_PX);
            for (y, line) in frame.chunks_exact(width * 3).enumerate() {
                let start = ((top + y) * sheet_width + left) * 3;
                sheet[start..start + line.len()].copy_from_slice(line);
            }
        }
    }
    Frames::new(sheet_width, sheet_height, sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(count: u8) -> Frames {
        let data = (0..count).flat_map(|frame| [frame; 4 * 2 * 3]).collect();
        Frames::new(4, 2, data).expect("because it is whole frames")
    }

    #[test]
    fn a_row_is_a_clip_from_its_first_frame_to_its_last() -> Result<()> {
        let sheet = contact_sheet(&[clip(9), clip(1)], 3)?;
        let (width, height) = (3 * (4 + GAP_PX) + GAP_PX, 2 * (2 + GAP_PX) + GAP_PX);
        assert_eq!((sheet.width(), sheet.height(), sheet.count()), (width, height, 1));
        let at = |x: usize, y: usize| sheet.data()[(y * width + x) * 3];
        let middle = |row: usize| {
            [0, 1, 2].map(|i| at(GAP_PX + i * (4 + GAP_PX), GAP_PX + row * (2 + GAP_PX)))
        };
        assert_eq!((middle(0), middle(1)), ([0, 4, 8], [0, 0, 0]));
        assert_eq!((at(0, 0), at(width - 1, height - 1)), (PAPER, PAPER));
        Ok(())
    }

    #[test]
    fn clips_of_two_sizes_and_no_clip_are_refused() {
        let other = Frames::new(2, 2, vec![0; 12]).expect("because it is whole frames");
        assert!(contact_sheet(&[clip(2), other], 3).is_err());
        assert!(contact_sheet(&[], 3).is_err());
    }
}
