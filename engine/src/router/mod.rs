//! Which model a cut is made on, and why.
//!
//! [`route`] is a pure function: it knows no file, no clock and no network. It is told what a cut needs, which models there are,
//! what binds and what experience says, and it answers with all of them in order, each with every reason for and against it.
//!
//! # How it decides
//! Each rule of [`RULES`] judges each model for itself. A model that one rule forbids is out. Of the others, the first rule
//! by which two differ decides between them; where none does, the name. So there are no weights: the order of the table is the
//! whole policy, and of any two models [`Ranked::ahead_by`] names the rule that put one ahead.
//!
//! Where the best one cannot run on this machine as asked, the fallback is, in this order: the next local model that fits,
//! a smaller plan of a local model, a hosted model that is allowed. The small model that the program carries comes after all
//! of these. The route says which [`Step`] it came to, and keeps the rest in the same order for a run that fails.

mod candidate;
mod error;
mod evidence;
mod explain;
mod kind;
mod need;
mod policy;
mod route;
mod rules;
mod territory;

pub use candidate::{Candidate, Fit, Limits, Place, Terms};
pub use error::{Error, Obstacle, Result};
pub use evidence::{Evidence, EvidenceError, Preference, Preferences, PreferencesError};
pub use kind::{CutKind, NotAKind, Proposal, Words, propose};
pub use need::{Known, Need};
pub use policy::{Left, Policy};
pub use route::{Choice, Ranked, Reason, Route, Step, route, route_by};
pub use rules::{Case, Finding, RULES, Rule, Stance};
