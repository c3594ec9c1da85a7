//! Pictures that a request starts from: read and resized as Pillow 13.0.0 does, which wrote `files/`.

use std::fs;
use std::path::{Path, PathBuf};

use kinora_engine::media::{Filter, Frames, MediaError, read_image, read_manifest, read_video};
use kinora_engine::{Hint, Kind};

use crate::clip::{folder, noise, save};

/// Pixels as `Image.open(…)`, `ImageOps.exif_transpose` and `convert("RGB")` give them.
#[test]
fn pictures_read_as_in_pillow() {
    let picture = |name: &str, size, expected: &[u8], tolerance| {
        let picture = read_image(&file(name)).expect(name);
        assert_eq!(
            (picture.width(), picture.height(), picture.count()),
            (size, picture.data().len() / 3 / size, 1)
        );
        let start = &picture.data()[..expected.len()];
        let worst = start.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(tolerance), "{name}: {start:?}");
    };
    // Orientation 6: a quarter turn clockwise.
    let turned = [10, 20, 30, 255, 0, 0, 40, 50, 60, 0, 255, 0, 70, 80, 90, 0, 0, 255];
    picture("turned.webp", 2, &turned, 0);
    picture("turned.jpg", 8, &[200, 30, 59], 1);
    picture("clear.png", 2, &[1, 2, 3, 250, 240, 230], 0);
    picture("grey.png", 2, &[7, 7, 7, 200, 200, 200], 0);
}

/// FNV-1a of the bytes of `Image.resize((width, height), BICUBIC)` and of `LANCZOS`, from 37 x 23 pixels of noise.
#[test]
fn resizing_is_bit_equal_to_pillow() {
    let cases: [((usize, usize), u64, u64); 7] = [
        ((64, 48), 0x1507_2653_4775_57a4, 0x7332_d637_bab8_0372),
        ((16, 16), 0xf585_9e33_33ab_f11c, 0xc904_38eb_0080_7a67),
        ((37, 10), 0xd9d2_67a7_226d_eafc, 0xc14f_737e_0c3c_ac33),
        ((50, 23), 0xaea1_04ce_5afe_408e, 0x747e_4f06_e9d2_3def),
        ((8, 5), 0x689a_de48_9e57_8b2c, 0xb53a_a93a_9e27_d9de),
        ((1, 1), 0x2fa2_3b1a_e168_be2a, 0x2fa2_3b1a_e168_be2a),
        ((111, 69), 0x55b9_1164_6312_e9bd, 0xb9ea_3c62_d739_80b7),
    ];
    let source = noise(37, 23, 1);
    for ((width, height), bicubic, lanczos) in cases {
        for (filter, expected) in [(Filter::Bicubic, bicubic), (Filter::Lanczos, lanczos)] {
            let resized =
                source.resize(width, height, filter).expect("because both sides are above 0");
            assert_eq!((resized.width(), resized.height()), (width, height));
            assert_eq!(fnv(resized.data()), expected, "{filter:?} to {width}x{height}");
        }
    }
}

#[test]
fn nearest_makes_blocks_and_takes_them_back() {
    let source = noise(7, 5, 2);
    let resize = |clip: &Frames, width, height| {
        clip.resize(width, height, Filter::Nearest).expect("because both sides are above 0")
    };
    for factor in [1, 2, 3, 8] {
        let large = resize(&source, 7 * factor, 5 * factor);
        for (small, large) in source.iter().zip(large.iter()) {
            for (y, row) in large.chunks_exact(7 * factor * 3).enumerate() {
                for (x, pixel) in row.chunks_exact(3).enumerate() {
                    let at = (y / factor * 7 + x / factor) * 3;
                    assert_eq!(pixel, &small[at..at + 3], "{factor}: {x}, {y}");
                }
            }
        }
        assert_eq!(resize(&large, 7, 5), source);
    }
}

#[test]
fn every_frame_is_resized_and_no_size_is_nothing() {
    let clip = noise(20, 12, 3);
    let resized = clip.resize(9, 12, Filter::Bicubic).expect("because both sides are above 0");
    for (one, frame) in resized.iter().zip(clip.iter()) {
        let alone = Frames::new(20, 12, frame.to_vec()).expect("because it is a frame");
        assert_eq!(
            one,
            alone.resize(9, 12, Filter::Bicubic).expect("because both sides are above 0").data()
        );
    }
    assert_eq!(clip.resize(20, 12, Filter::Lanczos).expect("because it is its size"), clip);
    for (width, height) in [(0, 12), (20, 0), (20_000, 12), (usize::MAX, usize::MAX)] {
        assert!(matches!(
            clip.resize(width, height, Filter::Bicubic),
            Err(MediaError::Shape { .. })
        ));
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    let folder = folder();
    let path = folder.path().join("a.png");
    assert_eq!(read_image(&path).expect_err("because it is not there").kind(), Kind::Input);
    assert!(matches!(read_image(folder.path()), Err(MediaError::NotAFile { .. })));
    save(&noise(40, 30, 1), &path).expect("because it can be written");
    let whole = fs::read(&path).expect("because it was written");
    // The header says 60,000 x 60,000; its checksum agrees.
    let huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0\x0f\xb0\xe2\x15\0\0\0\0IDAT\x35\xaf\x06\x1e";
    for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", &whole[..whole.len() / 2], huge] {
        fs::write(&path, bytes).expect("because the folder is there");
        let error = read_image(&path).expect_err("because it is no picture");
        assert_eq!(error.kind(), Kind::Input, "{error}");
        assert!(error.to_string().contains("a.png"), "{error}");
    }
}

/// However a picture is cut or damaged, the answer is a picture or an error.
#[test]
fn damaged_pictures_are_answered() {
    let folder = folder();
    save(&noise(40, 30, 1), &folder.path().join("noise.png")).expect("because it can be written");
    let sources = ["turned.webp", "turned.jpg", "clear.png", "grey.png"].map(file);
    for source in sources.into_iter().chain([folder.path().join("noise.png")]) {
        let whole = fs::read(&source).expect("because it is there");
        let damaged = folder.path().join("damaged");
        for at in (0..whole.len()).step_by(whole.len().div_ceil(150)) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                for bytes in [&bytes, &bytes[..at]] {
                    fs::write(&damaged, bytes).expect("because the folder is there");
                    let answers = [
                        read_image(&damaged).map(drop),
                        read_manifest(&damaged).map(drop),
                        read_video(&damaged).map(drop),
                    ];
                    for error in answers.into_iter().filter_map(Result::err) {
                        assert_eq!(error.kind(), Kind::Input, "{source:?} at {at}: {error}");
                    }
                }
            }
        }
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media/files").join(name)
}
