//! Kling, the API standard with a key: the model stands in the path, and every job carries our name of it.
//!
//! The provider refuses a second job of the same name, so an unclear question may be asked again; a duplicate is told by the
//! words of the error. Cards that are hearsay (Kling 4.0) are said to take no name, and none is counted on. A clip is one shot
//! unless its prompt is written as shots.

use serde_json::{Value, json};

use super::read::{dollars, may_have_begun, number, says};
use crate::hosted::provider::{Clip, Created, Found, Known, Polled, Provider};
use crate::hosted::{Audio, HostedCard, MultiShot, Order, Question, Reply, Unfit, name, text};
use crate::id::TakeId;
use crate::money::Money;

/// The provider.
pub(super) struct Kling;

const WHY: [&str; 1] = ["/message"];

/// The way of being asked that takes references.
const OMNI: &str = "omni-video";

/// What a job that failed says where it was moderation: such a record has no code.
const REFUSALS: [&str; 6] =
    ["risk control", "sensitive", "policy", "moderation", "violat", "inappropriate"];

impl Provider for Kling {
    fn name(&self) -> &'static str {
        "kling"
    }

    fn result_hosts(&self) -> &'static [&'static str] {
        &["*.klingai.com", "*.kechuangai.com"]
    }

    fn is_once(&self, card: &HostedCard) -> bool {
        keeps_names(card)
    }

    fn create(&self, card: &HostedCard, order: &Order) -> Result<Question, Unfit> {
        order.check(card)?;
        let is_omni = card.api.as_deref() == Some(OMNI);
        let words = order.words(card);
        let settings = settings(card, order, &words)?;
        let (kind, mut body) = match order.pictures().next() {
            None if !is_omni => ("text-to-video", json!({ "prompt": words })),
            _ => {
                let kind = if is_omni { OMNI } else { "image-to-video" };
                (kind, json!({ "contents": contents(order, &words) }))
            }
        };
        body["settings"] = settings;
        if keeps_names(card) {
            body["options"] = json!({ "external_task_id": order.take.to_string() });
        }
        Ok(Question::json(format!("{kind}/{}", card.model), &body))
    }

    fn created(&self, card: &HostedCard, reply: &Reply) -> Created {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        match code(&json) {
            _ if may_have_begun(reply) => Created::Unclear { why },
            Some(0) if reply.is_success() => match name(&json, "/data/id") {
                Some(remote) => Created::Job { remote },
                None => Created::Unclear { why: "no name of the job".to_owned() },
            },
            Some(1000..=1004 | 1100..=1103 | 1202..=1203 | 1304) => Created::Denied { why },
            Some(1201) if keeps_names(card) && is_duplicate(&why) => Created::Exists,
            Some(1200..=1201) => Created::NotCreated { why },
            Some(1300..=1301) => Created::Refused { why },
            Some(1302..=1303) => Created::Busy { why },
            Some(_) => Created::Unclear { why },
            None => Created::by_status(reply, why),
        }
    }

    fn poll(&self, job: &Known<'_>) -> Question {
        Question::get("tasks").query("task_ids", job.remote)
    }

    fn polled(&self, job: &Known<'_>, reply: &Reply) -> Polled {
        let json = reply.json().unwrap_or_default();
        let why = reply.why(&WHY);
        match code(&json) {
            Some(0) if reply.is_success() => {
                match jobs(&json).iter().find(|one| is_called(one, "/id", job.remote)) {
                    Some(one) => gets_on(one),
                    None => Polled::Lost { why: "it is not in the list".to_owned() },
                }
            }
            Some(1000..=1004 | 1103 | 1304) => Polled::Denied { why },
            Some(1203) => Polled::Lost { why },
            Some(1302..=1303) => Polled::Waiting { progress: None, after: reply.retry_after },
            Some(_) => Polled::Unclear { why },
            None => Polled::by_status(reply, why),
        }
    }

    fn find(&self, card: &HostedCard, take: TakeId) -> Option<Question> {
        let question = Question::get("tasks").query("external_task_ids", take.to_string());
        keeps_names(card).then_some(question)
    }

    fn found(&self, _: &HostedCard, take: TakeId, reply: &Reply) -> Found {
        let json = reply.json().unwrap_or_default();
        let Some(list) = json.get("data").and_then(Value::as_array) else {
            return Found::Unclear { why: reply.why(&WHY) };
        };
        if code(&json) != Some(0) || !reply.is_success() {
            return Found::Unclear { why: reply.why(&WHY) };
        }
        let ours = take.to_string();
        let job = list.iter().find(|one| is_called(one, "/external_id", &ours));
        match job.map(|one| name(one, "/id")) {
            Some(Some(remote)) => Found::Job { remote },
            None if list.is_empty() => Found::Nothing,
            _ => Found::Unclear { why: "a list of other jobs".to_owned() },
        }
    }
}

fn keeps_names(card: &HostedCard) -> bool {
    card.verified
}

fn code(json: &Value) -> Option<i64> {
    json.get("code").and_then(Value::as_i64)
}

fn is_duplicate(why: &str) -> bool {
    says(why, &["external", "duplicat", "repeat", "unique", "exist"])
}

/// The jobs of an answer, which are a list, or one alone.
fn jobs(json: &Value) -> &[Value] {
    match json.get("data") {
        Some(Value::Array(jobs)) => jobs,
        Some(job) => std::slice::from_ref(job),
        None => &[],
    }
}

fn is_called(job: &Value, place: &str, wanted: &str) -> bool {
    name(job, place).is_some_and(|name| name == wanted)
}

/// How one job of the list gets on.
fn gets_on(job: &Value) -> Polled {
    let why = text(job, "/message").unwrap_or("it failed").to_owned();
    let cost = cost(job);
    match text(job, "/status") {
        Some("submitted" | "processing") => Polled::Waiting { progress: None, after: None },
        Some("succeeded") => match video(job) {
            Some(url) => Polled::Done { clip: Clip::Url(url.to_owned()), cost },
            None => Polled::Unclear { why: "it is done, and no clip is shown".to_owned() },
        },
        Some("failed") if says(&why, &REFUSALS) => Polled::Refused { why, cost },
        Some("failed") => Polled::Failed { why, cost },
        Some(word) => Polled::Unclear { why: format!("status {word:?}") },
        None => Polled::Unclear { why: "no status".to_owned() },
    }
}

fn video(job: &Value) -> Option<&str> {
    let outputs = job.get("outputs").and_then(Value::as_array)?;
    let video = outputs.iter().find(|output| text(output, "/type") == Some("video"))?;
    text(video, "/url")
}

/// What was paid in dollars. Units of a package have no price, and other money has another.
fn cost(job: &Value) -> Option<Money> {
    let bills = job.get("billing").and_then(Value::as_array)?;
    let dollar = |bill: &Value| {
        let is_dollars =
            text(bill, "/charge_type") == Some("cash") && text(bill, "/currency") == Some("USD");
        is_dollars.then(|| number(bill, "/amount")).flatten().and_then(dollars)
    };
    let paid: Vec<Money> = bills.iter().map(dollar).collect::<Option<_>>()?;
    (!paid.is_empty()).then(|| paid.into_iter().sum())
}

/// Size, shape, length and what else there is a field for.
fn settings(card: &HostedCard, order: &Order, words: &str) -> Result<Value, Unfit> {
    let mut settings = json!({
        "resolution": order.resolution(card)?.name,
        "duration": order.whole_seconds(card)?,
    });
    // The shape is the one of the first frame where there is one.
    if let (None, Some(aspect)) = (&order.first_frame, order.aspect(card)) {
        settings["aspect_ratio"] = aspect.to_string().into();
    }
    if card.audio == Audio::Optional {
        settings["audio"] = if order.audio { "native" } else { "off" }.into();
    }
    if card.multi_shot == MultiShot::Structured {
        settings["multi_shot"] = is_in_shots(words).into();
    }
    Ok(settings)
}

/// Whether a prompt is written as shots: `shot 1, 3, words; shot 2, 4, words;`.
fn is_in_shots(words: &str) -> bool {
    let words = words.trim_start().to_lowercase();
    words.strip_prefix("shot").is_some_and(|rest| {
        let mut parts = rest.split(',');
        let mut is_number = || parts.next().is_some_and(|part| part.trim().parse::<u32>().is_ok());
        is_number() && is_number()
    })
}

/// Words and pictures in one list. A reference is called `@image_1` in the words.
fn contents(order: &Order, words: &str) -> Vec<Value> {
    let mut contents = vec![json!({ "type": "prompt", "text": words })];
    if let Some(picture) = &order.first_frame {
        contents.push(json!({ "type": "first_frame", "url": picture.base64() }));
    }
    if let Some(picture) = &order.last_frame {
        contents.push(json!({ "type": "last_frame", "url": picture.base64() }));
    }
    for (index, picture) in order.references.iter().enumerate() {
        let id = format!("image_{}", index + 1);
        contents.push(json!({ "type": "refer_image", "url": picture.base64(), "id": id }));
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::*;
    use super::*;
    use crate::hosted::order::tests::order;

    #[test]
    fn a_clip_is_asked_for_as_the_model_takes_it() {
        let order = order();
        let take = order.take.to_string();
        let (path, body) = asked(&Kling, "kling-3.0", &order);
        assert_eq!(path, "text-to-video/kling-3.0");
        assert_eq!(
            body,
            json!({
                "prompt": "a red kite over the sea\nAvoid: people",
                "settings": {
                    "resolution": "720p", "duration": 6, "aspect_ratio": "16:9",
                    "audio": "off", "multi_shot": false,
                },
                "options": { "external_task_id": take },
            })
        );
        let order = Order { audio: true, ..between() };
        let (path, body) = asked(&Kling, "kling-3.0", &order);
        assert_eq!(path, "image-to-video/kling-3.0");
        assert_eq!(
            body,
            json!({
                "contents": [
                    { "type": "prompt", "text": "a red kite over the sea" },
                    { "type": "first_frame", "url": "b25l" },
                    { "type": "last_frame", "url": "dHdv" },
                ],
                "settings": {
                    "resolution": "720p", "duration": 5, "audio": "native", "multi_shot": false,
                },
                "options": { "external_task_id": order.take.to_string() },
            })
        );
        let (path, body) = asked(&Kling, "kling-3.0-omni", &with_references());
        assert_eq!(path, "omni-video/kling-3.0-omni");
        assert_eq!(
            body["contents"],
            json!([
                { "type": "prompt", "text": "a red kite over the sea" },
                { "type": "refer_image", "url": "b25l", "id": "image_1" },
                { "type": "refer_image", "url": "dHdv", "id": "image_2" },
            ])
        );
        let (path, body) = asked(&Kling, "kling-3.0-turbo", &wide());
        assert_eq!(path, "text-to-video/kling-3.0-turbo");
        let settings = json!({ "resolution": "720p", "duration": 5, "aspect_ratio": "16:9" });
        assert_eq!(body["settings"], settings);
        let (path, body) = asked(&Kling, "kling-4.0", &wide());
        assert_eq!((path.as_str(), body.get("options")), ("omni-video/kling-4.0", None));
    }

    #[test]
    fn a_prompt_in_shots_is_known() {
        for (words, is) in [
            ("shot 1, 2, a door; shot 2, 3, a room;", true),
            ("Shot 1,2,a door", true),
            ("shot of a door, 2, at night", false),
            ("a shot, 1, 2", false),
            ("shot", false),
        ] {
            assert_eq!(is_in_shots(words), is, "{words}");
        }
    }

    #[test]
    fn every_code_has_its_meaning() {
        let made = |status, body: Value| created(&Kling, "kling-3.0", status, &body);
        let error = |code: i64| json!({ "code": code, "message": "no", "request_id": "r" });
        let why = || "no".to_owned();
        let job =
            json!({ "code": 0, "message": "ok", "data": { "id": "8936", "status": "submitted" } });
        assert_eq!(made(200, job.clone()), Created::Job { remote: "8936".to_owned() });
        for (status, code) in [(401, 1000), (401, 1004), (429, 1100), (429, 1101), (429, 1102)] {
            assert_eq!(made(status, error(code)), Created::Denied { why: why() }, "{code}");
        }
        for (status, code) in [(403, 1103), (404, 1202), (404, 1203), (429, 1304)] {
            assert_eq!(made(status, error(code)), Created::Denied { why: why() }, "{code}");
        }
        for code in [1200, 1201] {
            assert_eq!(made(400, error(code)), Created::NotCreated { why: why() }, "{code}");
        }
        for code in [1300, 1301] {
            assert_eq!(made(400, error(code)), Created::Refused { why: why() }, "{code}");
        }
        for code in [1302, 1303] {
            assert_eq!(made(429, error(code)), Created::Busy { why: why() }, "{code}");
        }
        let unclear = [(500, 5000), (503, 5001), (504, 5002), (500, 1302), (200, 7), (400, 9)];
        for (status, code) in unclear {
            assert_eq!(made(status, error(code)), Created::Unclear { why: why() }, "{code}");
        }
        let twice = json!({ "code": 1201, "message": "external_task_id must be unique" });
        assert_eq!(made(400, twice.clone()), Created::Exists);
        let other = created(&Kling, "kling-4.0", 400, &twice);
        assert!(matches!(other, Created::NotCreated { .. }), "{other:?}");
        for (status, body) in [(500, job), (200, json!({ "code": 0 })), (200, json!([]))] {
            let made = made(status, body);
            assert!(matches!(made, Created::Unclear { .. }), "{made:?}");
        }
    }

    #[test]
    fn a_job_is_one_of_the_list() {
        let on = |job: Value| {
            let others = json!({ "id": "job-0", "status": "failed" });
            polled(&Kling, "kling-3.0", 200, &json!({ "code": 0, "data": [others, job] }))
        };
        let job = |status: &str| json!({ "id": "job-1", "status": status });
        assert_eq!(on(job("submitted")), WAITING);
        assert_eq!(on(job("processing")), WAITING);
        let mut done = job("succeeded");
        done["outputs"] = json!([
            { "type": "audio", "mp3_url": "https://v1-kling.klingai.com/a.mp3" },
            { "type": "video", "id": "v", "url": "https://v1-kling.klingai.com/a.mp4", "duration": "5" },
        ]);
        let clip = || Clip::Url("https://v1-kling.klingai.com/a.mp4".to_owned());
        assert_eq!(on(done.clone()), Polled::Done { clip: clip(), cost: None });
        let cash = |currency: &str| json!({ "charge_type": "cash", "amount": "0.42", "currency": currency, "list_price": "0.5" });
        let unit = json!({ "charge_type": "unit", "amount": "3.5", "package_type": "video" });
        for (billing, cost) in [
            (json!([cash("USD")]), Some(Money::from_micros(420_000))),
            (json!([cash("USD"), cash("USD")]), Some(Money::from_micros(840_000))),
            (json!([cash("CNY")]), None),
            (json!([cash("USD"), unit]), None),
            (json!([]), None),
        ] {
            done["billing"] = billing;
            assert_eq!(on(done.clone()), Polled::Done { clip: clip(), cost });
        }
        let mut failed = job("failed");
        failed["message"] = json!("Failure to pass the risk control system");
        assert!(matches!(on(failed.clone()), Polled::Refused { cost: None, .. }));
        failed["message"] = json!("internal");
        assert_eq!(on(failed), Polled::Failed { why: "internal".to_owned(), cost: None });
        assert!(matches!(on(job("dreaming")), Polled::Unclear { .. }));
        assert!(matches!(on(job("succeeded")), Polled::Unclear { .. }));
        let answers = |status, body| polled(&Kling, "kling-3.0", status, &body);
        assert!(matches!(answers(200, json!({ "code": 0, "data": [] })), Polled::Lost { .. }));
        assert!(matches!(answers(401, json!({ "code": 1002 })), Polled::Denied { .. }));
        assert!(matches!(answers(404, json!({ "code": 1203 })), Polled::Lost { .. }));
        assert_eq!(answers(429, json!({ "code": 1302 })), WAITING);
        assert!(matches!(answers(500, json!({ "code": 5000 })), Polled::Unclear { .. }));
        assert!(matches!(answers(502, json!(null)), Polled::Unclear { .. }));
    }

    #[test]
    fn a_job_is_found_by_our_name() {
        let take = order().take;
        let question = Kling.find(card("kling-3.0"), take).expect("it keeps names");
        assert_eq!(question, Question::get("tasks").query("external_task_ids", take.to_string()));
        assert_eq!(Kling.find(card("kling-4.0"), take), None);
        assert!(Kling.is_once(card("kling-3.0")) && !Kling.is_once(card("kling-4.0")));
        let found = |status, body| Kling.found(card("kling-3.0"), take, &reply(status, &body));
        let job = json!({ "id": "8936", "status": "processing", "external_id": take.to_string() });
        let list = json!({ "code": 0, "data": [job] });
        assert_eq!(found(200, list.clone()), Found::Job { remote: "8936".to_owned() });
        assert_eq!(found(200, json!({ "code": 0, "data": [] })), Found::Nothing);
        for (status, body) in [
            (500, list),
            (200, json!({ "code": 5000, "data": [] })),
            (200, json!({ "code": 0 })),
            (200, json!({ "code": 0, "data": [{ "id": "1", "external_id": "x" }] })),
            (200, json!(null)),
        ] {
            assert!(matches!(found(status, body), Found::Unclear { .. }));
        }
    }
}
