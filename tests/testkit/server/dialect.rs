//! What a provider says, as a table of answers.

use kinora_engine::hosted::{HostedCard, Order};
use serde_json::Value;

use super::{Asked, Job};

/// An answer.
#[derive(Debug, Clone)]
pub struct Said {
    /// The status.
    pub status: u16,
    /// Headers beside those of every answer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub json: Value,
}

impl Said {
    /// An answer of JSON.
    pub fn new(status: u16, json: Value) -> Self {
        Self { status, headers: Vec::new(), json }
    }
}

/// What a question is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// A clip.
    Create,
    /// How a job gets on.
    Poll(String),
    /// Where the clip of a job is, where that is another question.
    Result(String),
    /// The clip of a job itself.
    Clip(String),
    /// To stop a job.
    Cancel(String),
    /// The job of a client's name.
    Find(String),
    /// Nothing that there is.
    Other,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// It is being made.
    Waiting,
    /// The clip is at this address, or this is the clip.
    Done(String),
    /// The picture is not made.
    Refused,
    /// It went wrong, for this reason.
    Failed(String),
    /// It was called off.
    Cancelled,
    /// A word that nobody knows.
    Word(String),
}

/// What must come of a documented error. In none of these was a clip begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The provider does not make this picture.
    Refused,
    /// Nothing was made, for good.
    NotCreated,
    /// Nothing was made, and it is asked again.
    Busy,
    /// Nobody knows.
    Unclear,
}

/// An error that the provider's documents or code name, as an answer to the question for a clip.
#[derive(Debug, Clone)]
pub struct Documented {
    /// The answer.
    pub said: Said,
    /// What must come of it.
    pub means: Means,
}

impl Documented {
    /// A row of the table.
    pub fn new(status: u16, json: Value, means: Means) -> Self {
        Self { said: Said::new(status, json), means }
    }
}

/// How one provider speaks.
pub trait Dialect: Sync {
    /// The `provider` of its cards.
    fn provider(&self) -> &'static str;

    /// What it is called, where a provider has several.
    fn name(&self) -> &'static str {
        self.provider()
    }

    /// A card of it, at a host.
    fn card(&self, host: &str) -> HostedCard;

    /// The header that shows the key, and its value with `KEY` in the key's place.
    fn key(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer KEY")
    }

    /// The name of the nth job.
    fn id(&self, number: usize) -> String {
        format!("job-{number}")
    }

    /// What a question is for.
    fn asks(&self, asked: &Asked) -> Asks;

    /// The client's name of a job, where the provider keeps one.
    fn external(&self, _asked: &Asked) -> Option<String> {
        None
    }

    /// Whether a second job of one name is refused.
    fn is_once(&self) -> bool {
        false
    }

    /// Whether jobs are found by the client's name.
    fn finds(&self) -> bool {
        false
    }

    /// Whether jobs can be called off.
    fn cancels(&self) -> bool {
        false
    }

    /// Whether clips come in the answer, in base64, and not from an address.
    fn is_inline(&self) -> bool {
        false
    }

    /// A job is begun.
    fn created(&self, id: &str) -> Said;

    /// How a job stands.
    fn standing(&self, id: &str, task: &Task) -> Said;

    /// Where the clip is, where that is another question.
    fn result(&self, _id: &str, _address: &str) -> Said {
        self.unknown()
    }

    /// The job of a client's name, or none.
    fn found(&self, _job: Option<&Job>) -> Said {
        self.unknown()
    }

    /// There is a job of that name already.
    fn exists(&self) -> Said {
        self.unknown()
    }

    /// A job is called off.
    fn cancelled(&self, _id: &str) -> Said {
        self.unknown()
    }

    /// The picture is not made.
    fn refused(&self) -> Said;

    /// Too many questions.
    fn busy(&self) -> Said;

    /// A wrong key, with these words.
    fn denied(&self, words: &str) -> Said;

    /// There is no such job or path.
    fn unknown(&self) -> Said;

    /// Every documented error.
    fn documented(&self) -> Vec<Documented>;

    /// The path and the body that the documents ask for, for this order; of a form, its fields.
    fn documented_question(&self, card: &HostedCard, order: &Order) -> (String, Value);

    /// What a clip of the order costs as the provider says, in millionths of a dollar; none where it does not say.
    fn cost_micros(&self) -> Option<i64> {
        None
    }
}

/// All dialects. Each provider of the engine has one.
pub const DIALECTS: &[&dyn Dialect] = &[
    &super::openai::OpenAi,
    &super::fal::Fal,
    &super::kling::Kling,
    &super::ark::Ark,
    &super::google::Google,
    &super::google_cloud::GoogleCloud,
    &super::runway::Runway,
    &super::replicate::Replicate,
    &super::minimax::MiniMax,
    &super::minimax::Hailuo,
    &super::luma::Luma,
];

/// A dialect by its name.
pub fn dialect(name: &str) -> &'static dyn Dialect {
    let mut all = DIALECTS.iter();
    *all.find(|dialect| dialect.name() == name).expect("because each provider has one")
}
