//! MiniMax: version 2 of its API for H3, which asks as Ark does, and version 1 for Hailuo, which answers 200 to everything and
//! says in `base_resp` what came of it.
//!
//! It keeps no name of ours. Version 2 calls off what waits, free of charge, and says what it did; version 1 calls nothing off.

use serde_json::{Value, json};

use super::read::{at_price, content, may_have_begun, number, says};
use crate::hosted::provider::{Clip, Created, Known, Polled, Provider, Stopped};
use crate::hosted::{Aspect, HostedCard, Order, Question, Reply, Task, Unfit, name, text};
use crate::money::Money;

/// The provider.
pub(super) struct MiniMax;

const WHY: [&str; 3] = ["/error/message", "/task/error/message", "/base_resp/status_msg"];

impl Provider for MiniMax {
    fn name(&self) -> &'static str {
        "minimax"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["video-product.cdn.minimax.io", "cdn.hailuoai.com", "cdn.hailuoai.video"]
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let (path, body) = if is_first(card) {
            ("v1/video_generation", first(card, order)?)
        } else {
            ("v2/video_generation", second(card, order)?)
        };
        Ok(Question::json(path, &body))
    }

    fn created(&self, _: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        let code = code(&json);
        if let (true, None | Some(0), Some(remote)) =
            (reply.is_success(), code, name(&json, "/task_id"))
        {
            return Created::Job { remote };
        }
        match code {
            _ if may_have_begun(reply) => Created::Unclear { why },
            Some(1002) => Created::Busy { why },
            Some(1004 | 1008) => Created::Denied { why },
            Some(1026 | 1027) => Created::Refused { why },
            Some(2013) => Created::NotCreated { why },
            _ => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        if is_first(job.card) {
            Question::get("v1/query/video_generation").query("task_id", job.remote)
        } else {
            Question::get(format!("v2/query/video_generation/{}", job.remote))
        }
    }

    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        let cost = cost(job.card, &json);
        let word = text(&json, "/task/status").or_else(|| text(&json, "/status"));
        match word {
            Some("queued" | "running" | "Queueing" | "Preparing" | "Processing") => {
                Polled::Waiting { progress: None, after: None }
            }
            Some("succeeded") => match text(&json, "/task/content/url") {
                Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost },
                None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
            },
            Some("Success") => match name(&json, "/file_id") {
                Some(id) => Polled::Next(Question::get("v1/files/retrieve").query("file_id", id)),
                None => Polled::Unclear { why: "it is done, and no file is named".to_owned() },
            },
            Some("failed" | "Fail" | "Failed") => match code(&json) {
                Some(1026 | 1027) => Polled::Refused { why, cost },
                _ => Polled::Failed { why, cost },
            },
            Some("expired") => Polled::Failed { why: "it was not begun in time".to_owned(), cost },
            // Only what waits is called off, before it costs anything.
            Some("cancelled") => Polled::Cancelled { cost: Some(Money::ZERO) },
            Some(word) => Polled::Unclear { why: format!("status {word:?}") },
            None => unknown(reply, &json, why),
        }
    }

    fn result(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let url = ["/file/download_url", "/file/backup_download_url"];
        match url.into_iter().find_map(|place| text(&json, place)) {
            Some(url) if reply.is_success() => {
                Polled::Done { clip: Clip::Url(url.to_owned()), cost: cost(job.card, &json) }
            }
            _ => unknown(reply, &json, reply.why(&WHY)),
        }
    }

    fn cancel(&self, job: &Known<'_>) -> Option<Question> {
        let question = Question::delete(format!("v2/video_generation/{}", job.remote));
        (!is_first(job.card)).then_some(question)
    }

    fn cancelled(&self, _: &Known<'_>, reply: &Reply) -> Stopped {
        let json = reply.json().unwrap_or_default();
        match text(&json, "/status") {
            Some("cancelled") if reply.is_success() => Stopped::Yes { cost: Some(Money::ZERO) },
            // It had ended, and what it cost went with its record.
            Some("deleted") if reply.is_success() => Stopped::Yes { cost: None },
            _ if reply.is_success() => Stopped::Asked,
            _ => Stopped::No { why: reply.why(&WHY) },
        }
    }
}

/// Whether a card is asked for through version 1.
fn is_first(card: &HostedCard) -> bool {
    card.api.as_deref() == Some("v1")
}

fn first(card: &HostedCard, order: &Order) -> Result<Value, Unfit> {
    let mut body = json!({
        "model": card.model,
        "prompt": order.words(card),
        "duration": order.whole_seconds(card)?,
        "resolution": order.resolution(card)?.name,
        // The words are ours; nobody writes them anew.
        "prompt_optimizer": false,
    });
    if let Some(picture) = &order.first_frame {
        body["first_frame_image"] = picture.data_uri().into();
    }
    if let Some(picture) = &order.last_frame {
        body["last_frame_image"] = picture.data_uri().into();
    }
    Ok(body)
}

fn second(card: &HostedCard, order: &Order) -> Result<Value, Unfit> {
    let mut body = json!({
        "model": card.model,
        "content": content(card, order),
        "resolution": order.resolution(card)?.name,
        "duration": order.whole_seconds(card)?,
    });
    // A clip from frames has their shape, whatever else is said.
    let is_free = matches!(order.task(), Task::Text | Task::References);
    let aspect = order.aspect(card).filter(|_| is_free).unwrap_or(Aspect::Adaptive);
    body["ratio"] = aspect.to_string().into();
    Ok(body)
}

/// The number of an error: a field of its own, or in brackets at the end of the message.
fn code(json: &Value) -> Option<i64> {
    let field = ["/base_resp/status_code", "/task/error/code", "/error/code"];
    let field = field.into_iter().find_map(|place| number(json, place));
    field.map(|code| code as i64).or_else(|| {
        let message = text(json, "/error/message")?.trim_end().strip_suffix(')')?;
        message.rsplit_once('(')?.1.parse().ok()
    })
}

/// What an answer means that says nothing of the job. An unknown job is an error of the server here.
fn unknown(reply: &Reply, json: &Value, why: String) -> Polled {
    if says(&why, &["record not found", "invalid task_id"]) {
        return Polled::Lost { why };
    }
    match code(json) {
        Some(1002) => Polled::Waiting { progress: None, after: reply.retry_after },
        Some(1004) => Polled::Denied { why },
        Some(1026 | 1027) if reply.is_success() => Polled::Refused { why, cost: None },
        _ => Polled::by_status(reply, why),
    }
}

/// What the seconds and pictures cost that the provider counted.
fn cost(card: &HostedCard, json: &Value) -> Option<Money> {
    let seconds = number(json, "/task/usage/total_seconds")?;
    let size = text(json, "/task/resolution")?;
    let second = card.resolutions.iter().find(|resolution| resolution.name == size)?.audio;
    let pictures = number(json, "/task/usage/input_image_count").unwrap_or(0.0);
    let more = (pictures - f64::from(card.free_pictures)).max(0.0);
    let extra = if more > 0.0 { at_price(card.picture, more)? } else { Money::ZERO };
    Some(at_price(second, seconds)? + extra)
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;

    const H3: &str = "minimax-h3";
    const HAILUO: &str = "hailuo-02";

    #[test]
    fn a_clip_is_asked_for_in_two_versions() {
        let (path, body) = asked(&MiniMax, H3, &wide());
        assert_eq!(path, "v2/video_generation");
        assert_eq!(
            body,
            json!({
                "model": "MiniMax-H3",
                "content": [{ "type": "text", "text": "a red kite over the sea" }],
                "resolution": "768P",
                "duration": 5,
                "ratio": "16:9",
            })
        );
        let (_, body) = asked(&MiniMax, H3, &between());
        assert_eq!(body["ratio"], "adaptive");
        assert_eq!(body["content"][2]["role"], "last_frame");
        let (_, body) = asked(&MiniMax, H3, &with_references());
        assert_eq!(
            (&body["ratio"], &body["content"][1]["role"]),
            (&json!("16:9"), &json!("reference_image"))
        );
        let (path, body) = asked(&MiniMax, HAILUO, &between());
        assert_eq!(path, "v1/video_generation");
        assert_eq!(
            body,
            json!({
                "model": "MiniMax-Hailuo-02",
                "prompt": "a red kite over the sea",
                "duration": 6,
                "resolution": "768P",
                "prompt_optimizer": false,
                "first_frame_image": "data:image/png;base64,b25l",
                "last_frame_image": "data:image/png;base64,dHdv",
            })
        );
    }

    #[test]
    fn every_error_has_its_meaning_in_both() {
        let why = |code: i64| format!("no ({code})");
        let second = |status, code: i64| {
            let error = json!({ "type": "x", "message": why(code), "http_code": "0" });
            created(&MiniMax, H3, status, &json!({ "type": "error", "error": error }))
        };
        let first = |code: i64| {
            let body = json!({ "task_id": "", "base_resp": { "status_code": code, "status_msg": why(code) } });
            created(&MiniMax, HAILUO, 200, &body)
        };
        for (status, code, meaning) in [
            (429, 1002, Created::Busy { why: why(1002) }),
            (401, 1004, Created::Denied { why: why(1004) }),
            (402, 1008, Created::Denied { why: why(1008) }),
            (422, 1026, Created::Refused { why: why(1026) }),
            (422, 1027, Created::Refused { why: why(1027) }),
            (400, 2013, Created::NotCreated { why: why(2013) }),
            (500, 1000, Created::Unclear { why: why(1000) }),
        ] {
            assert_eq!(second(status, code), meaning, "{code}");
            assert_eq!(first(code), meaning, "{code}");
        }
        assert_eq!(second(500, 1002), Created::Unclear { why: why(1002) });
        let job = || Created::Job { remote: "4240".to_owned() };
        assert_eq!(created(&MiniMax, H3, 200, &json!({ "task_id": "4240" })), job());
        let body = json!({ "task_id": "4240", "base_resp": { "status_code": 0, "status_msg": "success" } });
        assert_eq!(created(&MiniMax, HAILUO, 200, &body), job());
        for body in [json!({ "base_resp": { "status_code": 0 } }), json!({}), json!(7)] {
            let made = created(&MiniMax, HAILUO, 200, &body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn how_a_job_of_version_two_gets_on() {
        let on = |task: Value| polled(&MiniMax, H3, 200, &json!({ "task": task }));
        for word in ["queued", "running"] {
            assert_eq!(on(json!({ "id": "job-1", "status": word, "usage": {} })), WAITING);
        }
        let done = |images: u32| {
            on(json!({
                "id": "job-1", "status": "succeeded", "resolution": "2K", "duration": 5,
                "content": { "url": "https://cdn.test/a.mp4" },
                "usage": { "total_seconds": 5, "output_seconds": 5, "input_image_count": images },
            }))
        };
        let clip = || Clip::Url("https://cdn.test/a.mp4".to_owned());
        let cost = |micros| Some(Money::from_micros(micros));
        assert_eq!(done(1), Polled::Done { clip: clip(), cost: cost(650_000) });
        assert_eq!(done(7), Polled::Done { clip: clip(), cost: cost(730_000) });
        let failed = |code: &str| {
            on(
                json!({ "status": "failed", "error": { "code": code, "message": "no" }, "usage": {} }),
            )
        };
        let why = || "no".to_owned();
        assert_eq!(failed("1026"), Polled::Refused { why: why(), cost: None });
        assert_eq!(failed("1000"), Polled::Failed { why: why(), cost: None });
        assert!(matches!(on(json!({ "status": "expired" })), Polled::Failed { .. }));
        assert_eq!(on(json!({ "status": "cancelled" })), Polled::Cancelled { cost: cost(0) });
        assert!(matches!(on(json!({ "status": "odd" })), Polled::Unclear { .. }));
        assert!(matches!(on(json!({ "status": "succeeded" })), Polled::Unclear { .. }));
        let error = |status, message: &str| {
            polled(
                &MiniMax,
                H3,
                status,
                &json!({ "type": "error", "error": { "message": message } }),
            )
        };
        assert!(matches!(error(500, "record not found (1000)"), Polled::Lost { .. }));
        assert!(matches!(error(400, "invalid task_id (2013)"), Polled::Lost { .. }));
        assert!(matches!(error(500, "internal error (1000)"), Polled::Unclear { .. }));
        assert!(matches!(error(401, "login fail (1004)"), Polled::Denied { .. }));
        assert_eq!(error(429, "rate limit (1002)"), WAITING);
    }

    #[test]
    fn a_clip_of_version_one_is_behind_a_file() {
        let on = |body: Value| polled(&MiniMax, HAILUO, 200, &body);
        for word in ["Queueing", "Preparing", "Processing"] {
            let body =
                json!({ "task_id": "job-1", "status": word, "base_resp": { "status_code": 0 } });
            assert_eq!(on(body), WAITING);
        }
        let done =
            json!({ "status": "Success", "file_id": 2057, "base_resp": { "status_code": 0 } });
        let next = Question::get("v1/files/retrieve").query("file_id", "2057");
        assert_eq!(on(done), Polled::Next(next));
        for word in ["Fail", "Failed"] {
            let base = json!({ "status_code": 1027, "status_msg": "no" });
            let refused = on(json!({ "status": word, "base_resp": base }));
            assert_eq!(refused, Polled::Refused { why: "no".to_owned(), cost: None });
            let failed = on(json!({ "status": word, "base_resp": { "status_code": 0 } }));
            assert!(matches!(failed, Polled::Failed { .. }), "{failed:?}");
        }
        let job = job(card(HAILUO), "job-1");
        let result = |status, body: Value| MiniMax.result(&job, &reply(status, &body));
        let file = json!({ "file": { "file_id": 2057, "download_url": "https://cdn.test/a.mp4" } });
        let clip = Clip::Url("https://cdn.test/a.mp4".to_owned());
        assert_eq!(result(200, file.clone()), Polled::Done { clip, cost: None });
        assert!(matches!(result(500, file), Polled::Unclear { .. }));
        assert!(matches!(result(200, json!({ "file": {} })), Polled::Unclear { .. }));
    }

    #[test]
    fn what_waits_is_called_off_free_of_charge() {
        let off = |status, body: Value| cancelled(&MiniMax, H3, status, &body);
        let (question, stopped) = off(200, json!({ "task_id": "job-1", "status": "cancelled" }));
        assert_eq!(question, Some(Question::delete("v2/video_generation/job-1")));
        assert_eq!(stopped, Stopped::Yes { cost: Some(Money::ZERO) });
        let (_, stopped) = off(200, json!({ "task_id": "job-1", "status": "deleted" }));
        assert_eq!(stopped, Stopped::Yes { cost: None });
        let (_, stopped) = off(400, json!({ "error": { "message": "running (2013)" } }));
        assert_eq!(stopped, Stopped::No { why: "running (2013)".to_owned() });
        let (question, _) = cancelled(&MiniMax, HAILUO, 200, &json!({}));
        assert_eq!(question, None);
    }
}
