//! The colour of a figure.

use super::Seen;
use super::figure::Figure;
use super::picture::Picture;
use crate::world::{Colour, Rgb};

/// How far a hue may be from a colour's and still vote for it, in degrees.
const VOTES: f32 = 30.0;

/// Counts the votes of the pixels well inside the figures: each for the nearest hue, by how colourful it is.
///
/// Hues stay what they are where blur mixes a body with its dark outline or with the white of eyes and stripes.
pub(super) fn of(frames: &[Picture], figures: &[Option<Figure>]) -> Option<Seen<Colour>> {
    let hues = Colour::ALL.map(|colour| (colour, hue(colour.rgb()).0));
    let mut votes = [0.0_f32; Colour::ALL.len()];
    for (frame, figure) in frames.iter().zip(figures) {
        let Some(Figure { mask, .. }) = figure else { continue };
        let width = frame.width;
        for at in width..mask.len().saturating_sub(width) {
            if !(mask[at] && mask[at - 1] && mask[at + 1] && mask[at - width] && mask[at + width]) {
                continue;
            }
            let (hue, chroma) = hue(frame.pixels[at]);
            for (vote, (_, own)) in votes.iter_mut().zip(hues) {
                let turned = (hue - own).abs();
                let distance = turned.min(360.0 - turned);
                *vote += chroma * (1.0 - distance / VOTES).max(0.0);
            }
        }
    }
    let all: f32 = votes.iter().sum();
    let (colour, most) = Colour::ALL.into_iter().zip(votes).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (all > 0.0).then(|| Seen { what: colour, score: most / all })
}

/// Hue in degrees, and chroma, how far the channels are apart.
fn hue([red, green, blue]: Rgb) -> (f32, f32) {
    let most = red.max(green).max(blue);
    let chroma = most - red.min(green).min(blue);
    if chroma <= 0.0 {
        return (0.0, 0.0);
    }
    let sixths = if most == red {
        (green - blue) / chroma
    } else if most == green {
        2.0 + (blue - red) / chroma
    } else {
        4.0 + (red - green) / chroma
    };
    ((sixths * 60.0).rem_euclid(360.0), chroma)
}
