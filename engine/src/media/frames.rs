//! A clip in memory.

use std::ops::ControlFlow;

use super::{MediaError, Result};

/// The longest side that is taken for one of a picture; H.264 itself ends at 16,384.
pub(crate) const MAX_SIDE_PX: usize = 16_384;

/// A clip of RGB pictures, 8 bits a channel, all of one size.
///
/// # Shapes
/// `data` is (count, height, width, 3), contiguous.
#[derive(Clone, PartialEq, Eq)]
pub struct Frames {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Frames {
    /// Takes `data` as one or more frames of `width` x `height`.
    ///
    /// # Errors
    /// Where `data` is not a whole number of frames above 0, or a side is 0 or above 16,384.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self> {
        let found_bytes = data.len();
        match frame_bytes(width, height) {
            frame_bytes
                if frame_bytes == 0
                    || data.is_empty()
                    || !found_bytes.is_multiple_of(frame_bytes) =>
            {
                Err(MediaError::Shape { width, height, frame_bytes, found_bytes })
            }
            _ => Ok(Self { width, height, data }),
        }
    }

    /// How many frames there are; at least one.
    pub fn count(&self) -> usize {
        self.data.len() / frame_bytes(self.width, self.height)
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All frames, (count, height, width, 3).
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Gives the bytes back, (count, height, width, 3).
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The frames in order, each (height, width, 3).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.data.chunks_exact(frame_bytes(self.width, self.height))
    }
}

/// One frame of a clip, while it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Its pixels, (height, width, 3).
    pub(super) data: &'a [u8],
}

/// Takes the frames of a clip one at a time, and says when it has enough.
pub(super) type OnFrame<'a> = dyn FnMut(Frame<'_>) -> ControlFlow<()> + 'a;

/// Bytes of one frame; 0 where a side is 0 or too long.
pub(super) fn frame_bytes(width: usize, height: usize) -> usize {
    let side = 1..=MAX_SIDE_PX;
    if side.contains(&width) && side.contains(&height) { width * height * 3 } else { 0 }
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frames({} of {}x{})", self.count(), self.width, self.height)
    }
}

/// The BLAKE3 hash of a clip: count, height and width as little-endian 64-bit numbers, then the pixels.
///
/// It is the key by which a take is compared with its replay; the encoded file never is.
pub fn frames_hash(frames: &Frames) -> blake3::Hash {
    hasher(frames.count() as u64, frames.height, frames.width).update(&frames.data).finalize()
}

/// What takes the pixels of a clip, one frame after the other, and gives the hash of [`frames_hash`].
pub(super) fn hasher(count: u64, height: usize, width: usize) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for size in [count, height as u64, width as u64] {
        hasher.update(&size.to_le_bytes());
    }
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames() {
        let clip = Frames::new(4, 2, vec![0; 72]).expect("because 72 is three frames of 24");
        assert_eq!((clip.count(), clip.width(), clip.height()), (3, 4, 2));
        for (width, height, bytes) in
            [(4, 2, 71), (4, 2, 0), (0, 2, 24), (4, 0, 24), (usize::MAX, 3, 9), (20_000, 1, 60_000)]
        {
            assert!(
                Frames::new(width, height, vec![0; bytes]).is_err(),
                "{width}x{height}, {bytes} bytes"
            );
        }
    }

    #[test]
    fn the_hash_sees_pixels_and_sizes() {
        let hash = |width, height, fill| {
            frames_hash(&Frames::new(width, height, vec![fill; 72]).expect("because 72 divides"))
        };
        assert_eq!(hash(4, 2, 1), hash(4, 2, 1));
        assert_ne!(hash(4, 2, 1), hash(4, 2, 2));
        assert_ne!(hash(4, 2, 1), hash(2, 4, 1));
        assert_ne!(hash(4, 2, 1), hash(4, 6, 1));
    }
}
