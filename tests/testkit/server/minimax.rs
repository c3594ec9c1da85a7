//! MiniMax, in both versions of its API.

use kinora_engine::hosted::{HostedCard, Order, find};
use kinora_engine::money::Money;
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// Version 2, which H3 is asked through.
pub(super) struct MiniMax;

fn error(kind: &str, message: &str) -> Value {
    let error = json!({ "type": kind, "message": message, "http_code": "0" });
    json!({ "type": "error", "error": error, "request_id": "r-1" })
}

impl Dialect for MiniMax {
    fn provider(&self) -> &'static str {
        "minimax"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("minimax-h3").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn id(&self, number: usize) -> String {
        format!("{}", 424_010_985_738_600 + number)
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            ("POST", ["v2", "video_generation"]) => Asks::Create,
            ("GET", ["v2", "query", "video_generation", id]) => Asks::Poll((*id).to_owned()),
            ("DELETE", ["v2", "video_generation", id]) => Asks::Cancel((*id).to_owned()),
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "task_id": id }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let mut job = json!({
            "id": id, "model": "MiniMax-H3", "status": "running", "created_at": 1_785_125_529,
            "updated_at": 1_785_125_946, "resolution": "768P", "duration": 6, "usage": {},
            "ratio": "16:9", "task_type": "generation", "modality": "video",
        });
        let mut failed = |code: &str, why: &str| {
            job["status"] = "failed".into();
            job["error"] = json!({ "code": code, "message": why });
        };
        match task {
            Task::Waiting => {}
            Task::Done(address) => {
                job["status"] = "succeeded".into();
                job["content"] = json!({ "url": address });
                job["usage"] = json!({
                    "total_seconds": 6, "input_seconds": 0, "output_seconds": 6,
                    "input_image_count": 1,
                });
            }
            Task::Refused => failed("1027", "not this picture"),
            Task::Failed(why) => failed("1000", why),
            Task::Cancelled => job["status"] = "cancelled".into(),
            Task::Word(word) => job["status"] = word.as_str().into(),
        }
        Said::new(200, json!({ "task": job }))
    }

    fn cancelled(&self, id: &str) -> Said {
        Said::new(200, json!({ "task_id": id, "action": "cancelled", "status": "cancelled" }))
    }

    fn refused(&self) -> Said {
        Said::new(422, error("unprocessable_entity_error", "not this picture (1026)"))
    }

    fn busy(&self) -> Said {
        Said::new(429, error("rate_limit_error", "too many requests (1002)"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error("authorized_error", &format!("{words} (1004)")))
    }

    fn unknown(&self) -> Said {
        Said::new(500, error("server_error", "record not found (1000)"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, kind, code: u32, means| {
            Documented::new(status, error(kind, &format!("no ({code})")), means)
        };
        vec![
            row(400, "bad_request_error", 2013, Means::NotCreated),
            row(401, "authorized_error", 1004, Means::NotCreated),
            row(402, "insufficient_balance_error", 1008, Means::NotCreated),
            row(422, "unprocessable_entity_error", 1026, Means::Refused),
            row(429, "rate_limit_error", 1002, Means::Busy),
            row(500, "server_error", 1000, Means::Unclear),
            row(529, "overloaded_error", 1000, Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut content = vec![json!({ "type": "text", "text": words })];
        let mut ratio = "16:9";
        if let Some(picture) = &order.first_frame {
            ratio = "adaptive";
            content.push(json!({
                "type": "image_url", "image_url": { "url": picture.data_uri() },
                "role": "first_frame",
            }));
        }
        let body = json!({
            "model": "MiniMax-H3", "content": content, "resolution": "768P", "duration": 6,
            "ratio": ratio,
        });
        ("/v2/video_generation".to_owned(), body)
    }

    fn cost_micros(&self) -> Option<i64> {
        Some(480_000)
    }
}

/// Version 1, which Hailuo is asked through: it answers 200 to everything.
pub(super) struct Hailuo;

fn base(code: i64, message: &str) -> Value {
    json!({ "status_code": code, "status_msg": message })
}

impl Dialect for Hailuo {
    fn provider(&self) -> &'static str {
        "minimax"
    }

    fn name(&self) -> &'static str {
        "hailuo"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("hailuo-02").expect("because it is built in");
        let mut card = HostedCard { host: host.to_owned(), ..card.clone() };
        // Nobody knows its price; without one nothing is asked for.
        card.resolutions.iter_mut().for_each(|size| size.silent = Some(Money::from_micros(50_000)));
        card
    }

    fn id(&self, number: usize) -> String {
        format!("{}", 106_916_112_212_000 + number)
    }

    fn asks(&self, asked: &Asked) -> Asks {
        match (asked.method.as_str(), asked.path.as_str(), asked.query.split_once('=')) {
            ("POST", "/v1/video_generation", None) => Asks::Create,
            ("GET", "/v1/query/video_generation", Some(("task_id", id))) => {
                Asks::Poll(id.to_owned())
            }
            ("GET", "/v1/files/retrieve", Some(("file_id", id))) => {
                Asks::Result(id.trim_start_matches("file-").to_owned())
            }
            _ => Asks::Other,
        }
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "task_id": id, "base_resp": base(0, "success") }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let said = |status: &str, file: &str, base: Value| {
            let body =
                json!({ "task_id": id, "status": status, "file_id": file, "base_resp": base });
            Said::new(200, body)
        };
        let fine = || base(0, "success");
        match task {
            Task::Waiting => said("Processing", "", fine()),
            Task::Done(_) => said("Success", &format!("file-{id}"), fine()),
            Task::Refused => said("Fail", "", base(1027, "not this picture")),
            Task::Failed(why) => said("Fail", "", base(1000, why)),
            Task::Cancelled => said("Fail", "", fine()),
            Task::Word(word) => said(word, "", fine()),
        }
    }

    fn result(&self, id: &str, address: &str) -> Said {
        let file = json!({
            "file_id": format!("file-{id}"), "bytes": 1, "filename": "output.mp4",
            "purpose": "video_generation", "download_url": address,
        });
        Said::new(200, json!({ "file": file, "base_resp": base(0, "success") }))
    }

    fn refused(&self) -> Said {
        Said::new(200, json!({ "task_id": "", "base_resp": base(1026, "not this picture") }))
    }

    fn busy(&self) -> Said {
        Said::new(200, json!({ "base_resp": base(1002, "rate limit") }))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(200, json!({ "base_resp": base(1004, words) }))
    }

    fn unknown(&self) -> Said {
        Said::new(200, json!({ "base_resp": base(2013, "invalid task_id") }))
    }

    fn documented(&self) -> Vec<Documented> {
        let row =
            |code, means| Documented::new(200, json!({ "base_resp": base(code, "no") }), means);
        vec![
            row(1002, Means::Busy),
            row(1004, Means::NotCreated),
            row(1008, Means::NotCreated),
            row(1026, Means::Refused),
            row(1027, Means::Refused),
            row(2013, Means::NotCreated),
            row(1000, Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let mut body = json!({
            "model": "MiniMax-Hailuo-02", "prompt": words, "duration": 6, "resolution": "768P",
            "prompt_optimizer": false,
        });
        if let Some(picture) = &order.first_frame {
            body["first_frame_image"] = picture.data_uri().into();
        }
        ("/v1/video_generation".to_owned(), body)
    }
}
