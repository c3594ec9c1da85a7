//! The providers, a file each: how they are asked, and what they answer. Facts of 2026-11-23, as the cards.

mod ark;
mod fal;
mod google;
mod google_cloud;
mod kling;
mod luma;
mod minimax;
mod openai;
mod read;
mod replicate;
mod runway;

use super::provider::Provider;

/// All of them.
const ALL: [&dyn Provider; 10] = [
    &openai::OpenAi,
    &fal::Fal,
    &kling::Kling,
    &ark::Ark,
    &google::Google,
    &google_cloud::GoogleCloud,
    &runway::Runway,
    &replicate::Replicate,
    &minimax::MiniMax,
    &luma::Luma,
];

/// The provider of a card.
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    ALL.into_iter().find(|provider| provider.name() == name)
}

/// All providers that this program knows.
pub fn providers() -> &'static [&'static dyn Provider] {
    &ALL
}
