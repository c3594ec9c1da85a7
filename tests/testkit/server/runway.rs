//! Runway.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Runway;

fn error(message: &str) -> Value {
    json!({ "error": message })
}

impl Dialect for Runway {
    fn provider(&self) -> &'static str {
        "runway"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("runway-gen4.5").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn id(&self, number: usize) -> String {
        format!("17f20503-6c24-4c16-946b-{number:012}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        // Every question names the version that it was written for.
        if asked.header("x-runway-version") != Some("2024-11-06") {
            return Asks::Other;
        }
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v1", "text_to_video" | "image_to_video"]) => Asks::Create,
            ("GET", ["v1", "tasks", id]) => Asks::Poll((*id).to_owned()),
            ("DELETE", ["v1", "tasks", id]) => Asks::Cancel((*id).to_owned()),
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "id": id, "estimatedCost": { "credits": 72 } }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let job = |status: &str, more: Value| {
            let mut job =
                json!({ "id": id, "createdAt": "2026-11-23T12:00:00Z", "status": status });
            for (name, value) in more.as_object().into_iter().flatten() {
                job[name] = value.clone();
            }
            Said::new(200, job)
        };
        let failed = |code: &str, why: &str| {
            let cost = json!({ "credits": 0 });
            job("FAILED", json!({ "failure": why, "failureCode": code, "cost": cost }))
        };
        let estimated = || json!({ "estimatedCost": { "credits": 72 } });
        match task {
            Task::Waiting => job("THROTTLED", estimated()),
            Task::Done(address) => {
                job("SUCCEEDED", json!({ "output": [address], "cost": { "credits": 60 } }))
            }
            Task::Refused => failed("SAFETY.OUTPUT.VIDEO", "not this picture"),
            Task::Failed(why) => failed("INTERNAL.BAD_OUTPUT.CODE01", why),
            Task::Cancelled => job("CANCELLED", json!({ "cost": { "credits": 0 } })),
            Task::Word(word) => job(word, estimated()),
        }
    }

    fn cancelled(&self, _: &str) -> Said {
        Said::new(204, Value::Null)
    }

    fn refused(&self) -> Said {
        let refused = json!({ "error": "not this picture", "failureCode": "SAFETY.INPUT.TEXT" });
        Said::new(400, refused)
    }

    fn busy(&self) -> Said {
        Said::new(429, error("too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error(words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error("no such task"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, means| Documented::new(status, error("no"), means);
        let poor = error("You do not have enough credits to run this task.");
        vec![
            row(400, Means::NotCreated),
            Documented::new(400, poor, Means::NotCreated),
            row(401, Means::NotCreated),
            row(404, Means::NotCreated),
            row(405, Means::NotCreated),
            row(429, Means::Busy),
            row(500, Means::Unclear),
            row(502, Means::Unclear),
            row(503, Means::Unclear),
            row(504, Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut body = json!({
            "model": "gen4.5", "promptText": words, "duration": 6, "ratio": "1280:720", "seed": 7,
        });
        let Some(picture) = &order.first_frame else {
            return ("/v1/text_to_video".to_owned(), body);
        };
        body["promptImage"] = json!([{ "uri": picture.data_uri(), "position": "first" }]);
        ("/v1/image_to_video".to_owned(), body)
    }

    fn cost_micros(&self) -> Option<i64> {
        Some(600_000)
    }
}
