//! Models that others run: what each of them is and costs, as cards. One of the places where a feature is switched.
//!
//! The cards are data and always there, so that a route can be explained by a program that cannot take it.

mod card;
mod offer;

pub(crate) use card::best_aspect;
pub use card::{Asked, CardError, HostedCard, Price, Retires, cards, find, server};
pub use offer::{Aspect, Audio, Lengths, MultiShot, NotOffered, Resolution, Task};
