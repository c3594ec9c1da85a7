//! Luma, the Agents API. It keeps no name of ours, has no list of jobs, calls nothing off and says nothing of money.
//!
//! Frames are pinned to places on a grid of 24 a second, which it takes at every length; its fields for a first and a last frame
//! are said to serve short clips only.

use serde_json::{Value, json};

use super::read::{may_have_begun, says};
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider};
use crate::hosted::{HostedCard, Order, Picture, Question, Reply, Unfit, name, text};

/// The provider.
pub(super) struct Luma;

/// Places of frames in a second.
const GRID: u32 = 24;
const WHY: [&str; 6] =
    ["/failure_reason", "/detail", "/detail/0/msg", "/error/message", "/error", "/message"];

impl Provider for Luma {
    fn name(&self) -> &'static str {
        "luma"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["*.cdn-luma.com"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let seconds = order.whole_seconds(card)?;
        let mut video = json!({
            "duration": format!("{seconds}s"),
            "resolution": order.resolution(card)?.name,
        });
        let frames = [(&order.first_frame, 0), (&order.last_frame, seconds * GRID)];
        let frames = frames.into_iter().filter_map(|(frame, at)| Some((frame.as_ref()?, at)));
        let (pictures, places): (Vec<Value>, Vec<u32>) =
            frames.map(|(frame, at)| (image(frame), at)).unzip();
        if !pictures.is_empty() {
            video["keyframes"] = pictures.into();
            video["keyframe_indexes"] = places.into();
        }
        let mut body = json!({
            "prompt": order.words(card),
            "model": card.model,
            "type": "video",
            "video": video,
        });
        if let Some(aspect) = order.aspect(card) {
            body["aspect_ratio"] = aspect.to_string().into();
        }
        Ok(Question::json("v1/generations", &body))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        if let (true, Some(remote)) = (reply.is_success(), name(&json, "/id")) {
            return Created::Job { remote };
        }
        let why = reply.why(&WHY);
        match reply.status {
            _ if may_have_begun(reply) => Created::Unclear { why },
            400..500 if is(&json, "content_moderated") => Created::Refused { why },
            400..500 if is(&json, "budget_exhausted") => Created::Denied { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("v1/generations/{}", job.remote))
    }

    fn polled(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        if !reply.is_success() {
            return Polled::by_status(reply, why);
        }
        let cost = None;
        match text(&json, "/state") {
            Some("queued" | "processing") => Polled::Waiting { progress: None, after: None },
            Some("completed") => match video(&json) {
                Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost },
                None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
            },
            Some("failed") if is(&json, "content_moderated") => Polled::Refused { why, cost },
            Some("failed") => Polled::Failed { why, cost },
            Some(word) => Polled::Unclear { why: format!("state {word:?}") },
            None => Polled::Unclear { why },
        }
    }
}

fn image(picture: &Picture) -> Value {
    json!({ "data": picture.base64(), "media_type": picture.mime })
}

/// Whether this is the code of what went wrong.
fn is(json: &Value, code: &str) -> bool {
    let places = ["/failure_code", "/error/code", "/code"];
    places.into_iter().filter_map(|place| text(json, place)).any(|found| says(found, &[code]))
}

fn video(json: &Value) -> Option<&str> {
    let outputs = json.get("output").and_then(Value::as_array)?;
    let video = outputs.iter().find(|output| text(output, "/type") == Some("video"))?;
    text(video, "/url")
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;

    const RAY: &str = "luma-ray-3.2";

    #[test]
    fn a_clip_is_asked_for_with_pinned_frames() {
        let (path, body) = asked(&Luma, RAY, &wide());
        assert_eq!(path, "v1/generations");
        assert_eq!(
            body,
            json!({
                "prompt": "a red kite over the sea",
                "model": "ray-3.2",
                "type": "video",
                "video": { "duration": "5s", "resolution": "720p" },
                "aspect_ratio": "16:9",
            })
        );
        let order = Order { seconds: 7.0, ..between() };
        let (_, body) = asked(&Luma, RAY, &order);
        assert_eq!(
            body["video"],
            json!({
                "duration": "10s",
                "resolution": "720p",
                "keyframes": [
                    { "data": "b25l", "media_type": "image/png" },
                    { "data": "dHdv", "media_type": "image/png" },
                ],
                "keyframe_indexes": [0, 240],
            })
        );
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&Luma, RAY, status, &body);
        let why = || "no".to_owned();
        let error = |code: &str| json!({ "detail": "no", "code": code });
        let job = json!({ "id": "job-1", "state": "queued", "output": [] });
        assert_eq!(made(201, job.clone()), Created::Job { remote: "job-1".to_owned() });
        assert_eq!(made(400, error("content_moderated")), Created::Refused { why: why() });
        assert_eq!(made(422, error("invalid_request")), Created::NotCreated { why: why() });
        for (status, code) in
            [(401, ""), (402, ""), (403, ""), (404, ""), (400, "budget_exhausted")]
        {
            assert_eq!(made(status, error(code)), Created::Denied { why: why() }, "{status}");
        }
        assert_eq!(made(429, error("rate_limited")), Created::Busy { why: why() });
        for (status, body) in [
            (500, error("")),
            (502, job),
            (201, json!({})),
            (409, error("")),
            (408, error("budget_exhausted")),
        ] {
            let made = made(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn how_a_job_gets_on() {
        let on = |body: Value| polled(&Luma, RAY, 200, &body);
        for word in ["queued", "processing"] {
            assert_eq!(on(json!({ "id": "job-1", "state": word, "output": [] })), WAITING);
        }
        let output = json!([
            { "type": "image", "url": "https://luma.test/a.png" },
            { "type": "video", "url": "https://luma.test/a.mp4" },
        ]);
        let clip = Clip::Url("https://luma.test/a.mp4".to_owned());
        let done = on(json!({ "state": "completed", "output": output }));
        assert_eq!(done, Polled::Done { clip, cost: None });
        let failed = |code: &str| {
            on(json!({ "state": "failed", "failure_code": code, "failure_reason": "no" }))
        };
        let why = || "no".to_owned();
        assert_eq!(failed("content_moderated"), Polled::Refused { why: why(), cost: None });
        for code in ["generation_failed", "budget_exhausted", "corrupt_input", "unheard_of"] {
            assert_eq!(failed(code), Polled::Failed { why: why(), cost: None }, "{code}");
        }
        for odd in [json!({ "state": "completed" }), json!({ "state": "dreaming" }), json!(1)] {
            assert!(matches!(on(odd), Polled::Unclear { .. }));
        }
        let answers = |status| polled(&Luma, RAY, status, &json!({ "detail": "no" }));
        assert!(matches!(answers(404), Polled::Lost { .. }));
        assert!(matches!(answers(401), Polled::Denied { .. }));
        assert!(matches!(answers(500), Polled::Unclear { .. }));
        assert_eq!(answers(429), WAITING);
        let (question, _) = cancelled(&Luma, RAY, 200, &json!({}));
        assert_eq!(question, None);
    }
}
