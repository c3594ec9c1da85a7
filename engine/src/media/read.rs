//! Reading clips back.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::frames::{Frame, OnFrame};
use super::image::{is_png, png_text};
use super::{Fps, Frames, MediaError, Result, boxes, ffmpeg, read_image};

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

/// Says whether a file is a whole clip: its parts are all there, and it decodes to its end. What this build cannot decode, for
/// its codec, its pixels or the want of libav, is a clip all the same, as far as its parts tell.
///
/// # Errors
/// What is no clip, ends in the middle, or is damaged.
pub fn check_clip(path: &Path) -> Result<()> {
    let path = local(path)?;
    boxes::check_whole(&path)?;
    ffmpeg::check(&path)
}

/// The [hash of the frames](video_hash) of a clip; none where not all of them can be read: another codec, other pixels, no frame
/// rate, no libav, a frame that is damaged.
///
/// # Errors
/// A file that cannot be read.
pub fn frames_hash_of(path: &Path) -> Result<Option<blake3::Hash>> {
    match video_hash(path) {
        Ok(hash) => Ok(Some(hash)),
        Err(
            MediaError::Unsupported { .. }
            | MediaError::Damaged { .. }
            | MediaError::WithoutLibav { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads all frames of an mp4, mov or mkv file (H.264 or FFV1, 8 bits) or of a folder of PNG frames written here, and
/// their rate. Bit-exact for mkv and PNG. A stream that does not name its matrix is taken for BT.709.
///
/// # Errors
/// Where it is not a local file of such a kind, is damaged, or has more than 16 GiB of frames.
pub fn read_video(path: &Path) -> Result<(Frames, Fps)> {
    let (mut size, mut data) = ((0, 0), Vec::new());
    let mut is_too_large = false;
    let fps = each_frame(path, &mut |frame| {
        size = (frame.width, frame.height);
        is_too_large = (data.len() + frame.data.len()) as u64 > MAX_BYTES;
        if is_too_large {
            return ControlFlow::Break(());
        }
        data.extend_from_slice(frame.data);
        ControlFlow::Continue(())
    })?;
    if is_too_large {
        return Err(MediaError::TooLarge { path: path.to_owned(), limit_bytes: MAX_BYTES });
    }
    Ok((Frames::new(size.0, size.1, data)?, fps))
}

/// Reads the first frame of a clip, and nothing behind it.
///
/// # Errors
/// Those of [`read_video`], of its beginning.
pub fn read_first_frame(path: &Path) -> Result<Frames> {
    read_one_frame(path, ControlFlow::Break(()))
}

/// Reads the last frame of a clip, of which one is in memory at a time.
///
/// # Errors
/// Those of [`read_video`], however long the clip is.
pub fn read_last_frame(path: &Path) -> Result<Frames> {
    read_one_frame(path, ControlFlow::Continue(()))
}

fn read_one_frame(path: &Path, and_then: ControlFlow<()>) -> Result<Frames> {
    let (mut size, mut data) = ((0, 0), Vec::new());
    each_frame(path, &mut |frame| {
        size = (frame.width, frame.height);
        data.clear();
        data.extend_from_slice(frame.data);
        and_then
    })?;
    Frames::new(size.0, size.1, data)
}

/// The hash that [`frames_hash`](super::frames_hash) has of a clip, of which one frame is in memory at a time.
///
/// The number of frames comes first in what is hashed: a file that does not say it, or says another, is read twice.
///
/// # Errors
/// Those of [`read_video`], however long the clip is.
pub fn video_hash(path: &Path) -> Result<blake3::Hash> {
    let mut claimed = claimed(path)?;
    for _ in 0..2 {
        let (mut hasher, mut count) = (None, 0);
        each_frame(path, &mut |frame| {
            let begin = || super::frames::hasher(claimed, frame.height, frame.width);
            hasher.get_or_insert_with(begin).update(frame.data);
            count += 1;
            ControlFlow::Continue(())
        })?;
        match hasher {
            Some(hasher) if count == claimed => return Ok(hasher.finalize()),
            _ => claimed = count,
        }
    }
    let (found, expected) = ("frames that change".to_owned(), "a clip that nobody writes to");
    Err(MediaError::Unsupported { path: path.to_owned(), found, expected })
}

/// How many frames a clip says that it has; 0 where it does not say.
fn claimed(path: &Path) -> Result<u64> {
    let path = local(path)?;
    if path.is_dir() {
        return Ok(sequence(&path)?.len() as u64);
    }
    if is_png(&path)? { Ok(1) } else { ffmpeg::claimed(&path) }
}

/// Hands on the frames of a clip, one at a time; there is at least one.
fn each_frame(path: &Path, on_frame: &mut OnFrame<'_>) -> Result<Fps> {
    let path = local(path)?;
    if path.is_dir() {
        return each_of_sequence(&path, on_frame);
    }
    if !is_png(&path)? {
        return ffmpeg::decode(&path, on_frame);
    }
    let (frame, fps) = (read_image(&path)?, png_fps(&path)?);
    // It is the only one.
    let _ = on_frame(Frame { width: frame.width(), height: frame.height(), data: frame.data() });
    Ok(fps)
}

/// The most bytes of frames that are read into memory.
const MAX_BYTES: u64 = 16 << 30;

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

fn each_of_sequence(folder: &Path, on_frame: &mut OnFrame<'_>) -> Result<Fps> {
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
    let mut size = None;
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
        if on_frame(Frame { width, height, data: frame.data() }).is_break() {
            break;
        }
    }
    Ok(fps)
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
