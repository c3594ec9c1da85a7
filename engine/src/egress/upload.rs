//! Pictures that leave: made again from their pixels, so that nothing else of their files goes along.
//!
//! A photograph says where and when it was taken, a take's picture how it was made. Neither is in what [`picture`] returns: the
//! file is decoded, turned upright and encoded anew, without a text, a date, a profile, a thumbnail or a name. Colours
//! are taken for sRGB, as everywhere here. Takes that are used as references leave as pictures of their frames; no clip
//! leaves.

use std::path::Path;

use super::Labelled;
use crate::media::{self, Filter, Frames, MediaError, PictureFormat};
use crate::privacy::Privacy;
use crate::{Hint, Kind};

/// What a host takes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its type.
    pub format: PictureFormat,
    /// The longest side, in pixels.
    pub most_side_px: usize,
    /// The largest file.
    pub most_bytes: usize,
}

/// A picture as it leaves. Only [`picture`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upload {
    /// Its type, such as `image/png`.
    pub mime: &'static str,
    /// Its bytes, and who may see them.
    pub bytes: Labelled<Vec<u8>>,
}

/// Why a picture does not leave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// It stays too large however small it is made.
    #[error("{}: no picture of {most_bytes} bytes can be made of it", path.display())]
    TooLarge {
        /// The file.
        path: std::path::PathBuf,
        /// What is taken.
        most_bytes: usize,
    },
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Media(error) => error.kind(),
            Self::TooLarge { .. } => Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Media(error) => error.hint(),
            Self::TooLarge { .. } => None,
        }
    }
}

/// Makes a picture ready to leave: a PNG, JPEG or WebP file, as large as it is or as large as is taken.
///
/// # Errors
/// Where it is no such file, damaged, or cannot be made small enough.
pub fn picture(path: &Path, label: Privacy, wanted: &Wanted) -> Result<Upload, Error> {
    let read = media::read_image(path)?;
    let too_large = || Error::TooLarge { path: path.to_owned(), most_bytes: wanted.most_bytes };
    let most_side_px = wanted.most_side_px.min(read.width().max(read.height()));
    let mut side_px = most_side_px;
    while side_px > 0 {
        let bytes = media::encode(&within(&read, side_px)?, wanted.format, path)?;
        if bytes.len() <= wanted.most_bytes {
            let mime = wanted.format.mime();
            return Ok(Upload { mime, bytes: Labelled::new(bytes, label) });
        }
        side_px = side_px * 3 / 4;
    }
    Err(too_large())
}

/// The picture with no side longer than this; its shape stays as nearly as whole pixels allow.
fn within(picture: &Frames, side_px: usize) -> Result<Frames, MediaError> {
    let (width, height) = (picture.width(), picture.height());
    let longest = width.max(height);
    if longest <= side_px {
        return Ok(picture.clone());
    }
    let shrunk = |side: usize| ((side * side_px + longest / 2) / longest).max(1);
    picture.resize(shrunk(width), shrunk(height), Filter::Lanczos)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use super::*;

    const MARK: &str = "s3cret 52.5200N 13.4050E";

    /// A picture of three columns and two rows, of which no two are alike.
    fn pixels() -> Vec<u8> {
        (0..18).map(|at| at * 14).collect()
    }

    /// A chunk of a PNG.
    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let mut crc = !0_u32;
        for byte in kind.iter().chain(data) {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            }
        }
        let length = u32::try_from(data.len()).expect("small").to_be_bytes();
        [&length[..], kind, data, &(!crc).to_be_bytes()].concat()
    }

    /// EXIF that says how a picture is turned, where it was taken and by whom.
    fn exif(orientation: u16) -> Vec<u8> {
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let mut bytes = [tag.to_be_bytes(), kind.to_be_bytes()].concat();
            bytes.extend([count.to_be_bytes(), value.to_be_bytes()].concat());
            bytes
        };
        let mut bytes = b"MM\0\x2a\0\0\0\x08\0\x03".to_vec();
        bytes.extend(entry(0x0112, 3, 1, u32::from(orientation) << 16));
        bytes.extend(entry(0x013b, 2, MARK.len() as u32, 50));
        bytes.extend(entry(0x8825, 4, 1, 50));
        bytes.extend([0; 4]);
        bytes.extend(MARK.as_bytes());
        bytes
    }

    /// A PNG with everything planted in it that a PNG can hold.
    fn planted_png() -> Vec<u8> {
        let mut plain = Vec::new();
        let mut encoder = png::Encoder::new(&mut plain, 3, 2);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().and_then(|mut w| w.write_image_data(&pixels())).expect("a picture");
        let text = [b"Comment\0", MARK.as_bytes()].concat();
        let international = [b"XML:com.adobe.xmp\0\0\0\0\0", MARK.as_bytes()].concat();
        let (head, rest) = plain.split_at(33);
        let mut planted = head.to_vec();
        planted.extend(chunk(b"tEXt", &text));
        planted.extend(chunk(b"iTXt", &international));
        planted.extend(chunk(b"eXIf", &exif(6)));
        planted.extend(chunk(b"tIME", b"\x07\xea\x0b\x1c\x11\x0c\x17"));
        planted.extend(chunk(b"prVt", MARK.as_bytes()));
        planted.extend(rest);
        planted.extend(MARK.as_bytes());
        planted
    }

    /// A JPEG with EXIF, a profile, a comment and something behind its end.
    fn planted_jpeg() -> Vec<u8> {
        let mut plain = Cursor::new(Vec::new());
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut plain, 100);
        encoder.encode(&pixels(), 3, 2, image::ExtendedColorType::Rgb8).expect("a picture");
        let segment = |marker: u8, data: &[u8]| {
            let length = u16::try_from(data.len() + 2).expect("small").to_be_bytes();
            [&[0xff, marker], &length[..], data].concat()
        };
        let (start, rest) = plain.get_ref().split_at(2);
        let mut planted = start.to_vec();
        planted.extend(segment(0xe1, &[b"Exif\0\0", &exif(6)[..]].concat()));
        planted.extend(segment(0xe2, &[b"ICC_PROFILE\0\x01\x01", MARK.as_bytes()].concat()));
        planted.extend(segment(0xfe, MARK.as_bytes()));
        planted.extend(rest);
        planted.extend(MARK.as_bytes());
        planted
    }

    /// The names of a PNG's chunks, or the markers of a JPEG's segments up to its pixels.
    fn parts(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(mut rest) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") {
            while let Some((head, tail)) = rest.split_at_checked(8) {
                let length = u32::from_be_bytes(head[..4].try_into().expect("four")) as usize;
                found.push(String::from_utf8_lossy(&head[4..]).into_owned());
                rest = &tail[length + 4..];
            }
            assert_eq!(rest, b"", "nothing comes behind");
        } else {
            let mut at = 2;
            while found.last().is_none_or(|last| last != "da") {
                found.push(format!("{:x}", bytes[at + 1]));
                at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            }
            assert_eq!(&bytes[bytes.len() - 2..], b"\xff\xd9", "nothing comes behind");
        }
        found
    }

    fn wanted(format: PictureFormat) -> Wanted {
        Wanted { format, most_side_px: 4096, most_bytes: 10 << 20 }
    }

    fn holds(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn nothing_leaves_but_the_picture() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, planted) in [("IMG_0001 Berlin.png", planted_png()), ("x", planted_jpeg())] {
            assert!(holds(&planted, MARK));
            let path = folder.path().join(name);
            fs::write(&path, &planted).expect("room");
            for format in [PictureFormat::Png, PictureFormat::Jpeg] {
                let label = Privacy::studio(["render.lan"]);
                let upload = picture(&path, label.clone(), &wanted(format)).expect("a picture");
                assert_eq!(upload.bytes.label(), &label);
                let bytes = upload.bytes.value();
                for text in [&MARK[..6], "Exif", "ICC", "Berlin", "kinora", "Adobe"] {
                    assert!(!holds(bytes, text), "{name}: {text}");
                }
                let known: &[&str] = match format {
                    PictureFormat::Png => &["IHDR", "IDAT", "IEND"],
                    // JFIF's own, tables, the size, the pixels.
                    PictureFormat::Jpeg => &["e0", "db", "c0", "c4", "da"],
                };
                let parts = parts(bytes);
                assert!(parts.iter().all(|part| known.contains(&part.as_str())), "{parts:?}");
            }
        }
    }

    #[test]
    fn it_leaves_upright() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("turned.png");
        fs::write(&path, planted_png()).expect("room");
        let upload = picture(&path, Privacy::Any, &wanted(PictureFormat::Png)).expect("a picture");
        assert_eq!(upload.mime, "image/png");
        fs::write(&path, upload.bytes.value()).expect("room");
        let upright = media::read_image(&path).expect("a picture");
        assert_eq!((upright.width(), upright.height()), (2, 3));
        let of = |row: usize, column: usize| &upright.data()[(row * 2 + column) * 3..][..3];
        // What was the left column, from the bottom up, is the top row.
        let before = |row: usize, column: usize| pixels()[(row * 3 + column) * 3..][..3].to_vec();
        for row in 0..3 {
            assert_eq!([of(row, 0), of(row, 1)], [&before(1, row)[..], &before(0, row)[..]]);
        }
    }

    #[test]
    fn it_is_no_larger_than_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("noise.png");
        let mut state = 1_u32;
        let noise = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let frames = Frames::new(200, 100, (0..200 * 100 * 3).map(noise).collect()).expect("right");
        media::write_picture(&frames, &path).expect("room");
        let made = |most_side_px, most_bytes| {
            let wanted = Wanted { format: PictureFormat::Png, most_side_px, most_bytes };
            let upload = picture(&path, Privacy::Any, &wanted)?;
            let file = folder.path().join("made.png");
            fs::write(&file, upload.bytes.value()).expect("room");
            let read = media::read_image(&file).expect("a picture");
            Ok::<_, Error>((read.width(), read.height(), upload.bytes.value().len()))
        };
        let (width, height, whole) = made(4096, 1 << 20).expect("as it is");
        assert_eq!((width, height), (200, 100));
        assert_eq!(made(50, 1 << 20).map(|made| (made.0, made.1)).expect("smaller"), (50, 25));
        let (width, height, bytes) = made(4096, whole / 3).expect("smaller");
        assert!(bytes <= whole / 3 && width < 200 && width.abs_diff(2 * height) <= 1);
        assert!(matches!(made(4096, 10), Err(Error::TooLarge { .. })));
    }
}
