//! What can be wrong with a card, a size or a number of frames.

use crate::{FrameRule, Frames, Size};

/// Everything this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text of a card does not read as one.
    #[error("card: {source}")]
    Syntax {
        /// What the TOML reader found, with line and column.
        #[from]
        source: toml::de::Error,
    },
    /// A field of a card holds a value that makes no sense.
    #[error("card {card}: {field} is {found}, expected {expected}")]
    Field {
        /// The card's name.
        card: String,
        /// The field, dotted.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// A rule for frame counts does not read as `4n+1`.
    #[error("frame rule {found:?}: expected a step and an offset smaller than it, as in \"4n+1\"")]
    FrameRule {
        /// The text found.
        found: String,
    },
    /// No sampler has this name.
    #[error("sampler {found:?}: expected one of {expected}")]
    Sampler {
        /// The text found.
        found: String,
        /// The names there are.
        expected: String,
    },
    /// The number of frames does not fit the rule.
    #[error("{found} frames: expected {rule}, the nearest are {}", list(nearest))]
    Frames {
        /// The number asked for.
        found: Frames,
        /// The rule.
        rule: FrameRule,
        /// The nearest valid counts, ascending.
        nearest: Vec<Frames>,
    },
    /// The size is off the grid.
    #[error(
        "size {found}: width and height must be positive multiples of {multiple_of}, the nearest is {nearest}"
    )]
    Size {
        /// The size asked for.
        found: Size,
        /// What both sides must be a multiple of.
        multiple_of: u32,
        /// The nearest valid size.
        nearest: Size,
    },
    /// The shape is too big to count.
    #[error("{frames} frames of {size}: too big to count")]
    Overflow {
        /// The number of frames.
        frames: Frames,
        /// The size.
        size: Size,
    },
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn list(frames: &[Frames]) -> String {
    frames.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
