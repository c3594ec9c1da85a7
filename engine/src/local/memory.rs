//! Whether a plan fits into memory, and what would.

use std::path::Path;

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
        VaeTile::Tiles { tile_px, stride_px } => {
            // Whole latents, which cover more pixels in some families.
            let latent_px = (model.facts().grid.spatial as usize).max(1);
            let stride_px = (stride_px / latent_px * latent_px).max(latent_px);
            Some(Tiling { tile_px, stride_px })
        }
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
    available_below(Path::new("/"))
}

/// Reads the same from the files below `root`, of control groups of either version.
fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let field = |path: &str, name: &str| {
        let text = read(path)?;
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let left = |limit: &str, used: &str, stat: &str, files: [&str; 2]| {
        // Version 1 has no word for "no limit", only a number near 2^63.
        let limit = number(limit).filter(|limit| *limit < 1 << 62)?;
        // A group pays for the files that it reads, such as weights, and gives their pages up when it needs memory.
        let files: u64 = files.iter().filter_map(|name| field(stat, name)).sum();
        Some(limit.saturating_sub(number(used)?.saturating_sub(files)))
    };
    let system = field("proc/meminfo", "MemAvailable:").map(|kib| kib * 1024);
    let version_2 = left(
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory.current",
        "sys/fs/cgroup/memory.stat",
        ["inactive_file", "active_file"],
    );
    let version_1 = left(
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
        ["total_inactive_file", "total_active_file"],
    );
    [system, version_2, version_1].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::available_below;

    /// What is available where these files say so.
    fn available(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("because there is room");
        for (path, text) in files {
            let path = root.path().join(path);
            let folder = path.parent().expect("because the root is above");
            std::fs::create_dir_all(folder).expect("because there is room");
            std::fs::write(path, text).expect("because there is room");
        }
        available_below(root.path())
    }

    const SYSTEM: (&str, &str) =
        ("proc/meminfo", "MemTotal:       16000 kB\nMemAvailable:    8000 kB\n");

    #[test]
    fn the_system_alone() {
        assert_eq!(available(&[]), None);
        assert_eq!(available(&[SYSTEM]), Some(8000 * 1024));
    }

    #[test]
    fn files_in_memory_are_no_use_of_a_group() {
        let stat = "anon 1000\nfile 60000\ninactive_file 50000\nactive_file 9000\n";
        let group = |limit| {
            [
                SYSTEM,
                ("sys/fs/cgroup/memory.max", limit),
                ("sys/fs/cgroup/memory.current", "62000\n"),
                ("sys/fs/cgroup/memory.stat", stat),
            ]
        };
        assert_eq!(available(&group("64000\n")), Some(64000 - 3000));
        assert_eq!(available(&group("2000\n")), Some(0));
        assert_eq!(available(&group("max\n")), Some(8000 * 1024));
        assert_eq!(available(&group("64000\n")[..3]), Some(2000), "no statistics");
    }

    #[test]
    fn groups_of_version_1() {
        let stat = "inactive_file 1\ntotal_inactive_file 30000\ntotal_active_file 8000\n";
        let group = |limit| {
            [
                SYSTEM,
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "40000\n"),
                ("sys/fs/cgroup/memory/memory.stat", stat),
            ]
        };
        assert_eq!(available(&group("64000\n")), Some(64000 - 2000));
        assert_eq!(available(&group("9223372036854771712\n")), Some(8000 * 1024));
        assert_eq!(available(&group("9223372036854771712\n")[1..]), None, "no limit at all");
    }
}
