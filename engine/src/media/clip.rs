//! Frames as they come out of a decoder of libav: turned into RGB and handed on, one at a time.

use std::ops::ControlFlow;
use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{color, frame};

use super::colour::{BT601, BT709, Plane, Yuv420, yuv420_to_rgb};
use super::frames::{Frame, OnFrame, frame_bytes};
use super::{MediaError, Result};

/// Frames as they come out of a decoder.
pub(super) struct Clip<'a, 'b> {
    path: &'a Path,
    size: Option<(usize, usize)>,
    /// Those of one frame: the next one takes their place.
    pixels: Vec<u8>,
    on_frame: &'a mut OnFrame<'b>,
}

impl<'a, 'b> Clip<'a, 'b> {
    /// A clip of which no frame came yet.
    pub(super) fn new(path: &'a Path, on_frame: &'a mut OnFrame<'b>) -> Self {
        Self { path, size: None, pixels: Vec::new(), on_frame }
    }

    /// Whether no frame came.
    pub(super) fn is_empty(&self) -> bool {
        self.size.is_none()
    }

    /// Hands on a frame. Says whether it is enough.
    pub(super) fn hand_on(&mut self, picture: &frame::Video) -> Result<ControlFlow<()>> {
        let unsupported = |found, expected| MediaError::Unsupported {
            path: self.path.to_owned(),
            found,
            expected,
        };
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if *self.size.get_or_insert((width, height)) != (width, height) {
            return Err(unsupported(format!("{width}x{height}"), "the size of the first frame"));
        }
        let frame_bytes = frame_bytes(width, height);
        if frame_bytes == 0 {
            return Err(MediaError::Shape { width, height, frame_bytes, found_bytes: 0 });
        }
        self.pixels.clear();
        let plane = |index, width, height| {
            Plane::from_strided(width, height, picture.stride(index), picture.data(index))
                .ok_or_else(|| unsupported("a plane that is too short".into(), "whole planes"))
        };
        match picture.format() {
            format @ (Pixel::YUV420P | Pixel::YUVJ420P) => {
                let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
                let planes = Yuv420 {
                    luma: plane(0, width, height)?,
                    blue: plane(1, half_width, half_height)?,
                    red: plane(2, half_width, half_height)?,
                };
                let matrix = match picture.color_space() {
                    color::Space::BT709 | color::Space::Unspecified => BT709,
                    color::Space::BT470BG | color::Space::SMPTE170M => BT601,
                    other => {
                        return Err(unsupported(
                            format!("the matrix {other:?}"),
                            "BT.709 or BT.601",
                        ));
                    }
                };
                let full_range =
                    format == Pixel::YUVJ420P || picture.color_range() == color::Range::JPEG;
                yuv420_to_rgb(&planes, matrix, full_range, &mut self.pixels);
            }
            Pixel::BGRZ | Pixel::BGRA => {
                let pixels = plane(0, width * 4, height)?.data;
                self.pixels.resize(frame_bytes, 0);
                let outs = self.pixels.chunks_exact_mut(3);
                for (pixel, out) in pixels.chunks_exact(4).zip(outs) {
                    out.copy_from_slice(&[pixel[2], pixel[1], pixel[0]]);
                }
            }
            other => {
                let name = other.descriptor().map_or("none", |pixel| pixel.name());
                return Err(unsupported(format!("pixels as {name}"), "yuv420p or bgr0"));
            }
        }
        Ok((self.on_frame)(Frame { width, height, data: &self.pixels }))
    }
}
