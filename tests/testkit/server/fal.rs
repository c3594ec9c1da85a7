//! fal's queue.

use kinora_engine::hosted::{HostedCard, Order, find};
use serde_json::{Value, json};

use super::dialect::Means;
use super::{Asked, Asks, Dialect, Documented, Said, Task};

/// The dialect.
pub(super) struct Fal;

fn detail(message: &str, kind: &str) -> Value {
    json!({ "detail": [{ "loc": ["body", "prompt"], "msg": message, "type": kind }] })
}

impl Dialect for Fal {
    fn provider(&self) -> &'static str {
        "fal"
    }

    fn card(&self, host: &str) -> HostedCard {
        let card = find("fal-seedance-2.0").expect("because it is built in");
        HostedCard { host: host.to_owned(), ..card.clone() }
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("authorization", "Key KEY")
    }

    fn asks(&self, asked: &Asked) -> Asks {
        let words: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), words.as_slice()) {
            (
                "POST",
                [
                    "bytedance" | "minimax",
                    "seedance-2.0" | "h3",
                    "text-to-video" | "image-to-video" | "reference-to-video",
                ],
            ) => Asks::Create,
            ("GET", ["bytedance" | "minimax", "seedance-2.0" | "h3", "requests", id, "status"]) => {
                Asks::Poll((*id).to_owned())
            }
            ("GET", ["bytedance" | "minimax", "seedance-2.0" | "h3", "requests", id]) => {
                Asks::Result((*id).to_owned())
            }
            ("PUT", ["bytedance" | "minimax", "seedance-2.0" | "h3", "requests", id, "cancel"]) => {
                Asks::Cancel((*id).to_owned())
            }
            _ => Asks::Other,
        }
    }

    fn cancels(&self) -> bool {
        true
    }

    fn created(&self, id: &str) -> Said {
        let below = format!("https://queue.fal.run/bytedance/seedance-2.0/requests/{id}");
        Said::new(
            200,
            json!({
                "request_id": id, "response_url": below, "status_url": format!("{below}/status"),
                "cancel_url": format!("{below}/cancel"), "queue_position": 0, "status": "IN_QUEUE",
            }),
        )
    }

    fn standing(&self, id: &str, task: &Task) -> Said {
        let said = |status: &str| json!({ "status": status, "request_id": id });
        let failed = |kind: &str, why: &str| json!({ "status": "COMPLETED", "request_id": id, "error": why, "error_type": kind });
        Said::new(
            200,
            match task {
                Task::Waiting => said("IN_PROGRESS"),
                Task::Done(_) => {
                    json!({ "status": "COMPLETED", "request_id": id, "metrics": { "inference_time": 61.5 } })
                }
                Task::Refused => failed("content_policy_violation", "not this picture"),
                Task::Failed(why) => failed("runner_disconnected", why),
                Task::Cancelled => failed("cancelled", "cancelled"),
                Task::Word(word) => said(word),
            },
        )
    }

    fn result(&self, _: &str, address: &str) -> Said {
        let video = json!({
            "url": address, "content_type": "video/mp4", "file_name": "video.mp4", "file_size": 1,
        });
        Said::new(200, json!({ "video": video, "seed": 7 }))
    }

    fn cancelled(&self, _: &str) -> Said {
        Said::new(202, json!({ "status": "CANCELLATION_REQUESTED" }))
    }

    fn refused(&self) -> Said {
        Said::new(422, detail("not this picture", "content_policy_violation"))
    }

    fn busy(&self) -> Said {
        Said::new(429, json!({ "detail": "too many requests" }))
    }

    fn denied(&self, words: &str) -> Said {
        Said::new(401, json!({ "detail": words }))
    }

    fn unknown(&self) -> Said {
        Said::new(404, json!({ "detail": "not found" }))
    }

    fn documented(&self) -> Vec<Documented> {
        let infrastructure = |kind: &str| json!({ "detail": "no", "error_type": kind });
        vec![
            Documented::new(401, json!({ "detail": "no key" }), Means::NotCreated),
            Documented::new(403, json!({ "detail": "balance" }), Means::NotCreated),
            Documented::new(404, json!({ "detail": "no such app" }), Means::NotCreated),
            Documented::new(422, detail("too long", "value_error"), Means::NotCreated),
            Documented::new(422, detail("no", "content_policy_violation"), Means::Refused),
            Documented::new(429, json!({ "detail": "slow down" }), Means::Busy),
            Documented::new(504, infrastructure("request_timeout"), Means::Unclear),
            Documented::new(504, infrastructure("startup_timeout"), Means::Unclear),
            Documented::new(503, infrastructure("runner_connection_refused"), Means::Unclear),
            Documented::new(500, json!({ "detail": "internal" }), Means::Unclear),
        ]
    }

    fn documented_question(&self, _: &HostedCard, order: &Order) -> (String, Value) {
        let mut body = json!({
            "prompt": format!("{}\nAvoid: people", order.prompt.value()), "resolution": "480p",
            "duration": "6", "aspect_ratio": "16:9", "generate_audio": false, "seed": 7,
        });
        let mut task = "text-to-video";
        if let Some(picture) = &order.first_frame {
            task = "image-to-video";
            body["image_url"] = picture.data_uri().into();
        }
        (format!("/bytedance/seedance-2.0/{task}"), body)
    }
}
