//! Runway, whose API sells its own models and those of others in one shape.
//!
//! It says what a job cost, in credits of a cent, also where it was refused, failed or called off: none where it paid them back.
//! It keeps no name of ours. A picture goes along in the question, as long as it is small.

use serde_json::{Value, json};

use super::read::{dollars, number, says};
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{
    Aspect, Audio, HostedCard, Order, Picture, Question, Reply, Unfit, name, text,
};
use crate::money::Money;

/// The provider.
pub(super) struct Runway;

const VERSION: (&str, &str) = ("x-runway-version", "2024-11-06");
const WHY: [&str; 4] = ["/failure", "/error", "/error/message", "/message"];
/// The longest picture in a question, as it is written there.
const MOST_PICTURE_BYTES: usize = 5_000_000;

impl Provider for Runway {
    fn name(&self) -> &'static str {
        "runway"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["dnznrvs05pmza.cloudfront.net", "d2jqrm6oza8nb6.cloudfront.net"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let mut body = json!({
            "model": card.model,
            "promptText": order.words(card),
            "duration": order.whole_seconds(card)?,
        });
        say_size(card, order, &mut body)?;
        if card.seed {
            body["seed"] = order.short_seed().into();
        }
        if card.audio == Audio::Optional {
            body["audio"] = order.audio.into();
        }
        if let Some(negative) = order.negative_for(card) {
            body["negativePrompt"] = negative.into();
        }
        let path = say_pictures(card, order, &mut body)?;
        Ok(dated(Question::json(path, &body)))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        if let (true, Some(remote)) = (reply.is_success(), name(&json, "/id")) {
            return Created::Job { remote };
        }
        let why = reply.why(&WHY);
        match reply.status {
            400..500 if is_refusal(&json) => Created::Refused { why },
            400 if says(&why, &["credits"]) => Created::Denied { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        dated(Question::get(format!("v1/tasks/{}", job.remote)))
    }

    fn polled(&self, _: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        if !reply.is_success() {
            return Polled::by_status(reply, why);
        }
        let cost = cost(&json);
        match text(&json, "/status") {
            Some("PENDING" | "THROTTLED") => Polled::Waiting { progress: None, after: None },
            Some("RUNNING") => {
                let progress = number(&json, "/progress").map(|part| part.clamp(0.0, 1.0));
                Polled::Waiting { progress, after: None }
            }
            Some("SUCCEEDED") => match text(&json, "/output/0") {
                Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost },
                None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
            },
            Some("FAILED") if is_refusal(&json) => Polled::Refused { why, cost },
            Some("FAILED") => Polled::Failed { why, cost },
            Some("CANCELLED") => Polled::Cancelled { cost },
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => Polled::Unclear { why },
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        Some(dated(Question::delete(format!("v1/tasks/{}", job.remote))))
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        // What it costs all the same depends on how far it was, which the job itself says.
        if reply.is_success() { Stopped::Asked } else { Stopped::No { why: reply.why(&WHY) } }
    }
}

fn dated(question: Question) -> Question {
    question.header(VERSION.0, VERSION.1)
}

fn is_refusal(json: &Value) -> bool {
    text(json, "/failureCode").is_some_and(|code| code.starts_with("SAFETY"))
}

fn cost(json: &Value) -> Option<Money> {
    number(json, "/cost/credits").and_then(|credits| dollars(credits / 100.0))
}

/// Size and shape: in pixels where the model wants them, else each in a word.
fn say_size(card: &HostedCard, order: &Order, body: &mut Value) -> Result<(), Unfit> {
    let resolution = order.resolution(card)?;
    let aspect = order.aspect(card);
    match resolution.pixels_for(order.size) {
        Some(_) if aspect == Some(Aspect::Adaptive) => {
            body["ratio"] = format!("auto_{}", resolution.name).into();
        }
        Some(pixels) => body["ratio"] = format!("{}:{}", pixels.0.width, pixels.0.height).into(),
        None => {
            body["resolution"] = resolution.name.as_str().into();
            if let Some(aspect) = aspect {
                body["ratio"] = aspect.to_string().into();
            }
        }
    }
    Ok(())
}

/// The pictures, and the path of a clip that is made of them.
fn say_pictures(card: &HostedCard, order: &Order, body: &mut Value) -> Result<&'static str, Unfit> {
    let uri = |picture: &Picture| {
        let uri = picture.data_uri();
        if uri.len() <= MOST_PICTURE_BYTES {
            return Ok(uri);
        }
        let bytes = picture.bytes.value().len();
        Err(card.unfit(format!("a picture of {bytes} bytes: in base64 it is larger than 5 MB")))
    };
    if !order.references.is_empty() {
        let named = |picture| Ok(json!({ "uri": uri(picture)? }));
        body["references"] = order.references.iter().map(named).collect::<Result<_, Unfit>>()?;
    }
    let frames = [(&order.first_frame, "first"), (&order.last_frame, "last")];
    let placed = frames.into_iter().filter_map(|(frame, place)| Some((frame.as_ref()?, place)));
    let placed = placed.map(|(frame, place)| Ok(json!({ "uri": uri(frame)?, "position": place })));
    let placed: Vec<Value> = placed.collect::<Result<_, Unfit>>()?;
    if placed.is_empty() {
        return Ok("v1/text_to_video");
    }
    body["promptImage"] = placed.into();
    Ok("v1/image_to_video")
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;
    use crate::egress::Labelled;
    use crate::hosted::order::tests::picture;
    use crate::privacy::Privacy;

    #[test]
    fn a_clip_is_asked_for_in_pixels_or_in_words() {
        let (path, body) = asked(&Runway, "runway-gen4.5", &wide());
        assert_eq!(path, "v1/text_to_video");
        assert_eq!(
            body,
            json!({
                "model": "gen4.5",
                "promptText": "a red kite over the sea",
                "duration": 5,
                "ratio": "1280:720",
                "seed": 7,
            })
        );
        let negative = Some(Labelled::new("people".to_owned(), Privacy::Any));
        let order = Order { audio: true, negative, ..between() };
        let (path, body) = asked(&Runway, "runway-veo-3.1", &order);
        assert_eq!(path, "v1/image_to_video");
        assert_eq!(
            body,
            json!({
                "model": "veo3.1",
                "promptText": "a red kite over the sea",
                "duration": 6,
                "ratio": "1280:720",
                "seed": 7,
                "audio": true,
                "negativePrompt": "people",
                "promptImage": [
                    { "uri": "data:image/png;base64,b25l", "position": "first" },
                    { "uri": "data:image/png;base64,dHdv", "position": "last" },
                ],
            })
        );
        let (path, body) = asked(&Runway, "runway-minimax-h3", &with_references());
        assert_eq!(path, "v1/text_to_video");
        assert_eq!(
            body,
            json!({
                "model": "hailuo3",
                "promptText": "a red kite over the sea",
                "duration": 5,
                "resolution": "768p",
                "ratio": "16:9",
                "references": [
                    { "uri": "data:image/png;base64,b25l" },
                    { "uri": "data:image/png;base64,dHdv" },
                ],
            })
        );
        let (_, body) = asked(&Runway, "runway-wan-3", &between());
        assert_eq!(body["ratio"], "auto_720p");
        let (_, body) = asked(&Runway, "runway-wan-3", &wide());
        assert_eq!(body["ratio"], "1280:720");
        let question = Runway.poll(&job(card("runway-gen4.5"), "job-1"));
        assert_eq!(question.headers, [("x-runway-version", "2024-11-06".to_owned())]);
    }

    #[test]
    fn a_picture_that_is_too_large_is_not_sent() {
        let mut order = wide();
        order.first_frame = Some(picture(&vec![0; 4_000_000], Privacy::Any));
        let error = Runway.create(card("runway-gen4.5"), &order).expect_err("too large");
        assert!(error.to_string().contains("a picture of 4000000 bytes"), "{error}");
        order.first_frame = Some(picture(&vec![0; 3_700_000], Privacy::Any));
        assert!(Runway.create(card("runway-gen4.5"), &order).is_ok());
    }

    #[test]
    fn every_error_has_its_meaning() {
        let made = |status, body: Value| created(&Runway, "runway-gen4.5", status, &body);
        let why = || "no".to_owned();
        let error = || json!({ "error": "no" });
        let job = json!({ "id": "job-1", "estimatedCost": { "credits": 60 } });
        assert_eq!(made(200, job.clone()), Created::Job { remote: "job-1".to_owned() });
        assert_eq!(made(400, error()), Created::NotCreated { why: why() });
        for status in [401, 404, 405] {
            assert_eq!(made(status, error()), Created::Denied { why: why() }, "{status}");
        }
        assert_eq!(made(429, error()), Created::Busy { why: why() });
        for status in [500, 502, 503, 504] {
            assert_eq!(made(status, error()), Created::Unclear { why: why() }, "{status}");
        }
        let poor = json!({ "error": "You do not have enough credits to run this task." });
        assert!(matches!(made(400, poor), Created::Denied { .. }));
        let refused = json!({ "error": "no", "failureCode": "SAFETY.INPUT.TEXT" });
        assert_eq!(made(400, refused), Created::Refused { why: why() });
        assert!(matches!(made(502, job), Created::Unclear { .. }));
    }

    #[test]
    fn a_job_says_what_it_cost_however_it_ends() {
        let on = |body: Value| polled(&Runway, "runway-gen4.5", 200, &body);
        let estimate = json!({ "credits": 60.0 });
        for word in ["PENDING", "THROTTLED"] {
            assert_eq!(on(json!({ "status": word, "estimatedCost": estimate })), WAITING);
        }
        let running =
            on(json!({ "status": "RUNNING", "progress": 0.25, "estimatedCost": estimate }));
        assert_eq!(running, Polled::Waiting { progress: Some(0.25), after: None });
        let clip = Clip::Url("https://runway.test/a.mp4?_jwt=x".to_owned());
        let output = json!(["https://runway.test/a.mp4?_jwt=x"]);
        let done = json!({ "status": "SUCCEEDED", "output": output, "cost": { "credits": 60 } });
        let cost = Some(Money::from_micros(600_000));
        assert_eq!(on(done), Polled::Done { clip, cost });
        let failed = |code: &str, credits: i64| {
            let cost = json!({ "credits": credits });
            on(json!({ "status": "FAILED", "failure": "no", "failureCode": code, "cost": cost }))
        };
        let why = || "no".to_owned();
        let refused = |cost| Polled::Refused { why: why(), cost };
        assert_eq!(failed("SAFETY.INPUT.TEXT", 60), refused(cost));
        assert_eq!(failed("SAFETY.OUTPUT.VIDEO", 0), refused(Some(Money::ZERO)));
        let bad = Polled::Failed { why: why(), cost: Some(Money::ZERO) };
        assert_eq!(failed("INTERNAL.BAD_OUTPUT.CODE01", 0), bad);
        let off = on(json!({ "status": "CANCELLED", "cost": { "credits": 0 } }));
        assert_eq!(off, Polled::Cancelled { cost: Some(Money::ZERO) });
        for odd in [
            json!({ "status": "SUCCEEDED", "output": [] }),
            json!({ "status": "PAUSED" }),
            json!({ "status": 1 }),
            json!(null),
        ] {
            assert!(matches!(on(odd), Polled::Unclear { .. }));
        }
        let answers = |status| polled(&Runway, "runway-gen4.5", status, &json!({ "error": "no" }));
        assert!(matches!(answers(404), Polled::Lost { .. }));
        assert!(matches!(answers(401), Polled::Denied { .. }));
        assert!(matches!(answers(503), Polled::Unclear { .. }));
        assert_eq!(answers(429), WAITING);
    }

    #[test]
    fn a_job_is_called_off() {
        let (question, stopped) = cancelled(&Runway, "runway-gen4.5", 204, &json!(null));
        assert_eq!(question, Some(dated(Question::delete("v1/tasks/job-1"))));
        assert_eq!(stopped, Stopped::Asked);
        let (_, stopped) = cancelled(&Runway, "runway-gen4.5", 404, &json!({ "error": "no" }));
        assert_eq!(stopped, Stopped::No { why: "no".to_owned() });
    }
}
