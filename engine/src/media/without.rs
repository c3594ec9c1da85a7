//! The same names as `ffmpeg.rs` in a build without libav: everything but PNG is refused by name.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::frames::OnFrame;
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

/// Looks at the first bytes: those of an mp4 or mov file, or of an mkv or webm file.
pub(super) fn check(path: &Path) -> Result<()> {
    let failed = |source| MediaError::Read { path: path.to_owned(), source };
    let mut bytes = [0; 8];
    super::read::open(path)?.read_exact(&mut bytes).map_err(failed)?;
    if bytes.ends_with(b"ftyp") || bytes.starts_with(b"\x1a\x45\xdf\xa3") {
        return Ok(());
    }
    let (found, expected) = ("something else".to_owned(), "a clip");
    Err(MediaError::Unsupported { path: path.to_owned(), found, expected })
}

pub(super) fn claimed(path: &Path) -> Result<u64> {
    Err(without(path))
}

pub(super) fn decode(path: &Path, _on_frame: &mut OnFrame<'_>) -> Result<Fps> {
    Err(without(path))
}

pub(super) fn metadata(path: &Path) -> Result<Vec<(String, String)>> {
    Err(without(path))
}

fn without(path: &Path) -> MediaError {
    MediaError::WithoutLibav { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{
        check_clip, check_output, frames_hash_of, read_manifest, read_video, write,
    };

    #[test]
    fn films_are_refused_by_name_and_pictures_are_not() {
        let folder = tempfile::tempdir().expect("because there is a place for temporary files");
        let frames = Frames::new(16, 16, vec![9; 1536]).expect("because it is two frames");
        let fps = Fps::new(16, 1).expect("because 16 is a rate");
        for name in ["clip.mp4", "clip.mkv"] {
            let path = folder.path().join(name);
            let error = check_output(&path, 2).expect_err(name);
            assert!(matches!(error, MediaError::WithoutLibav { .. }), "{error}");
            std::fs::write(&path, "").expect("because the folder is there");
            let error = read_video(&path).expect_err(name);
            assert!(matches!(error, MediaError::WithoutLibav { .. }), "{error}");
        }
        let path = folder.path().join("frames/");
        write(&frames, fps, "{}", &path, &mut |_| ControlFlow::Continue(()))
            .expect("because it is PNG");
        assert_eq!(read_video(&path).expect("because it was written"), (frames, fps));
        assert_eq!(read_manifest(&path).expect("because it was written"), "{}");
    }

    #[test]
    fn what_begins_as_a_clip_and_is_whole_is_one_that_nobody_can_read() {
        let folder = tempfile::tempdir().expect("because there is a place for temporary files");
        let path = folder.path().join("clip.mp4");
        let whole = b"\0\0\0\x0cftypisom\0\0\0\x0amdat..";
        std::fs::write(&path, whole).expect("because the folder is there");
        check_clip(&path).expect("because all of it is there");
        assert_eq!(frames_hash_of(&path).expect("because that is no failure"), None);
        for wrong in [&whole[..20], &whole[..6], b"<html>please sign in</html>"] {
            std::fs::write(&path, wrong).expect("because the folder is there");
            check_clip(&path).expect_err("because it is no clip, or not all of one");
        }
    }

    /// The manifest beside a film needs no libav.
    #[test]
    fn a_manifest_beside_is_read() {
        let folder = tempfile::tempdir().expect("because there is a place for temporary files");
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, "").expect("because the folder is there");
        assert!(read_manifest(&path).is_err());
        std::fs::write(folder.path().join("clip.mp4.json"), "[1]")
            .expect("because the folder is there");
        assert_eq!(read_manifest(&path).expect("because it is beside"), "[1]");
    }
}
