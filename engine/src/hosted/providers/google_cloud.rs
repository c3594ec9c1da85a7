//! Veo on Google Cloud. Its address is the one of a project and a place, `…/v1/projects/PROJECT/locations/PLACE`, and its key
//! the token of an account, which lasts an hour.
//!
//! A job has no status: it is done or not, and then it holds an error or a response. A refusal is a response too, of which the
//! clips were filtered. It keeps no name of ours and calls nothing off.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::read::{number, says};
use crate::hosted::provider::{Clip, Created, Known, Pace, Polled, Provider};
use crate::hosted::{Audio, HostedCard, Order, Picture, Question, Reply, Unfit, name, text};

/// The provider.
pub(super) struct GoogleCloud;

const WHY: [&str; 2] = ["/error/message", "/0/error/message"];
/// What an error holds where it is a refusal.
const REFUSALS: [&str; 5] =
    ["safety", "responsible ai", "usage guidelines", "prohibited", "sensitive"];

impl Provider for GoogleCloud {
    fn name(&self) -> &'static str {
        "google-cloud"
    }

    fn pace(&self) -> Pace {
        Pace { first: Duration::from_secs(10), most: Duration::from_secs(30) }
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut instance = json!({ "prompt": order.words(card) });
        if let Some(picture) = &order.first_frame {
            instance["image"] = image(picture);
        }
        if let Some(picture) = &order.last_frame {
            instance["lastFrame"] = image(picture);
        }
        if !order.references.is_empty() {
            let asset = |picture| json!({ "image": image(picture), "referenceType": "ASSET" });
            instance["referenceImages"] = order.references.iter().map(asset).collect();
        }
        let parameters = parameters(card, order)?;
        let body = json!({ "instances": [instance], "parameters": parameters });
        Ok(Question::json(verb(card, "predictLongRunning"), &body))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        if let (true, Some(remote)) = (reply.is_success(), name(&json, "/name")) {
            return Created::Job { remote };
        }
        let why = reply.why(&WHY);
        match reply.status {
            400 if says(&why, &REFUSALS) => Created::Refused { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        let body = json!({ "operationName": job.remote });
        Question::json(verb(job.card, "fetchPredictOperation"), &body)
    }

    fn polled(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        if !reply.is_success() {
            return Polled::by_status(reply, why);
        }
        let is_done = json.get("done").and_then(Value::as_bool);
        match (is_done, json.get("error"), json.get("response")) {
            (Some(true), Some(_), _) if says(&why, &REFUSALS) => {
                Polled::Refused { why, cost: None }
            }
            (Some(true), Some(_), _) => Polled::Failed { why, cost: None },
            (Some(true), None, Some(response)) => responded(response),
            (None | Some(false), None, None) if name(&json, "/name").is_some() => {
                Polled::Waiting { progress: None, after: None }
            }
            _ => Polled::Unclear { why: "neither done nor waiting".to_owned() },
        }
    }
}

/// The path of something that a model is asked to do.
fn verb(card: &HostedCard, verb: &str) -> String {
    format!("publishers/google/models/{}:{verb}", card.model)
}

fn image(picture: &Picture) -> Value {
    json!({ "bytesBase64Encoded": picture.base64(), "mimeType": picture.mime })
}

fn parameters(card: &HostedCard, order: &Order) -> Result<Value, Unfit> {
    let mut parameters = json!({
        "sampleCount": 1,
        "durationSeconds": order.whole_seconds(card)?,
        "resolution": order.resolution(card)?.name,
    });
    if let Some(aspect) = order.aspect(card) {
        parameters["aspectRatio"] = aspect.to_string().into();
    }
    if card.seed {
        parameters["seed"] = order.short_seed().into();
    }
    if card.audio == Audio::Optional {
        parameters["generateAudio"] = order.audio.into();
    }
    if let Some(negative) = order.negative_for(card) {
        parameters["negativePrompt"] = negative.into();
    }
    Ok(parameters)
}

/// What a job came to that is done: a clip, or clips that were filtered.
fn responded(response: &Value) -> Polled {
    let data = text(response, "/videos/0/bytesBase64Encoded");
    if let Some(bytes) = data.and_then(|data| STANDARD.decode(data).ok()) {
        return Polled::Done { clip: Clip::Inline(bytes), cost: None };
    }
    let is_empty = response.pointer("/videos/0").is_none();
    if is_empty && number(response, "/raiMediaFilteredCount").is_some_and(|count| count > 0.0) {
        let why = text(response, "/raiMediaFilteredReasons/0").unwrap_or("it was filtered");
        return Polled::Refused { why: why.to_owned(), cost: None };
    }
    Polled::Unclear { why: "it is done, and no clip is shown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;
    use crate::egress::Labelled;
    use crate::privacy::Privacy;

    const VEO: &str = "veo-3.1";

    #[test]
    fn a_clip_is_asked_for_as_an_instance() {
        let negative = Some(Labelled::new("people".to_owned(), Privacy::Any));
        let order = Order { audio: true, negative, ..between() };
        let (path, body) = asked(&GoogleCloud, VEO, &order);
        assert_eq!(path, "publishers/google/models/veo-3.1-generate-001:predictLongRunning");
        let image = |data: &str| json!({ "bytesBase64Encoded": data, "mimeType": "image/png" });
        assert_eq!(
            body,
            json!({
                "instances": [{
                    "prompt": "a red kite over the sea",
                    "image": image("b25l"),
                    "lastFrame": image("dHdv"),
                }],
                "parameters": {
                    "sampleCount": 1, "durationSeconds": 6, "resolution": "720p",
                    "aspectRatio": "16:9", "seed": 7, "generateAudio": true,
                    "negativePrompt": "people",
                },
            })
        );
        let (_, body) = asked(&GoogleCloud, VEO, &with_references());
        let asset = |data: &str| json!({ "image": image(data), "referenceType": "ASSET" });
        let assets = json!([asset("b25l"), asset("dHdv")]);
        assert_eq!(body["instances"][0]["referenceImages"], assets);
        assert_eq!(body["parameters"]["durationSeconds"], 8);
        let (_, body) = asked(&GoogleCloud, "veo-3.1-lite", &wide());
        assert_eq!(body["parameters"].get("generateAudio"), None);
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&GoogleCloud, VEO, status, &body);
        let error = |message: &str| json!({ "error": { "code": 1, "message": message } });
        let why = || "no".to_owned();
        let operation = "projects/p/locations/l/publishers/google/models/m/operations/o";
        let job = json!({ "name": operation });
        assert_eq!(made(200, job.clone()), Created::Job { remote: operation.to_owned() });
        assert_eq!(made(400, error("no")), Created::NotCreated { why: why() });
        let refused = made(400, error("violates our usage guidelines"));
        assert!(matches!(refused, Created::Refused { .. }), "{refused:?}");
        for status in [401, 403, 404] {
            assert_eq!(made(status, error("no")), Created::Denied { why: why() }, "{status}");
        }
        assert_eq!(made(429, error("no")), Created::Busy { why: why() });
        for (status, body) in [(503, error("no")), (500, job), (200, json!({ "name": "a b" }))] {
            let made = made(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn a_job_is_done_or_not() {
        let card = card(VEO);
        let operation = "projects/p/operations/o";
        let question = GoogleCloud.poll(&job(card, operation));
        let path = "publishers/google/models/veo-3.1-generate-001:fetchPredictOperation";
        assert_eq!(question, Question::json(path, &json!({ "operationName": operation })));
        let on = |body: Value| polled(&GoogleCloud, VEO, 200, &body);
        assert_eq!(on(json!({ "name": operation })), WAITING);
        assert_eq!(on(json!({ "name": operation, "done": false })), WAITING);
        let done =
            |response: Value| on(json!({ "name": operation, "done": true, "response": response }));
        let clip = Clip::Inline(b"mp4".to_vec());
        let videos = json!([{ "bytesBase64Encoded": "bXA0", "mimeType": "video/mp4" }]);
        assert_eq!(done(json!({ "videos": videos })), Polled::Done { clip, cost: None });
        let filtered = json!({ "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["no"] });
        assert_eq!(done(filtered), Polled::Refused { why: "no".to_owned(), cost: None });
        for odd in [
            json!({}),
            json!({ "videos": [] }),
            json!({ "videos": [{ "gcsUri": "gs://a/b" }] }),
            json!({ "videos": [{ "bytesBase64Encoded": "%" }], "raiMediaFilteredCount": 1 }),
        ] {
            assert!(matches!(done(odd), Polled::Unclear { .. }));
        }
        let failed = |message: &str| {
            on(
                json!({ "name": operation, "done": true, "error": { "code": 13, "message": message } }),
            )
        };
        assert_eq!(failed("no"), Polled::Failed { why: "no".to_owned(), cost: None });
        assert!(matches!(failed("Blocked for safety"), Polled::Refused { .. }));
        for odd in [json!({ "done": true }), json!(null), json!({ "done": "yes" })] {
            assert!(matches!(on(odd), Polled::Unclear { .. }));
        }
        let answers = |status| polled(&GoogleCloud, VEO, status, &json!({}));
        assert!(matches!(answers(404), Polled::Lost { .. }));
        assert!(matches!(answers(401), Polled::Denied { .. }));
        assert_eq!(answers(429), WAITING);
    }
}
