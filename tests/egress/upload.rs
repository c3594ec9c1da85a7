//! What a host hears of a picture: the picture.

use std::ops::ControlFlow;

use kinora_engine::egress::upload::{Wanted, picture};
use kinora_engine::egress::{Body, Field, Payload, Purpose, Send};
use kinora_engine::media::{self, Fps, Frames, PictureFormat};
use kinora_engine::privacy::Privacy;
use kinora_tests::listener::Listener;
use tempfile::TempDir;

use crate::scene::{address, door};

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_manifest_of_a_take_does_not_leave_with_its_picture() {
    let folder = TempDir::new().expect("room");
    let path = folder.path().join("sc01_sh0010_t001.png");
    let frames = Frames::new(48, 32, (0..48 * 32 * 3).map(|at| at as u8).collect()).expect("right");
    let fps: Fps = "16".parse().expect("a rate");
    let manifest = r#"{"prompt": "s3cret words"}"#;
    media::write(&frames, fps, manifest, &path, &mut |_| ControlFlow::Continue(())).expect("room");
    let file = std::fs::read(&path).expect("it was written");
    assert!(holds(&file, "s3cret words"), "the take's own file says how it was made");
    let turned = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("media/files/turned.jpg");
    for path in [path, turned] {
        for format in [PictureFormat::Png, PictureFormat::Jpeg] {
            let listener = Listener::answering(200, &[], "").expect("it listens");
            let door = door(folder.path(), &[listener.host()]);
            let wanted = Wanted { format, most_side_px: 4096, most_bytes: 1 << 20 };
            let upload = picture(&path, Privacy::Any, &wanted).expect("a picture");
            let payload = Payload::of("image-1.png", &upload.bytes);
            let body = Body::Multipart(vec![Field {
                name: "image".to_owned(),
                file: Some(("image-1.png".to_owned(), upload.mime.to_owned())),
                bytes: upload.bytes.value().clone(),
            }]);
            let address = address(listener.host(), "/v1");
            let ask = Send::post(&address, Purpose::Generation, &payload).body(body);
            door.send(&ask).expect("it is let through");
            let [heard] = &listener.heard()[..] else { panic!("one question") };
            assert!(holds(&heard.body, "filename=\"image-1.png\""));
            let names = ["s3cret", "kinora:", "Exif", "sc01", "turned", "adobe"];
            for text in names {
                assert!(!holds(&heard.body, text), "{}: {text}", path.display());
                assert!(!heard.head.iter().any(|line| line.contains(text)), "{text}");
            }
        }
    }
}
