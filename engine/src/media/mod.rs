//! Pictures and films in files: writing a take, reading one back, and the pictures a request starts from.
//!
//! | ending | is | loses |
//! |---|---|---|
//! | `.mp4` | H.264, yuv420p, BT.709 limited range, index first | a little: to look at and to pass on |
//! | `.mkv` | FFV1 level 3 in RGB | nothing: to keep and to compare |
//! | `.png` | one frame | nothing |
//! | `/` (a folder) | `frame_00001.png` and so on, with `manifest.json` | nothing |
//!
//! Every file carries its manifest inside and beside it, is written under a hidden partial name, and gets its own name
//! only when it is whole and on the disk. libav never sees a file name or an address: it is handed open files.
//!
//! This is the one place where the feature `media` is switched. Without it mp4 and mkv are refused by name and PNG
//! works the same.

mod boxes;
#[cfg(feature = "media")]
mod clip;
#[cfg(feature = "media")]
mod colour;
mod error;
#[cfg_attr(not(feature = "media"), path = "without.rs")]
mod ffmpeg;
mod fps;
mod frames;
mod image;
mod manifest;
mod output;
mod read;
mod resize;
mod sheet;

pub use error::MediaError;
pub use ffmpeg::{encoders, libav_licence, libav_version};
pub use fps::Fps;
pub(crate) use frames::MAX_SIDE_PX;
pub use frames::{Frames, frames_hash};
pub use image::{PictureFormat, encode, read_image};
pub use manifest::{DIGITAL_SOURCE_TYPE, read_manifest};
pub use output::{Output, Written, check_output, write, write_picture};
pub use read::{
    Probe, check_clip, frames_hash_of, probe, read_first_frame, read_last_frame, read_video,
    video_hash,
};
pub use resize::Filter;
pub use sheet::contact_sheet;

/// The result of this room.
pub type Result<T, E = MediaError> = std::result::Result<T, E>;
