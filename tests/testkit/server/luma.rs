//! Luma, the Agents API.

use kinora_engine::hosted::{HostedCard, Order, find};
use kinora_engine::money::Money;
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Luma;

fn error(code: &str, detail: &str) -> Value {
    json!({ "detail": detail, "code": code })
}

impl Dialect for Luma {
    fn provider(&self) -> &'static str {
        "luma"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("luma-ray-3.2").expect("because it is built in");
        let mut card = HostedCard { host: host.to_owned(), ..card.clone() };
        // Nobody knows its price; without one nothing is asked for.
        card.resolutions.iter_mut().for_each(|size| size.silent = Some(Money::from_micros(80_000)));
        card
    }

    fn id(&self, number: usize) -> String {
        format!("58be1f2c-5b1e-4a44-9d3f-{number:012}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v1", "generations"]) => Asks::Create,
            ("GET", ["v1", "generations", id]) => Asks::Poll((*id).to_owned()),
            _ => Asks::Other,
        }
    }

    fn created(&self, id: &str) -> Said {
        Said { status: 201, ..self.standing(id, &Task::Word("queued".to_owned())) }
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let job = |state: &str, more: Value| {
            let mut job = json!({
                "id": id, "type": "video", "model": "ray-3.2", "state": state,
                "created_at": "2026-11-23T12:00:00Z",
            });
            for (name, value) in more.as_object().into_iter().flatten() {
                job[name] = value.clone();
            }
            Said::new(200, job)
        };
        let failed = |code: &str, why: &str| {
            job("failed", json!({ "failure_code": code, "failure_reason": why }))
        };
        match task {
            Task::Waiting => job("processing", json!({})),
            Task::Done(address) => {
                job("completed", json!({ "output": [{ "type": "video", "url": address }] }))
            }
            Task::Refused => failed("content_moderated", "not this picture"),
            Task::Failed(why) => failed("generation_failed", why),
            Task::Cancelled => failed("generation_failed", "cancelled"),
            Task::Word(word) => job(word, json!({})),
        }
    }

    fn refused(&self) -> Said {
        Said::new(400, error("content_moderated", "not this picture"))
    }

    fn busy(&self) -> Said {
        Said::new(429, error("rate_limited", "too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error("unauthorized", words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error("not_found", "Generation not found"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, code, means| Documented::new(status, error(code, "no"), means);
        vec![
            row(400, "invalid_request", Means::NotCreated),
            row(400, "image_too_large", Means::NotCreated),
            row(400, "unsupported_format", Means::NotCreated),
            row(400, "corrupt_input", Means::NotCreated),
            row(400, "budget_exhausted", Means::NotCreated),
            row(400, "content_moderated", Means::Refused),
            row(401, "unauthorized", Means::NotCreated),
            row(403, "forbidden", Means::NotCreated),
            row(404, "not_found", Means::NotCreated),
            row(422, "invalid_request", Means::NotCreated),
            row(429, "rate_limited", Means::Busy),
            row(409, "conflict", Means::Unclear),
            row(500, "internal", Means::Unclear),
            row(503, "unavailable", Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut video = json!({ "duration": "10s", "resolution": "540p" });
        if let Some(picture) = &order.first_frame {
            video["keyframes"] = json!([{ "data": picture.base64(), "media_type": "image/png" }]);
            video["keyframe_indexes"] = json!([0]);
        }
        let body = json!({
            "prompt": words, "model": "ray-3.2", "type": "video", "aspect_ratio": "16:9",
            "video": video,
        });
        ("/v1/generations".to_owned(), body)
    }
}
