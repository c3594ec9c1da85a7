//! What a choice is bound by: who may see the cut, what may be spent, where and for what the film is made.

use jiff::civil::Date;
use serde::Serialize;

use crate::money::Money;
use crate::privacy::Privacy;

/// What a choice is bound by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    /// The label of everything that the cut is made from, together.
    pub privacy: Privacy,
    /// What says so, where that is known.
    pub labelled_by: Option<String>,
    /// The providers that may be asked; `None` for every one.
    pub providers: Option<Vec<String>>,
    /// Whether the film will be sold or advertise something.
    pub commercial: bool,
    /// Where it is made, as a country's two letters.
    pub territory: Option<String>,
    /// What is left to spend.
    pub left: Left,
    /// Whether no host may be asked.
    pub offline: bool,
    /// The day.
    pub today: Date,
    /// Whether a price that only others say is good enough.
    pub accepts_unverified: bool,
}

/// What is left of each cap; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Left {
    /// Of that of the whole production.
    pub production: Option<Money>,
    /// Of that of the day.
    pub day: Option<Money>,
    /// Of that of the cut.
    pub cut: Option<Money>,
}
