//! What a host answers, as bytes that somebody made up: a provider always says something about it, and never what cannot be.
//!
//! The bytes begin with a line `PROVIDER QUESTION STATUS`; what follows is the body. Words that nobody knows stand for some.

use std::sync::LazyLock;
use std::time::Duration;

use kinora_engine::hosted::provider::{Clip, Created, Found, Known, Polled, Provider, Stopped};
use kinora_engine::hosted::{HostedCard, Question, Reply, cards, is_name, providers, server};
use kinora_engine::id::TakeId;
use kinora_engine::money::Money;

/// Statuses that a line without one stands for.
const STATUSES: [u16; 20] = [
    200, 201, 202, 204, 301, 400, 401, 402, 403, 404, 408, 409, 410, 413, 422, 429, 500, 502, 503,
    504,
];
const QUESTIONS: [&str; 5] = ["create", "poll", "result", "cancel", "find"];

/// Every provider with each of its cards.
static ASKED: LazyLock<Vec<(&'static dyn Provider, HostedCard)>> = LazyLock::new(|| {
    let own = server("render", "127.0.0.1:8000", "wan2.2").expect("a card");
    let all: Vec<HostedCard> = cards().iter().cloned().chain([own]).collect();
    let of = |provider: &'static dyn Provider| {
        let own = all.iter().filter(move |card| card.provider == provider.name());
        own.map(move |card| (provider, card.clone()))
    };
    providers().iter().copied().flat_map(of).collect()
});

/// Reads one answer in every way that its line says.
///
/// # Panics
/// Where a provider says what cannot be.
pub fn check(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, body) = bytes.split_at(split);
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, question, status) = (word(), word(), word());
    let status = status.parse().unwrap_or(STATUSES[sum(status) % STATUSES.len()]);
    let body = body.get(1..).unwrap_or_default().to_vec();
    let headers = vec![("openai-poll-after-ms".to_owned(), status.to_string())];
    let reply = Reply { status, headers, body, retry_after: Some(Duration::ZERO) };
    let question = QUESTIONS.into_iter().find(|known| *known == question);
    let question = question.unwrap_or(QUESTIONS[sum(name) % QUESTIONS.len()]);
    let known: Vec<_> = ASKED.iter().filter(|(provider, _)| provider.name() == name).collect();
    if known.is_empty() {
        let (provider, card) = &ASKED[sum(name) % ASKED.len()];
        read(*provider, card, question, &reply);
    }
    for (provider, card) in known {
        read(*provider, card, question, &reply);
    }
}

fn sum(word: &str) -> usize {
    word.bytes().map(usize::from).sum()
}

fn read(provider: &dyn Provider, card: &HostedCard, question: &str, reply: &Reply) {
    let take: TakeId = "01JZZZZZZZZZZZZZZZZZZZZZZZ".parse().expect("a take");
    let job = Known { card, take, remote: "job-1" };
    match question {
        "create" => created(&provider.created(card, reply), reply),
        "poll" => polled(&provider.polled(&job, reply)),
        "result" => polled(&provider.result(&job, reply)),
        "cancel" => match provider.cancelled(&job, reply) {
            Stopped::Yes { cost } => {
                assert!(reply.is_success(), "called off by status {}", reply.status);
                is_price(cost);
            }
            Stopped::Asked | Stopped::No { .. } => {}
        },
        _ => match provider.found(card, take, reply) {
            Found::Job { remote } => assert!(is_name(&remote), "{remote:?}"),
            Found::Nothing => {
                assert!(reply.is_success() && reply.json().is_some(), "nothing found in {reply:?}");
            }
            Found::Next(question) => is_inside(&question),
            Found::Unclear { .. } => {}
        },
    }
}

/// A clip was made only where the host says so, and none was made only where it can know.
fn created(created: &Created, reply: &Reply) {
    let can_know = match created {
        Created::Job { remote } => {
            assert!(is_name(remote), "{remote:?}");
            reply.is_success() && reply.json().is_some()
        }
        Created::Unclear { .. } => true,
        Created::Refused { .. } | Created::Exists => reply.json().is_some() && reply.status < 500,
        Created::Denied { .. } | Created::NotCreated { .. } | Created::Busy { .. } => {
            reply.status < 500 && reply.status != 408
        }
    };
    assert!(can_know, "{created:?} from {reply:?}");
}

fn polled(polled: &Polled) {
    match polled {
        Polled::Waiting { progress, .. } => {
            assert!(progress.is_none_or(|part| (0.0..=1.0).contains(&part)), "{progress:?}");
        }
        Polled::Done { clip, cost } => {
            is_price(*cost);
            if let Clip::Url(url) = clip {
                assert!(!url.is_empty());
            }
        }
        Polled::Refused { cost, .. } | Polled::Failed { cost, .. } | Polled::Cancelled { cost } => {
            is_price(*cost);
        }
        Polled::Next(question) => is_inside(question),
        Polled::Lost { .. }
        | Polled::Gone { .. }
        | Polled::Denied { .. }
        | Polled::Unclear { .. } => {}
    }
}

fn is_price(cost: Option<Money>) {
    assert!(cost.is_none_or(|cost| cost >= Money::ZERO), "{cost:?}");
}

/// A question that follows from an answer changes nothing there.
fn is_inside(question: &Question) {
    assert_eq!(question.method, kinora_engine::egress::Method::Get, "{question:?}");
}
