//! A matrix packed into panels of columns, in the order the register tile reads it.

use super::isa::Isa;
use super::tile::{COLUMNS, Product};

/// A cache line: one word for each of 16 columns.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [u32; 16]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; 16]);
}

/// What a word of a panel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One `f32`.
    Single,
    /// `bf16` at two neighbouring inputs, the first in the low half.
    Bf16,
    /// `f16` at two neighbouring inputs, the first in the low half.
    F16,
}

impl Form {
    /// Inputs in a word.
    pub(crate) fn inputs(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// How `isa` multiplies words of this form; [`Product::Single`] over two-input words means they are widened first.
    pub(crate) fn product(self, isa: Isa) -> Product {
        if self == Self::Bf16 && isa == Isa::Avx512Bf16 { Product::Pairs } else { Product::Single }
    }
}

/// A matrix `(n, k)`, packed: all steps of the first panel, then all of the second, …
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    pub(super) lines: Vec<Line>,
    pub(super) form: Form,
    pub(super) n: usize,
    pub(super) steps: usize,
}

/// Columns of one panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    /// First column.
    pub start: usize,
    /// Columns that exist; the rest of the last vector is zero.
    pub columns: usize,
    /// Vectors of 16 columns.
    pub vectors: usize,
}

/// The panels of `n` columns: as few as possible, as equal as possible.
pub(crate) fn panel(n: usize, index: usize) -> Panel {
    let vectors = n.div_ceil(16);
    let count = panel_count(n);
    let (first, last) = (index * vectors / count, (index + 1) * vectors / count);
    Panel { start: 16 * first, columns: n.min(16 * last) - 16 * first, vectors: last - first }
}

/// How many panels `n` columns make.
pub(crate) fn panel_count(n: usize) -> usize {
    n.div_ceil(16).div_ceil(COLUMNS / 16)
}

impl Panels {
    /// Columns.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Words along the inputs.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// What a word is.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The lines of `steps` words from `step` on of a panel.
    pub(crate) fn lines(&self, panel: Panel, step: usize, steps: usize) -> &[Line] {
        let start = panel.start / 16 * self.steps + step * panel.vectors;
        &self.lines[start..start + steps * panel.vectors]
    }
}

/// Widens words of two inputs to `f32`: each run of `vectors` lines becomes two.
pub(crate) fn widen(isa: Isa, form: Form, vectors: usize, lines: &[Line], out: &mut Vec<Line>) {
    out.resize(2 * lines.len(), Line::ZERO);
    match form {
        Form::Single => unreachable!("words of one input are f32 already"),
        Form::Bf16 => widen_bf16(isa, vectors, lines, out),
        Form::F16 => widen_f16(isa, vectors, lines, out),
    }
}

#[inline(always)]
fn widen_with(vectors: usize, lines: &[Line], out: &mut [Line], wide: impl Fn(u32) -> u32) {
    for (words, out) in lines.chunks_exact(vectors).zip(out.chunks_exact_mut(2 * vectors)) {
        let (low, high) = out.split_at_mut(vectors);
        for (v, word) in words.iter().enumerate() {
            for j in 0..16 {
                low[v].0[j] = wide(word.0[j] & 0xffff);
                high[v].0[j] = wide(word.0[j] >> 16);
            }
        }
    }
}

super::elementwise::vectorised! {
    fn widen_bf16(vectors: usize, lines: &[Line], out: &mut [Line]) {
        widen_with(vectors, lines, out, |half| half << 16);
    }
    fn widen_f16(vectors: usize, lines: &[Line], out: &mut [Line]) {
        widen_with(vectors, lines, out, super::elementwise::f16_to_f32);
    }
}
