//! The way to a provider through the door.

use jiff::Timestamp;

use super::{Ask, Silence, Stream, Wire};
use crate::egress::{Address, Credential, Egress, Error, Purpose, Send, Token, redact};
use crate::hosted::{KeyHeader, Place};

/// One provider behind the door: where it is, and the key for it.
#[derive(Debug)]
pub struct Door<'a> {
    /// The door, with the consents of the production and its log.
    pub egress: &'a Egress,
    /// What all paths of the provider are below.
    pub base: Address,
    /// How it wants to be shown the key.
    pub header: KeyHeader,
    /// The key.
    pub key: Option<Token>,
}

impl Door<'_> {
    /// Where a question goes.
    fn address(&self, place: &Place) -> Result<Address, Error> {
        match place {
            Place::Below(path, queries) => {
                let address = self.base.below(path);
                Ok(queries
                    .iter()
                    .fold(address, |address, (name, value)| address.query(name, value)))
            }
            Place::Given(text) => Address::parse(text),
        }
    }

    /// The question as the door takes it.
    fn question<'a>(&'a self, ask: &Ask<'a>, address: &'a Address) -> Send<'a> {
        let question = ask.question;
        // An address that was given may lie anywhere; the key has one home.
        let with_key = question.with_key && address.is_same_origin(&self.base);
        let key = self.key.as_ref().filter(|_| with_key);
        Send {
            headers: question.headers.clone(),
            credential: key.map(|token| Credential {
                header: self.header.name,
                prefix: self.header.prefix,
                token,
                origin: &self.base,
            }),
            body: question.body.clone(),
            take: Some(ask.take),
            limits: ask.limits,
            ..Send::new(question.method, address, Purpose::Generation, ask.payload)
        }
    }
}

impl Wire for Door<'_> {
    fn host(&self) -> &str {
        self.base.host()
    }

    fn mark(&self) -> Option<String> {
        self.key.as_ref().map(Token::mark)
    }

    fn check(&self, ask: &Ask<'_>) -> Result<(), Error> {
        let address = self.address(&ask.question.place)?;
        self.egress.check(&self.question(ask, &address))
    }

    fn open(&self, ask: &Ask<'_>) -> Result<Stream, Silence> {
        let address = self.address(&ask.question.place)?;
        let answer = self.egress.send(&self.question(ask, &address))?;
        Ok(Stream {
            status: answer.status(),
            headers: answer.headers().to_vec(),
            retry_after: answer.retry_after(Timestamp::now()),
            body: Box::new(answer),
        })
    }

    fn clean(&self, text: &str) -> String {
        redact(text, self.key.as_slice())
    }
}
