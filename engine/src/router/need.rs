//! What a cut needs of a model.

use kinora_cards::Size;
use serde::{Deserialize, Serialize};

use super::kind::Proposal;
use crate::hosted::{Asked, Task};
use crate::id::CutId;

/// What a cut needs of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Need {
    /// The cut.
    pub cut: CutId,
    /// Its type, said or proposed, and why.
    pub kind: Proposal,
    /// Which frames of the clip are given. [`Task::References`] means the same as [`Task::Text`] with reference pictures.
    pub task: Task,
    /// Reference pictures of the cut itself, without those of its characters.
    pub references: u32,
    /// Whether sound is wanted; `None` where nobody cares.
    pub audio: Option<bool>,
    /// Whether it is to be several shots in one clip.
    pub multi_shot: bool,
    /// Length.
    pub seconds: f64,
    /// Size of the pictures.
    pub size: Size,
    /// Frames a second of the film; `None` where nobody cares.
    pub fps: Option<f64>,
    /// The characters in it.
    pub characters: Vec<Known>,
    /// The model that the cut names. `None` or `auto` where it is to be chosen.
    pub model: Option<String>,
    /// When the take is wanted at the latest, in seconds of work.
    pub deadline_secs: Option<f64>,
}

/// By what a model can know a character, besides words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// What it has adapters for: a family such as `wan`, or the beginning of a card's name such as `wan2.2`.
    pub adapters: Vec<String>,
    /// Reference pictures.
    pub references: u32,
}

impl Need {
    /// The word that leaves the choice to the router.
    pub const AUTO: &'static str = "auto";

    /// The model that is named, if one is.
    pub fn named(&self) -> Option<&str> {
        self.model.as_deref().filter(|name| !name.eq_ignore_ascii_case(Self::AUTO))
    }

    /// What is asked of a model, as far as a price depends on it.
    pub fn asked(&self) -> Asked {
        let task = match self.task {
            Task::Text if self.references > 0 => Task::References,
            task => task,
        };
        Asked {
            task,
            seconds: self.seconds,
            size: self.size,
            audio: self.audio == Some(true),
            references: self.references,
        }
    }
}
