//! A server that speaks `/v1/videos`, with the objects of the OpenAI SDK.

use kinora_engine::hosted::{HostedCard, Order, server};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct OpenAi;

fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
}

impl OpenAi {
    fn video(id: &str, status: &str, more: Value) -> Value {
        let mut video = json!({
            "id": id, "object": "video", "status": status, "progress": 0, "created_at": 1_790_000_000,
            "model": "wan2.2", "seconds": "6", "size": "832x480", "error": null,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            video[name] = value.clone();
        }
        video
    }
}

impl Dialect for OpenAi {
    fn provider(&self) -> &'static str {
        "openai-compatible"
    }

    fn card(&self, host: &str) -> HostedCard {
        server("render", host, "wan2.2").expect("because the name is one")
    }

    fn id(&self, number: usize) -> String {
        format!("video_{number}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v1", "videos"]) => Asks::Create,
            ("GET", ["v1", "videos", id]) => Asks::Poll((*id).to_owned()),
            ("GET", ["v1", "videos", id, "content"]) => Asks::Clip((*id).to_owned()),
            ("DELETE", ["v1", "videos", id]) => Asks::Cancel((*id).to_owned()),
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, Self::video(id, "queued", json!({})))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let failed = |code: &str, message: &str| {
            Self::video(id, "failed", json!({ "error": { "code": code, "message": message } }))
        };
        match task {
            Task::Waiting => {
                Said::new(200, Self::video(id, "in_progress", json!({ "progress": 50 })))
            }
            Task::Done(_) => {
                Said::new(200, Self::video(id, "completed", json!({ "progress": 100 })))
            }
            Task::Refused => Said::new(200, failed("moderation_blocked", "not this picture")),
            // As vLLM-Omni answers: the job, with the status of an error.
            Task::Failed(why) => Said::new(500, failed("server_error", why)),
            Task::Cancelled => Said::new(404, error("not_found", "no such video")),
            Task::Word(word) => Said::new(200, Self::video(id, word, json!({}))),
        }
    }

    fn cancelled(&self, id: &str) -> Said {
        Said::new(200, json!({ "id": id, "deleted": true, "object": "video.deleted" }))
    }

    fn refused(&self) -> Said {
        Said::new(400, error("moderation_blocked", "not this picture"))
    }

    fn busy(&self) -> Said {
        Said::new(429, error("rate_limit_exceeded", "too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error("invalid_api_key", words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error("not_found", "no such video"))
    }

    fn documented(&self) -> Vec<Documented> {
        vec![
            Documented::new(400, error("invalid_size", "size"), Means::NotCreated),
            Documented::new(401, error("invalid_api_key", "key"), Means::NotCreated),
            Documented::new(403, error("forbidden", "region"), Means::NotCreated),
            Documented::new(404, error("model_not_found", "model"), Means::NotCreated),
            Documented::new(
                422,
                json!({ "detail": [{ "loc": ["body", "size"], "msg": "size", "type": "value_error" }] }),
                Means::NotCreated,
            ),
            Documented::new(429, error("rate_limit_exceeded", "slow down"), Means::Busy),
            Documented::new(429, error("insufficient_quota", "no money"), Means::NotCreated),
            Documented::new(400, error("content_policy_violation", "no"), Means::Refused),
            Documented::new(500, error("server_error", "oops"), Means::Unclear),
            Documented::new(503, json!({ "detail": "overloaded" }), Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let mut fields = json!({
            "model": "wan2.2", "prompt": order.prompt.value(), "seconds": "6", "size": "832x480",
            "seed": "7", "negative_prompt": "people", "fps": "16", "num_frames": "81",
        });
        if order.first_frame.is_some() {
            fields["input_reference"] = json!("image-1.png image/png");
        }
        ("/v1/videos".to_owned(), fields)
    }

    fn cost_micros(&self) -> Option<i64> {
        Some(0)
    }
}
