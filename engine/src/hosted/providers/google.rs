//! Gemini Omni, through the Interactions API. A clip is asked for in the background: otherwise the answer would come with the
//! clip, and a job whose answer is lost could not be found again.
//!
//! Its refusals hide: a job that is done, with words instead of a clip and no tokens of video, was refused. It keeps no name of
//! ours, and no list of jobs.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::read::{number, says};
use crate::hosted::provider::{Clip, Created, Known, Pace, Polled, Provider, Stopped};
use crate::hosted::{
    HostedCard, KeyHeader, Order, Picture, Question, Reply, Task, Unfit, name, text,
};

/// The provider.
pub(super) struct Google;

const INTERACTIONS: &str = "v1beta/interactions";
/// Some of its servers put the error into a list.
const WHY: [&str; 2] = ["/error/message", "/0/error/message"];
/// What an error holds where it is a refusal.
const REFUSALS: [&str; 6] =
    ["safety", "prohibited", "blocked", "responsible ai", "policy", "recitation"];

impl Provider for Google {
    fn name(&self) -> &'static str {
        "google"
    }

    fn key(&self) -> KeyHeader {
        KeyHeader { name: "x-goog-api-key", prefix: "" }
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["storage.googleapis.com", "*.googleusercontent.com"]
    }

    fn pace(&self) -> Pace {
        Pace { first: Duration::from_secs(10), most: Duration::from_secs(30) }
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut format = json!({
            "type": "video",
            "resolution": order.resolution(card)?.name,
            // A bare number is refused.
            "duration": format!("{}s", order.whole_seconds(card)?),
            // Only small clips fit into an answer.
            "delivery": "uri",
        });
        if let Some(aspect) = order.aspect(card) {
            format["aspect_ratio"] = aspect.to_string().into();
        }
        let task = match order.task() {
            Task::Text => "text_to_video",
            Task::FirstFrame | Task::FirstLastFrame => "image_to_video",
            Task::References => "reference_to_video",
        };
        let body = json!({
            "model": card.model,
            "input": input(card, order),
            "response_format": format,
            "generation_config": { "video_config": { "task": task } },
            "background": true,
        });
        Ok(Question::json(INTERACTIONS, &body))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        if let (true, Some(remote)) = (reply.is_success(), name(&json, "/id")) {
            return Created::Job { remote };
        }
        let why = reply.why(&WHY);
        match reply.status {
            400 if is_refusal(&json) => Created::Refused { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("{INTERACTIONS}/{}", job.remote))
    }

    fn polled(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        if !reply.is_success() {
            let why = reply.why(&WHY);
            return match reply.status {
                400 if says(&why, &["invalid interaction name"]) => Polled::Lost { why },
                _ => Polled::by_status(reply, why),
            };
        }
        let cost = None;
        let why = faults(&json);
        match text(&json, "/status") {
            Some("queued" | "in_progress") => Polled::Waiting { progress: None, after: None },
            Some("completed") => completed(&json),
            Some("cancelled") => Polled::Cancelled { cost },
            Some(word @ ("failed" | "incomplete")) => match why {
                Some(why) if says(&why, &REFUSALS) => Polled::Refused { why, cost },
                why => Polled::Failed { why: why.unwrap_or_else(|| word.to_owned()), cost },
            },
            // They wait for what nobody here will say, and no clip comes of them.
            Some(word @ ("requires_action" | "requires_continuation" | "budget_exceeded")) => {
                Polled::Failed { why: why.unwrap_or_else(|| word.to_owned()), cost }
            }
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::Unclear { why: "no status".to_owned() },
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(Question::post(format!("{INTERACTIONS}/{}/cancel", job.remote)))
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        let json = reply.json().unwrap_or_default();
        match text(&json, "/status") {
            _ if !reply.is_success() => Stopped::No { why: reply.why(&WHY) },
            Some("cancelled") => Stopped::Yes { cost: None },
            _ => Stopped::Asked,
        }
    }
}

/// The words alone, or the words and the pictures after them, a first frame before a last one.
fn input(card: &HostedCard, order: &Order) -> Value {
    let words = order.words(card);
    if order.pictures().next().is_none() {
        return words.into();
    }
    let image = |picture: &Picture| json!({ "type": "image", "data": picture.base64(), "mime_type": picture.mime });
    let mut parts = vec![json!({ "type": "text", "text": words })];
    parts.extend(order.pictures().map(image));
    parts.into()
}

fn is_refusal(json: &Value) -> bool {
    let error = json.pointer("/0/error").or_else(|| json.get("error"));
    let Some(error) = error else { return false };
    ["/status", "/code", "/message"]
        .into_iter()
        .filter_map(|place| text(error, place))
        .any(|said| says(said, &REFUSALS))
}

/// What a job says went wrong with it.
fn faults(json: &Value) -> Option<String> {
    let places = ["/errors/0/message", "/errors/0/code", "/error/message"];
    let said = places.into_iter().find_map(|place| text(json, place));
    let step = || outputs(json).find_map(|step| text(step, "/error/message"));
    said.or_else(step).map(ToOwned::to_owned)
}

/// What the model gave, the last first.
fn outputs(json: &Value) -> impl Iterator<Item = &Value> {
    let steps = json.get("steps").and_then(Value::as_array).into_iter().flatten().rev();
    steps.filter(|step| text(step, "/type") == Some("model_output"))
}

fn contents(step: &Value) -> impl Iterator<Item = &Value> {
    step.get("content").and_then(Value::as_array).into_iter().flatten()
}

/// What a job came to that is done: a clip, or a refusal.
fn completed(json: &Value) -> Polled {
    let is_video = |content: &&Value| text(content, "/type") == Some("video");
    if let Some(video) = outputs(json).flat_map(contents).find(is_video) {
        return match clip(video) {
            Some(clip) => Polled::Done { clip, cost: None },
            None => Polled::Unclear { why: "a clip that cannot be read".to_owned() },
        };
    }
    if made_video(json) {
        return Polled::Unclear { why: "it made a clip, and none is shown".to_owned() };
    }
    let said = outputs(json).flat_map(contents).find_map(|content| text(content, "/text"));
    let why = faults(json).or_else(|| said.map(ToOwned::to_owned));
    Polled::Refused { why: why.unwrap_or_else(|| "no clip came".to_owned()), cost: None }
}

fn clip(video: &Value) -> Option<Clip> {
    if let Some(data) = text(video, "/data") {
        return STANDARD.decode(data).ok().map(Clip::Inline);
    }
    let uri = text(video, "/uri")?;
    let media = if uri.contains("alt=media") {
        uri.to_owned()
    } else {
        let joint = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{joint}alt=media")
    };
    Some(Clip::Question(Question::given(media)))
}

/// Whether tokens of video were counted.
fn made_video(json: &Value) -> bool {
    let counts = json.pointer("/usage/output_tokens_by_modality").and_then(Value::as_array);
    counts.into_iter().flatten().any(|count| {
        text(count, "/modality").is_some_and(|word| word.eq_ignore_ascii_case("video"))
            && number(count, "/tokens").is_some_and(|tokens| tokens > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;

    const OMNI: &str = "gemini-omni-1.2";

    #[test]
    fn a_clip_is_asked_for_in_the_background() {
        let (path, body) = asked(&Google, OMNI, &wide());
        assert_eq!(path, "v1beta/interactions");
        assert_eq!(
            body,
            json!({
                "model": "gemini-omni-1.2-flash",
                "input": "a red kite over the sea",
                "response_format": {
                    "type": "video", "resolution": "720p", "duration": "5s", "delivery": "uri",
                    "aspect_ratio": "16:9",
                },
                "generation_config": { "video_config": { "task": "text_to_video" } },
                "background": true,
            })
        );
        let (_, body) = asked(&Google, OMNI, &between());
        let image = |data: &str| json!({ "type": "image", "data": data, "mime_type": "image/png" });
        let words = json!({ "type": "text", "text": "a red kite over the sea" });
        assert_eq!(body["input"], json!([words, image("b25l"), image("dHdv")]));
        assert_eq!(body["generation_config"]["video_config"]["task"], "image_to_video");
        let (_, body) = asked(&Google, OMNI, &with_references());
        assert_eq!(body["generation_config"]["video_config"]["task"], "reference_to_video");
        assert_eq!(Google.key(), KeyHeader { name: "x-goog-api-key", prefix: "" });
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&Google, OMNI, status, &body);
        let error = |code: Value, status: &str| json!({ "error": { "code": code, "message": "no", "status": status } });
        let why = || "no".to_owned();
        let job = json!({ "id": "int-1", "status": "queued", "steps": [] });
        assert_eq!(made(200, job.clone()), Created::Job { remote: "int-1".to_owned() });
        let refused = Created::Refused { why: why() };
        assert_eq!(made(400, error(json!("prompt_blocked_safety"), "")), refused);
        assert_eq!(made(400, json!([error(json!(400), "SAFETY")])), refused);
        let wrong = error(json!(400), "INVALID_ARGUMENT");
        assert_eq!(made(400, wrong), Created::NotCreated { why: why() });
        let denied = Created::Denied { why: why() };
        for (status, word) in [
            (401, "UNAUTHENTICATED"),
            (402, "RESOURCE_EXHAUSTED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
        ] {
            assert_eq!(made(status, error(json!(status), word)), denied, "{status}");
        }
        let busy = error(json!(429), "RESOURCE_EXHAUSTED");
        assert_eq!(made(429, busy), Created::Busy { why: why() });
        for (status, body) in
            [(500, job), (503, error(json!(503), "UNAVAILABLE")), (200, json!({}))]
        {
            let made = made(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn how_a_job_gets_on() {
        let on = |body: Value| polled(&Google, OMNI, 200, &body);
        for word in ["queued", "in_progress"] {
            assert_eq!(on(json!({ "id": "job-1", "status": word })), WAITING);
        }
        let done = |content: Value| {
            on(json!({
                "status": "completed",
                "steps": [
                    { "type": "user_input", "content": [{ "type": "video", "uri": "https://not.test/" }] },
                    { "type": "thought" },
                    { "type": "model_output", "content": [{ "type": "text", "text": "here" }, content] },
                ],
            }))
        };
        let given =
            |uri: &str| Polled::Done { clip: Clip::Question(Question::given(uri)), cost: None };
        let video =
            |uri: &str| done(json!({ "type": "video", "mime_type": "video/mp4", "uri": uri }));
        let files = "https://g.test/v1beta/files/a:download";
        assert_eq!(video(files), given(&format!("{files}?alt=media")));
        assert_eq!(video(&format!("{files}?a=b")), given(&format!("{files}?a=b&alt=media")));
        assert_eq!(video(&format!("{files}?alt=media")), given(&format!("{files}?alt=media")));
        let inline = done(json!({ "type": "video", "data": "bXA0" }));
        assert_eq!(inline, Polled::Done { clip: Clip::Inline(b"mp4".to_vec()), cost: None });
        for broken in [json!({ "type": "video" }), json!({ "type": "video", "data": "%%%" })] {
            assert!(matches!(done(broken), Polled::Unclear { .. }));
        }
        assert!(matches!(on(json!({ "status": "dreaming" })), Polled::Unclear { .. }));
        assert!(matches!(on(json!([])), Polled::Unclear { .. }));
        assert_eq!(on(json!({ "status": "cancelled" })), Polled::Cancelled { cost: None });
        for word in ["failed", "incomplete", "budget_exceeded", "requires_action"] {
            let why = "internal".to_owned();
            let failed = on(json!({ "status": word, "errors": [{ "message": "internal" }] }));
            assert_eq!(failed, Polled::Failed { why, cost: None }, "{word}");
        }
        let answers = |status, message: &str| {
            polled(&Google, OMNI, status, &json!({ "error": { "message": message } }))
        };
        assert!(matches!(answers(400, "Invalid interaction name"), Polled::Lost { .. }));
        // It was seen for jobs that lived.
        assert!(matches!(answers(400, "odd"), Polled::Unclear { .. }));
        assert!(matches!(answers(403, "no"), Polled::Denied { .. }));
        assert!(matches!(answers(503, "no"), Polled::Unclear { .. }));
        assert_eq!(answers(429, "no"), WAITING);
    }

    #[test]
    fn words_instead_of_a_clip_are_a_refusal() {
        let words =
            json!({ "type": "model_output", "content": [{ "type": "text", "text": "I cannot" }] });
        let done = |usage: Value| {
            let body = json!({ "status": "completed", "steps": [words], "usage": usage });
            polled(&Google, OMNI, 200, &body)
        };
        let tokens = |modality: &str, tokens: u32| json!({ "output_tokens_by_modality": [{ "modality": modality, "tokens": tokens }] });
        let refused = Polled::Refused { why: "I cannot".to_owned(), cost: None };
        for usage in [json!(null), json!({}), tokens("text", 9), tokens("video", 0)] {
            assert_eq!(done(usage), refused);
        }
        // It was made and paid for: nobody says that it was refused.
        assert!(matches!(done(tokens("VIDEO", 9)), Polled::Unclear { .. }));
        let blocked = json!({ "status": "failed", "errors": [{ "message": "Blocked by safety" }] });
        assert!(matches!(polled(&Google, OMNI, 200, &blocked), Polled::Refused { .. }));
    }

    #[test]
    fn a_job_is_called_off() {
        let (question, stopped) = cancelled(&Google, OMNI, 200, &json!({ "status": "cancelled" }));
        assert_eq!(question, Some(Question::post("v1beta/interactions/job-1/cancel")));
        assert_eq!(stopped, Stopped::Yes { cost: None });
        let (_, stopped) = cancelled(&Google, OMNI, 200, &json!({ "status": "in_progress" }));
        assert_eq!(stopped, Stopped::Asked);
        let (_, stopped) = cancelled(&Google, OMNI, 400, &json!({ "error": { "message": "no" } }));
        assert_eq!(stopped, Stopped::No { why: "no".to_owned() });
    }
}
