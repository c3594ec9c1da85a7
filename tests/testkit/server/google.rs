//! Gemini Omni, through the Interactions API.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Google;

fn error(status: u16, code: &str, message: &str) -> Value {
    json!({ "error": { "code": status, "message": message, "status": code } })
}

impl Dialect for Google {
    fn provider(&self) -> &'static str {
        "google"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("gemini-omni-1.2").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "KEY")
    }

    fn id(&self, number: usize) -> String {
        format!("v1_int{number}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v1beta", "interactions"]) => Asks::Create,
            ("GET", ["v1beta", "interactions", id]) => Asks::Poll((*id).to_owned()),
            ("POST", ["v1beta", "interactions", id, "cancel"]) => Asks::Cancel((*id).to_owned()),
            ("GET", ["v1beta", "files", file]) if asked.query == "alt=media" => {
                Asks::Clip(file.trim_end_matches(":download").to_owned())
            }
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "id": id, "status": "queued", "created": "2026-11-23T12:00:00Z" }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let mut job = json!({
            "id": id, "model": "gemini-omni-1.2-flash", "status": "in_progress",
            "created": "2026-11-23T12:00:00Z", "updated": "2026-11-23T12:00:09Z",
        });
        let completed = |job: &mut Value, content: Value, modality: &str| {
            job["status"] = "completed".into();
            job["steps"] = json!([
                { "type": "user_input", "content": [{ "type": "text", "text": "a red kite" }] },
                { "type": "model_output", "content": [content] },
            ]);
            job["usage"] =
                json!({ "output_tokens_by_modality": [{ "modality": modality, "tokens": 900 }] });
        };
        match task {
            Task::Waiting => {}
            Task::Done(address) => {
                let base = address.split("/files/").next().unwrap_or_default();
                let uri = format!("{base}/v1beta/files/{id}:download");
                let video = json!({ "type": "video", "mime_type": "video/mp4", "uri": uri });
                completed(&mut job, video, "video");
            }
            Task::Refused => {
                let text = json!({ "type": "text", "text": "I can make not this picture." });
                completed(&mut job, text, "text");
            }
            Task::Failed(why) => {
                job["status"] = "failed".into();
                job["errors"] = json!([{ "code": "internal", "message": why }]);
            }
            Task::Cancelled => job["status"] = "cancelled".into(),
            Task::Word(word) => job["status"] = word.as_str().into(),
        }
        Said::new(200, job)
    }

    fn cancelled(&self, id: &str) -> Said {
        Said::new(200, json!({ "id": id, "status": "cancelled" }))
    }

    fn refused(&self) -> Said {
        let mut refused = error(400, "INVALID_ARGUMENT", "not this picture");
        // A text here, where servers further out say a number.
        refused["error"]["code"] = "prompt_safety".into();
        Said::new(400, refused)
    }

    fn busy(&self) -> Said {
        Said::new(429, error(429, "RESOURCE_EXHAUSTED", "too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error(401, "UNAUTHENTICATED", words))
    }

    fn unknown(&self) -> Said {
        Said::new(400, error(400, "INVALID_ARGUMENT", "Invalid interaction name"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, code, means| Documented::new(status, error(status, code, "no"), means);
        let front = json!([error(400, "INVALID_ARGUMENT", "blocked for safety")]);
        vec![
            row(400, "INVALID_ARGUMENT", Means::NotCreated),
            row(401, "UNAUTHENTICATED", Means::NotCreated),
            row(402, "RESOURCE_EXHAUSTED", Means::NotCreated),
            row(403, "PERMISSION_DENIED", Means::NotCreated),
            row(404, "NOT_FOUND", Means::NotCreated),
            row(429, "RESOURCE_EXHAUSTED", Means::Busy),
            Documented::new(400, front, Means::Refused),
            row(500, "INTERNAL", Means::Unclear),
            row(503, "UNAVAILABLE", Means::Unclear),
            row(504, "DEADLINE_EXCEEDED", Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let (mut input, mut task) = (json!(words), "text_to_video");
        if let Some(picture) = &order.first_frame {
            task = "image_to_video";
            input = json!([
                { "type": "text", "text": words },
                { "type": "image", "data": picture.base64(), "mime_type": "image/png" },
            ]);
        }
        let body = json!({
            "model": "gemini-omni-1.2-flash", "input": input, "background": true,
            "response_format": {
                "type": "video", "aspect_ratio": "16:9", "resolution": "720p", "duration": "6s",
                "delivery": "uri",
            },
            "generation_config": { "video_config": { "task": task } },
        });
        ("/v1beta/interactions".to_owned(), body)
    }
}
