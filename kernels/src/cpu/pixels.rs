//! The rows of a convolution: for each output pixel and tap, where the input pixel's channels are.

#![allow(unsafe_code, reason = "pixels copied by address")]

use super::gemm::Pointers;
use super::rows::Raw;
use super::tile::ROWS;
use crate::ops::conv3d::Conv3dSpec;

/// Frames of a clip, channels last, wherever they lie, and zeros for what is not there.
#[derive(Debug)]
pub(crate) struct Frames {
    /// First pixels; null stands for a frame of zeros.
    bases: Vec<Raw<u32>>,
    /// Words of a frame.
    size: usize,
    /// Words of a pixel.
    words: usize,
    zero: Vec<u32>,
}

impl Frames {
    /// No frames yet, each `size` words large with pixels of `words` words.
    pub(crate) fn new(size: usize, words: usize) -> Self {
        Self { bases: Vec::new(), size, words, zero: vec![0; words] }
    }

    /// The number of frames before the first that is not zero.
    pub(crate) fn leading_zeros(&self) -> usize {
        self.bases.iter().take_while(|base| base.get().is_null()).count()
    }

    /// Appends frames of zeros.
    pub(crate) fn zeros(&mut self, count: usize) {
        self.bases.extend((0..count).map(|_| Raw(std::ptr::null_mut())));
    }

    /// Appends `count` frames that lie one after the other.
    pub(crate) fn add(&mut self, first: *const u32, count: usize) {
        let size = self.size;
        self.bases.extend((0..count).map(|i| Raw(first.wrapping_add(i * size).cast_mut())));
    }
}

/// How a kernel moves over frames.
#[derive(Debug)]
pub(crate) struct Window {
    /// Output frames, rows, columns.
    pub out: [usize; 3],
    /// Kernel frames, rows, columns.
    taps: [usize; 3],
    stride: [usize; 3],
    /// Zeros above and to the left.
    before: [usize; 2],
    /// Rows and columns as the kernel sees them, without padding.
    seen: [usize; 2],
    /// Columns as they are stored.
    columns: usize,
    /// Pixels count twice in each direction.
    shift: usize,
}

impl Window {
    /// A window over `clip` (frames, rows, columns); `None` when the kernel does not fit.
    pub(crate) fn new(clip: [usize; 3], taps: [usize; 3], spec: &Conv3dSpec) -> Option<Self> {
        let shift = usize::from(spec.upsample);
        let seen = [clip[1] << shift, clip[2] << shift];
        let [top, bottom, left, right] = spec.padding;
        let padded = [clip[0], seen[0] + top + bottom, seen[1] + left + right];
        let mut out = [0; 3];
        for axis in 0..3 {
            if spec.stride[axis] == 0 {
                return None;
            }
            out[axis] = padded[axis].checked_sub(taps[axis])? / spec.stride[axis] + 1;
        }
        let before = [top, left];
        Some(Self { out, taps, stride: spec.stride, before, seen, columns: clip[2], shift })
    }
}

/// Points at the pixels themselves: one segment a tap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taps<'a> {
    /// Where the pixels are.
    pub frames: &'a Frames,
    /// How the kernel moves.
    pub window: &'a Window,
    /// Output frames that are left out at the start.
    pub from: usize,
}

impl Taps<'_> {
    /// Calls `f(row, tap, pixel)` for each of `count` output pixels from `first` on.
    #[inline(always)]
    fn each(&self, first: usize, count: usize, mut f: impl FnMut(usize, usize, *const u32)) {
        let (frames, window) = (self.frames, self.window);
        let [_, rows, columns] = window.out;
        let [mut t, mut y, mut x] =
            [self.from + first / (rows * columns), first / columns % rows, first % columns];
        let zero = frames.zero.as_ptr();
        for row in 0..count {
            let mut tap = 0;
            for dt in 0..window.taps[0] {
                let base = frames.bases[t * window.stride[0] + dt].get();
                for dy in 0..window.taps[1] {
                    // Wraps to a large number above the frame.
                    let from_y = (y * window.stride[1] + dy).wrapping_sub(window.before[0]);
                    let line = !base.is_null() && from_y < window.seen[0];
                    for dx in 0..window.taps[2] {
                        let from_x = (x * window.stride[2] + dx).wrapping_sub(window.before[1]);
                        let pixel = if line && from_x < window.seen[1] {
                            let index = (from_y >> window.shift) * window.columns
                                + (from_x >> window.shift);
                            base.wrapping_add(index * frames.words).cast_const()
                        } else {
                            zero
                        };
                        f(row, tap, pixel);
                        tap += 1;
                    }
                }
            }
            x += 1;
            if x == columns {
                (x, y) = (0, y + 1);
            }
            if y == rows {
                (y, t) = (0, t + 1);
            }
        }
    }
}

impl Pointers for Taps<'_> {
    fn point(
        &self,
        first: usize,
        count: usize,
        segments: usize,
        _: &mut Vec<u32>,
        table: &mut [*const u32],
    ) {
        self.each(first, count, |row, tap, pixel| {
            table[((row / ROWS) * segments + tap) * ROWS + row % ROWS] = pixel;
        });
    }
}

/// Gathers the pixels of all taps into one row; for pixels too short to multiply by themselves.
#[derive(Debug)]
pub(crate) struct Patches<'a> {
    /// What is gathered.
    pub taps: Taps<'a>,
    /// Words of a segment.
    pub segment: usize,
}

impl Pointers for Patches<'_> {
    fn point(
        &self,
        first: usize,
        count: usize,
        segments: usize,
        scratch: &mut Vec<u32>,
        table: &mut [*const u32],
    ) {
        let words = self.taps.frames.words;
        let width = self.taps.window.taps.iter().product::<usize>() * words;
        scratch.clear();
        scratch.resize(count * width, 0);
        self.taps.each(first, count, |row, tap, pixel| {
            let target = &mut scratch[row * width + tap * words..][..words];
            for (i, word) in target.iter_mut().enumerate() {
                // SAFETY: a pixel has `words` words.
                *word = unsafe { *pixel.add(i) };
            }
        });
        for row in 0..count {
            for g in 0..segments {
                table[((row / ROWS) * segments + g) * ROWS + row % ROWS] =
                    scratch[row * width + g * self.segment..].as_ptr();
            }
        }
    }
}
