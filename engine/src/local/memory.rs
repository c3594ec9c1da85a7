//! Whether a plan fits into memory, and what would.

use kinora_cards::{Frames, Size};
use kinora_models::family::{Model, Part};
use kinora_models::parts::{Placement, Tiling};

use super::options::VaeTile;
use crate::generator::StageMemory;
use crate::observe::Stage;
use crate::request::Recipe;
use crate::{Error, Result};

/// Tile of an automatic decode and the distance between tiles, in pixels: those of diffusers' `AutoencoderKLWan`.
pub(super) const TILING: Tiling = Tiling { tile_px: 256, stride_px: 192 };

/// Memory that is kept free for everything that is not counted.
const SLACK_BYTES: u64 = 256 << 20;

/// What there is to spend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    bytes: Option<u64>,
}

impl Budget {
    /// The memory that was allowed, else what the system says is free.
    pub(super) fn new(allowed: Option<u64>) -> Self {
        Self { bytes: allowed.or_else(|| available_bytes().map(|b| b.saturating_sub(SLACK_BYTES))) }
    }

    fn holds(self, bytes: u64) -> bool {
        self.bytes.is_none_or(|budget| bytes <= budget)
    }
}

/// Placements of the two halves of a model.
#[derive(Debug, Clone)]
pub(super) struct Placements {
    /// Text encoder and denoiser.
    pub(super) main: Placement,
    /// VAE.
    pub(super) vae: Placement,
}

/// The tiling that a decode takes.
pub(super) fn tiling(
    model: &dyn Model,
    choice: VaeTile,
    latent_shape: [usize; 4],
    placements: &Placements,
    budget: Budget,
) -> Option<Tiling> {
    match choice {
        VaeTile::Off => None,
        VaeTile::Tiles { tile_px, stride_px } => Some(Tiling { tile_px, stride_px }),
        VaeTile::Auto => {
            let weights = model.loaded_bytes(Part::Vae, &placements.vae);
            let whole = model.decode_working_bytes(latent_shape, None, &placements.vae);
            (!budget.holds(weights.saturating_add(whole))).then_some(TILING)
        }
    }
}

/// What a request brings along.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extras {
    /// A picture to begin with.
    pub(super) has_image: bool,
    /// Bytes of its adapters, as stored.
    pub(super) adapters_bytes: u64,
}

/// Memory of each stage of a generation.
pub(super) fn stages(
    model: &dyn Model,
    tokens: usize,
    latent_shape: [usize; 4],
    tiling: Option<Tiling>,
    placements: &Placements,
    extras: Extras,
) -> Vec<StageMemory> {
    let text = model.loaded_bytes(Part::TextEncoder, &placements.main);
    let denoiser = model.loaded_bytes(Part::Denoiser, &placements.main);
    let vae = model.loaded_bytes(Part::Vae, &placements.vae);
    let latents = latent_shape.iter().fold(4 * 8, |all: u64, n| all.saturating_mul(*n as u64));
    let [c, _, h, w] = latent_shape;
    // Encoding holds about what decoding does, and is not tiled.
    let image = || StageMemory {
        stage: Stage::Image,
        weights_bytes: vae,
        working_bytes: model.decode_working_bytes([c, 1, h, w], None, &placements.vae),
    };
    let mut stages = vec![
        StageMemory { stage: Stage::Text, weights_bytes: text, working_bytes: 64 << 20 },
        StageMemory {
            stage: Stage::Denoise,
            weights_bytes: denoiser.saturating_add(extras.adapters_bytes),
            working_bytes: latents
                .saturating_add(model.denoiser_working_bytes(tokens, &placements.main)),
        },
        StageMemory {
            stage: Stage::Decode,
            weights_bytes: vae,
            working_bytes: latents.saturating_add(model.decode_working_bytes(
                latent_shape,
                tiling,
                &placements.vae,
            )),
        },
    ];
    stages.extend(extras.has_image.then(image));
    stages
}

/// Refuses a plan that does not fit, and says what would.
pub(super) fn admit(
    memory: &[StageMemory],
    budget: Budget,
    recipe: &Recipe,
    what_if: &dyn Fn(Size, Frames) -> Option<u64>,
) -> Result<()> {
    let Some(worst) = memory.iter().max_by_key(|stage| stage.bytes()) else { return Ok(()) };
    let (needed, Some(available)) = (worst.bytes(), budget.bytes) else { return Ok(()) };
    if needed <= available {
        return Ok(());
    }
    let mut fits = None;
    let (size, frames) = (recipe.size(), recipe.num_frames.value);
    'search: for divisor in [1, 2, 3, 4, 8] {
        let smaller = |side: u32| (side / divisor / 16 * 16).max(16);
        let size = Size { width: smaller(size.width), height: smaller(size.height) };
        for part in [1, 2, 4, 20] {
            let frames = Frames((frames.saturating_sub(1) / part) / 4 * 4 + 1);
            if what_if(size, frames).is_some_and(|bytes| bytes <= available) {
                fits = Some((size, frames));
                break 'search;
            }
        }
    }
    Err(Error::Memory {
        stage: worst.stage.name(),
        needed,
        available,
        weights: worst.weights_bytes,
        fits,
    })
}

/// Memory that can be had without swapping: the system's figure, or what is left of a control group's limit.
pub(crate) fn available_bytes() -> Option<u64> {
    let system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    });
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(limit, used)| limit.saturating_sub(used));
    match (system, group) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
