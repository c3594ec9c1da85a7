//! Clips to write and ways to look at files.

use std::ops::ControlFlow;
use std::path::Path;

use kinora_engine::media::{Fps, Frames, MediaError, Written, write};

/// A manifest with everything that a container might trip over.
pub(crate) const MANIFEST: &str = r#"{"prompt":"a \"red\" ball; #1 = C:\\film\n[x] 'q' 雪の中を走る猫 🎬","seed":42,"nested":{"a":[1,2.5,null]}}"#;

/// Smooth moving colours that fill the gamut.
pub(crate) fn colourful(width: usize, height: usize, count: usize) -> Frames {
    let wave = |phase: f64| (127.5 + 127.5 * phase.sin()).round() as u8;
    let mut data = Vec::new();
    for t in 0..count {
        for y in 0..height {
            for x in 0..width {
                let (x, y, t) = (x as f64 / 18.0, y as f64 / 14.0, t as f64 / 5.0);
                data.extend([wave(x + t), wave(y - t + 1.0), wave(x + y + 2.0 * t)]);
            }
        }
    }
    Frames::new(width, height, data).expect("because the loops make whole frames")
}

/// Nothing that repeats: each byte is its own.
pub(crate) fn noise(width: usize, height: usize, count: usize) -> Frames {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let data = (0..width * height * count * 3).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    Frames::new(width, height, data.collect()).expect("because that many bytes are whole frames")
}

pub(crate) fn fps(text: &str) -> Fps {
    text.parse().expect("because it is a rate")
}

/// Writes without stopping.
pub(crate) fn save(frames: &Frames, path: &Path) -> Result<Written, MediaError> {
    write(frames, fps("16"), MANIFEST, path, &mut |_| ControlFlow::Continue(()))
}

/// Peak signal to noise ratio in decibels, over all channels.
pub(crate) fn psnr(a: &Frames, b: &Frames) -> f64 {
    assert_eq!((a.count(), a.width(), a.height()), (b.count(), b.width(), b.height()));
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let error: f64 = a.data().iter().zip(b.data()).map(square).sum::<f64>() / a.data().len() as f64;
    10.0 * (255.0 * 255.0 / error).log10()
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("because the test made it");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("because it is there").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A folder that goes away with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("because there is a place for temporary files")
}
