//! How long a take takes on this machine: as takes of its model took before, else by how much there is to compute.

use kinora_cards::Card;

use crate::Result;
use crate::ledger::{Ledger, Place};
use crate::local::Survey;
use crate::manifest::Manifest;
use crate::request::Recipe;

/// Takes of a model that are looked at: one may have been slow because somebody else used the machine.
const TAKES: u32 = 5;

/// Blocks of a denoiser, and numbers in one block for each number of its width squared: what Wan has, and others nearly.
const BLOCKS: f64 = 35.0;
const BLOCK: f64 = 14.0;

/// Operations of the VAE for each of its numbers and each pixel, in those that the denoiser could do meanwhile. Measured with
/// Wan 2.1 (`benches/results`).
const DECODE: f64 = 0.17;

/// Operations in a second of one processor with products of bf16, of one without, and of a graphics card: within a factor
/// of three for most, which is what an estimate is before the first take.
const BF16: f64 = 200e9;
const PLAIN: f64 = 50e9;
const GRAPHICS: f64 = 100e12;

/// Seconds for each operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace(f64);

impl Pace {
    /// What a machine may reach.
    pub(super) fn of(survey: &Survey) -> Self {
        let has_graphics = survey.devices.iter().any(|(_, state)| state == "ready");
        let one = if survey.kernels.contains("bf16") { BF16 } else { PLAIN };
        let all = one * survey.processors.max(1) as f64;
        Self(1.0 / if has_graphics { GRAPHICS } else { all })
    }

    /// What the last takes of a model reached on a machine with these kernels: the middle one of them.
    pub(super) fn remembered(ledger: &Ledger, card: &Card, kernels: &str) -> Result<Option<Self>> {
        let mut paces = Vec::new();
        for take in ledger.newest_of(&card.name, TAKES)? {
            if take.place != Place::Local {
                continue;
            }
            // A take that another version wrote tells nothing, and hinders nothing.
            let Ok(made) = serde_json::from_value::<Manifest>(ledger.record(take.id)?.made) else {
                continue;
            };
            if made.computed.kernels == kernels {
                paces.push(take.seconds / operations(card, &made.recipe));
            }
        }
        paces.retain(|pace| pace.is_finite());
        paces.sort_by(f64::total_cmp);
        Ok(paces.get(paces.len() / 2).copied().map(Self))
    }

    /// Seconds of a take.
    pub(super) fn seconds(self, card: &Card, recipe: &Recipe) -> f64 {
        self.0 * operations(card, recipe)
    }
}

/// About how many operations a take takes.
fn operations(card: &Card, recipe: &Recipe) -> f64 {
    let [width, height, frames] =
        [recipe.width.value, recipe.height.value, recipe.num_frames.value].map(f64::from);
    // Patches of 2x2 latents, each of 8x8 pixels and 4 frames.
    let tokens = ((frames - 1.0) / 4.0 + 1.0) * (width / 16.0) * (height / 16.0);
    let numbers = card.memory.denoiser_params as f64;
    let wide = (numbers / (BLOCK * BLOCKS)).sqrt();
    let pass = 2.0 * numbers * tokens + 4.0 * tokens * tokens * wide * BLOCKS;
    let passes = if recipe.is_guided() { 2.0 } else { 1.0 };
    let decode = DECODE * card.memory.vae_params as f64 * width * height * frames;
    f64::from(recipe.num_inference_steps.value) * passes * pass + decode
}

#[cfg(test)]
mod tests {
    use kinora_cards::{Frames, Grid, Size};

    use super::*;
    use crate::request::{FolderRecipe, Request};

    #[test]
    fn what_was_measured_is_within_a_factor_of_three() {
        let card = kinora_cards::find("wan2.1-t2v-1.3b").expect("a card");
        let survey = Survey {
            processors: 2,
            kernels: "avx512_bf16".to_owned(),
            available_bytes: None,
            devices: vec![("cuda", "no such device".to_owned())],
        };
        let seconds = |steps, guidance, size, frames| {
            let request = Request {
                num_inference_steps: Some(steps),
                guidance_scale: Some(guidance),
                size: Some(size),
                num_frames: Some(Frames(frames)),
                ..Request::default()
            };
            let folder = FolderRecipe::default();
            let recipe = Recipe::resolve(&request, Some(card), folder, &Grid::WAN21);
            Pace::of(&survey).seconds(card, &recipe.expect("a recipe"))
        };
        let square = Size { width: 256, height: 256 };
        let wide = Size { width: 480, height: 272 };
        // README: passes of the denoiser, and a decode in bf16, on two cores.
        let pass = seconds(2, 1.0, square, 5) - seconds(1, 1.0, square, 5);
        let larger = seconds(2, 1.0, wide, 17) - seconds(1, 1.0, wide, 17);
        let decode = seconds(1, 1.0, square, 5) - pass;
        for (estimated, measured) in [(pass, 3.5), (larger, 20.1), (decode, 17.8)] {
            let ratio: f64 = estimated / measured;
            assert!((0.33..3.0).contains(&ratio), "{estimated} s, measured {measured} s");
        }
        let guided = seconds(2, 5.0, square, 5) - seconds(1, 5.0, square, 5);
        assert!((guided / pass - 2.0).abs() < 1e-9);
    }
}
