//! What can go wrong with files of pictures.

use std::io;
use std::path::PathBuf;

use crate::{Hint, Kind};

/// Everything that reading or writing media can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The name is an address, not a file on this machine.
    #[error("use {path}: not a local file")]
    NotLocal {
        /// The name as given.
        path: PathBuf,
    },
    /// The name ends in nothing that can be written.
    #[error(
        "write {path}: unknown ending, expected one of .mp4, .mkv, .png or a folder ending in /"
    )]
    UnknownEnding {
        /// The name as given.
        path: PathBuf,
    },
    /// The name has no last part that a file could be called by.
    #[error("write {path}: it names no file")]
    Nameless {
        /// The name as given.
        path: PathBuf,
    },
    /// The folder of the output is not there.
    #[error("write {path}: folder {folder} does not exist")]
    FolderMissing {
        /// The output.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// Nothing can be created in the folder of the output, or under that name.
    #[error("write {path}: {source}")]
    Unwritable {
        /// The output.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Something other than a regular file has that name already.
    #[error("write {path}: it exists and is not a regular file")]
    NotAFile {
        /// The output.
        path: PathBuf,
    },
    /// The folder for a sequence of frames holds something already.
    #[error("write {path}: the folder is not empty")]
    FolderNotEmpty {
        /// The output.
        path: PathBuf,
    },
    /// A single picture cannot hold a clip.
    #[error("write {path}: one picture cannot hold {num_frames} frames")]
    ManyFrames {
        /// The output.
        path: PathBuf,
        /// How many frames there are.
        num_frames: usize,
    },
    /// FFV1 loses pixels of pictures with sides of a few pixels, in silence; films have a least size.
    #[error("write {path}: a film needs sides of at least {least} pixels, found {width}x{height}")]
    TooSmall {
        /// The output.
        path: PathBuf,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The least side in pixels.
        least: usize,
    },
    /// libav on this machine lacks the encoder.
    #[error("write {path}: libav has no encoder {encoder}; it has {available}")]
    EncoderMissing {
        /// The output.
        path: PathBuf,
        /// The encoder that is needed.
        encoder: &'static str,
        /// Those of the encoders Kinora knows that are there.
        available: String,
    },
    /// This build has no libav.
    #[error("use {path}: this build has no libav, only PNG")]
    WithoutLibav {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed: a full disk, a limit, a device that went away.
    #[error("write {path}: {source}")]
    Write {
        /// The file being written.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Encoding failed for a reason of libav's or of the PNG encoder's.
    #[error("write {path}: {step}: {source}")]
    Encode {
        /// The file being written.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// The encoder's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be opened or read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file is damaged, or of a kind that is not read.
    #[error("read {path}: {step}: {source}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// The decoder's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A clip does not decode to its end.
    #[error("read {path}: decode: {source}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file holds pictures in a form that is not read.
    #[error("read {path}: found {found}, expected {expected}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the file holds.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// A file holds more picture than is read into memory.
    #[error("read {path}: its frames take more than {limit_bytes} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// There is no manifest in the file nor beside it.
    #[error("read the manifest of {path}: there is none in the file nor beside it")]
    NoManifest {
        /// The file.
        path: PathBuf,
    },
    /// A manifest is not JSON, or holds a character that files cannot carry.
    #[error("use the manifest: {source}")]
    BadManifest {
        /// Why it does not parse.
        source: serde_json::Error,
    },
    /// The numbers of a clip do not agree.
    #[error(
        "make frames of {width}x{height} from {found_bytes} bytes: expected a multiple of {frame_bytes} above 0"
    )]
    Shape {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes of one frame; 0 where a side is 0 or too large.
        frame_bytes: usize,
        /// Bytes given.
        found_bytes: usize,
    },
    /// A frame rate is not a rate.
    #[error("use {text:?} as a frame rate: expected a number or a fraction from 0.001 to 1000")]
    Fps {
        /// The text or the numbers given.
        text: String,
    },
    /// The caller asked to stop.
    #[error("stopped before the file was whole")]
    Cancelled,
}

impl Hint for MediaError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotLocal { .. }
            | Self::UnknownEnding { .. }
            | Self::Nameless { .. }
            | Self::FolderMissing { .. }
            | Self::NotAFile { .. }
            | Self::FolderNotEmpty { .. }
            | Self::ManyFrames { .. }
            | Self::TooSmall { .. }
            | Self::Fps { .. } => Kind::Usage,
            Self::Unwritable { .. }
            | Self::EncoderMissing { .. }
            | Self::WithoutLibav { .. }
            | Self::Write { .. } => Kind::Resources,
            Self::Read { .. }
            | Self::Decode { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::TooLarge { .. }
            | Self::NoManifest { .. } => Kind::Input,
            Self::Cancelled => Kind::Interrupted,
            Self::Encode { .. } | Self::BadManifest { .. } | Self::Shape { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotLocal { .. } => "name a file on this machine".into(),
            Self::UnknownEnding { path } => {
                format!("for a folder of PNG frames, write {}/", path.display())
            }
            Self::FolderMissing { folder, .. } => format!("mkdir -p {}", folder.display()),
            Self::FolderNotEmpty { .. } => "name a folder that does not exist yet".into(),
            Self::ManyFrames { .. } => {
                "choose .mp4 or .mkv, or a folder ending in / for one PNG a frame".into()
            }
            Self::EncoderMissing { .. } => {
                "choose .mkv, or a folder ending in / for PNG frames".into()
            }
            Self::WithoutLibav { .. } => "build with the feature media, or use PNG".into(),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space on that disk, or choose another".into()
            }
            _ => return None,
        })
    }
}

/// A stop is a stop wherever it was asked for.
impl From<MediaError> for crate::Error {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Cancelled => Self::Cancelled,
            error => Self::Media(error),
        }
    }
}
