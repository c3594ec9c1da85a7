//! Reading and saying what several providers have in common.

use serde_json::{Value, json};

use crate::hosted::{HostedCard, Order, Picture, Reply};
use crate::money::Money;

/// The largest amount that is taken for a price of a clip.
const MOST_DOLLARS: f64 = 1e6;

/// Whether a text holds one of these words, which are in small letters.
pub(super) fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Whether a server failed, or lost patience: whatever it says, it may have begun.
pub(super) fn may_have_begun(reply: &Reply) -> bool {
    reply.status == 408 || reply.status >= 500
}

/// A number, written as one or as a text.
pub(super) fn number(json: &Value, place: &str) -> Option<f64> {
    let number = match json.pointer(place)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// So many dollars, rounded up to a millionth; none where that is no price.
pub(super) fn dollars(amount: f64) -> Option<Money> {
    (0.0..=MOST_DOLLARS).contains(&amount).then(|| Money::from_micros(1_000_000).times(amount))
}

/// What a provider bills at the price that a card has for a size: so many units, where both are known.
pub(super) fn at_price(price: Option<Money>, units: f64) -> Option<Money> {
    let dollars_each = price?.micros() as f64 / 1e6;
    dollars(dollars_each * units)
}

/// Words and pictures in one list, each picture with its role: the shape that Ark made and MiniMax took over.
pub(super) fn content(card: &HostedCard, order: &Order) -> Value {
    let mut content = vec![json!({ "type": "text", "text": order.words(card) })];
    let mut add = |picture: &Picture, role: &str| {
        let image = json!({ "url": picture.data_uri() });
        content.push(json!({ "type": "image_url", "image_url": image, "role": role }));
    };
    if let Some(picture) = &order.first_frame {
        add(picture, "first_frame");
    }
    if let Some(picture) = &order.last_frame {
        add(picture, "last_frame");
    }
    for picture in &order.references {
        add(picture, "reference_image");
    }
    content.into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::egress::{Body, Method};
    use crate::hosted::Place;
    use crate::hosted::order::tests::{order, picture};
    use crate::hosted::provider::{Created, Known, Polled, Provider, Stopped};
    use crate::hosted::{Question, find};
    use crate::privacy::Privacy;

    /// A clip of five seconds at 1280x720.
    pub(in super::super) fn wide() -> Order {
        let size = kinora_cards::Size { width: 1280, height: 720 };
        Order { seconds: 5.0, size, negative: None, ..order() }
    }

    /// The same between two pictures.
    pub(in super::super) fn between() -> Order {
        let picture = |bytes| Some(picture(bytes, Privacy::Any));
        Order { first_frame: picture(b"one"), last_frame: picture(b"two"), ..wide() }
    }

    /// The same with these pictures of what is in it.
    pub(in super::super) fn with_references() -> Order {
        let references = [b"one", b"two"].map(|bytes| picture(bytes, Privacy::Any)).to_vec();
        Order { references, ..wide() }
    }

    /// A card by its name.
    pub(in super::super) fn card(name: &str) -> &'static HostedCard {
        find(name).expect("a card")
    }

    /// An answer with JSON.
    pub(in super::super) fn reply(status: u16, body: &Value) -> Reply {
        Reply { status, body: body.to_string().into_bytes(), ..Reply::default() }
    }

    /// Path and body of the question that asks for a clip.
    pub(in super::super) fn asked(
        provider: &dyn Provider,
        name: &str,
        order: &Order,
    ) -> (String, Value) {
        let question = provider.create(card(name), order).expect("it can be asked for");
        assert_eq!((question.method, question.with_key), (Method::Post, true));
        let Place::Below(path, queries) = question.place else { panic!("a path") };
        assert_eq!(queries, []);
        let Body::Json(bytes) = question.body else { panic!("JSON") };
        (path, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// What came of asking for a clip.
    pub(in super::super) fn created(
        provider: &dyn Provider,
        name: &str,
        status: u16,
        body: &Value,
    ) -> Created {
        provider.created(card(name), &reply(status, body))
    }

    /// A job of this card.
    pub(in super::super) fn job<'a>(card: &'a HostedCard, remote: &'a str) -> Known<'a> {
        Known { card, take: order().take, remote }
    }

    /// How a job called `job-1` gets on.
    pub(in super::super) fn polled(
        provider: &dyn Provider,
        name: &str,
        status: u16,
        body: &Value,
    ) -> Polled {
        provider.polled(&job(card(name), "job-1"), &reply(status, body))
    }

    /// What came of calling off a job called `job-1`, and the question that did it.
    pub(in super::super) fn cancelled(
        provider: &dyn Provider,
        name: &str,
        status: u16,
        body: &Value,
    ) -> (Option<Question>, Stopped) {
        let job = job(card(name), "job-1");
        (provider.cancel(&job), provider.cancelled(&job, &reply(status, body)))
    }

    /// Nothing is known yet.
    pub(in super::super) const WAITING: Polled = Polled::Waiting { progress: None, after: None };

    #[test]
    fn amounts_that_make_no_sense_are_none() {
        assert_eq!(number(&json!({ "a": "1.5" }), "/a"), Some(1.5));
        assert_eq!(number(&json!({ "a": 2 }), "/a"), Some(2.0));
        for odd in [json!("NaN"), json!("inf"), json!(null), json!([1]), json!("1,5")] {
            assert_eq!(number(&json!({ "a": odd }), "/a"), None, "{odd}");
        }
        assert_eq!(dollars(0.0000011), Some(Money::from_micros(2)));
        assert_eq!(dollars(0.42), Some(Money::from_micros(420_000)));
        for odd in [-0.01, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(dollars(odd), None, "{odd}");
        }
        let price = Some(Money::from_micros(10_700));
        assert_eq!(at_price(price, 21.6), Some(Money::from_micros(231_120)));
        assert_eq!((at_price(None, 1.0), at_price(price, f64::MAX)), (None, None));
    }
}
