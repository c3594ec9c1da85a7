//! Any server that speaks `/v1/videos`: vLLM-Omni, SGLang, another Kinora, a proxy before others.
//!
//! The question is a form, which all of them take. Its fields are those of the OpenAI API and some that such servers add and
//! others pass over: `seed`, `negative_prompt`, `fps` and `num_frames`, so that a clip has exactly the frames that were asked for.

use std::time::Duration;

use serde_json::Value;

use crate::egress::{Body, Field};
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{HostedCard, Order, Question, Reply, Unfit, name, text};
use crate::money::Money;

/// The provider.
pub(super) struct OpenAi;

/// Where its errors and those of its kin say what is wrong.
const WHY: [&str; 4] = ["/error/message", "/detail", "/detail/0/msg", "/message"];

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai-compatible"
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut fields = vec![
            field("model", &card.model),
            field("prompt", &order.words(card)),
            field("seconds", &order.whole_seconds(card)?.to_string()),
            field("size", &order.size.to_string()),
            field("seed", &order.short_seed().to_string()),
        ];
        if let Some(negative) = order.negative_for(card) {
            fields.push(field("negative_prompt", negative));
        }
        if let Some(fps) = order.fps {
            let frames = (order.seconds * f64::from(fps)).round();
            fields.push(field("fps", &fps.to_string()));
            fields.push(field("num_frames", &frames.to_string()));
        }
        if let Some(picture) = &order.first_frame {
            let file = (format!("image-1.{}", picture.extension()), picture.mime.clone());
            let bytes = picture.bytes.value().clone();
            fields.push(Field { name: "input_reference".to_owned(), file: Some(file), bytes });
        }
        let mut question = Question::post("v1/videos");
        question.body = Body::Multipart(fields);
        // Another Kinora makes one clip of two questions of the same name; others pass over it.
        Ok(question.header("idempotency-key", order.take.to_string()))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        match name(&json, "/id") {
            Some(remote) if reply.is_success() => return Created::Job { remote },
            _ => {}
        }
        let why = reply.why(&WHY);
        if is_refusal(&json) && (400..500).contains(&reply.status) {
            return Created::Refused { why };
        }
        if reply.status == 429 && says(&json, &["insufficient_quota", "billing"]) {
            return Created::Denied { why };
        }
        Created::by_status(reply, why)
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("v1/videos/{}", job.remote))
    }

    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        let cost = job.card.is_free.then_some(Money::ZERO);
        // Some servers answer with an error status where the job failed, and with the job all the same.
        match text(&json, "/status") {
            Some("queued" | "in_progress") => {
                let percent = json.get("progress").and_then(Value::as_f64);
                let progress = percent.map(|percent| (percent / 100.0).clamp(0.0, 1.0));
                Polled::Waiting { progress, after: after(reply) }
            }
            Some("completed") => {
                let clip = Question::get(format!("v1/videos/{}/content", job.remote));
                Polled::Done { clip: Clip::Question(clip), cost }
            }
            Some("cancelled" | "canceled") => Polled::Cancelled { cost },
            Some("failed") if says(&json, &["cancel"]) => Polled::Cancelled { cost },
            Some("failed") if is_refusal(&json) => Polled::Refused { why, cost },
            Some("failed") => Polled::Failed { why, cost },
            Some("deleted") => Polled::Gone { why: "it was deleted".to_owned() },
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::by_status(reply, why),
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(Question::delete(format!("v1/videos/{}", job.remote)))
    }

    fn cancelled(&self, job: &Known<'_>, reply: &Reply) -> Stopped {
        match reply.status {
            200..300 => Stopped::Yes { cost: job.card.is_free.then_some(Money::ZERO) },
            409 => Stopped::Asked,
            _ => Stopped::No { why: reply.why(&WHY) },
        }
    }
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), file: None, bytes: value.as_bytes().to_vec() }
}

/// How long the server wants to be left alone.
fn after(reply: &Reply) -> Option<Duration> {
    let millis = reply.header("openai-poll-after-ms").and_then(|text| text.trim().parse().ok());
    millis.map(Duration::from_millis).or(reply.retry_after)
}

/// Whether the code or the type of an error holds one of these words.
fn says(json: &Value, words: &[&str]) -> bool {
    let codes = ["/error/code", "/error/type"].into_iter().filter_map(|place| text(json, place));
    codes.map(str::to_ascii_lowercase).any(|code| words.iter().any(|word| code.contains(word)))
}

fn is_refusal(json: &Value) -> bool {
    says(json, &["moderation", "content_policy", "safety"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::egress::Method;
    use crate::hosted::order::tests::{order, picture};
    use crate::hosted::{Place, server};
    use crate::privacy::Privacy;

    fn card() -> HostedCard {
        server("render", "127.0.0.1:8000", "wan2.2").expect("a card")
    }

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status, body: body.to_string().into_bytes(), ..Reply::default() }
    }

    fn polled(status: u16, body: Value) -> Polled {
        let card = card();
        let job = Known { card: &card, take: order().take, remote: "video_1" };
        OpenAi.polled(&job, &reply(status, body))
    }

    #[test]
    fn a_clip_is_asked_for_in_a_form() {
        let mut order = order();
        order.first_frame = Some(picture(b"png", Privacy::Any));
        let question = OpenAi.create(&card(), &order).expect("it can be asked for");
        assert_eq!(question.method, Method::Post);
        assert_eq!(question.place, Place::Below("v1/videos".to_owned(), Vec::new()));
        assert_eq!(question.headers, [("idempotency-key", order.take.to_string())]);
        let Body::Multipart(fields) = question.body else { panic!("a form") };
        let (file, texts) = fields.split_last().expect("fields");
        let texts: Vec<(&str, &str)> = texts
            .iter()
            .map(|field| (field.name.as_str(), str::from_utf8(&field.bytes).expect("text")))
            .collect();
        assert_eq!(
            texts,
            [
                ("model", "wan2.2"),
                ("prompt", "a red kite over the sea"),
                ("seconds", "6"),
                ("size", "832x480"),
                ("seed", "7"),
                ("negative_prompt", "people"),
                ("fps", "16"),
                ("num_frames", "81"),
            ]
        );
        assert_eq!(file.name, "input_reference");
        assert_eq!(file.file, Some(("image-1.png".to_owned(), "image/png".to_owned())));
        assert_eq!(file.bytes, b"png");
        order.references.push(picture(b"png", Privacy::Any));
        assert!(OpenAi.create(&card(), &order).is_err());
    }

    #[test]
    fn what_was_made_and_what_may_have_been() {
        let created = |status, body: Value| OpenAi.created(&card(), &reply(status, body));
        let error = |code: &str| json!({ "error": { "code": code, "message": "no" } });
        let why = || "no".to_owned();
        let job = json!({ "id": "video_1", "object": "video", "status": "queued" });
        assert_eq!(created(200, job.clone()), Created::Job { remote: "video_1".to_owned() });
        assert_eq!(created(400, error("moderation_blocked")), Created::Refused { why: why() });
        assert_eq!(created(400, error("bad_size")), Created::NotCreated { why: why() });
        assert_eq!(created(401, error("invalid_api_key")), Created::Denied { why: why() });
        assert_eq!(created(429, error("rate_limit_exceeded")), Created::Busy { why: why() });
        assert_eq!(created(429, error("insufficient_quota")), Created::Denied { why: why() });
        let detail = json!({ "detail": [{ "loc": ["body"], "msg": "no" }] });
        assert_eq!(created(422, detail), Created::NotCreated { why: why() });
        for status in [408, 409, 500, 502, 504] {
            assert_eq!(created(status, error("x")), Created::Unclear { why: why() }, "{status}");
        }
        for (status, body) in [(200, json!({})), (200, json!("video_1")), (500, job)] {
            let made = created(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
        let html = Reply { status: 400, body: b"<html>".to_vec(), ..Reply::default() };
        let made = OpenAi.created(&card(), &html);
        assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
    }

    #[test]
    fn how_a_job_gets_on() {
        let waiting = |progress| Polled::Waiting { progress, after: None };
        assert_eq!(polled(200, json!({ "status": "queued" })), waiting(None));
        let job = json!({ "status": "in_progress", "progress": 37 });
        assert_eq!(polled(200, job), waiting(Some(0.37)));
        let clip = Clip::Question(Question::get("v1/videos/video_1/content"));
        let done = Polled::Done { clip, cost: Some(Money::ZERO) };
        assert_eq!(polled(200, json!({ "status": "completed", "progress": 100 })), done);
        let failed =
            |code: &str| json!({ "status": "failed", "error": { "code": code, "message": "no" } });
        let (why, cost) = ("no".to_owned(), Some(Money::ZERO));
        for status in [200, 422, 500] {
            let expected = Polled::Failed { why: why.clone(), cost };
            assert_eq!(polled(status, failed("oom")), expected, "{status}");
        }
        assert_eq!(polled(200, failed("cancelled")), Polled::Cancelled { cost });
        assert_eq!(polled(200, failed("content_policy")), Polled::Refused { why, cost });
        for (status, body) in [(200, json!({ "status": "dreaming" })), (502, json!(null))] {
            let found = polled(status, body);
            assert!(matches!(found, Polled::Unclear { .. }), "{found:?}");
        }
        assert!(matches!(polled(200, json!({ "status": "deleted" })), Polled::Gone { .. }));
        assert!(matches!(polled(404, json!({ "detail": "?" })), Polled::Lost { .. }));
        assert!(matches!(polled(401, json!({})), Polled::Denied { .. }));
        let header = ("OpenAI-Poll-After-Ms".to_owned(), "1500".to_owned());
        let queued = json!({ "status": "queued" }).to_string().into_bytes();
        let slow = Reply { status: 200, headers: vec![header], body: queued, ..Reply::default() };
        assert_eq!(after(&slow), Some(Duration::from_millis(1500)));
    }
}
