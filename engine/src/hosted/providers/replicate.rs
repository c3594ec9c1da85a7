//! Replicate: each model has an input of its own; what is said here are the words that its official models of clips share.
//!
//! It keeps no name of ours, says nothing of money, and forgets a job with its clip after an hour.

use serde_json::{Value, json};

use super::read::says;
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{HostedCard, Order, Question, Reply, Unfit, name, text};
use crate::money::Money;

/// The provider.
pub(super) struct Replicate;

const WHY: [&str; 3] = ["/error", "/detail", "/title"];
/// What a job that failed says where it was moderation; E005 is the code of it.
const REFUSALS: [&str; 7] =
    ["sensitive", "nsfw", "safety", "flagged", "moderation", "policy", "e005"];

impl Provider for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["replicate.delivery", "*.replicate.delivery"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut input = json!({
            "prompt": order.words(card),
            "duration": order.whole_seconds(card)?,
            "resolution": order.resolution(card)?.name,
        });
        if let Some(aspect) = order.aspect(card) {
            input["aspect_ratio"] = aspect.to_string().into();
        }
        if card.seed {
            // Its models take no more than 31 bits.
            input["seed"] = (order.short_seed() & 0x7fff_ffff).into();
        }
        if let Some(picture) = &order.first_frame {
            input["image"] = picture.data_uri().into();
        }
        if let Some(picture) = &order.last_frame {
            input["last_frame_image"] = picture.data_uri().into();
        }
        let path = format!("v1/models/{}/predictions", card.model);
        Ok(Question::json(path, &json!({ "input": input })))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        match name(&json, "/id") {
            Some(remote) if reply.is_success() => return Created::Job { remote },
            _ => {}
        }
        let why = reply.why(&WHY);
        match reply.status {
            400 | 422 if says(&why, &REFUSALS) => Created::Refused { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get(format!("v1/predictions/{}", job.remote))
    }

    fn polled(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        if !reply.is_success() {
            return Polled::by_status(reply, why);
        }
        match text(&json, "/status") {
            Some("starting" | "processing") => Polled::Waiting { progress: None, after: None },
            Some("succeeded") => match output(&json) {
                Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost: None },
                None if json.get("data_removed") == Some(&Value::Bool(true)) => {
                    Polled::Gone { why: "its clip was removed after an hour".to_owned() }
                }
                None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
            },
            Some("failed") if says(&why, &REFUSALS) => Polled::Refused { why, cost: None },
            Some("failed") => Polled::Failed { why, cost: None },
            Some("canceled") => Polled::Cancelled { cost: None },
            // It never began.
            Some("aborted") => Polled::Cancelled { cost: Some(Money::ZERO) },
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::Unclear { why },
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(Question::post(format!("v1/predictions/{}/cancel", job.remote)))
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        let json = reply.json().unwrap_or_default();
        match text(&json, "/status") {
            _ if !reply.is_success() => Stopped::No { why: reply.why(&WHY) },
            Some("canceled") => Stopped::Yes { cost: None },
            Some("aborted") => Stopped::Yes { cost: Some(Money::ZERO) },
            _ => Stopped::Asked,
        }
    }
}

/// The address of the clip, which stands alone or first in a list.
fn output(json: &Value) -> Option<&str> {
    text(json, "/output").or_else(|| text(json, "/output/0"))
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;

    const SEEDANCE: &str = "replicate-seedance-1-pro";

    #[test]
    fn a_clip_is_asked_for_as_an_input() {
        let (path, body) = asked(&Replicate, SEEDANCE, &between());
        assert_eq!(path, "v1/models/bytedance/seedance-1-pro/predictions");
        assert_eq!(
            body,
            json!({ "input": {
                "prompt": "a red kite over the sea",
                "duration": 5,
                "resolution": "720p",
                "aspect_ratio": "16:9",
                "seed": 7,
                "image": "data:image/png;base64,b25l",
                "last_frame_image": "data:image/png;base64,dHdv",
            } })
        );
        let order = Order { seed: u64::MAX, ..wide() };
        let (_, body) = asked(&Replicate, SEEDANCE, &order);
        assert_eq!(body["input"]["seed"], i32::MAX);
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&Replicate, SEEDANCE, status, &body);
        let error = |status: u16| json!({ "title": "t", "detail": "no", "status": status });
        let why = || "no".to_owned();
        let job = json!({ "id": "job-1", "status": "starting", "error": null });
        assert_eq!(made(201, job.clone()), Created::Job { remote: "job-1".to_owned() });
        assert_eq!(made(422, error(422)), Created::NotCreated { why: why() });
        let flagged = json!({ "detail": "flagged as sensitive (E005)", "status": 422 });
        assert!(matches!(made(422, flagged), Created::Refused { .. }));
        for status in [401, 402, 403, 404] {
            assert_eq!(made(status, error(status)), Created::Denied { why: why() }, "{status}");
        }
        let busy = json!({ "detail": "Request was throttled. Your rate limit resets in ~30s." });
        assert!(matches!(made(429, busy), Created::Busy { .. }));
        for (status, body) in [(500, error(500)), (502, job), (201, json!({ "id": null }))] {
            let made = made(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn how_a_job_gets_on() {
        let on = |body: Value| polled(&Replicate, SEEDANCE, 200, &body);
        for word in ["starting", "processing"] {
            assert_eq!(on(json!({ "id": "job-1", "status": word, "output": null })), WAITING);
        }
        let done = Polled::Done {
            clip: Clip::Url("https://replicate.delivery/a.mp4".to_owned()),
            cost: None,
        };
        for output in
            [json!("https://replicate.delivery/a.mp4"), json!(["https://replicate.delivery/a.mp4"])]
        {
            assert_eq!(on(json!({ "status": "succeeded", "output": output })), done);
        }
        let gone = json!({ "status": "succeeded", "output": null, "data_removed": true });
        assert!(matches!(on(gone), Polled::Gone { .. }));
        for odd in [
            json!({ "status": "succeeded", "output": { "a": 1 } }),
            json!({ "status": "succeeded", "output": [] }),
            json!({ "status": "paused" }),
            json!({}),
        ] {
            assert!(matches!(on(odd), Polled::Unclear { .. }));
        }
        let failed = |error: &str| on(json!({ "status": "failed", "error": error }));
        let why = "The input or output was flagged as sensitive. (E005)".to_owned();
        assert_eq!(failed(&why), Polled::Refused { why: why.clone(), cost: None });
        let why = "CUDA out of memory".to_owned();
        assert_eq!(failed(&why), Polled::Failed { why: why.clone(), cost: None });
        assert_eq!(on(json!({ "status": "canceled" })), Polled::Cancelled { cost: None });
        let free = Polled::Cancelled { cost: Some(Money::ZERO) };
        assert_eq!(on(json!({ "status": "aborted" })), free);
        let answers = |status| polled(&Replicate, SEEDANCE, status, &json!({ "detail": "no" }));
        assert!(matches!(answers(404), Polled::Lost { .. }));
        assert!(matches!(answers(401), Polled::Denied { .. }));
        assert!(matches!(answers(500), Polled::Unclear { .. }));
        assert_eq!(answers(429), WAITING);
    }

    #[test]
    fn a_job_is_called_off() {
        let off = |status, body: Value| cancelled(&Replicate, SEEDANCE, status, &body);
        let (question, stopped) = off(200, json!({ "id": "job-1", "status": "canceled" }));
        assert_eq!(question, Some(Question::post("v1/predictions/job-1/cancel")));
        assert_eq!(stopped, Stopped::Yes { cost: None });
        let (_, stopped) = off(200, json!({ "id": "job-1", "status": "processing" }));
        assert_eq!(stopped, Stopped::Asked);
        let (_, stopped) = off(404, json!({ "detail": "no" }));
        assert_eq!(stopped, Stopped::No { why: "no".to_owned() });
    }
}
