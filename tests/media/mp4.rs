//! mp4: what the traps of H.264 and of its container would show up as.

use std::ops::ControlFlow;
use std::path::Path;

use kinora_engine::media::{
    DIGITAL_SOURCE_TYPE, Frames, frames_hash, probe, read_first_frame, read_last_frame,
    read_manifest, read_video, video_hash, write,
};
use kinora_engine::{Hint, Kind};

use crate::clip::{MANIFEST, colourful, folder, fps, psnr, save};

/// On several threads at once, so that those of the encoder and of the decoder wait for one another in other orders each time,
/// and one after the other, so that memory is handed out that held something before.
#[test]
fn a_clip_is_written_and_read_the_same_every_time() {
    let folder = folder();
    let clip = colourful(176, 112, 25);
    let once = |name: String| {
        let path = folder.path().join(name);
        save(&clip, &path).expect("because it can be written");
        let bytes = std::fs::read(&path).expect("because it was written");
        let (back, _) = read_video(&path).expect("because it was written");
        (bytes, frames_hash(&back))
    };
    let known = once("first.mp4".to_owned());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (once, known) = (&once, &known);
            scope.spawn(move || {
                for turn in 0..3 {
                    assert!(once(format!("{thread}-{turn}.mp4")) == *known);
                }
            });
        }
    });
}

#[test]
fn a_colourful_clip_comes_back_close() {
    let folder = folder();
    let path = folder.path().join("clip.mp4");
    let clip = colourful(256, 144, 33);
    save(&clip, &path).expect("because it can be written");
    let (back, rate) = read_video(&path).expect("because it was written");
    assert_eq!(rate, fps("16"));
    let decibels = psnr(&clip, &back);
    assert!(decibels >= 38.0, "{decibels:.1} dB");
}

#[test]
fn colours_are_bt709_and_say_so() {
    let folder = folder();
    let patches = [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 255],
        [0, 0, 0],
        [0, 255, 255],
        [180, 90, 40],
        [128, 128, 128],
    ];
    let data = patches.iter().flat_map(|patch| patch.repeat(64 * 64));
    let path = folder.path().join("patches.mp4");
    save(&Frames::new(64, 64, data.collect()).expect("because each patch is a frame"), &path)
        .expect("because it can be written");

    let (back, _) = read_video(&path).expect("because it was written");
    for (patch, frame) in patches.iter().zip(back.iter()) {
        for pixel in frame.chunks_exact(3) {
            let worst = pixel.iter().zip(patch).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(2), "{patch:?} came back as {pixel:?}");
        }
    }
    let found = probe(&path).expect("because it was written");
    assert_eq!((found.codec.as_str(), found.pixel.as_str()), ("h264", "yuv420p"));
    let tags = [found.primaries, found.transfer, found.matrix, found.range];
    assert_eq!(tags, ["bt709", "bt709", "bt709", "tv"]);
    // The container says so too: nclx, 1, 1, 1, limited.
    let bytes = std::fs::read(&path).expect("because it was written");
    assert!(bytes.windows(15).any(|window| window == b"colrnclx\0\x01\0\x01\0\x01\0"));
}

/// A film that FFmpeg 5.1 made of one colour, with a BT.601 matrix and a sound track.
#[test]
fn a_film_from_elsewhere_is_read_as_its_tags_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/files/elsewhere.mp4");
    let (frames, rate) = read_video(&path).expect("because it is a film");
    assert_eq!((frames.count(), frames.width(), rate), (3, 32, fps("25")));
    for pixel in frames.data().chunks_exact(3) {
        let worst = pixel.iter().zip([200, 60, 40]).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst <= Some(2), "{pixel:?}");
    }
    assert_eq!(read_manifest(&path).expect_err("because it has none").kind(), Kind::Input);
}

/// Frames held back for reordering must come out, the first must start at 0 and the last must have a length.
#[test]
fn counts_rates_and_lengths_are_exact() {
    let folder = folder();
    for rate in ["16", "24000/1001", "12.5"].map(fps) {
        for count in [1, 2, 5, 17, 33] {
            let path = folder.path().join("clip.mp4");
            let mut heard = Vec::new();
            let mut on_frame = |done| {
                heard.push(done);
                ControlFlow::Continue(())
            };
            write(&colourful(64, 48, count), rate, "{}", &path, &mut on_frame)
                .expect("because it can be written");
            let (back, found) = read_video(&path).expect("because it was written");
            assert_eq!((back.count(), found), (count, rate));
            let length = probe(&path).expect("because it was written").duration_secs;
            assert!(
                (length - count as f64 / rate.as_f64()).abs() < 1e-9,
                "{count} at {rate}: {length}"
            );
            assert_eq!(heard, (1..=count).collect::<Vec<_>>());
        }
    }
}

/// A player can start before it has the whole file.
#[test]
fn the_index_comes_first() {
    let folder = folder();
    for (count, manifest) in [
        (1, "{}".to_owned()),
        (400, "{}".to_owned()),
        (5, format!("{{\"prompt\":\"{}\"}}", "long ".repeat(40_000))),
    ] {
        let path = folder.path().join("clip.mp4");
        write(&colourful(16, 16, count), fps("16"), &manifest, &path, &mut |_| {
            ControlFlow::Continue(())
        })
        .expect("because it can be written");
        let boxes = boxes(&std::fs::read(&path).expect("because it was written"));
        let place = |name: &[u8; 4]| {
            boxes.iter().position(|found| found == name).expect("because every mp4 has one")
        };
        assert!(place(b"moov") < place(b"mdat"));
        assert_eq!(read_manifest(&path).expect("because it was written"), manifest);
        assert_eq!(read_video(&path).expect("because it was written").0.count(), count);
    }
}

#[test]
fn the_manifest_survives_inside() {
    let folder = folder();
    let path = folder.path().join("clip.mp4");
    let written = save(&colourful(32, 32, 2), &path).expect("because it can be written");
    assert_eq!(
        std::fs::read_to_string(&written.manifest).expect("because it was written"),
        MANIFEST
    );
    std::fs::remove_file(&written.manifest).expect("because it is there");
    assert_eq!(read_manifest(&path).expect("because it is in the file"), MANIFEST);
    let bytes = std::fs::read(&path).expect("because it was written");
    for key in ["comment", DIGITAL_SOURCE_TYPE] {
        assert!(bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{key}");
    }
}

/// yuv420p has no odd sides; what is added repeats the edge, and the caller is told.
#[test]
fn odd_sides_are_padded_and_said() {
    let folder = folder();
    let path = folder.path().join("odd.mp4");
    let clip = colourful(63, 47, 3);
    let written = save(&clip, &path).expect("because it can be written");
    assert_eq!(written.padded, Some((64, 48)));
    let (back, _) = read_video(&path).expect("because it was written");
    assert_eq!((back.width(), back.height()), (64, 48));
    let cropped: Vec<u8> = back
        .iter()
        .flat_map(|frame| frame.chunks_exact(64 * 3).take(47).flat_map(|row| &row[..63 * 3]))
        .copied()
        .collect();
    let cropped = Frames::new(63, 47, cropped).expect("because it was cropped to size");
    assert!(psnr(&clip, &cropped) >= 36.0);
    let even = save(&colourful(64, 48, 1), &folder.path().join("even.mp4"))
        .expect("because it can be written");
    assert_eq!(even.padded, None);
}

/// The types of the outermost boxes in order.
fn boxes(bytes: &[u8]) -> Vec<[u8; 4]> {
    let mut types = Vec::new();
    let mut rest = bytes;
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        types.push([head[4], head[5], head[6], head[7]]);
        rest = rest.get(size.max(8)..).unwrap_or_default();
    }
    types
}

#[test]
fn a_clip_read_frame_by_frame_is_the_one_that_is_read_whole() {
    let folder = folder();
    for (name, count) in [("a.mp4", 1), ("b.mp4", 33), ("c.mkv", 12), ("d/", 3)] {
        let path = folder.path().join(name);
        save(&colourful(64, 48, count), &path).expect("because it can be written");
        let (whole, _) = read_video(&path).expect("because it was written");
        assert_eq!(video_hash(&path).expect("because it was written"), frames_hash(&whole));
        let of = |at: usize| whole.iter().nth(at).expect("because there are so many").to_vec();
        let first = read_first_frame(&path).expect("because it was written");
        let last = read_last_frame(&path).expect("because it was written");
        assert_eq!((first.count(), first.into_data()), (1, of(0)), "{name}");
        assert_eq!((last.count(), last.into_data()), (1, of(count - 1)), "{name}");
    }
}
