//! Where a take goes: chosen by the ending of its name, checked before anything is computed, written whole or not at all.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::read::local;
use super::{Fps, Frames, MediaError, Result, ffmpeg, image, manifest};
use crate::durable::{Partial, folder_of, json_beside, sync_folder};

/// The kinds of file that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// H.264 in mp4.
    Mp4,
    /// FFV1 in Matroska, bit-exact.
    Mkv,
    /// One picture.
    Png,
    /// A folder of pictures, `frame_00001.png` and so on.
    Folder,
}

/// The least side of a film.
const LEAST_SIDE_PX: usize = 16;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file or the folder.
    pub path: PathBuf,
    /// The manifest beside the file, or within the folder.
    pub manifest: PathBuf,
    /// Width and height in the file, where they differ from those of the frames: yuv420p has even sides only, so that
    /// mp4 repeats the last column or row of odd ones.
    pub padded: Option<(usize, usize)>,
}

/// Finds out, before anything expensive is done, whether `num_frames` frames can be written to `path`: a local name with
/// a known ending, in a folder that is there and takes new files, with an encoder for it. Creates and removes an empty
/// hidden file to be sure.
///
/// A name that ends in `/`, or is an existing folder, is a folder of frames, which must be new or empty. A file that has
/// the name already will be replaced.
///
/// # Errors
/// With what is wrong and, as a hint, what to do about it.
pub fn check_output(path: &Path, num_frames: usize) -> Result<Output> {
    let given_as_folder = path.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
    let path = &local(path)?;
    let unwritable = |source| MediaError::Unwritable { path: path.clone(), source };
    if path.file_name().is_none() {
        return Err(MediaError::Nameless { path: path.clone() });
    }
    let existing = match path.metadata() {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(MediaError::FolderMissing {
                path: path.clone(),
                folder: folder_of(path).to_owned(),
            });
        }
        Err(error) => return Err(unwritable(error)),
    };
    let is_folder = existing.as_ref().is_some_and(fs::Metadata::is_dir);
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let output = match ending.to_str() {
        _ if given_as_folder => Output::Folder,
        Some("mp4") => Output::Mp4,
        Some("mkv") => Output::Mkv,
        Some("png") => Output::Png,
        _ if is_folder => Output::Folder,
        _ => return Err(MediaError::UnknownEnding { path: path.clone() }),
    };
    if output == Output::Png && num_frames > 1 {
        return Err(MediaError::ManyFrames { path: path.clone(), num_frames });
    }
    if existing.is_some_and(|metadata| match output {
        Output::Folder => !metadata.is_dir(),
        _ => !metadata.is_file(),
    }) {
        return Err(MediaError::NotAFile { path: path.clone() });
    }
    if is_folder && fs::read_dir(path).map_err(unwritable)?.next().is_some() {
        return Err(MediaError::FolderNotEmpty { path: path.clone() });
    }
    if !folder_of(path).is_dir() {
        return Err(MediaError::FolderMissing {
            path: path.clone(),
            folder: folder_of(path).to_owned(),
        });
    }
    if output != Output::Folder {
        let sidecar = json_beside(path);
        match sidecar.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(MediaError::NotAFile { path: sidecar }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // The name with `.json` is too long, for one.
            Err(error) => return Err(unwritable(error)),
        }
    }
    ffmpeg::check_encoder(output, path)?;
    Partial::file(path).map_err(unwritable)?;
    Ok(output)
}

/// Writes a clip and its manifest, a JSON text, to where [`check_output`] admits them. `on_frame` hears after each frame
/// how many are done, and stops the work with [`ControlFlow::Break`].
///
/// Nothing gets a final name before all of it is on the disk; whatever goes wrong, what had the name before stays.
///
/// # Errors
/// Those of [`check_output`], [`MediaError::Cancelled`], and what the disk or the encoder say.
pub fn write(
    frames: &Frames,
    fps: Fps,
    manifest: &str,
    path: &Path,
    on_frame: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Written> {
    let output = check_output(path, frames.count())?;
    manifest::check(manifest)?;
    let path = local(path)?;
    let (width, height) = (frames.width(), frames.height());
    if matches!(output, Output::Mp4 | Output::Mkv) && width.min(height) < LEAST_SIDE_PX {
        return Err(MediaError::TooSmall { path, width, height, least: LEAST_SIDE_PX });
    }
    let failed = |source| MediaError::Write { path: path.clone(), source };
    if output == Output::Folder {
        let partial = Partial::folder(&path).map_err(failed)?;
        image::write_sequence(frames, fps, manifest, partial.path(), on_frame)
            .map_err(|error| error.at(&path))?;
        write_text(fs::File::create_new(partial.path().join(manifest::IN_FOLDER)), manifest)
            .map_err(failed)?;
        sync_folder(partial.path()).map_err(failed)?;
        partial.keep().map_err(failed)?;
        sync_folder(folder_of(&path)).map_err(failed)?;
        let manifest = path.join(manifest::IN_FOLDER);
        return Ok(Written { path, manifest, padded: None });
    }

    let sidecar = json_beside(&path);
    let (partial_sidecar, file) = Partial::file(&sidecar).map_err(failed)?;
    write_text(Ok(file), manifest).map_err(failed)?;
    let (partial, file) = Partial::file(&path).map_err(failed)?;
    let synced = file.try_clone().map_err(failed)?;
    match output {
        Output::Png => {
            image::write_png(frames, fps, manifest, file).map_err(|error| error.at(&path))?;
            if on_frame(1).is_break() {
                return Err(MediaError::Cancelled);
            }
        }
        _ => ffmpeg::encode(output, frames, fps, manifest, file, on_frame)
            .map_err(|error| error.at(&path))?,
    }
    synced.sync_all().map_err(failed)?;
    partial.keep().map_err(failed)?;
    partial_sidecar.keep().map_err(failed)?;
    sync_folder(folder_of(&path)).map_err(failed)?;

    let even = (width.next_multiple_of(2), height.next_multiple_of(2));
    let padded = (output == Output::Mp4 && even != (width, height)).then_some(even);
    Ok(Written { path, manifest: sidecar, padded })
}

/// Writes the first frame as a PNG without a manifest; whatever goes wrong, what had the name before stays.
///
/// # Errors
/// What the disk says.
pub fn write_picture(picture: &Frames, path: &Path) -> Result<()> {
    let path = &local(path)?;
    let failed = |source| MediaError::Write { path: path.clone(), source };
    let (partial, file) = Partial::file(path).map_err(failed)?;
    let synced = file.try_clone().map_err(failed)?;
    image::write_bare_png(picture, file).map_err(|error| error.at(path))?;
    synced.sync_all().map_err(failed)?;
    partial.keep().map_err(failed)?;
    sync_folder(folder_of(path)).map_err(failed)
}

/// What went wrong in an encoder that knows no file name.
#[derive(Debug)]
pub(super) enum Failure {
    /// The disk said no.
    Io(io::Error),
    /// The encoder said no.
    Encoder(&'static str, Box<dyn std::error::Error + Send + Sync>),
    /// The caller said stop.
    Cancelled,
}

impl Failure {
    pub(super) fn at(self, path: &Path) -> MediaError {
        match self {
            Self::Io(source) => MediaError::Write { path: path.to_owned(), source },
            Self::Encoder(step, source) => {
                MediaError::Encode { path: path.to_owned(), step, source }
            }
            Self::Cancelled => MediaError::Cancelled,
        }
    }
}

fn write_text(file: io::Result<fs::File>, text: &str) -> io::Result<()> {
    let mut file = file?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
