//! The same names as `ffmpeg.rs` in a build without libav: everything but PNG is refused by name.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use super::output::{Failure, Output};
use super::read::Probe;
use super::{Fps, Frames, MediaError, Result};

/// Encoders by name, and whether libav on this machine has them; none in this build.
pub fn encoders() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// The versions of libav's parts; there is none in this build.
pub fn libav_version() -> Option<String> {
    None
}

/// The licence that libav is under; there is none in this build.
pub fn libav_licence() -> Option<String> {
    None
}

pub(super) fn check_encoder(output: Output, path: &Path) -> Result<()> {
    match output {
        Output::Png | Output::Folder => Ok(()),
        Output::Mp4 | Output::Mkv => Err(without(path)),
    }
}

/// Never gets here: [`check_encoder`] refused.
pub(super) fn encode(
    _output: Output,
    _frames: &Frames,
    _fps: Fps,
    _manifest: &str,
    _file: File,
    _on_frame: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(), Failure> {
    Err(Failure::Io(ErrorKind::Unsupported.into()))
}

pub(super) fn probe(path: &Path) -> Result<Probe> {
    Err(without(path))
}

pub(super) fn decode(path: &Path) -> Result<(Frames, Fps)> {
    Err(without(path))
}

pub(super) fn metadata(path: &Path) -> Result<Vec<(String, String)>> {
    Err(without(path))
}

fn without(path: &Path) -> MediaError {
    MediaError::WithoutLibav { path: path.to_owned() }
}
