//! Rows times panels: cut into blocks for the caches and into tasks for the threads.
//!
//! An output is always one sum in one order: runs of a row in turn, blocks of runs added one after the other. How
//! rows and panels are cut into tasks depends on the shape alone and changes no output.

#![allow(unsafe_code, reason = "rows by pointer, and outputs written by several threads at once")]

use super::elementwise::{bias_activation, bias_gate_add};
use super::isa::Isa;
use super::panels::{Form, Line, Panel, Panels, panel, panel_count, widen};
use super::rounded::{Target, packing, round_row};
use super::rows::Raw;
use super::share::{share, sharers};
use super::tile::{Operands, Product, ROWS, multiply};
use crate::ops::matmul::Activation;

/// Words of a row multiplied at once, so that their part of a panel stays in the second cache.
const BLOCK: usize = 768;
/// Rows of a task at most.
const TASK_ROWS: usize = 16 * ROWS;
/// Tasks a product is cut into at least, where it is large enough.
const TASKS: usize = 96;

/// Where the rows of a product are.
pub(crate) trait Pointers: Sync {
    /// Writes the pointers of rows `first..first + count` into `table`, which has room for whole groups of [`ROWS`]:
    /// row `r` of the block in segment `g` at `((r / ROWS) * segments + g) * ROWS + r % ROWS`.
    ///
    /// `scratch` lives as long as the table and may hold what the pointers point at.
    fn point(
        &self,
        first: usize,
        count: usize,
        segments: usize,
        scratch: &mut Vec<u32>,
        table: &mut [*const u32],
    );
}

/// Rows of one matrix, a fixed number of words apart.
pub(crate) struct Strided {
    /// First row.
    pub base: Raw<u32>,
    /// Words between rows.
    pub stride: usize,
    /// Words between segments of a row.
    pub segment: usize,
}

impl Pointers for Strided {
    fn point(
        &self,
        first: usize,
        count: usize,
        segments: usize,
        _: &mut Vec<u32>,
        table: &mut [*const u32],
    ) {
        for r in 0..count {
            let row = self.base.get().wrapping_add((first + r) * self.stride);
            for g in 0..segments {
                table[((r / ROWS) * segments + g) * ROWS + r % ROWS] =
                    row.wrapping_add(g * self.segment);
            }
        }
    }
}

/// What is done to an output before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// An activation is applied.
    Activation(Activation),
    /// It is added to what a row of a stream holds.
    Residual(ResidualRows<'a>),
}

/// Rows that outputs are added to, each times the gate of its row and column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResidualRows<'a> {
    /// From the first value on.
    pub base: &'a [f32],
    /// Values between rows.
    pub stride: usize,
    /// Outputs are added as they are where there is none.
    pub gate: Option<Gate<'a>>,
}

/// Factors of outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    /// Rows of factors, from the first value on.
    pub values: &'a [f32],
    /// Values between rows.
    pub stride: usize,
    /// The row of factors that each row of outputs takes; row 0 where it is absent.
    pub index: Option<&'a [u32]>,
}

impl<'a> ResidualRows<'a> {
    /// The rows from `row` on.
    pub(crate) fn from(&self, row: usize) -> Self {
        let gate = self.gate.map(|gate| Gate { index: gate.index.map(|all| &all[row..]), ..gate });
        Self { base: &self.base[row * self.stride..], gate, ..*self }
    }

    /// Columns `start..start + count` of a row, and their factors.
    pub(crate) fn run(
        &self,
        row: usize,
        start: usize,
        count: usize,
    ) -> (&'a [f32], Option<&'a [f32]>) {
        let factors = |gate: Gate<'a>| {
            let at = gate.index.map_or(0, |index| index[row] as usize);
            &gate.values[at * gate.stride + start..][..count]
        };
        (&self.base[row * self.stride + start..][..count], self.gate.map(factors))
    }
}

/// One product.
pub(crate) struct Job<'a> {
    /// Instruction set, one this machine has.
    pub isa: Isa,
    /// The packed matrix.
    pub panels: &'a Panels,
    /// Rows.
    pub rows: usize,
    /// Panel words of a segment; the last segment has what is left.
    pub segment: usize,
    /// Segments at the start that are zero in every row, and are not multiplied.
    pub skip: usize,
    /// Where outputs go.
    pub target: Target,
    /// Added to every row.
    pub bias: Option<&'a [f32]>,
    /// Done last.
    pub finish: Finish<'a>,
}

/// Words of a segment when the rows of `panels` are contiguous from end to end.
pub(crate) fn contiguous_segment(isa: Isa, panels: &Panels) -> usize {
    let steps = panels.steps().max(1);
    steps.div_ceil(steps.div_ceil(BLOCK / widening(isa, panels)))
}

/// Row words for each panel word: two when panels of pairs are widened.
pub(crate) fn widening(isa: Isa, panels: &Panels) -> usize {
    match panels.form().product(isa) {
        Product::Pairs => 1,
        Product::Single => panels.form().inputs(),
    }
}

/// How a shape is cut into tasks: rows of a block, and groups of panels.
fn cut(rows: usize, panels: usize) -> (usize, usize) {
    let mut blocks = rows.div_ceil(TASK_ROWS);
    if blocks * panels < TASKS {
        blocks = TASKS.div_ceil(panels).min(rows.div_ceil(ROWS));
    }
    let block = rows.div_ceil(blocks).next_multiple_of(ROWS);
    (block, TASKS.div_ceil(rows.div_ceil(block)).min(panels))
}

/// Multiplies.
///
/// # Safety
/// The pointers must lead to readable words, `widening * segment` for each segment (the last may be shorter), and the
/// output must be writable for `rows` rows of as many values as the panels have columns.
pub(crate) unsafe fn run(job: &Job<'_>, pointers: &impl Pointers) {
    if job.rows == 0 || job.panels.n() == 0 {
        return;
    }
    let panels = panel_count(job.panels.n());
    let (block, groups) = cut(job.rows, panels);
    let blocks = job.rows.div_ceil(block);
    let segments = job.panels.steps().div_ceil(job.segment).max(1);
    let ahead = sharers(blocks * groups);
    share(
        blocks * groups,
        || (Vec::new(), Vec::new(), Scratch::default()),
        |(table, copies, scratch), task| {
            let (group, index) = (task / blocks, task % blocks);
            let first = index * block;
            let count = block.min(job.rows - first);
            table.clear();
            table.resize(count.div_ceil(ROWS) * segments * ROWS, std::ptr::null());
            pointers.point(first, count, segments, copies, table);
            let (start, end) = (group * panels / groups, (group + 1) * panels / groups);
            for p in start..end {
                // Threads that keep pace with each other take turns.
                let next =
                    if p + 1 < end { p + 1 } else { (task + ahead) / blocks * panels / groups };
                let next = (next < panels).then(|| panel(job.panels.n(), next));
                let panel = panel(job.panels.n(), p);
                // SAFETY: tasks write apart, and the caller vouches for rows and output.
                unsafe { multiply_panel(job, panel, next, first, count, table, scratch) };
            }
        },
    );
}

/// Reused by the tasks of a thread.
#[derive(Default)]
struct Scratch {
    wide: Vec<Line>,
    edge: Vec<f32>,
}

/// Segments from `segment` on that are multiplied at once, and the panel words of each.
fn run_from(job: &Job<'_>, segment: usize) -> (usize, usize) {
    let steps = job.panels.steps();
    let segments = steps.div_ceil(job.segment).max(1);
    let words = (widening(job.isa, job.panels) * job.segment).max(1);
    let together = (BLOCK / words).max(1).min(segments - segment);
    if (segment + together) * job.segment <= steps {
        (together, job.segment)
    } else if together > 1 {
        // The last, shorter run goes alone.
        (together - 1, job.segment)
    } else {
        (1, steps - segment * job.segment)
    }
}

/// Multiplies the rows of a table with one panel, and finishes them; fetches the beginning of the panel that is `next`.
///
/// # Safety
/// As for [`run`].
unsafe fn multiply_panel(
    job: &Job<'_>,
    panel: Panel,
    next: Option<Panel>,
    first: usize,
    count: usize,
    table: &[*const u32],
    scratch: &mut Scratch,
) {
    let product = job.panels.form().product(job.isa);
    let widening = widening(job.isa, job.panels);
    let steps = job.panels.steps();
    let segments = steps.div_ceil(job.segment).max(1);
    let width = 16 * panel.vectors;
    let direct = match job.target {
        Target::Single(out, stride) if panel.columns == width => Some((out, stride)),
        _ => None,
    };
    let (out, out_stride) = match direct {
        // SAFETY: the block's first output.
        Some((out, stride)) => (unsafe { out.get().add(first * stride + panel.start) }, stride),
        None => {
            scratch.edge.resize(count * width, 0.0);
            (scratch.edge.as_mut_ptr(), width)
        }
    };
    let bias = job.bias.map(|bias| &bias[panel.start..panel.start + panel.columns]);
    // Nothing but a bias is added where the sums leave their registers.
    let in_tile = direct.is_some() && matches!(job.finish, Finish::Activation(Activation::None));
    let mut segment = job.skip;
    while segment < segments {
        let (group, length) = run_from(job, segment);
        let is_last = segment + group == segments;
        let lines_of = |panel, segment| {
            let (group, length) = run_from(job, segment);
            job.panels.lines(panel, segment * job.segment, group * length)
        };
        let mut lines = lines_of(panel, segment);
        let mut ahead = match next {
            _ if segment + group < segments => lines_of(panel, segment + group),
            Some(next) => lines_of(next, job.skip),
            None => &[],
        };
        if widening == 2 {
            widen(job.isa, job.panels.form(), panel.vectors, lines, &mut scratch.wide);
            lines = &scratch.wide;
        }
        for r in (0..count).step_by(ROWS) {
            let operands = Operands {
                rows: table[((r / ROWS) * segments + segment) * ROWS..].as_ptr(),
                stride: ROWS,
                segments: group,
                steps: widening * length,
                panel: lines.as_ptr(),
                // SAFETY: within the block's outputs.
                out: unsafe { out.add(r * out_stride) },
                out_stride,
                accumulate: segment > job.skip,
                bias: bias.filter(|_| in_tile && is_last).map_or(std::ptr::null(), <[f32]>::as_ptr),
                ahead,
            };
            // SAFETY: the caller vouches for the rows; `lines` are as many as the operands say.
            ahead = unsafe {
                multiply(job.isa, product, panel.vectors, ROWS.min(count - r), &operands)
            };
        }
        segment += group;
    }
    if in_tile {
        return;
    }
    for r in 0..count {
        // SAFETY: a row of the block, which this task alone writes.
        let row = unsafe { std::slice::from_raw_parts_mut(out.add(r * out_stride), panel.columns) };
        match job.finish {
            Finish::Activation(activation) => bias_activation(job.isa, row, bias, activation),
            Finish::Residual(residual) => {
                let (base, gate) = residual.run(first + r, panel.start, panel.columns);
                bias_gate_add(job.isa, base, row, bias, gate);
            }
        }
        match job.target {
            Target::Single(..) if direct.is_some() => {}
            Target::Single(out, stride) => {
                // SAFETY: as above.
                let out = unsafe {
                    let start = (first + r) * stride + panel.start;
                    std::slice::from_raw_parts_mut(out.get().add(start), panel.columns)
                };
                out.copy_from_slice(row);
            }
            Target::Rounded(out, stride, form) => {
                let packing = packing(job.isa, form);
                // SAFETY: as above; panels start at whole words.
                let out = unsafe {
                    let start = (first + r) * stride + panel.start / packing;
                    let words = panel.columns.div_ceil(packing);
                    std::slice::from_raw_parts_mut(out.get().add(start), words)
                };
                round_row(job.isa, form, row, out);
            }
        }
    }
}

/// Multiplies a panel that fits the first cache `rounds` times and says how many operations that was: the rate that
/// nothing built on the tile can exceed.
pub(crate) fn ceiling(isa: Isa, form: Form, rounds: usize) -> f64 {
    const STEPS: usize = 128;
    let product = form.product(isa);
    let panel = [Line::ZERO; 4 * STEPS];
    let rows = [[0u32; STEPS]; 6];
    let table: [*const u32; 6] = std::array::from_fn(|r| rows[r].as_ptr());
    let mut out = [0f32; 6 * 64];
    let operands = Operands {
        rows: table.as_ptr(),
        stride: 6,
        segments: 1,
        steps: STEPS,
        panel: panel.as_ptr(),
        out: out.as_mut_ptr(),
        out_stride: 64,
        accumulate: false,
        bias: std::ptr::null(),
        ahead: &[],
    };
    for _ in 0..rounds {
        // SAFETY: the operands describe the arrays above, and `isa` is this machine's.
        unsafe { multiply(isa, product, 4, 6, std::hint::black_box(&operands)) };
    }
    let inputs = if product == Product::Pairs { 2 } else { 1 };
    (2 * 6 * 64 * STEPS * inputs * rounds) as f64
}
