//! What a figure does over a clip.

use super::Seen;
use super::figure::Figure;
use super::picture::{Picture, apart};
use crate::world::{Action, Direction};

/// The least net way to a side that is a motion, in heights. The world's is 0.7 to 0.86.
const WAY: f32 = 0.15;
/// The least net rise, in heights. The world's is 0.38 to 0.46.
const RISE: f32 = 0.10;
/// The least height of a jump, in heights, half of which smoothing may take. The world's is 0.32 to 0.40.
const HOP: f32 = 0.06;
/// The least growth, as a factor of the radius. The world's is 2.2 to 2.6.
const GROWTH: f32 = 1.25;
/// How far apart two colours are that one sees to differ.
const CHANGED: f32 = 0.15;

/// Frames below which a jump may last no longer than an error.
const SMOOTHED: usize = 12;

/// How much speaks for each action; 1 is just enough.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    right: f32,
    float: f32,
    jump: f32,
    grow: f32,
    pub(super) spin: f32,
}

impl Evidence {
    /// Follows the figure; frames without one are passed over.
    pub(super) fn new(figures: &[Option<Figure>]) -> Self {
        let path = |of: fn(&Figure) -> f32| smooth(figures.iter().flatten().map(of).collect());
        let x = path(|figure| figure.x);
        let size = path(|figure| figure.radius().ln());
        // What rises does so with its centre and its foot: growing lifts the one, blur that comes and goes the other.
        let heights = [path(|figure| -figure.y), path(|figure| -figure.y - figure.radius())];
        let both = |of: fn(&[f32]) -> f32| of(&heights[0]).min(of(&heights[1]));
        Self {
            right: net(&x) / WAY,
            float: both(net) / RISE,
            jump: both(hop) / HOP,
            grow: net(&size) / GROWTH.ln(),
            spin: 0.0,
        }
    }

    fn all(&self) -> [(f32, Action); 6] {
        [
            (-self.right, Action::Left),
            (self.right, Action::Right),
            (self.jump, Action::Jump),
            (self.float, Action::Float),
            (self.grow, Action::Grow),
            (self.spin, Action::Spin),
        ]
    }

    /// Whether the figure neither goes anywhere nor grows.
    pub(super) fn is_in_place(&self) -> bool {
        self.all().iter().all(|(evidence, _)| *evidence < 1.0)
    }

    /// What most speaks for; nothing that does enough is standing still.
    pub(super) fn action(&self) -> Seen<Action> {
        let mut all = self.all();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let [(most, action), (second, _), ..] = all;
        if most < 1.0 {
            return Seen { what: Action::Still, score: 1.0 / (1.0 + most.max(0.0)) };
        }
        Seen { what: action, score: most / (most + second.max(1.0)) }
    }

    /// Where that leads.
    pub(super) fn direction(&self) -> Seen<Direction> {
        let Seen { what, score } = self.action();
        Seen { what: what.direction(), score }
    }
}

/// Share of what the first figure covers, or of the whole picture, that looks the same in the later frames.
pub(super) fn stillness(frames: &[Picture], first: Option<&Figure>) -> f32 {
    let Some((start, later)) = frames.split_first() else { return 1.0 };
    let covered = |at: &usize| first.is_none_or(|figure| figure.mask[*at]);
    let pixels: Vec<usize> = (0..start.pixels.len()).filter(covered).collect();
    let same = |frame: &Picture| {
        let is_same = |at: &&usize| apart(frame.pixels[**at], start.pixels[**at]) < CHANGED;
        pixels.iter().filter(is_same).count()
    };
    let same: usize = later.iter().map(same).sum();
    let all = pixels.len() * later.len();
    if all == 0 { 1.0 } else { same as f32 / all as f32 }
}

/// The median of each value and its neighbours where there are many: one frame alone proves nothing.
fn smooth(values: Vec<f32>) -> Vec<f32> {
    if values.len() < SMOOTHED {
        return values;
    }
    let middle = |three: &[f32]| three[0].max(three[1]).min(three[0].min(three[1]).max(three[2]));
    let inner: Vec<f32> = values.windows(3).map(middle).collect();
    match inner[..] {
        [first, .., last] => {
            [first].into_iter().chain(inner.iter().copied()).chain([last]).collect()
        }
        _ => values,
    }
}

/// From the first two values to the last two.
fn net(values: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let ends = (values.len() / 2).clamp(1, 2);
    match values.len() {
        0 | 1 => 0.0,
        count => mean(&values[count - ends..]) - mean(&values[..ends]),
    }
}

/// The height of a jump: the lesser of the greatest rise and the greatest fall.
fn hop(heights: &[f32]) -> f32 {
    let (mut rise, mut fall) = (0.0_f32, 0.0_f32);
    let (mut least, mut most) = (f32::MAX, f32::MIN);
    for height in heights {
        (least, most) = (least.min(*height), most.max(*height));
        (rise, fall) = (rise.max(height - least), fall.max(most - height));
    }
    rise.min(fall)
}
