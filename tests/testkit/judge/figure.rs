//! The part of a frame that is not background.

use super::picture::{Picture, apart};

/// How far a pixel is from the background where there is something.
const DIFFERENT: f32 = 0.15;
/// The least area that is a figure, in squared heights.
const LEAST_AREA: f32 = 0.008;
/// The largest share of the picture that is one; more is another background. The world's reach a quarter.
const LARGEST: f32 = 0.45;

/// A connected part of a frame. Lengths are in units of the height.
pub(super) struct Figure {
    /// Centre of its area.
    pub(super) x: f32,
    /// Centre of its area.
    pub(super) y: f32,
    /// Its area.
    pub(super) area: f32,
    /// The pixels it covers.
    pub(super) mask: Vec<bool>,
}

impl Figure {
    /// Finds the part that differs most from the background in all; `None` where nothing or
    /// nearly everything does.
    pub(super) fn find(frame: &Picture, empty: &Picture) -> Option<Self> {
        let (width, height) = (frame.width, frame.height);
        let differences: Vec<f32> =
            frame.pixels.iter().zip(&empty.pixels).map(|(a, b)| apart(*a, *b)).collect();
        let differs: Vec<bool> = differences.iter().map(|d| *d > DIFFERENT).collect();
        let mut visited = vec![false; differs.len()];
        let mut best: (f32, Vec<usize>) = (0.0, Vec::new());
        for start in 0..differs.len() {
            if !differs[start] || visited[start] {
                continue;
            }
            let part = part(start, [width, height], |at| differs[at], &mut visited);
            let weight = part.iter().map(|at| differences[*at]).sum();
            if weight > best.0 {
                best = (weight, part);
            }
        }
        let mut mask = vec![false; differs.len()];
        for at in best.1 {
            mask[at] = true;
        }
        fill(&mut mask, [width, height]);
        let (mut count, mut x, mut y) = (0.0_f32, 0.0_f32, 0.0_f32);
        for at in (0..mask.len()).filter(|at| mask[*at]) {
            count += 1.0;
            x += (at % width) as f32 + 0.5;
            y += (at / width) as f32 + 0.5;
        }
        let tall = height as f32;
        let area = count / (tall * tall);
        let figure = || Self { x: x / count / tall, y: y / count / tall, area, mask };
        let is_one = area >= LEAST_AREA && count <= LARGEST * (width * height) as f32;
        is_one.then(figure)
    }

    /// Its half width, were it a disc.
    pub(super) fn radius(&self) -> f32 {
        (self.area / std::f32::consts::PI).sqrt()
    }
}

/// The pixels that hang together with `start`, side by side.
fn part(
    start: usize,
    [width, height]: [usize; 2],
    is_in: impl Fn(usize) -> bool,
    visited: &mut [bool],
) -> Vec<usize> {
    let mut part = vec![start];
    visited[start] = true;
    let mut next = 0;
    while next < part.len() {
        let at = part[next];
        next += 1;
        let (x, y) = (at % width, at / width);
        let neighbours = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (y > 0).then(|| at - width),
            (y + 1 < height).then(|| at + width),
        ];
        for neighbour in neighbours.into_iter().flatten() {
            if !visited[neighbour] && is_in(neighbour) {
                visited[neighbour] = true;
                part.push(neighbour);
            }
        }
    }
    part
}

/// Takes in what the mask surrounds.
fn fill(mask: &mut [bool], [width, height]: [usize; 2]) {
    let mut outside = mask.to_vec();
    let top_and_bottom = (0..width).flat_map(|x| [x, (height - 1) * width + x]);
    let sides = (0..height).flat_map(|y| [y * width, y * width + width - 1]);
    for edge in top_and_bottom.chain(sides) {
        if !outside[edge] {
            part(edge, [width, height], |at| !mask[at], &mut outside);
        }
    }
    // What is neither in the mask nor reached from the edges is a hole.
    for (mask, outside) in mask.iter_mut().zip(outside) {
        *mask |= !outside;
    }
}
