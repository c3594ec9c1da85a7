//! What providers are shown of a whole production: its pictures where they belong, and nothing that was hidden in their files.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kinora_engine::hash::Blake3;
use kinora_engine::media::{self, Frames};
use kinora_engine::production::Rendered;
use kinora_tests::server::{Asked, FakeProvider};
use serde_json::Value;

use crate::film::Film;
use crate::shop::Shop;

const PROJECT: &str = r#"
schema = 1
name = "Pictures"
size = [96, 64]
privacy = "any"

[character.bo]
description = "an orange fish"
references = ["refs/bo.png"]

# fal

# barn

[routing]
action = [{ model = "fal-seedance-2.0", why = "it moves" }]
crowd = [{ model = "barn", why = "it is near" }]
"#;

const SCENE: &str = r#"
[[scene]]
id = "sc01"
duration = "5s"

  [[scene.cut]]
  id = "sh0010"
  type = "action"
  prompt = "from one to the other"
  first_frame = "refs/first.png"
  last_frame = "refs/turned.jpg"

  [[scene.cut]]
  id = "sh0020"
  type = "action"
  prompt = "{bo} swims by"
  characters = ["bo"]
  references = ["refs/sea.png"]

  [[scene.cut]]
  id = "sh0030"
  type = "action"
  prompt = "and on"
  first_frame = "take:sh0010/last"

  [[scene.cut]]
  id = "sh0040"
  type = "crowd"
  prompt = "they wave"
  first_frame = "refs/first.png"
"#;

const MARK: &str = "s3cret 52.5200N 13.4050E";

/// A picture of one colour, with a text in its file that nobody should see.
fn planted(colour: u8) -> Vec<u8> {
    let folder = tempfile::TempDir::new().expect("room");
    let path = folder.path().join("plain.png");
    let frames = Frames::new(48, 32, vec![colour; 48 * 32 * 3]).expect("right");
    media::write_picture(&frames, &path).expect("room");
    let plain = fs::read(&path).expect("it was written");
    // Behind the header of 33 bytes comes a chunk of text, with its sum.
    let data = [b"tEXtComment\0", MARK.as_bytes()].concat();
    let mut sum = !0_u32;
    for byte in &data {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    let length = u32::try_from(data.len() - 4).expect("small").to_be_bytes();
    [&plain[..33], &length, &data, &(!sum).to_be_bytes(), &plain[33..]].concat()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The question for the clip of a prompt.
fn question(provider: &FakeProvider, prompt: &str) -> Asked {
    let asked = provider.asked().into_iter();
    let mut asked = asked.filter(|asked| asked.method == "POST" && holds(&asked.body, prompt));
    asked.next().expect("it was asked for")
}

/// The file of a picture that came as an address of itself.
fn file(value: &Value) -> Vec<u8> {
    let text = value.as_str().and_then(|text| text.strip_prefix("data:image/png;base64,"));
    STANDARD.decode(text.expect("a picture")).expect("base64")
}

/// The picture in a file that holds nothing else.
fn picture(bytes: &[u8]) -> Frames {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG");
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes(head[..4].try_into().expect("four")) as usize;
        assert!([&b"IHDR"[..], b"IDAT", b"IEND"].contains(&&head[4..]), "{head:?}");
        rest = &tail[length + 4..];
    }
    assert_eq!(rest, b"", "nothing comes behind");
    let folder = tempfile::TempDir::new().expect("room");
    let path = folder.path().join("sent.png");
    fs::write(&path, bytes).expect("room");
    media::read_image(&path).expect("a picture")
}

#[test]
fn frames_and_references_are_sent_where_they_belong_and_nothing_hides_in_them() {
    let film = Film::of(&[("project.toml", PROJECT), ("scenes/sc01.toml", SCENE)]);
    fs::create_dir(film.path("refs")).expect("room");
    for (name, colour) in [("first", 10), ("sea", 60), ("bo", 110)] {
        fs::write(film.path(&format!("refs/{name}.png")), planted(colour)).expect("room");
    }
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("media/files");
    fs::copy(files.join("turned.jpg"), film.path("refs/turned.jpg")).expect("room");
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!(rendered, Rendered { made: 4, ..Rendered::default() }, "{heard:#?}");

    let both = question(&film.fal, "from one to the other");
    assert_eq!(both.path, "/bytedance/seedance-2.0/image-to-video");
    let json = both.json();
    let (first, last) = (file(&json["image_url"]), file(&json["end_image_url"]));
    assert!(picture(&first).data().iter().all(|value| *value == 10));
    let turned = media::read_image(&film.path("refs/turned.jpg")).expect("a picture");
    assert_eq!(picture(&last).data(), turned.data(), "upright, as it is read");
    assert!(json.get("image_urls").is_none());
    let record = film.record("sc01/sh0010", 1);
    let prompt = Blake3::of(b"from one to the other");
    assert_eq!(record.egress, [prompt, Blake3::of(&first), Blake3::of(&last)]);
    let names = |part: &Value| part["name"].as_str().map(ToOwned::to_owned);
    let parts = record.made["order"]["parts"].as_array().expect("parts").iter().filter_map(names);
    assert_eq!(parts.collect::<Vec<_>>(), ["prompt", "image-1.png", "image-2.png"]);

    let references = question(&film.fal, "swims by");
    assert_eq!(references.path, "/bytedance/seedance-2.0/reference-to-video");
    let json = references.json();
    let sent = json["image_urls"].as_array().expect("pictures").iter().map(file);
    let colours: Vec<u8> = sent.map(|sent| picture(&sent).data()[0]).collect();
    assert_eq!(colours, [60, 110], "those of the cut, and then those of its characters");
    assert!(json.get("image_url").is_none() && json.get("end_image_url").is_none());

    let on = question(&film.fal, "and on").json();
    let shown = picture(&file(&on["image_url"]));
    let (clip, _) = {
        let ledger = film.ledger();
        let take = ledger.take_of(&"sc01/sh0010".parse().expect("a cut"), 1);
        let take = take.expect("an index").expect("it was made");
        media::read_video(&ledger.media_path(&take.media)).expect("a clip")
    };
    assert_eq!(shown.data(), clip.iter().last().expect("it has frames"));
    assert!(on.get("end_image_url").is_none());

    let form = question(&film.barn, "they wave");
    assert!(holds(&form.body, "name=\"input_reference\"; filename=\"image-1.png\""));
    assert!(holds(&form.body, "IDAT"));
    for asked in film.fal.asked().iter().chain(&film.barn.asked()) {
        for text in ["s3cret", "Exif", "kinora:", "turned", "first.png", "sea.png", "bo.png"] {
            assert!(!holds(&asked.body, text), "{} {}: {text}", asked.method, asked.path);
        }
    }
}

#[test]
fn a_picture_of_somebody_private_does_not_leave_under_another_name() {
    let private = "references = [{ file = \"refs/bo.png\", privacy = \"local-only\" }]";
    let project = PROJECT.replace("references = [\"refs/bo.png\"]", private);
    let scene = SCENE.replace("  characters = [\"bo\"]\n", "").replace("{bo} swims", "it swims");
    let film = Film::of(&[("project.toml", &project), ("scenes/sc01.toml", &scene)]);
    fs::create_dir(film.path("refs")).expect("room");
    for (name, colour) in [("first", 10), ("turned", 20), ("bo", 110)] {
        fs::write(film.path(&format!("refs/{name}.png")), planted(colour)).expect("room");
    }
    fs::rename(film.path("refs/turned.png"), film.path("refs/turned.jpg")).expect("room");
    fs::copy(film.path("refs/bo.png"), film.path("refs/sea.png")).expect("room");
    let (rendered, heard) = film.render(&Shop::default());
    assert_eq!((rendered.made, rendered.failed), (3, 1), "{heard:#?}");
    let refused = heard.iter().find(|line| line.starts_with("sc01/sh0020 is refused"));
    let by = "(a reference of character bo: refs/sea.png is its refs/bo.png)";
    let refused = refused.expect("it was refused");
    assert!(refused.contains(&format!("the label local-only {by} does not admit")), "{refused}");
    let seen = film.fal.asked().into_iter().chain(film.barn.asked());
    assert!(seen.into_iter().all(|asked| !holds(&asked.body, "swims by")));
    let explained = film.prints(&["explain", "sh0020"]);
    assert!(explained.contains("refs/sea.png is its refs/bo.png"), "{explained}");
}
