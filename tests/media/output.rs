//! Names that are refused before anything is computed, and failures that leave nothing under a final name.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use kinora_engine::media::{
    MediaError, Output, check_output, probe, read_image, read_manifest, read_video, write,
};
use kinora_engine::{Error, Hint, Kind};

use crate::clip::{MANIFEST, colourful, folder, fps, names, noise, save};

#[test]
fn the_ending_chooses() {
    let folder = folder();
    let check =
        |name: &str| check_output(&folder.path().join(name), 1).expect("because it can be written");
    fs::create_dir(folder.path().join("empty")).expect("because it is new");
    let cases = [
        ("a.mp4", Output::Mp4),
        ("a.MP4", Output::Mp4),
        ("雪.mkv", Output::Mkv),
        ("a.png", Output::Png),
        ("new/", Output::Folder),
        ("new.mp4/", Output::Folder),
        ("empty", Output::Folder),
        ("empty/", Output::Folder),
    ];
    for (name, output) in cases {
        assert_eq!(check(name), output, "{name}");
    }
    assert_eq!(names(folder.path()), ["empty"], "checking leaves nothing behind");
}

/// A name is bytes on Unix; libav never gets to see it.
#[test]
#[cfg(target_os = "linux")]
fn any_name_the_system_takes_will_do() {
    use std::os::unix::ffi::OsStrExt;

    let folder = folder();
    for name in
        [b"\xff\xfe.mkv".as_slice(), b"-i.mkv", b"%05d %s.mkv", b"file:a.mkv", b"a|b'\"\n.mkv"]
    {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        let clip = noise(16, 16, 2);
        save(&clip, &path).expect("because it is a name");
        assert_eq!(read_video(&path).expect("because it was written").0, clip);
    }
    assert_eq!(names(folder.path()).len(), 10);
}

#[test]
fn what_cannot_be_written_is_refused_at_once() {
    let folder = folder();
    let here = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::create_dir_all(folder.path().join("full/x.mp4")).expect("because it is new");
    fs::create_dir(folder.path().join("blocked.mp4.json")).expect("because it is new");
    fs::write(folder.path().join("file"), "").expect("because it is new");
    let long = "x".repeat(250) + ".mp4";
    let cases = [
        ("https://example.org/a.mp4".to_owned(), Kind::Usage, "not a local file"),
        (here("a://b.mp4"), Kind::Usage, "not a local file"),
        (here("a.webm"), Kind::Usage, "expected one of .mp4, .mkv, .png or a folder ending in /"),
        (here("a"), Kind::Usage, "unknown ending"),
        (here("file/a.mp4"), Kind::Usage, "does not exist"),
        (here("file/"), Kind::Usage, "not a regular file"),
        (here("missing/a.mp4"), Kind::Usage, "does not exist"),
        (here("missing/a/"), Kind::Usage, "does not exist"),
        (here("full/x.mp4"), Kind::Usage, "not a regular file"),
        (here("full"), Kind::Usage, "not empty"),
        (here("blocked.mp4"), Kind::Usage, "not a regular file"),
        (here("a.png"), Kind::Usage, "cannot hold 2 frames"),
        (here(&long), Kind::Resources, "too long"),
        ("/".to_owned(), Kind::Usage, "names no file"),
        ("..".to_owned(), Kind::Usage, "names no file"),
    ];
    let before = names(folder.path());
    for (name, kind, words) in cases {
        let error = check_output(Path::new(&name), 2).expect_err(&name);
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(error.kind(), kind, "{name}");
        // Writing asks the same questions.
        let written = save(&noise(16, 16, 2), Path::new(&name)).expect_err(&name);
        assert_eq!(written.to_string(), error.to_string());
    }
    assert_eq!(names(folder.path()), before);
}

/// FFV1 writes pictures of a few pixels without complaint and reads other ones back.
#[test]
fn films_of_a_few_pixels_are_refused() {
    let folder = folder();
    for name in ["clip.mp4", "clip.mkv"] {
        let error = save(&noise(16, 15, 1), &folder.path().join(name)).expect_err(name);
        assert!(matches!(error, MediaError::TooSmall { .. }), "{error}");
    }
    assert!(names(folder.path()).is_empty());
    save(&noise(1, 1, 1), &folder.path().join("dot.png")).expect("because a picture may be small");
}

/// Not even root may create a file there.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_takes_no_files_is_named() {
    let error =
        check_output(Path::new("/proc/clip.mp4"), 1).expect_err("because nobody can write there");
    assert!(matches!(error, MediaError::Unwritable { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Resources);
}

#[test]
fn addresses_are_not_read() {
    let path = Path::new("http://127.0.0.1/a.mp4");
    for error in [
        read_video(path).map(drop).expect_err("because it is an address"),
        read_image(path).map(drop).expect_err("because it is an address"),
        read_manifest(path).map(drop).expect_err("because it is an address"),
        probe(path).map(drop).expect_err("because it is an address"),
    ] {
        assert!(matches!(error, MediaError::NotLocal { .. }), "{error}");
    }
}

/// Playlists and lists of other files are what libav would follow elsewhere.
#[test]
fn only_films_are_read() {
    let folder = folder();
    save(&colourful(16, 16, 2), &folder.path().join("real.mp4"))
        .expect("because it can be written");
    let cases = [
        ("list.mp4", "ffconcat version 1.0\nfile real.mp4\n".as_bytes()),
        ("play.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n"),
        ("text.mkv", b"not a film"),
        ("empty.mp4", b""),
        ("y4m.mkv", b"YUV4MPEG2 W2 H2 F16:1\nFRAME\nabcdef"),
        ("stream.mp4", include_bytes!("files/stream.h264")),
    ];
    for (name, bytes) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("because the folder is there");
        let error = read_video(&path).expect_err(name);
        assert_eq!(error.kind(), Kind::Input, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// However a film is cut or damaged, the answer is frames or an error.
#[test]
fn damaged_films_are_answered() {
    let folder = folder();
    for name in ["clip.mp4", "clip.mkv"] {
        let path = folder.path().join(name);
        save(&colourful(32, 32, 5), &path).expect("because it can be written");
        fs::remove_file(folder.path().join(format!("{name}.json"))).expect("because it is there");
        let whole = fs::read(&path).expect("because it was written");
        let damaged = folder.path().join(format!("damaged-{name}"));
        for step in 0..60 {
            let at = whole.len() * step / 60;
            let mut bytes = whole.clone();
            if step % 2 == 0 {
                bytes.truncate(at)
            } else {
                bytes[at..].iter_mut().take(40).for_each(|byte| *byte ^= 0x5a)
            }
            fs::write(&damaged, bytes).expect("because the folder is there");
            let answers = [
                read_video(&damaged).map(drop),
                read_manifest(&damaged).map(drop),
                probe(&damaged).map(drop),
            ];
            for error in answers.into_iter().filter_map(Result::err) {
                assert_eq!(error.kind(), Kind::Input, "{name} at {at}: {error}");
            }
        }
    }
}

#[test]
fn stopping_leaves_nothing() {
    let folder = folder();
    for name in ["clip.mp4", "clip.mkv", "still.png", "frames/"] {
        let clip = colourful(16, 16, if name == "still.png" { 1 } else { 5 });
        let stop_at = clip.count().min(3);
        let mut on_frame = |done| {
            if done == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = write(&clip, fps("16"), "{}", &folder.path().join(name), &mut on_frame)
            .expect_err(name);
        assert_eq!(error.kind(), Kind::Interrupted);
        assert!(matches!(Error::from(error), Error::Cancelled));
        assert!(names(folder.path()).is_empty(), "{name}");
    }
}

#[test]
fn a_panic_leaves_nothing() {
    let folder = folder();
    for name in ["clip.mp4", "clip.mkv", "frames/"] {
        let path = folder.path().join(name);
        let outcome = std::panic::catch_unwind(|| {
            write(&colourful(16, 16, 5), fps("16"), "{}", &path, &mut |_| panic!("on purpose"))
        });
        assert!(outcome.is_err());
        assert!(names(folder.path()).is_empty(), "{name}");
    }
}

/// The take that had the name stays until another is whole, and then gives way with its manifest.
#[test]
fn a_failure_keeps_what_was_there() {
    let folder = folder();
    let path = folder.path().join("clip.mkv");
    let first = noise(16, 16, 2);
    save(&first, &path).expect("because it can be written");
    let second = noise(24, 16, 3);
    write(&second, fps("8"), r#"{"take":2}"#, &path, &mut |_| ControlFlow::Break(()))
        .expect_err("because it is stopped");
    assert_eq!(read_video(&path).expect("because it stayed").0, first);
    assert_eq!(
        fs::read_to_string(folder.path().join("clip.mkv.json")).expect("because it stayed"),
        MANIFEST
    );

    write(&second, fps("8"), r#"{"take":2}"#, &path, &mut |_| ControlFlow::Continue(()))
        .expect("because it can be written");
    assert_eq!(read_video(&path).expect("because it was written"), (second, fps("8")));
    assert_eq!(
        fs::read_to_string(folder.path().join("clip.mkv.json")).expect("because it was written"),
        r#"{"take":2}"#
    );
    assert_eq!(names(folder.path()), ["clip.mkv", "clip.mkv.json"]);
}

#[test]
fn a_manifest_is_json() {
    let folder = folder();
    for manifest in ["", "not json", "{\"a\":\"\0\"}"] {
        let error = write(
            &noise(16, 16, 1),
            fps("16"),
            manifest,
            &folder.path().join("a.mp4"),
            &mut |_| ControlFlow::Continue(()),
        );
        assert!(matches!(error, Err(MediaError::BadManifest { .. })));
    }
    assert!(names(folder.path()).is_empty());
    save(&noise(16, 16, 1), &folder.path().join("a.png")).expect("because it can be written");
    assert_eq!(
        read_manifest(&folder.path().join("a.png.json")).expect("because it is JSON"),
        MANIFEST
    );
    fs::write(folder.path().join("b.json"), "{").expect("because the folder is there");
    assert_eq!(
        read_manifest(&folder.path().join("b.json")).expect_err("because it is cut").kind(),
        Kind::Input
    );
    assert_eq!(
        read_manifest(&folder.path().join("c.mp4")).expect_err("because it is not there").kind(),
        Kind::Input
    );
}

#[test]
#[cfg(unix)]
fn what_killed_processes_left_is_removed_and_what_others_write_is_not() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let left = fs::File::create(at(".a.mp4.partial-1-0")).expect("because the folder is there");
    let written = fs::File::create(at(".a.mp4.partial-2-0")).expect("because the folder is there");
    written.lock().expect("because nobody else has it");
    drop(left);
    fs::create_dir(at(".frames.partial-1-0")).expect("because the folder is there");
    fs::write(at(".frames.partial-1-0/frame_00001.png"), "half")
        .expect("because the folder is there");
    save(&noise(16, 16, 1), &at("a.mp4")).expect("because it can be written");
    save(&noise(16, 16, 1), &at("frames/")).expect("because it can be written");
    assert_eq!(names(folder.path()), [".a.mp4.partial-2-0", "a.mp4", "a.mp4.json", "frames"]);
}

/// A disk that fills up, played by a limit on the size of files: the same error from the same call, no root needed.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_up_is_named_and_leaves_nothing() {
    use std::process::Command;

    const FOLDER: &str = "KINORA_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        for name in ["clip.mp4", "clip.mkv", "still.png", "frames/"] {
            let path = Path::new(&folder).join(name);
            let clip = noise(128, 128, if name == "still.png" { 1 } else { 20 });
            let error = save(&clip, &path).expect_err("because the limit is below its size");
            assert!(matches!(error, MediaError::Write { .. }), "{name}: {error}");
            assert_eq!(error.kind(), Kind::Resources);
            assert!(names(Path::new(&folder)).is_empty(), "{name}");
        }
        return;
    }
    let folder = folder();
    let test = std::env::current_exe().expect("because it is running");
    // The limit holds for what the test prints too, where that goes to a file: hence through pipes.
    let played = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" --exact output::a_disk_that_fills_up_is_named_and_leaves_nothing"])
        .arg(test)
        .env(FOLDER, folder.path())
        .output()
        .expect("because every Unix has sh");
    let printed = [played.stdout, played.stderr].concat();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&printed));
}
