//! Packing: from rows of any floating dtype, or from columns, to panels.

#![allow(unsafe_code, reason = "rows by pointer, and panels written by several threads at once")]

use candle_core::DType;
use rayon::prelude::*;

use super::elementwise::{f16_to_f32, to_bf16, to_f16};
use super::isa::Isa;
use super::panels::{Form, Line, Panels, panel, panel_count};
use super::rows::Raw;

/// Rows of one floating dtype, little-endian, not necessarily aligned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// First value of the first row.
    pub base: Raw<u8>,
    /// `F32`, `BF16` or `F16`.
    pub dtype: DType,
    /// Rows.
    pub rows: usize,
    /// Bytes between rows.
    pub stride: usize,
}

/// Words turned at once, so that the lines they scatter over stay close.
const RUN: usize = 16;

/// Packs rows of `k` values, the sources one below the other; row `j` becomes column `j`.
///
/// # Safety
/// Every row must be readable for `k` values and not change meanwhile.
pub(crate) unsafe fn pack_rows(isa: Isa, sources: &[Source], k: usize, form: Form) -> Panels {
    let n = sources.iter().map(|s| s.rows).sum();
    let steps = k.div_ceil(form.inputs());
    let mut rows: Vec<(Raw<u8>, DType)> = Vec::with_capacity(n);
    for source in sources {
        // SAFETY: rows of a source lie `stride` apart.
        rows.extend(
            (0..source.rows)
                .map(|r| unsafe { (Raw(source.base.0.add(r * source.stride)), source.dtype) }),
        );
    }
    build(n, steps, form, |panel, out| {
        for (column, row) in (0..16 * panel.vectors).zip(panel.start..) {
            let width = 16 * panel.vectors;
            let mut words = [0u32; RUN];
            for first in (0..steps).step_by(RUN) {
                let count = RUN.min(steps - first);
                if let Some((base, dtype)) = rows.get(row) {
                    let start = first * form.inputs();
                    let values = (count * form.inputs()).min(k - start);
                    // SAFETY: `start + values <= k`, which the caller vouches for.
                    unsafe { read(isa, base.0, *dtype, start, values, form, &mut words) };
                } else {
                    words = [0; RUN];
                }
                for (i, word) in words[..count].iter().enumerate() {
                    // SAFETY: `build` hands out `steps * vectors` lines.
                    unsafe { *out.add((first + i) * width + column) = *word };
                }
            }
        }
    })
}

/// Packs columns: input `i` lies at `base + i * stride` and holds `n` contiguous values, one for each column.
///
/// # Safety
/// Every input must be readable for `n` values and not change meanwhile.
pub(crate) unsafe fn pack_columns(
    isa: Isa,
    base: Raw<f32>,
    stride: usize,
    k: usize,
    n: usize,
    form: Form,
) -> Panels {
    let steps = k.div_ceil(form.inputs());
    build(n, steps, form, |panel, out| {
        let width = 16 * panel.vectors;
        let input = |i: usize| {
            // SAFETY: within `k` inputs of `n` values.
            unsafe {
                let row = base.get().add(i * stride + panel.start);
                std::slice::from_raw_parts(row, panel.columns)
            }
        };
        for step in 0..steps {
            // SAFETY: `build` hands out `steps * vectors` lines.
            let out = unsafe { std::slice::from_raw_parts_mut(out.add(step * width), width) };
            let first = input(step * form.inputs());
            let second = step * form.inputs() + 1;
            pair_columns(isa, form, first, (second < k).then(|| input(second)), out);
            out[panel.columns..].fill(0);
        }
    })
}

/// The matrix of panels as `n` rows of `k` values, widened to `f32`.
pub(crate) fn unpack(panels: &Panels, k: usize) -> Vec<f32> {
    let mut values = vec![0f32; panels.n * k];
    for index in 0..panel_count(panels.n) {
        let panel = panel(panels.n, index);
        let lines = panels.lines(panel, 0, panels.steps);
        for column in 0..panel.columns {
            for i in 0..k {
                let step = i / panels.form.inputs();
                let word = lines[step * panel.vectors + column / 16].0[column % 16];
                let half = if i % 2 == 0 { word & 0xffff } else { word >> 16 };
                values[(panel.start + column) * k + i] = f32::from_bits(match panels.form {
                    Form::Single => word,
                    Form::Bf16 => half << 16,
                    Form::F16 => f16_to_f32(half),
                });
            }
        }
    }
    values
}

/// Allocates panels and lets `fill` write each, on many threads; `fill` must write every word.
fn build(
    n: usize,
    steps: usize,
    form: Form,
    fill: impl Fn(super::panels::Panel, *mut u32) + Sync,
) -> Panels {
    let total = n.div_ceil(16) * steps;
    let mut lines: Vec<Line> = Vec::with_capacity(total);
    let base = Raw(lines.as_mut_ptr());
    (0..panel_count(n)).into_par_iter().for_each(|index| {
        let panel = panel(n, index);
        // SAFETY: panels are disjoint ranges of lines.
        fill(panel, unsafe { base.get().add(panel.start / 16 * steps) }.cast::<u32>());
    });
    // SAFETY: the panels together are all lines, and every word was written.
    unsafe { lines.set_len(total) };
    Panels { lines, form, n, steps }
}

/// Reads values `start..start + count` of a row as words; what a last word lacks is zero.
///
/// # Safety
/// The row must be readable for `start + count` values.
unsafe fn read(
    isa: Isa,
    row: *const u8,
    dtype: DType,
    start: usize,
    count: usize,
    form: Form,
    words: &mut [u32; RUN],
) {
    let narrow = match form {
        Form::Single => None,
        Form::Bf16 => Some(DType::BF16),
        Form::F16 => Some(DType::F16),
    };
    if narrow == Some(dtype) || form == Form::Single && dtype == DType::F32 {
        let size = dtype.size_in_bytes();
        *words = [0; RUN];
        // SAFETY: the caller vouches for the values, and they are at most `RUN` words.
        unsafe {
            let from = row.add(start * size);
            std::ptr::copy_nonoverlapping(from, words.as_mut_ptr().cast::<u8>(), count * size);
        }
        return;
    }
    let mut wide = [0f32; 2 * RUN];
    // SAFETY: as above; reads are unaligned.
    unsafe {
        match dtype {
            DType::F32 => {
                let from = row.cast::<f32>().add(start).cast::<u8>();
                std::ptr::copy_nonoverlapping(from, wide.as_mut_ptr().cast::<u8>(), 4 * count);
            }
            _ => {
                let mut narrow = [0u16; 2 * RUN];
                let from = row.cast::<u16>().add(start).cast::<u8>();
                std::ptr::copy_nonoverlapping(from, narrow.as_mut_ptr().cast::<u8>(), 2 * count);
                let bf16 = dtype == DType::BF16;
                widen_run(isa, &narrow, bf16, &mut wide);
            }
        }
    }
    narrow_run(isa, &wide, form, words);
}

super::elementwise::vectorised! {
    fn widen_run(narrow: &[u16; 2 * RUN], bf16: bool, wide: &mut [f32; 2 * RUN]) {
        for (wide, &narrow) in wide.iter_mut().zip(narrow) {
            let narrow = u32::from(narrow);
            *wide = f32::from_bits(if bf16 { narrow << 16 } else { f16_to_f32(narrow) });
        }
    }
    fn pair_columns(form: Form, first: &[f32], second: Option<&[f32]>, out: &mut [u32]) {
        for (out, x) in out.iter_mut().zip(first) {
            *out = match form {
                Form::Single => x.to_bits(),
                Form::Bf16 => to_bf16(*x),
                Form::F16 => to_f16(*x),
            };
        }
        if let (Some(second), true) = (second, form != Form::Single) {
            for (out, x) in out.iter_mut().zip(second) {
                *out |= if form == Form::Bf16 { to_bf16(*x) } else { to_f16(*x) } << 16;
            }
        }
    }
    fn narrow_run(wide: &[f32; 2 * RUN], form: Form, words: &mut [u32; RUN]) {
        match form {
            Form::Single => {
                for (word, x) in words.iter_mut().zip(wide) {
                    *word = x.to_bits();
                }
            }
            Form::Bf16 => {
                for (i, word) in words.iter_mut().enumerate() {
                    *word = to_bf16(wide[2 * i]) | (to_bf16(wide[2 * i + 1]) << 16);
                }
            }
            Form::F16 => {
                for (i, word) in words.iter_mut().enumerate() {
                    *word = to_f16(wide[2 * i]) | (to_f16(wide[2 * i + 1]) << 16);
                }
            }
        }
    }
}
