//! Single pictures: PNG out, with its manifest in text chunks; PNG, JPEG and WebP in.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use ::image::codecs::jpeg::JpegEncoder;
use ::image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageReader, Limits};

use super::frames::MAX_SIDE_PX;
use super::output::Failure;
use super::read::{FPS_KEY, local, open};
use super::{Fps, Frames, MediaError, Result, manifest};

/// The first bytes of every PNG file.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// The most memory that one picture may take while it is read.
const MAX_BYTES: u64 = 1 << 30;

/// Reads a PNG, JPEG or WebP picture as one frame, the kind told by its content.
///
/// Turned upright as its EXIF orientation says; transparency is dropped and 16 bits become 8, as Pillow's
/// `exif_transpose` and `convert("RGB")` do. JPEG decoders differ by a level or two, so that a JPEG is not bit-equal to
/// what libjpeg makes of it; PNG and lossless WebP are.
///
/// # Errors
/// Where it is not a local file, not such a picture, damaged, or larger than 16,384 pixels a side.
pub fn read_image(path: &Path) -> Result<Frames> {
    let path = &local(path)?;
    let read = |source| MediaError::Read { path: path.clone(), source };
    let decode = |source: ::image::ImageError| match source {
        ::image::ImageError::IoError(source) if source.kind() != ErrorKind::UnexpectedEof => {
            read(source)
        }
        source => MediaError::Decode {
            path: path.clone(),
            step: "decode the picture",
            source: source.into(),
        },
    };
    let file = open(path)?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(read)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX as u32);
    limits.max_image_height = Some(MAX_SIDE_PX as u32);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(decode)?;
    // The decoder counts what it takes itself, not what it fills.
    limits.reserve(decoder.total_bytes()).map_err(decode)?;
    let orientation = decoder.orientation().map_err(decode)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgb8();
    Frames::new(picture.width() as usize, picture.height() as usize, picture.into_raw())
}

/// Writes one frame and syncs nothing.
pub(super) fn write_png(
    frames: &Frames,
    fps: Fps,
    manifest: &str,
    file: File,
) -> Result<(), Failure> {
    let pixels = frames.iter().next().expect("because a clip has at least one frame");
    png(frames, pixels, Some((fps, manifest)), file)
}

/// Writes the first frame without a manifest.
pub(super) fn write_bare_png(frames: &Frames, file: File) -> Result<(), Failure> {
    let pixels = frames.iter().next().expect("because a clip has at least one frame");
    png(frames, pixels, None, file)
}

/// Writes every frame into `folder`, each on the disk when this returns.
pub(super) fn write_sequence(
    frames: &Frames,
    fps: Fps,
    manifest: &str,
    folder: &Path,
    on_frame: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<(), Failure> {
    for (number, pixels) in (1..).zip(frames.iter()) {
        let file =
            File::create_new(folder.join(format!("frame_{number:05}.png"))).map_err(Failure::Io)?;
        png(frames, pixels, Some((fps, manifest)), file.try_clone().map_err(Failure::Io)?)?;
        file.sync_all().map_err(Failure::Io)?;
        if on_frame(number).is_break() {
            return Err(Failure::Cancelled);
        }
    }
    Ok(())
}

/// Whether the file starts as a PNG does.
pub(super) fn is_png(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let read = open(path)?.take(SIGNATURE.len() as u64).read_to_end(&mut start);
    read.map_err(|source| MediaError::Read { path: path.to_owned(), source })?;
    Ok(start == SIGNATURE)
}

/// The texts of a PNG, keys and values.
pub(super) fn png_text(path: &Path) -> Result<Vec<(String, String)>> {
    let decode = |source: png::DecodingError| MediaError::Decode {
        path: path.to_owned(),
        step: "read the texts",
        source: source.into(),
    };
    let limits = png::Limits { bytes: MAX_BYTES as usize };
    let mut reader = png::Decoder::new_with_limits(BufReader::new(open(path)?), limits)
        .read_info()
        .map_err(decode)?;
    reader.finish().map_err(decode)?;
    let texts = reader.info().utf8_text.iter();
    texts.map(|text| Ok((text.keyword.clone(), text.get_text().map_err(decode)?))).collect()
}

/// How a single picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Nothing is lost.
    Png,
    /// Smaller, and nearly the same.
    Jpeg,
}

impl PictureFormat {
    /// Its type, as the web calls it.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// How good a JPEG is, of 100.
const JPEG_QUALITY: u8 = 95;

/// The first frame as the bytes of a file that holds it and nothing else. `path` is where it came from, for errors.
///
/// # Errors
/// What the encoder says.
pub fn encode(frames: &Frames, format: PictureFormat, path: &Path) -> Result<Vec<u8>> {
    let pixels = frames.iter().next().expect("because a clip has at least one frame");
    let mut bytes = Vec::new();
    let encoded = match format {
        PictureFormat::Png => png(frames, pixels, None, &mut bytes),
        PictureFormat::Jpeg => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            let (width, height) = (frames.width() as u32, frames.height() as u32);
            encoder
                .encode(pixels, width, height, ExtendedColorType::Rgb8)
                .map_err(|error| Failure::Encoder("encode the picture", error.into()))
        }
    };
    encoded.map(|()| bytes).map_err(|error| error.at(path))
}

fn png(
    frames: &Frames,
    pixels: &[u8],
    notes: Option<(Fps, &str)>,
    file: impl Write,
) -> Result<(), Failure> {
    let encode = |error: png::EncodingError| match error {
        png::EncodingError::IoError(error) => Failure::Io(error),
        error => Failure::Encoder("encode the picture", error.into()),
    };
    let mut buffer = BufWriter::new(file);
    let mut encoder = png::Encoder::new(&mut buffer, frames.width() as u32, frames.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some((fps, manifest)) = notes {
        for (key, text) in [
            (manifest::KEY, manifest.to_owned()),
            (FPS_KEY, fps.to_string()),
            ("XML:com.adobe.xmp", manifest::xmp()),
        ] {
            encoder.add_itxt_chunk(key.to_owned(), text).map_err(encode)?;
        }
    }
    let mut writer = encoder.write_header().map_err(encode)?;
    writer.write_image_data(pixels).map_err(encode)?;
    writer.finish().map_err(encode)?;
    buffer.flush().map_err(Failure::Io)
}
