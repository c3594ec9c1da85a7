//! What a clip should show.

use std::error::Error;

use kinora_tests::world::{Action, Background, Character, Colour, Draw, Scene, Wording, caption};
use serde::Deserialize;

/// What a clip should show, and in which words that was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) caption: String,
    pub(super) character: Character,
    pub(super) colour: Colour,
    pub(super) background: Background,
    pub(super) action: Action,
}

/// The same as a script writes it.
#[derive(Deserialize)]
struct Written {
    char: String,
    colour: String,
    bg: String,
    action: String,
    caption: String,
}

impl Asked {
    /// Words a scene so that everything about it is said.
    pub(super) fn of(scene: &Scene, draw: &mut Draw) -> Self {
        Self {
            caption: caption(scene, Wording::Whole, draw),
            character: scene.character,
            colour: scene.colour,
            background: scene.background,
            action: scene.action,
        }
    }

    /// Reads a list in JSON.
    pub(super) fn list(json: &str) -> Result<Vec<Self>, Box<dyn Error>> {
        let written: Vec<Written> = serde_json::from_str(json)?;
        let read = |one: Written| {
            Ok(Self {
                character: one.char.parse()?,
                colour: one.colour.parse()?,
                background: one.bg.parse()?,
                action: one.action.parse()?,
                caption: one.caption,
            })
        };
        written.into_iter().map(read).collect()
    }
}
