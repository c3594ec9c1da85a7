//! Veo on Google Cloud, at the address of a project and a place. Clips come in the answer.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct GoogleCloud;

const MODEL: &str = "/publishers/google/models/veo-3.1-generate-001";

fn error(status: u16, code: &str, message: &str) -> Value {
    json!({ "error": { "code": status, "message": message, "status": code } })
}

impl Dialect for GoogleCloud {
    fn provider(&self) -> &'static str {
        "google-cloud"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("veo-3.1").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn id(&self, number: usize) -> String {
        format!("projects/film/locations/us-central1{MODEL}/operations/{number}")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        match (asked.method.as_str(), asked.path.strip_prefix(MODEL)) {
            ("POST", Some(":predictLongRunning")) => Asks::Create,
            ("POST", Some(":fetchPredictOperation")) => {
                match asked.json()["operationName"].as_str() {
                    Some(id) => Asks::Poll(id.to_owned()),
                    None => Asks::Other,
                }
            }
            _ => Asks::Other,
        }
    }

    fn is_inline(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        Said::new(200, json!({ "name": id }))
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let done = |what: &str, value: Value| {
            let mut job = json!({ "name": id, "done": true });
            job[what] = value;
            job
        };
        let job = match task {
            Task::Waiting => json!({ "name": id }),
            Task::Done(bytes) => {
                let videos = json!([{ "bytesBase64Encoded": bytes, "mimeType": "video/mp4" }]);
                done("response", json!({ "videos": videos }))
            }
            Task::Refused => {
                let reasons = json!(["not this picture: support code 17301594"]);
                let filtered =
                    json!({ "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons });
                done("response", filtered)
            }
            Task::Failed(why) => done("error", json!({ "code": 13, "message": why })),
            Task::Cancelled => done("error", json!({ "code": 1, "message": "cancelled" })),
            Task::Word(word) => json!({ "name": id, "done": word }),
        };
        Said::new(200, job)
    }

    fn refused(&self) -> Said {
        let why = "not this picture: it violates the usage guidelines";
        Said::new(400, error(400, "INVALID_ARGUMENT", why))
    }

    fn busy(&self) -> Said {
        Said::new(429, error(429, "RESOURCE_EXHAUSTED", "quota of requests in a minute"))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, error(401, "UNAUTHENTICATED", words))
    }

    fn unknown(&self) -> Said {
        Said::new(404, error(404, "NOT_FOUND", "no such operation"))
    }

    fn documented(&self) -> Vec<Documented> {
        let row = |status, code, means| Documented::new(status, error(status, code, "no"), means);
        vec![
            row(400, "INVALID_ARGUMENT", Means::NotCreated),
            row(401, "UNAUTHENTICATED", Means::NotCreated),
            row(403, "PERMISSION_DENIED", Means::NotCreated),
            // A model that is retired.
            row(404, "NOT_FOUND", Means::NotCreated),
            row(429, "RESOURCE_EXHAUSTED", Means::Busy),
            row(500, "INTERNAL", Means::Unclear),
            row(503, "UNAVAILABLE", Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let mut instance = json!({ "prompt": order.prompt.value() });
        if let Some(picture) = &order.first_frame {
            instance["image"] =
                json!({ "bytesBase64Encoded": picture.base64(), "mimeType": "image/png" });
        }
        let parameters = json!({
            "sampleCount": 1, "durationSeconds": 6, "aspectRatio": "16:9", "resolution": "720p",
            "seed": 7, "negativePrompt": "people", "generateAudio": false,
        });
        let body = json!({ "instances": [instance], "parameters": parameters });
        (format!("{MODEL}:predictLongRunning"), body)
    }
}
