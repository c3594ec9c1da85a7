//! Replicate.

use kinora_engine::hosted::{HostedCard, Order, find};
use kinora_engine::money::Money;
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Replicate;

fn error(status: u16, title: &str, detail: &str) -> Value {
    json!({ "title": title, "detail": detail, "status": status })
}

impl Dialect for Replicate {
    fn provider(&self) -> &'static str {
        "replicate"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("replicate-seedance-1-pro").expect("because it is built in");
        let mut card = HostedCard { host: host.to_owned(), ..card.clone() };
        // Nobody knows its price; without one nothing is asked for.
        card.resolutions.iter_mut().for_each(|size| size.silent = Some(Money::from_micros(90_000)));
        card
    }

    fn id(&self, number: usize) -> String {
        format!("rrr4z55ocneqzikepnug6xezpe{number}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v1", "models", "bytedance", "seedance-1-pro", "predictions"]) => {
                Asks::Create
            }
            ("GET", ["v1", "predictions", id]) => Asks::Poll((*id).to_owned()),
            ("POST", ["v1", "predictions", id, "cancel"]) => Asks::Cancel((*id).to_owned()),
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said { status: 201, ..self.standing(id, &Task::Word("starting".to_owned())) }
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let job = |status: &str, output: Value, error: Value| {
            let model = "bytedance/seedance-1-pro";
            let job = json!({
                "id": id, "model": model, "status": status, "output": output, "error": error,
                "logs": "", "created_at": "2026-11-23T12:00:00Z", "data_removed": false,
            });
            Said::new(200, job)
        };
        let flagged = "The input was flagged as sensitive: not this picture (E005)";
        match task {
            Task::Waiting => job("processing", Value::Null, Value::Null),
            Task::Done(address) => job("succeeded", json!(address), Value::Null),
            Task::Refused => job("failed", Value::Null, json!(flagged)),
            Task::Failed(why) => job("failed", Value::Null, json!(why)),
            Task::Cancelled => job("canceled", Value::Null, Value::Null),
            Task::Word(word) => job(word, Value::Null, Value::Null),
        }
    }

    fn cancelled(&self, id: &str) -> Said {
        self.standing(id, &Task::Cancelled)
    }

    fn refused(&self) -> Said {
        // It has no such answer: a prediction is begun and fails. As such one would look.
        Said::new(422, error(422, "Input flagged as sensitive", "not this picture (E005)"))
    }

    fn busy(&self) -> Said {
        let detail = "Request was throttled. Your rate limit resets in ~30s.";
        Said::new(429, error(429, "Too many requests", detail))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error(401, "Unauthenticated", words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error(404, "Not found", "no such prediction"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, means| Documented::new(status, error(status, "no", "no"), means);
        vec![
            row(401, Means::NotCreated),
            row(402, Means::NotCreated),
            row(403, Means::NotCreated),
            row(404, Means::NotCreated),
            row(422, Means::NotCreated),
            row(429, Means::Busy),
            row(500, Means::Unclear),
            row(502, Means::Unclear),
            row(503, Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut input = json!({
            "prompt": words, "duration": 6, "resolution": "480p", "aspect_ratio": "16:9", "seed": 7,
        });
        if let Some(picture) = &order.first_frame {
            input["image"] = picture.data_uri().into();
        }
        let path = "/v1/models/bytedance/seedance-1-pro/predictions".to_owned();
        (path, json!({ "input": input }))
    }
}
