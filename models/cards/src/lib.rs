//! What is known of a checkpoint before a byte of it is read.
//!
//! A [`Card`] is one checkpoint as data: where it is, its family, its recipe, its limits and its licence. Beside the
//! cards is the arithmetic of shapes they need: [`Grid`] turns frames and pixels into latents and tokens.
//!
//! This crate holds data and pure functions. It knows no tensors, no files, no network, no clock.
//!
//! ```
//! use kinora_cards::{find, Frames, Grid};
//!
//! let card = find("wan2.1-t2v-1.3b").expect("because the card is built in");
//! assert_eq!(card.defaults.num_frames, Frames(81));
//! card.limits.check(card.defaults.size(), card.defaults.num_frames)?;
//! assert_eq!(Grid::WAN21.tokens(card.defaults.size(), card.defaults.num_frames)?, 32_760);
//! # Ok::<(), kinora_cards::Error>(())
//! ```

mod card;
mod error;
mod licence;
mod shape;
mod vocabulary;

use std::sync::LazyLock;

pub use card::{
    Card, Defaults, Layout, Limits, Memory, SamplerKind, Source, Task, host_fits, path_fits,
};
pub use error::{Error, Result};
pub use licence::Licence;
pub use shape::{FrameRule, Frames, Grid, LatentFrames, LatentSize, Size};
pub use vocabulary::{Things, Vocabulary};

/// The built-in cards, one file each.
const FILES: [&str; 3] = [
    include_str!("../wan2.1-t2v-1.3b.toml"),
    include_str!("../wan2.1-t2v-14b.toml"),
    include_str!("../../mini/card.toml"),
];

static CARDS: LazyLock<Vec<Card>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|text| Card::parse(text).expect("because a test parses every built-in card"))
        .collect()
});

/// Returns the built-in cards, in the order they are listed to people.
pub fn cards() -> &'static [Card] {
    &CARDS
}

/// Returns the card of the model that the program carries.
pub fn built_in() -> &'static Card {
    cards().iter().find(|card| card.built_in).expect("because a test finds it")
}

/// Finds a built-in card by its name or by the name of one of its repositories, whatever the case of the letters.
pub fn find(name: &str) -> Option<&'static Card> {
    cards().iter().find(|card| card.is_called(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_found_by_name_and_repository() {
        for card in cards() {
            assert_eq!(find(&card.name.to_uppercase()), Some(card));
            for source in &card.sources {
                assert_eq!(find(&source.repo), Some(card));
            }
        }
        assert_eq!(find("wan2.1-t2v"), None);
        assert_eq!(find("mini"), Some(built_in()));
    }

    #[test]
    fn official_defaults_of_wan21() {
        for (name, width, height) in [("wan2.1-t2v-1.3b", 832, 480), ("wan2.1-t2v-14b", 1280, 720)]
        {
            let defaults = &find(name).expect("because the card is built in").defaults;
            assert_eq!(defaults.size(), Size { width, height });
            assert_eq!((defaults.num_inference_steps, defaults.fps), (50, 16));
            assert_eq!((defaults.guidance_scale, defaults.flow_shift), (5.0, 5.0));
            assert_eq!(defaults.num_frames, Frames(81));
            assert_eq!(defaults.sampler, SamplerKind::UniPc);
        }
    }
}
