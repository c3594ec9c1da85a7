//! Reading clips back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::image::{is_png, png_text};
use super::{Fps, Frames, MediaError, Result, ffmpeg, read_image};

/// The key of the frame rate in a PNG, which has no place for one of its own.
pub(super) const FPS_KEY: &str = "kinora:fps";

/// What a video file says of itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// The codec, as libav calls it.
    pub codec: String,
    /// The form of its pixels, as libav calls it.
    pub pixel: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Frames per second.
    pub fps: Fps,
    /// Length from the first frame's start to the last one's end.
    pub duration_secs: f64,
    /// The matrix between RGB and YUV.
    pub matrix: String,
    /// The primaries.
    pub primaries: String,
    /// The transfer curve.
    pub transfer: String,
    /// The range, limited or full.
    pub range: String,
}

/// Reads what a video file says of itself, without decoding it.
///
/// # Errors
/// Where it is not a local mp4, mov or mkv file with a stream of H.264 or FFV1, or this build has no libav.
pub fn probe(path: &Path) -> Result<Probe> {
    ffmpeg::probe(&local(path)?)
}

/// Reads one frame of a clip, so that what is no clip is found. In a build without libav only its first bytes are looked at.
///
/// # Errors
/// Those of [`read_video`].
pub fn check_clip(path: &Path) -> Result<()> {
    ffmpeg::check(&local(path)?)
}

/// Reads all frames of an mp4, mov or mkv file (H.264 or FFV1, 8 bits) or of a folder of PNG frames written here, and
/// their rate. Bit-exact for mkv and PNG. A stream that does not name its matrix is taken for BT.709.
///
/// # Errors
/// Where it is not a local file of such a kind, is damaged, or has more than 16 GiB of frames.
pub fn read_video(path: &Path) -> Result<(Frames, Fps)> {
    let path = local(path)?;
    if path.is_dir() {
        return read_sequence(&path);
    }
    if is_png(&path)? { Ok((read_image(&path)?, png_fps(&path)?)) } else { ffmpeg::decode(&path) }
}

/// The most bytes of frames that are read into memory.
pub(super) const MAX_BYTES: u64 = 16 << 30;

/// The name in its plain form, refused where it is an address.
pub(super) fn local(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().to_string_lossy().contains("://") {
        return Err(MediaError::NotLocal { path: path.to_owned() });
    }
    Ok(path.components().collect())
}

/// Opens a regular file, so that no pipe or device is waited for.
pub(super) fn open(path: &Path) -> Result<File> {
    let read = |source| MediaError::Read { path: path.to_owned(), source };
    if !path.metadata().map_err(read)?.is_file() {
        return Err(MediaError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(read)
}

/// The first picture of a folder of frames.
pub(super) fn first_frame(folder: &Path) -> Result<PathBuf> {
    sequence(folder)?
        .into_iter()
        .next()
        .ok_or_else(|| MediaError::NoManifest { path: folder.to_owned() })
}

fn read_sequence(folder: &Path) -> Result<(Frames, Fps)> {
    let paths = sequence(folder)?;
    let unsupported = |path: &Path, found: String, expected| MediaError::Unsupported {
        path: path.to_owned(),
        found,
        expected,
    };
    let Some(first) = paths.first() else {
        return Err(unsupported(folder, "no frame_*.png".into(), "a folder of frames"));
    };
    let fps = png_fps(first)?;
    let (mut size, mut data) = (None, Vec::new());
    for path in &paths {
        let frame = read_image(path)?;
        let (width, height) = (frame.width(), frame.height());
        if *size.get_or_insert((width, height)) != (width, height) {
            return Err(unsupported(
                path,
                format!("{width}x{height}"),
                "the size of the first frame",
            ));
        }
        data.extend(frame.into_data());
        if data.len() as u64 > MAX_BYTES {
            return Err(MediaError::TooLarge { path: folder.to_owned(), limit_bytes: MAX_BYTES });
        }
    }
    let (width, height) = size.expect("because there is a first frame");
    Ok((Frames::new(width, height, data)?, fps))
}

/// The frames of a folder in order.
fn sequence(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = |source| MediaError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("frame_") && name.ends_with(".png") {
            paths.push(path);
        }
    }
    // Numbers of more than five digits come after those of five.
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    Ok(paths)
}

fn png_fps(path: &Path) -> Result<Fps> {
    let texts = png_text(path)?;
    let text = texts.iter().find(|(key, _)| key == FPS_KEY).map_or("", |(_, text)| text);
    text.parse().map_err(|_| MediaError::Unsupported {
        path: path.to_owned(),
        found: format!("the frame rate {text:?}"),
        expected: "a frame written by Kinora",
    })
}
