//! ByteDance Ark, on BytePlus ModelArk: Seedance. It bills by tokens, which its answer counts.
//!
//! It keeps no name of ours. Calling a job off is asked for with the same question that removes the record of a job that has
//! ended, so only the next poll tells what came of it; what it does call off is free, as it has not begun.

use serde_json::{Value, json};

use super::read::{at_price, content, may_have_begun, number, says};
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{Audio, HostedCard, Order, Question, Reply, Unfit, name, text};
use crate::money::Money;

/// The provider.
pub(super) struct Ark;

const TASKS: &str = "api/v3/contents/generations/tasks";
const WHY: [&str; 1] = ["/error/message"];

/// What the code of a refusal holds: `InputTextSensitiveContentDetected`, with or without `.PolicyViolation`.
const REFUSALS: [&str; 3] = ["sensitivecontent", "policyviolation", "riskdetection"];
/// What the code of an account that makes nothing holds, whatever the status.
const DENIALS: [&str; 4] = ["overdue", "authentication", "modelnotopen", "setlimitexceeded"];

impl Provider for Ark {
    fn name(&self) -> &'static str {
        "ark"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["*.tos-ap-southeast-1.volces.com"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut body = json!({
            "model": card.model,
            "content": content(card, order),
            "resolution": order.resolution(card)?.name,
            "duration": order.whole_seconds(card)?,
            "watermark": false,
        });
        if let Some(aspect) = order.aspect(card) {
            body["ratio"] = aspect.to_string().into();
        }
        if card.seed {
            body["seed"] = order.short_seed().into();
        }
        if card.audio == Audio::Optional {
            body["generate_audio"] = order.audio.into();
        }
        Ok(Question::json(TASKS, &body))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        if let (true, Some(remote)) = (reply.is_success(), name(&json, "/id")) {
            return Created::Job { remote };
        }
        let why = reply.why(&WHY);
        let code = text(&json, "/error/code").unwrap_or_default();
        match reply.status {
            _ if may_have_begun(reply) => Created::Unclear { why },
            400..500 if says(code, &REFUSALS) => Created::Refused { why },
            400..500 if says(code, &DENIALS) => Created::Denied { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("{TASKS}/{}", job.remote))
    }

    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        if !reply.is_success() {
            return Polled::by_status(reply, why);
        }
        let cost = cost(job.card, &json);
        match text(&json, "/status") {
            Some("queued" | "running") => Polled::Waiting { progress: None, after: None },
            Some("succeeded") => match text(&json, "/content/video_url") {
                Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost },
                None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
            },
            Some("failed") if says(text(&json, "/error/code").unwrap_or_default(), &REFUSALS) => {
                Polled::Refused { why, cost }
            }
            Some("failed") => Polled::Failed { why, cost },
            Some("expired") => Polled::Failed { why: "it was not begun in time".to_owned(), cost },
            Some("cancelled") => Polled::Cancelled { cost: Some(Money::ZERO) },
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::Unclear { why },
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(Question::delete(format!("{TASKS}/{}", job.remote)))
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        if reply.is_success() { Stopped::Asked } else { Stopped::No { why: reply.why(&WHY) } }
    }
}

/// What the tokens of a clip cost at its size.
fn cost(card: &HostedCard, json: &Value) -> Option<Money> {
    let tokens = number(json, "/usage/completion_tokens")?;
    let size = text(json, "/resolution")?;
    let mut sizes = card.resolutions.iter();
    let price = sizes.find(|resolution| resolution.name == size)?.thousand_tokens;
    at_price(price, tokens / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;

    #[test]
    fn a_clip_is_asked_for_in_content() {
        let (path, body) = asked(&Ark, "seedance-2.0", &between());
        assert_eq!(path, "api/v3/contents/generations/tasks");
        let image = |url: &str, role: &str| {
            let url = format!("data:image/png;base64,{url}");
            json!({ "type": "image_url", "image_url": { "url": url }, "role": role })
        };
        assert_eq!(
            body,
            json!({
                "model": "dreamina-seedance-2-0-260128",
                "content": [
                    { "type": "text", "text": "a red kite over the sea" },
                    image("b25l", "first_frame"),
                    image("dHdv", "last_frame"),
                ],
                "resolution": "720p",
                "duration": 5,
                "watermark": false,
                "ratio": "16:9",
                "seed": 7,
                "generate_audio": false,
            })
        );
        let (_, body) = asked(&Ark, "seedance-2.5", &with_references());
        assert_eq!(body["content"][2], image("dHdv", "reference_image"));
        let (_, body) = asked(&Ark, "seedance-1.0-pro", &wide());
        assert_eq!((body.get("generate_audio"), body["seed"].as_u64()), (None, Some(7)));
        assert!(Ark.create(card("seedance-1.0-pro"), &with_references()).is_err());
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&Ark, "seedance-2.0", status, &body);
        let error = |code: &str| json!({ "error": { "code": code, "message": "no", "type": "x" } });
        let why = || "no".to_owned();
        assert_eq!(
            made(200, json!({ "id": "cgt-1" })),
            Created::Job { remote: "cgt-1".to_owned() }
        );
        for code in [
            "InputTextSensitiveContentDetected",
            "InputImageSensitiveContentDetected.PrivacyInformation",
            "InputTextSensitiveContentDetected.PolicyViolation",
        ] {
            assert_eq!(made(400, error(code)), Created::Refused { why: why() }, "{code}");
        }
        for (status, code) in [
            (401, "AuthenticationError"),
            (403, "AccountOverdueError"),
            (404, "ModelNotOpen"),
            (429, "SetLimitExceeded"),
        ] {
            assert_eq!(made(status, error(code)), Created::Denied { why: why() }, "{code}");
        }
        for code in ["QuotaExceeded", "ModelAccountRpmRateLimitExceeded", "ServerOverloaded"] {
            assert_eq!(made(429, error(code)), Created::Busy { why: why() }, "{code}");
        }
        let wrong = error("InvalidParameter");
        assert_eq!(made(400, wrong), Created::NotCreated { why: why() });
        let late = error("AccountOverdueError");
        assert_eq!(made(408, late), Created::Unclear { why: why() });
        let inside = error("InternalServiceError");
        assert_eq!(made(500, inside), Created::Unclear { why: why() });
        assert!(matches!(made(500, json!({ "id": "cgt-1" })), Created::Unclear { .. }));
        assert!(matches!(made(200, json!({ "id": "" })), Created::Unclear { .. }));
    }

    #[test]
    fn how_a_job_gets_on() {
        let on = |body: Value| polled(&Ark, "seedance-2.5", 200, &body);
        for word in ["queued", "running"] {
            assert_eq!(on(json!({ "id": "job-1", "status": word })), WAITING);
        }
        let clip = || Clip::Url("https://ark.test/a.mp4".to_owned());
        let mut done = json!({
            "id": "job-1", "status": "succeeded", "resolution": "720p", "duration": 5,
            "content": { "video_url": "https://ark.test/a.mp4" },
            "usage": { "completion_tokens": 108_000, "total_tokens": 108_000 },
        });
        let cost = Some(Money::from_micros(1_155_600));
        assert_eq!(on(done.clone()), Polled::Done { clip: clip(), cost });
        done["resolution"] = json!("1080p");
        assert_eq!(on(done.clone()), Polled::Done { clip: clip(), cost: None });
        done["usage"] = json!({ "completion_tokens": -3 });
        done["resolution"] = json!("720p");
        assert_eq!(on(done.clone()), Polled::Done { clip: clip(), cost: None });
        done["content"] = json!(null);
        assert!(matches!(on(done), Polled::Unclear { .. }));
        let failed = |code: &str| {
            on(json!({ "status": "failed", "error": { "code": code, "message": "no" } }))
        };
        let (why, cost) = ("no".to_owned(), None);
        let refused = failed("OutputVideoSensitiveContentDetected");
        assert_eq!(refused, Polled::Refused { why: why.clone(), cost });
        assert_eq!(failed("InternalServiceError"), Polled::Failed { why, cost });
        assert!(matches!(on(json!({ "status": "expired" })), Polled::Failed { .. }));
        let off = Polled::Cancelled { cost: Some(Money::ZERO) };
        assert_eq!(on(json!({ "status": "cancelled" })), off);
        assert!(matches!(on(json!({ "status": "paused" })), Polled::Unclear { .. }));
        assert!(matches!(on(json!("queued")), Polled::Unclear { .. }));
        let answers = |status| polled(&Ark, "seedance-2.5", status, &json!({}));
        assert!(matches!(answers(404), Polled::Lost { .. }));
        assert!(matches!(answers(401), Polled::Denied { .. }));
        assert!(matches!(answers(503), Polled::Unclear { .. }));
        assert_eq!(answers(429), WAITING);
    }

    #[test]
    fn only_the_next_poll_tells_whether_it_was_called_off() {
        let (question, stopped) = cancelled(&Ark, "seedance-2.0", 200, &json!({}));
        let path = "api/v3/contents/generations/tasks/job-1";
        assert_eq!((question, stopped), (Some(Question::delete(path)), Stopped::Asked));
        let error = json!({ "error": { "code": "InvalidAction", "message": "running" } });
        let (_, stopped) = cancelled(&Ark, "seedance-2.0", 409, &error);
        assert_eq!(stopped, Stopped::No { why: "running".to_owned() });
    }
}
