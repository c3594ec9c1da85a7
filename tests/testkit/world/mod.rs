//! The cartoon world that the embedded model is trained on: one character, one background, one action, and a caption.
//!
//! A port of `models/mini/train/world.py`, held to it by the golden `mini-world`. Lengths are in units of the picture's
//! height; a picture spans x in [0, width / height] and y in [0, 1], downwards.

mod backdrop;
mod captions;
mod figures;
mod render;
mod scene;
mod shapes;

pub use backdrop::Backdrop;
pub use captions::{Wording, caption};
pub use figures::{Paint, layers};
pub use render::{Pose, pose, render, render_at};
pub use scene::{Action, Background, Character, Colour, Direction, Draw, Scene, Unnamed};

/// Red, green and blue, each from 0 to 1.
pub type Rgb = [f32; 3];

/// `a` at 0, `b` at 1.
pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [0, 1, 2].map(|i| a[i] * (1.0 - t) + b[i] * t)
}
