//! Kling, the API standard with a key.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Job, Said, Task};

/// The dialect.
pub(super) struct Kling;

fn error(code: i64, message: &str) -> Value {
    json!({ "code": code, "message": message, "request_id": "req-1" })
}

fn ok(data: Value) -> Value {
    json!({ "code": 0, "message": "SUCCEED", "request_id": "req-1", "data": data })
}

impl Dialect for Kling {
    fn provider(&self) -> &'static str {
        "kling"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("kling-3.0").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn id(&self, number: usize) -> String {
        format!("{}", 893_605_946_402_811_900_i64 + number as i64)
    }

    fn asks(&self, asked: &Asked) -> Asks {
        match (asked.method.as_str(), asked.path.as_str(), asked.query.split_once('=')) {
            ("POST", "/text-to-video/kling-3.0" | "/image-to-video/kling-3.0", None) => {
                Asks::Create
            }
            ("GET", "/tasks", Some(("task_ids", id))) => Asks::Poll(id.to_owned()),
            ("GET", "/tasks", Some(("external_task_ids", id))) => Asks::Find(id.to_owned()),
            _ => Asks::Other,
        }
    }

    fn external(&self, asked: &Asked) -> Option<String> {
        asked.json().pointer("/options/external_task_id")?.as_str().map(ToOwned::to_owned)
    }

    fn is_once(&self) -> bool {
        true
    }

    fn finds(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        let time = 1_781_080_778_802_i64;
        let job = json!({
            "id": id, "status": "submitted", "create_time": time, "update_time": time,
            "external_id": "ours",
        });
        Said::new(200, ok(job))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let job =
            |status: &str, message: &str| json!({ "id": id, "status": status, "message": message });
        let job = match task {
            Task::Waiting => job("processing", ""),
            Task::Done(address) => {
                let mut job = job("succeeded", "");
                job["outputs"] = json!([
                    { "type": "video", "id": "v-1", "url": address, "watermark_url": "", "duration": "6.041" },
                ]);
                job["billing"] = json!([
                    { "charge_type": "cash", "cash_type": "balance", "amount": "0.42", "currency": "USD",
                      "list_price": "0.504" },
                ]);
                job
            }
            Task::Refused => job("failed", "risk control: not this picture"),
            Task::Failed(why) => job("failed", why),
            Task::Cancelled => job("failed", "cancelled"),
            Task::Word(word) => job(word, ""),
        };
        Said::new(200, ok(json!([job])))
    }

    fn found(&self, job: Option<&Job>) -> Said {
        let jobs: Vec<Value> = job
            .map(|job| json!({ "id": job.id, "status": "submitted", "external_id": job.external }))
            .into_iter()
            .collect();
        Said::new(200, ok(jobs.into()))
    }

    fn exists(&self) -> Said {
        Said::new(400, error(1201, "external_task_id must be unique"))
    }

    fn refused(&self) -> Said {
        Said::new(400, error(1301, "not this picture"))
    }

    fn busy(&self) -> Said {
        Said::new(429, error(1302, "too many requests"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error(1002, words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error(1203, "no such resource"))
    }

    fn documented(&self) -> Vec<Documented> {
        let not_created = [
            (401, 1000),
            (401, 1001),
            (401, 1002),
            (401, 1003),
            (401, 1004),
            (429, 1100),
            (429, 1101),
            (429, 1102),
            (403, 1103),
            (400, 1200),
            (400, 1201),
            (404, 1202),
            (404, 1203),
            (429, 1304),
        ];
        let row = |means| move |(status, code)| Documented::new(status, error(code, "no"), means);
        let mut rows: Vec<Documented> =
            not_created.into_iter().map(row(Means::NotCreated)).collect();
        rows.extend([(400, 1300), (400, 1301)].into_iter().map(row(Means::Refused)));
        rows.extend([(429, 1302), (429, 1303)].into_iter().map(row(Means::Busy)));
        rows.extend([(500, 5000), (503, 5001), (504, 5002)].into_iter().map(row(Means::Unclear)));
        rows
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let words = format!("{}\nAvoid: people", order.prompt.value());
        let options = json!({ "external_task_id": order.take.to_string() });
        let mut settings =
            json!({ "resolution": "720p", "duration": 6, "audio": "off", "multi_shot": false });
        let Some(picture) = &order.first_frame else {
            settings["aspect_ratio"] = "16:9".into();
            let body = json!({ "prompt": words, "settings": settings, "options": options });
            return ("/text-to-video/kling-3.0".to_owned(), body);
        };
        let contents = json!([
            { "type": "prompt", "text": words },
            { "type": "first_frame", "url": picture.base64() },
        ]);
        let body = json!({ "contents": contents, "settings": settings, "options": options });
        ("/image-to-video/kling-3.0".to_owned(), body)
    }

    fn cost_micros(&self) -> Option<i64> {
        Some(420_000)
    }
}
