//! Models that others run: what each of them is and costs, as cards, and how they are asked. One of the places where a feature
//! is switched.
//!
//! The cards are data and always there, so that a route can be explained by a program that cannot take it. [`mod@provider`] is the
//! port that every provider fills; only with the feature `hosted` are there any.

#[cfg(not(feature = "hosted"))]
mod absent;
mod card;
pub mod jobs;
mod offer;
mod order;
pub mod provider;
#[cfg(feature = "hosted")]
mod providers;
mod question;

#[cfg(not(feature = "hosted"))]
pub use absent::{provider, providers};
pub(crate) use card::best_aspect;
pub use card::{Asked, CardError, HostedCard, Price, Retires, cards, find, server};
pub use offer::{Aspect, Audio, Lengths, MultiShot, NotOffered, Resolution, Task};
pub use order::{Order, Picture, Unfit};
#[cfg(feature = "hosted")]
pub use providers::{provider, providers};
pub use question::{KeyHeader, Place, Question, Reply, is_name, name, text};
