//! fal.ai, its queue: `POST /OWNER/APP/TASK`, then `/OWNER/APP/requests/ID`.
//!
//! Fields are those of its pages for Seedance 2.0 (`prompt`, `image_url`, `end_image_url`, `image_urls`, `resolution`, `duration` as
//! text, `aspect_ratio`, `generate_audio`, `seed`); MiniMax is asked in the same words. fal has no name of ours for a job and lists
//! none, so what got lost on the way is for people to look up. Its own repeats are turned off, and results, which everybody may
//! fetch who knows their address, expire after a day.

use serde_json::{Map, Value, json};

use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{
    Aspect, Audio, HostedCard, KeyHeader, Order, Picture, Question, Reply, Task, Unfit, name, text,
};
use crate::money::Money;

/// The provider.
pub(super) struct Fal;

/// Where its errors say what is wrong.
const WHY: [&str; 4] = ["/detail/0/msg", "/detail", "/error", "/message"];
/// How long results lie there.
const LIFECYCLE: &str = r#"{"expiration_duration_seconds":86400}"#;

impl Provider for Fal {
    fn name(&self) -> &'static str {
        "fal"
    }

    fn key(&self) -> KeyHeader {
        KeyHeader::KEY
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["*.fal.media"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut input = Map::new();
        input.insert("prompt".to_owned(), order.words(card).into());
        input.insert("resolution".to_owned(), order.resolution(card)?.name.clone().into());
        input.insert("duration".to_owned(), order.whole_seconds(card)?.to_string().into());
        if let Some(aspect) = order.aspect(card) {
            let aspect = match aspect {
                Aspect::Adaptive => "auto".to_owned(),
                ratio => ratio.to_string(),
            };
            input.insert("aspect_ratio".to_owned(), aspect.into());
        }
        if card.audio == Audio::Optional {
            input.insert("generate_audio".to_owned(), order.audio.into());
        }
        if card.seed {
            input.insert("seed".to_owned(), order.short_seed().into());
        }
        if let Some(picture) = &order.first_frame {
            input.insert("image_url".to_owned(), picture.data_uri().into());
        }
        if let Some(picture) = &order.last_frame {
            input.insert("end_image_url".to_owned(), picture.data_uri().into());
        }
        if !order.references.is_empty() {
            let pictures: Vec<String> = order.references.iter().map(Picture::data_uri).collect();
            input.insert("image_urls".to_owned(), json!(pictures));
        }
        let task = match order.task() {
            Task::Text => "text-to-video",
            Task::FirstFrame | Task::FirstLastFrame => "image-to-video",
            Task::References => "reference-to-video",
        };
        let question = Question::json(format!("{}/{task}", card.model), &Value::Object(input));
        Ok(question
            .header("x-fal-no-retry", "1")
            .header("x-fal-object-lifecycle-preference", LIFECYCLE))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        match name(&json, "/request_id") {
            Some(remote) if reply.is_success() => return Created::Job { remote },
            _ => {}
        }
        let why = reply.why(&WHY);
        if is_refusal(&json) && (400..500).contains(&reply.status) {
            return Created::Refused { why };
        }
        Created::by_status(reply, why)
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("{}/status", request(job)))
    }

    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        match text(&json, "/status") {
            Some("IN_QUEUE" | "IN_PROGRESS") => {
                Polled::Waiting { progress: None, after: reply.retry_after }
            }
            Some("COMPLETED") if is_refusal(&json) => Polled::Refused { why, cost: None },
            Some("COMPLETED") if text(&json, "/error_type") == Some("cancelled") => {
                Polled::Cancelled { cost: None }
            }
            Some("COMPLETED") if json.get("error").is_some_and(|error| !error.is_null()) => {
                Polled::Failed { why, cost: free_where_theirs(&json) }
            }
            Some("COMPLETED") => Polled::Next(Question::get(request(job))),
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::by_status(reply, why),
        }
    }

    fn result(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        if let Some(address) = text(&json, "/video/url").filter(|_| reply.is_success()) {
            return Polled::Done { clip: Clip::Url(address.to_owned()), cost: None };
        }
        let why = reply.why(&WHY);
        match reply.status {
            _ if is_refusal(&json) => Polled::Refused { why, cost: None },
            // A fault of the job is told with the result; one of the way there has no such words.
            500.. if text(&json, "/error_type").is_some() => {
                Polled::Failed { why, cost: Some(Money::ZERO) }
            }
            400 | 422 if json.get("detail").is_some() => Polled::Failed { why, cost: None },
            _ => Polled::by_status(reply, why),
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(Question::put(format!("{}/cancel", request(job))))
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        match reply.status {
            200..300 => Stopped::Asked,
            _ => Stopped::No { why: reply.why(&["/status", "/detail"]) },
        }
    }
}

/// The path of a job: below owner and application, without what was behind them.
fn request(job: &Known<'_>) -> String {
    let application: Vec<&str> = job.card.model.split('/').take(2).collect();
    format!("{}/requests/{}", application.join("/"), job.remote)
}

fn is_refusal(json: &Value) -> bool {
    let places = ["/error_type", "/detail/0/type", "/detail/type"];
    places.iter().any(|place| text(json, place) == Some("content_policy_violation"))
}

/// What goes wrong with its machines is never charged; of other faults nobody says.
fn free_where_theirs(json: &Value) -> Option<Money> {
    let theirs = ["request_timeout", "startup_timeout", "internal_error", "runner_"];
    let found = text(json, "/error_type").unwrap_or_default();
    theirs.iter().any(|kind| found.starts_with(kind)).then_some(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Body;
    use crate::hosted::order::tests::{order, picture};
    use crate::hosted::{Place, find};
    use crate::privacy::Privacy;

    fn card() -> &'static HostedCard {
        find("fal-seedance-2.0").expect("a card")
    }

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status, body: body.to_string().into_bytes(), ..Reply::default() }
    }

    fn asked(order: &Order, card: &HostedCard) -> (String, Value) {
        let question = Fal.create(card, order).expect("it can be asked for");
        let (Place::Below(path, queries), Body::Json(body)) = (question.place, question.body)
        else {
            panic!("JSON below the address");
        };
        assert!(queries.is_empty());
        assert_eq!(question.headers[0], ("x-fal-no-retry", "1".to_owned()));
        (path, serde_json::from_slice(&body).expect("JSON"))
    }

    #[test]
    fn a_clip_is_asked_for_below_its_task() {
        let mut order = order();
        let (path, body) = asked(&order, card());
        assert_eq!(path, "bytedance/seedance-2.0/text-to-video");
        let expected = json!({
            "prompt": "a red kite over the sea\nAvoid: people",
            "resolution": "480p",
            "duration": "6",
            "aspect_ratio": "16:9",
            "generate_audio": false,
            "seed": 7,
        });
        assert_eq!(body, expected);
        order.size = kinora_cards::Size { width: 1000, height: 700 };
        order.first_frame = Some(picture(b"one", Privacy::Any));
        order.last_frame = Some(picture(b"two", Privacy::Any));
        let (path, body) = asked(&order, card());
        assert_eq!(path, "bytedance/seedance-2.0/image-to-video");
        assert_eq!(body["image_url"], "data:image/png;base64,b25l");
        assert_eq!(body["end_image_url"], "data:image/png;base64,dHdv");
        assert_eq!(body["aspect_ratio"], "auto");
        (order.first_frame, order.last_frame) = (None, None);
        order.references = vec![picture(b"one", Privacy::Any)];
        let (path, body) = asked(&order, find("fal-minimax-h3").expect("a card"));
        assert_eq!(path, "minimax/h3/reference-to-video");
        assert_eq!(body["image_urls"], json!(["data:image/png;base64,b25l"]));
        assert_eq!(body.get("generate_audio"), None);
    }

    #[test]
    fn a_job_that_failed_is_completed_too() {
        let job = Known { card: card(), take: order().take, remote: "r1" };
        let polled = |body| Fal.polled(&job, &reply(200, body));
        let result = |status, body| Fal.result(&job, &reply(status, body));
        let (why, waiting) = ("no".to_owned(), Polled::Waiting { progress: None, after: None });
        assert_eq!(polled(json!({ "status": "IN_QUEUE", "queue_position": 3 })), waiting);
        let next = Question::get("bytedance/seedance-2.0/requests/r1");
        assert_eq!(polled(json!({ "status": "COMPLETED", "error": null })), Polled::Next(next));
        let failed = |kind| json!({ "status": "COMPLETED", "error": "no", "error_type": kind });
        let cost = Some(Money::ZERO);
        assert_eq!(
            polled(failed("runner_disconnected")),
            Polled::Failed { why: why.clone(), cost }
        );
        assert_eq!(polled(failed("bad_input")), Polled::Failed { why: why.clone(), cost: None });
        assert_eq!(
            polled(failed("content_policy_violation")),
            Polled::Refused { why: why.clone(), cost: None }
        );
        let detail = |kind| json!({ "detail": [{ "loc": ["body"], "msg": "no", "type": kind }] });
        assert_eq!(
            result(422, detail("content_policy_violation")),
            Polled::Refused { why: why.clone(), cost: None }
        );
        assert_eq!(result(422, detail("x")), Polled::Failed { why: why.clone(), cost: None });
        let theirs = json!({ "detail": "no", "error_type": "startup_timeout" });
        assert_eq!(result(504, theirs), Polled::Failed { why: why.clone(), cost });
        assert!(matches!(result(502, json!("gateway")), Polled::Unclear { .. }));
        let video = json!({ "video": { "url": "https://v3.fal.media/x.mp4" }, "seed": 7 });
        let clip = Clip::Url("https://v3.fal.media/x.mp4".to_owned());
        assert_eq!(result(200, video), Polled::Done { clip, cost: None });
    }
}
