//! mkv and PNG: every bit comes back.

use std::ops::ControlFlow;

use kinora_engine::media::{
    DIGITAL_SOURCE_TYPE, frames_hash, probe, read_manifest, read_video, video_hash, write,
};

use crate::clip::{MANIFEST, colourful, folder, fps, names, noise, save};

#[test]
fn mkv_is_bit_exact_at_any_size_and_rate() {
    let folder = folder();
    for (width, height) in [(256, 144), (64, 48), (16, 16), (17, 33), (97, 16)] {
        for count in [1, 2, 5, 17, 33] {
            let path = folder.path().join("clip.mkv");
            let clip = noise(width, height, count);
            let rate = if count == 17 { "24000/1001" } else { "16" };
            write(&clip, fps(rate), MANIFEST, &path, &mut |_| ControlFlow::Continue(()))
                .expect("because it can be written");
            let (back, found) = read_video(&path).expect("because it was written");
            assert_eq!(frames_hash(&back), frames_hash(&clip), "{count} of {width}x{height}");
            assert_eq!(video_hash(&path).expect("because it is a clip"), frames_hash(&clip));
            assert_eq!((back, found), (clip, fps(rate)));
            // Matroska counts in thousandths.
            let length = probe(&path).expect("because it was written").duration_secs;
            assert!((length - count as f64 / found.as_f64()).abs() < 2e-3, "{count}: {length}");
        }
    }
    let found = probe(&folder.path().join("clip.mkv")).expect("because it was written");
    assert_eq!((found.codec.as_str(), found.pixel.as_str()), ("ffv1", "bgr0"));
}

/// Matroska writes its keys in capitals.
#[test]
fn the_manifest_survives_in_mkv() {
    let folder = folder();
    let path = folder.path().join("clip.mkv");
    let written = save(&colourful(32, 32, 2), &path).expect("because it can be written");
    assert_eq!(names(folder.path()), ["clip.mkv", "clip.mkv.json"]);
    std::fs::remove_file(written.manifest).expect("because it is there");
    assert_eq!(read_manifest(&path).expect("because it is in the file"), MANIFEST);
}

#[test]
fn one_png_keeps_picture_manifest_and_rate() {
    let folder = folder();
    let path = folder.path().join("still.png");
    let picture = noise(31, 17, 1);
    let written = save(&picture, &path).expect("because it can be written");
    assert_eq!(names(folder.path()), ["still.png", "still.png.json"]);
    std::fs::remove_file(written.manifest).expect("because it is there");
    assert_eq!(read_manifest(&path).expect("because it is in the file"), MANIFEST);
    assert_eq!(video_hash(&path).expect("because it was written"), frames_hash(&picture));
    assert_eq!(read_video(&path).expect("because it was written"), (picture, fps("16")));
    let text = String::from_utf8_lossy(&std::fs::read(&path).expect("because it was written"))
        .into_owned();
    assert!(text.contains("XML:com.adobe.xmp") && text.contains(DIGITAL_SOURCE_TYPE));
}

/// image2 leaves a file called after the pattern and forgets the rate; a folder of ours does neither.
#[test]
fn a_folder_holds_frames_and_manifest_and_nothing_else() {
    let folder = folder();
    let path = folder.path().join("take 1/");
    let clip = noise(24, 16, 12);
    write(&clip, fps("24000/1001"), MANIFEST, &path, &mut |_| ControlFlow::Continue(()))
        .expect("because it can be written");
    assert_eq!(names(folder.path()), ["take 1"]);
    let mut expected: Vec<_> = (1..=12).map(|number| format!("frame_{number:05}.png")).collect();
    expected.push("manifest.json".into());
    assert_eq!(names(&path), expected);
    assert_eq!(video_hash(&path).expect("because it was written"), frames_hash(&clip));
    assert_eq!(read_video(&path).expect("because it was written"), (clip, fps("24000/1001")));
    assert_eq!(read_manifest(&path).expect("because it was written"), MANIFEST);
    std::fs::remove_file(path.join("manifest.json")).expect("because it is there");
    assert_eq!(read_manifest(&path).expect("because each frame has it"), MANIFEST);
}
