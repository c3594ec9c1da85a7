//! What is sent is what the documents ask for, field by field, and nothing more; the key goes to the provider and nowhere else.

use kinora_engine::egress::log::{self, Entry};
use kinora_engine::hash::Blake3;
use kinora_engine::hosted::Task;
use kinora_engine::hosted::jobs::Ended;
use kinora_tests::server::{Asked, DIALECTS, KEY};
use kinora_tests::studio;
use serde_json::{Map, Value, json};

use crate::scene::Scene;

/// The fields of a form: texts as they are, files by name and type.
fn form(asked: &Asked) -> Value {
    let mime = asked.header("content-type").expect("a body has a type");
    let boundary = mime.strip_prefix("multipart/form-data; boundary=").expect("a form");
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let mut fields = Map::new();
    for part in body.split(&format!("--{boundary}")) {
        let Some((head, value)) = part.trim_start_matches("\r\n").split_once("\r\n\r\n") else {
            continue;
        };
        let between = |before: &str| {
            let rest = head.split_once(before)?.1;
            rest.split(['"', '\r']).next()
        };
        let name = between(" name=\"").expect("a field has a name");
        let value = match between("filename=\"") {
            Some(file) => format!("{file} {}", between("Content-Type: ").expect("a type")),
            None => value.trim_end_matches("\r\n").to_owned(),
        };
        let before = fields.insert(name.to_owned(), json!(value));
        assert_eq!(before, None, "{name} stands there twice");
    }
    Value::Object(fields)
}

#[test]
fn the_question_for_a_clip_is_the_documented_one() {
    for dialect in DIALECTS {
        for with_picture in [false, true] {
            let scene = Scene::new(*dialect);
            let mut order = studio::order(scene.take);
            if with_picture {
                if !scene.studio.card.tasks.contains(&Task::FirstFrame) {
                    continue;
                }
                order.first_frame = Some(studio::picture(&scene.studio.folder).expect("room"));
            }
            let ended = scene.studio.run(&order, 1, &()).expect("it can be asked for");
            assert_eq!(ended, Ended::Done);
            let (path, expected) = dialect.documented_question(&scene.studio.card, &order);
            let asked = scene.provider.asked();
            let create = asked.iter().find(|asked| asked.path == path);
            let create = create.unwrap_or_else(|| panic!("nobody asked {path}: {asked:?}"));
            assert_eq!(create.method, "POST");
            let is_form =
                create.header("content-type").is_some_and(|mime| mime.starts_with("multipart/"));
            let body = if is_form { form(create) } else { create.json() };
            assert_eq!(body, expected, "{}", dialect.provider());
            // The intent and the log name these very bytes.
            assert_eq!(scene.job().intent.payload, Blake3::of(&create.body));
            let mut hashes = Vec::new();
            log::read(&scene.studio.folder.join(".kinora/egress.jsonl"), &mut |line| {
                if let Entry::Ask(ask) = line.entry {
                    hashes.extend(ask.body.map(|hash| (hash, ask.parts.len())));
                }
            })
            .expect("the log is whole");
            let parts = if with_picture { 3 } else { 2 };
            assert!(hashes.contains(&(Blake3::of(&create.body), parts)), "{hashes:?}");
        }
    }
}

#[test]
fn the_key_goes_to_the_provider_alone() {
    for dialect in DIALECTS {
        let scene = Scene::new(*dialect);
        assert_eq!(scene.run(&[]), Ended::Done);
        let (name, value) = dialect.key();
        let value = value.replace("KEY", KEY);
        let mut files = 0;
        for asked in scene.provider.asked() {
            let what = format!("{} {}", dialect.provider(), asked.path);
            let with_key = asked.headers.iter().filter(|(_, text)| text.contains(KEY)).count();
            let is_file = asked.path.starts_with("/files/");
            files += usize::from(is_file);
            assert_eq!(with_key, usize::from(!is_file), "{what}");
            if !is_file {
                assert_eq!(asked.header(name), Some(value.as_str()), "{what}");
            }
            assert!(
                !asked.query.contains("sk-right") && !asked.path.contains("sk-right"),
                "{what}"
            );
            let body = String::from_utf8_lossy(&asked.body).into_owned();
            assert!(!body.contains(KEY), "{what}");
        }
        assert!(files <= 1, "{}", dialect.provider());
    }
}
