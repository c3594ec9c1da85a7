//! Attention in tiles: some queries against some keys at a time, with the softmax carried along.

#![allow(unsafe_code, reason = "rows by pointer, and outputs written by several threads at once")]

use candle_core::DType;
use rayon::prelude::*;

use super::elementwise::{exp_down, vectorised};
use super::gemm::widening;
use super::isa::Isa;
use super::pack::{Source, pack_columns, pack_rows, unpack};
use super::panels::{Form, Line, Panel, Panels, panel, panel_count, widen};
use super::rounded::{Rounded, Target, packing, round_row};
use super::rows::Raw;
use super::share::share;
use super::tile::{Operands, ROWS, multiply};

/// Queries of a task.
const QUERIES: usize = 4 * ROWS;
/// Panels of keys taken at once.
const KEY_PANELS: usize = 4;

/// Keys `(s_k, head_dim)` and values, transposed, of every head.
#[derive(Debug)]
pub(crate) struct Heads {
    keys: Vec<Panels>,
    values: Vec<Panels>,
}

/// Rows `(s, heads, head_dim)` with the last dimension contiguous.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide<'a> {
    /// From the first value on.
    pub values: &'a [f32],
    /// Values between rows, and between heads.
    pub stride: [usize; 2],
}

/// Queries or keys `(s, heads, head_dim)`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HeadRows<'a> {
    /// In `f32`.
    Wide(Wide<'a>),
    /// Rounded to the form of the products; a head begins a word.
    Rounded(&'a Rounded),
}

/// A bias `(heads, s_q, s_k)` with the last dimension contiguous.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bias<'a> {
    /// From the first value on.
    pub values: &'a [f32],
    /// Values between heads, and between queries.
    pub stride: [usize; 2],
}

impl Heads {
    /// Keys `(heads, s_k, head_dim)` and values `(heads, head_dim, s_k)`.
    pub(crate) fn unpack(&self, s_k: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
        let keys = self.keys.iter().flat_map(|keys| unpack(keys, head_dim)).collect();
        (keys, self.values.iter().flat_map(|values| unpack(values, s_k)).collect())
    }
}

/// Packs keys and values of `(s_k, heads, head_dim)`.
pub(crate) fn pack_heads(
    isa: Isa,
    keys: HeadRows<'_>,
    values: Wide<'_>,
    [s_k, heads, head_dim]: [usize; 3],
    form: Form,
) -> Heads {
    let head = |x: Wide<'_>, h: usize| Raw(x.values[h * x.stride[1]..].as_ptr().cast_mut());
    let pack_keys = |h: usize| {
        let source = match keys {
            HeadRows::Wide(keys) => {
                let base = Raw(head(keys, h).get().cast::<u8>());
                Source { base, dtype: DType::F32, rows: s_k, stride: 4 * keys.stride[0] }
            }
            HeadRows::Rounded(keys) => keys.columns(h * head_dim),
        };
        // SAFETY: `s_k` rows of `head_dim` values lie inside the keys, which are borrowed.
        unsafe { pack_rows(isa, &[source], head_dim, form) }
    };
    let pack_values = |h: usize| {
        // SAFETY: as above, for `values`.
        unsafe { pack_columns(isa, head(values, h), values.stride[0], s_k, head_dim, form) }
    };
    let packed = (0..2 * heads)
        .into_par_iter()
        .with_max_len(1)
        .map(|i| if i < heads { pack_keys(i) } else { pack_values(i - heads) });
    let mut keys: Vec<Panels> = packed.collect();
    let values = keys.split_off(heads);
    Heads { keys, values }
}

/// What a thread reuses from task to task.
#[derive(Default)]
struct Scratch {
    queries: Vec<u32>,
    scores: Vec<f32>,
    weights: Vec<u32>,
    sums: Vec<f32>,
    wide: Vec<Line>,
}

/// Writes attention of `queries` to `out`, rows `(s_q, heads * head_dim)`; `dims` are `s_q, s_k, heads, head_dim`.
///
/// `raise` is added to the scores of the last key. Heads of rounded outputs begin a word.
#[expect(clippy::too_many_arguments, reason = "the operands of one operation")]
pub(crate) fn attend(
    isa: Isa,
    packed: &Heads,
    queries: HeadRows<'_>,
    dims: [usize; 4],
    scale: f32,
    raise: f32,
    bias: Option<Bias<'_>>,
    out: Target,
) {
    let [s_q, s_k, heads, head_dim] = dims;
    let blocks = s_q.div_ceil(QUERIES);
    share(heads * blocks, Scratch::default, |scratch, task| {
        let (head, first) = (task / blocks, task % blocks * QUERIES);
        let count = QUERIES.min(s_q - first);
        let (keys, values) = (&packed.keys[head], &packed.values[head]);
        let block = Block { isa, keys, values, count, s_k };
        let width = keys.steps() * widening(isa, keys);
        let rows: [*const u32; QUERIES] = match queries {
            HeadRows::Wide(queries) => {
                scratch.queries.resize(QUERIES * width, 0);
                for r in 0..count {
                    let start = (first + r) * queries.stride[0] + head * queries.stride[1];
                    let row = &queries.values[start..start + head_dim];
                    let words = &mut scratch.queries[r * width..(r + 1) * width];
                    round_row(isa, keys.form(), row, words);
                }
                pointers(&scratch.queries, width)
            }
            HeadRows::Rounded(queries) => {
                let (base, stride) = queries.words();
                let start = head * head_dim / packing(isa, keys.form());
                // A block that is not full points at its last row again.
                std::array::from_fn(|r| {
                    let row = first + r.min(count - 1);
                    base.get().wrapping_add(row * stride + start).cast_const()
                })
            }
        };
        let bias_row = |r: usize, keys: std::ops::Range<usize>| {
            bias.map(|bias| {
                let start = head * bias.stride[0] + (first + r) * bias.stride[1];
                &bias.values[start + keys.start..start + keys.end]
            })
        };
        let totals = block.run(scratch, &rows, width, scale, raise, bias_row);
        let stride = head_dim.next_multiple_of(16);
        for (r, total) in totals[..count].iter().enumerate() {
            let sums = &mut scratch.sums[r * stride..][..head_dim];
            sums.iter_mut().for_each(|sum| *sum /= total);
            // SAFETY: every task writes its own rows of its own head.
            unsafe {
                match out {
                    Target::Single(out, stride) => {
                        let out = out.get().add((first + r) * stride + head * head_dim);
                        std::slice::from_raw_parts_mut(out, head_dim).copy_from_slice(sums);
                    }
                    Target::Rounded(out, stride, form) => {
                        let packing = packing(isa, form);
                        let start = (first + r) * stride + head * head_dim / packing;
                        let words = head_dim.div_ceil(packing);
                        let out = std::slice::from_raw_parts_mut(out.get().add(start), words);
                        round_row(isa, form, sums, out);
                    }
                }
            }
        }
    });
}

/// Some queries of one head against all its keys.
struct Block<'a> {
    isa: Isa,
    keys: &'a Panels,
    values: &'a Panels,
    count: usize,
    s_k: usize,
}

impl Block<'_> {
    /// Leaves the weighted sums of the values in `scratch.sums` and returns what they are to be divided by.
    fn run<'b>(
        &self,
        scratch: &mut Scratch,
        query_rows: &[*const u32; QUERIES],
        width: usize,
        scale: f32,
        raise: f32,
        bias: impl Fn(usize, std::ops::Range<usize>) -> Option<&'b [f32]>,
    ) -> [f32; QUERIES] {
        let Scratch { scores, weights, sums, wide, .. } = scratch;
        let Self { isa, keys, values, count, s_k } = *self;
        let stride = values.n().next_multiple_of(16);
        sums.resize(QUERIES * stride, 0.0);
        scores.resize(QUERIES * 64 * KEY_PANELS, 0.0);
        weights.resize(QUERIES * 64 * KEY_PANELS, 0);
        let mut highest = [f32::NEG_INFINITY; QUERIES];
        let mut totals = [0f32; QUERIES];
        let panels = panel_count(s_k);
        for first in (0..panels).step_by(KEY_PANELS) {
            let last = panels.min(first + KEY_PANELS) - 1;
            let from = panel(s_k, first).start;
            let end = panel(s_k, last);
            let length = end.start + end.columns - from;
            let across = end.start + 16 * end.vectors - from;
            for p in first..=last {
                let panel = panel(s_k, p);
                let lines = self.lines(keys, panel, 0, keys.steps(), wide);
                // SAFETY: query rows are `width` words, scores `across` wide.
                unsafe {
                    let out = scores.as_mut_ptr().add(panel.start - from);
                    self.product(panel, query_rows, width, lines, out, across, false);
                }
            }
            // Words of a row of weights.
            let span = length.div_ceil(keys.form().inputs()) * widening(isa, keys);
            for r in 0..count {
                let row = &mut scores[r * across..r * across + length];
                let raise = if last + 1 == panels { raise } else { 0.0 };
                let bias = bias(r, from..from + length);
                let (shrink, sum) = soften(isa, row, scale, raise, bias, &mut highest[r]);
                totals[r] = totals[r] * shrink + sum;
                if first > 0 && shrink != 1.0 {
                    sums[r * stride..(r + 1) * stride].iter_mut().for_each(|x| *x *= shrink);
                }
                if keys.form() != Form::Single {
                    round_row(isa, keys.form(), row, &mut weights[r * span..(r + 1) * span]);
                }
            }
            let rows = if keys.form() == Form::Single {
                std::array::from_fn(|r| scores[r * across..].as_ptr().cast::<u32>())
            } else {
                pointers(weights, span)
            };
            let inputs = values.form().inputs();
            for p in 0..panel_count(values.n()) {
                let panel = panel(values.n(), p);
                let lines = self.lines(values, panel, from / inputs, length.div_ceil(inputs), wide);
                // SAFETY: rows of weights are `span` words, sums `stride` wide.
                unsafe {
                    let out = sums.as_mut_ptr().add(panel.start);
                    self.product(panel, &rows, span, lines, out, stride, first > 0);
                }
            }
        }
        totals
    }

    /// The lines of a panel as the tile multiplies them.
    fn lines<'b>(
        &self,
        panels: &'b Panels,
        panel: Panel,
        step: usize,
        steps: usize,
        wide: &'b mut Vec<Line>,
    ) -> &'b [Line] {
        let lines = panels.lines(panel, step, steps);
        if widening(self.isa, panels) == 1 {
            return lines;
        }
        widen(self.isa, panels.form(), panel.vectors, lines, wide);
        wide
    }

    /// Multiplies all rows with one panel.
    ///
    /// # Safety
    /// Rows must be `steps` words, `lines` as many steps, and the output writable for all rows.
    #[expect(clippy::too_many_arguments, reason = "the operands of one product")]
    unsafe fn product(
        &self,
        panel: Panel,
        rows: &[*const u32; QUERIES],
        steps: usize,
        lines: &[Line],
        out: *mut f32,
        out_stride: usize,
        accumulate: bool,
    ) {
        debug_assert_eq!(lines.len(), steps * panel.vectors);
        let product = self.keys.form().product(self.isa);
        for r in (0..self.count).step_by(ROWS) {
            let operands = Operands {
                rows: rows[r..].as_ptr(),
                stride: ROWS,
                segments: 1,
                steps,
                panel: lines.as_ptr(),
                // SAFETY: a row of the output.
                out: unsafe { out.add(r * out_stride) },
                out_stride,
                accumulate,
                bias: std::ptr::null(),
                ahead: &[],
            };
            let count = ROWS.min(self.count - r);
            // SAFETY: the caller vouches for rows, lines and output.
            unsafe { multiply(self.isa, product, panel.vectors, count, &operands) };
        }
    }
}

fn pointers(words: &[u32], width: usize) -> [*const u32; QUERIES] {
    std::array::from_fn(|r| words[r * width..].as_ptr())
}

vectorised! {
    /// Turns scores into weights `e^(score - highest)`; what earlier sums shrink by, and the sum of the weights.
    fn soften(
        row: &mut [f32],
        scale: f32,
        raise: f32,
        bias: Option<&[f32]>,
        highest: &mut f32,
    ) -> (f32, f32) {
        let before = *highest;
        let mut lanes = [before; 16];
        let (runs, rest) = row.as_chunks_mut::<16>();
        let (bias_runs, bias_rest) = bias.unwrap_or_default().as_chunks::<16>();
        match bias {
            Some(_) => {
                for (run, bias) in runs.iter_mut().zip(bias_runs) {
                    for ((lane, x), b) in lanes.iter_mut().zip(run).zip(bias) {
                        *x = *x * scale + b;
                        *lane = if *x > *lane { *x } else { *lane };
                    }
                }
                rest.iter_mut().zip(bias_rest).for_each(|(x, b)| *x = *x * scale + b);
            }
            None => {
                for run in runs {
                    for (lane, x) in lanes.iter_mut().zip(run) {
                        *x *= scale;
                        *lane = if *x > *lane { *x } else { *lane };
                    }
                }
                rest.iter_mut().for_each(|x| *x *= scale);
            }
        }
        let now = lanes.iter().chain(&*rest).fold(before, |a, &b| if b > a { b } else { a });
        // Raised, the last is at least what it was.
        let now = row.last_mut().map_or(now, |last| {
            *last += raise;
            if *last > now { *last } else { now }
        });
        *highest = now;
        // A row of nothing but -inf so far must not become -inf - -inf.
        let base = if now == f32::NEG_INFINITY { 0.0 } else { now };
        let mut sums = [0f32; 16];
        let (runs, rest) = row.as_chunks_mut::<16>();
        for run in runs {
            for (sum, x) in sums.iter_mut().zip(run) {
                *x = exp_down::<FUSED>(*x - base);
                *sum += *x;
            }
        }
        for (sum, x) in sums.iter_mut().zip(rest) {
            *x = exp_down::<FUSED>(*x - base);
            *sum += *x;
        }
        (exp_down::<FUSED>(before - base), sums.iter().sum())
    }
}
