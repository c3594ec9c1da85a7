//! Ark, on BytePlus ModelArk.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Ark;

const TASKS: &str = "/api/v3/contents/generations/tasks";

fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "param": "", "type": "BadRequest" } })
}

impl Dialect for Ark {
    fn provider(&self) -> &'static str {
        "ark"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("seedance-2.0").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn id(&self, number: usize) -> String {
        format!("cgt-20261123120000-{number:05}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let id = asked.path.strip_prefix(TASKS);
        match (asked.method.as_str(), id.map(|id| id.trim_start_matches('/'))) {
            ("POST", Some("")) => Asks::Create,
            ("GET", Some(id)) => Asks::Poll(id.to_owned()),
            ("DELETE", Some(id)) => Asks::Cancel(id.to_owned()),
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "id": id }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let mut job = json!({
            "id": id, "model": "dreamina-seedance-2-0-260128", "created_at": 1_790_000_000,
            "updated_at": 1_790_000_060, "status": "running",
        });
        let mut failed = |code: &str, why: &str| {
            job["status"] = "failed".into();
            job["error"] = json!({ "code": code, "message": why });
        };
        match task {
            Task::Waiting => {}
            Task::Done(address) => {
                job["status"] = "succeeded".into();
                job["content"] = json!({ "video_url": address });
                job["usage"] = json!({ "completion_tokens": 60_000, "total_tokens": 60_000 });
                job["seed"] = 7.into();
                job["resolution"] = "480p".into();
                job["duration"] = 6.into();
                job["ratio"] = "16:9".into();
                job["framespersecond"] = 24.into();
            }
            Task::Refused => failed("OutputVideoSensitiveContentDetected", "not this picture"),
            Task::Failed(why) => failed("InternalServiceError", why),
            Task::Cancelled => job["status"] = "cancelled".into(),
            Task::Word(word) => job["status"] = word.as_str().into(),
        }
        Said::new(200, job)
    }

    fn cancelled(&self, _: &str) -> Said {
        Said::new(200, json!({}))
    }

    fn refused(&self) -> Said {
        Said::new(400, error("InputTextSensitiveContentDetected", "not this picture"))
    }

    fn busy(&self) -> Said {
        Said::new(429, error("ModelAccountRpmRateLimitExceeded", "too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error("AuthenticationError", words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error("ResourceNotFound", "no such task"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, code, means| Documented::new(status, error(code, "no"), means);
        vec![
            row(400, "InvalidParameter", Means::NotCreated),
            row(401, "AuthenticationError", Means::NotCreated),
            row(403, "AccountOverdueError", Means::NotCreated),
            row(404, "ModelNotOpen", Means::NotCreated),
            row(429, "QuotaExceeded", Means::Busy),
            row(429, "ModelAccountRpmRateLimitExceeded", Means::Busy),
            row(429, "ServerOverloaded", Means::Busy),
            row(400, "InputTextSensitiveContentDetected", Means::Refused),
            row(400, "InputTextSensitiveContentDetected.PolicyViolation", Means::Refused),
            row(400, "InputImageSensitiveContentDetected", Means::Refused),
            row(400, "InputImageSensitiveContentDetected.PrivacyInformation", Means::Refused),
            row(500, "InternalServiceError", Means::Unclear),
            row(503, "ServiceUnavailable", Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut content = vec![json!({ "type": "text", "text": words })];
        if let Some(picture) = &order.first_frame {
            content.push(json!({
                "type": "image_url", "image_url": { "url": picture.data_uri() },
                "role": "first_frame",
            }));
        }
        let body = json!({
            "model": "dreamina-seedance-2-0-260128", "content": content, "resolution": "480p",
            "ratio": "16:9", "duration": 6, "seed": 7, "generate_audio": false, "watermark": false,
        });
        (TASKS.to_owned(), body)
    }

    fn cost_micros(&self) -> Option<i64> {
        Some(420_000)
    }
}
