//! What a cut needs of a model.

use kinora_cards::Size;
use serde::{Deserialize, Serialize};

use super::kind::Proposal;
use crate::hosted::Task;
use crate::id::CutId;
use crate::production::Length;

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
    /// Length; `None` where each model's own is good.
    pub length: Option<Length>,
    /// Size of the pictures; `None` where each model's own is good.
    pub size: Option<Size>,
    /// Frames a second of the film; `None` where nobody cares.
    pub fps: Option<f64>,
    /// The characters in it.
    pub characters: Vec<Known>,
    /// The model that the cut names. `None` or `auto` where it is to be chosen.
    pub model: Option<String>,
    /// When the take is wanted at the latest, in seconds of work.
    pub deadline_secs: Option<f64>,
    /// How many takes are to be made, all of which have to be paid for.
    pub takes: u32,
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

    /// Frames a second where nobody says.
    const FPS: f64 = 24.0;

    /// The model that is named, if one is.
    pub fn named(&self) -> Option<&str> {
        self.model.as_deref().filter(|name| !name.eq_ignore_ascii_case(Self::AUTO))
    }

    /// Its length in seconds, for a model that makes so many frames a second; where nobody knows how many, the film's.
    pub fn seconds(&self, fps: Option<u32>) -> Option<f64> {
        Some(match self.length? {
            Length::Seconds(seconds) => seconds,
            Length::Frames(frames) => {
                let fps = fps.map(f64::from).or(self.fps).unwrap_or(Self::FPS);
                f64::from(frames) / fps
            }
        })
    }
}
