//! What can go wrong while a model is chosen.

use super::evidence::PreferencesError;
use super::kind::NotAKind;
use crate::id::CutId;
use crate::{Hint, Kind};

/// What can go wrong while a model is chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No model can make the cut.
    #[error("cut {cut}: no model can make it{}", nearest_to_it(.nearest.as_deref()))]
    None {
        /// The cut.
        cut: CutId,
        /// The model that the least forbids, if there is any model.
        nearest: Option<Box<Obstacle>>,
    },
    /// The model that the cut names cannot make it, and no other is put in its place.
    #[error("cut {cut} names {}, which cannot make it: {}", .obstacle.model, .obstacle.because)]
    Named {
        /// The cut.
        cut: CutId,
        /// The model.
        obstacle: Box<Obstacle>,
    },
    /// The cut names a model that there is none of.
    #[error("cut {cut} names {model}, and there is no such model")]
    NoSuchModel {
        /// The cut.
        cut: CutId,
        /// The name.
        model: String,
        /// The nearest name, where one is near.
        near: Option<String>,
    },
    /// A word that is no type of cut.
    #[error(transparent)]
    Kind(#[from] NotAKind),
    /// A file of preferences that makes no sense.
    #[error(transparent)]
    Preferences(#[from] PreferencesError),
}

/// What stands against a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The model.
    pub model: String,
    /// What forbids it.
    pub because: String,
    /// What would have to change.
    pub change: String,
    /// Whether another machine could make the cut.
    pub is_machine: bool,
}

/// The result of choosing.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn nearest_to_it(nearest: Option<&Obstacle>) -> String {
    match nearest {
        Some(nearest) => format!("; the nearest is {}: {}", nearest.model, nearest.because),
        None => ", for there is none".to_owned(),
    }
}

impl Hint for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::None { nearest: Some(obstacle), .. } | Self::Named { obstacle, .. }
                if obstacle.is_machine =>
            {
                Kind::Resources
            }
            Self::None { .. } | Self::Named { .. } => Kind::Policy,
            Self::NoSuchModel { .. } => Kind::Input,
            Self::Kind(error) => error.kind(),
            Self::Preferences(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::None { cut, nearest } => Some(match nearest {
                Some(nearest) => {
                    format!("{}; `kinora route {cut} --explain` says more", nearest.change)
                }
                None => "`kinora models list` shows which there are".to_owned(),
            }),
            Self::Named { obstacle, .. } => Some(obstacle.change.clone()),
            Self::NoSuchModel { near, .. } => Some(match near {
                Some(near) => format!("did you mean {near}?"),
                None => "`kinora models list` shows which there are".to_owned(),
            }),
            Self::Kind(error) => error.hint(),
            Self::Preferences(error) => error.hint(),
        }
    }
}
