//! Rows as products read them: rounded once, two to a word where two are multiplied at once.

#![allow(unsafe_code, reason = "rows by pointer, and words written by several threads at once")]

use candle_core::DType;

use super::elementwise::{round_bf16, round_f16, round_pairs};
use super::isa::Isa;
use super::pack::Source;
use super::panels::Form;
use super::rows::Raw;
use super::share::share_rows;
use super::tile::Product;

/// Where rows of outputs go: the first, and how far rows are apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// As they are.
    Single(Raw<f32>, usize),
    /// Rounded to the words that panels of a form are multiplied with; never [`Form::Single`].
    Rounded(Raw<u32>, usize, Form),
}

impl Target {
    /// Where the rows of words of a form go.
    pub(crate) fn words(base: Raw<u32>, stride: usize, form: Form) -> Self {
        match form {
            Form::Single => Self::Single(Raw(base.get().cast()), stride),
            _ => Self::Rounded(base, stride, form),
        }
    }
}

/// Words of a row of `k` values for panels of `form`.
pub(crate) fn row_words(isa: Isa, form: Form, k: usize) -> usize {
    k.next_multiple_of(form.inputs()) / packing(isa, form)
}

/// Values in a word of a row.
pub(crate) fn packing(isa: Isa, form: Form) -> usize {
    match form.product(isa) {
        Product::Pairs => 2,
        Product::Single => 1,
    }
}

/// Rounds a row to the words that panels of `form` are multiplied with; what the words hold more is zero.
pub(crate) fn round_row(isa: Isa, form: Form, row: &[f32], words: &mut [u32]) {
    match (form, form.product(isa)) {
        (Form::Single, _) => words.iter_mut().zip(row).for_each(|(word, x)| *word = x.to_bits()),
        (_, Product::Pairs) => round_pairs(isa, row, words),
        (Form::Bf16, _) => round_bf16(isa, row, words),
        (Form::F16, _) => round_f16(isa, row, words),
    }
}

/// Rows of `k` values in the words that panels of one form are multiplied with on one instruction set.
#[derive(Debug)]
pub(crate) struct Rounded {
    words: Vec<u32>,
    isa: Isa,
    form: Form,
    rows: usize,
    k: usize,
}

impl Rounded {
    /// Rows that `fill` writes.
    ///
    /// # Safety
    /// `fill` must write every word of every row.
    pub(crate) unsafe fn build(
        isa: Isa,
        form: Form,
        [rows, k]: [usize; 2],
        fill: impl FnOnce(Raw<u32>, usize),
    ) -> Self {
        let stride = row_words(isa, form, k);
        let mut words: Vec<u32> = Vec::with_capacity(rows * stride);
        fill(Raw(words.as_mut_ptr()), stride);
        // SAFETY: the caller vouches that all are written.
        unsafe { words.set_len(rows * stride) };
        Self { words, isa, form, rows, k }
    }

    /// Rows made one by one, on many threads; `f` gets the number of a row and writes all of it.
    pub(crate) fn map(
        isa: Isa,
        form: Form,
        [rows, k]: [usize; 2],
        f: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let scratch = || vec![0f32; if form == Form::Single { 0 } else { k }];
        let fill = |out: Raw<u32>, stride: usize| {
            share_rows(rows, k, scratch, |wide, row| {
                // SAFETY: rows lie apart, and each is written by the one who has its number.
                let out = unsafe { out.get().add(row * stride) };
                if form == Form::Single {
                    // SAFETY: as above; a word is one `f32`.
                    f(row, unsafe { std::slice::from_raw_parts_mut(out.cast(), k) });
                } else {
                    f(row, wide);
                    // SAFETY: as above.
                    let words = unsafe { std::slice::from_raw_parts_mut(out, stride) };
                    round_row(isa, form, wide, words);
                }
            });
        };
        // SAFETY: every row is written, whole.
        unsafe { Self::build(isa, form, [rows, k], fill) }
    }

    /// Rounds `f32` rows; `None` where they serve as they are.
    ///
    /// # Safety
    /// Rows of `k` values, `stride` apart, must be readable.
    pub(crate) unsafe fn of(
        isa: Isa,
        form: Form,
        [rows, k]: [usize; 2],
        base: Raw<f32>,
        stride: usize,
    ) -> Option<Self> {
        if form == Form::Single {
            return None;
        }
        let fill = |out: Raw<u32>, width: usize| {
            let round = |(): &mut (), r: usize| {
                // SAFETY: rows are read as the caller vouches, and written apart, whole.
                let (row, out) = unsafe {
                    (
                        std::slice::from_raw_parts(base.get().add(r * stride), k),
                        std::slice::from_raw_parts_mut(out.get().add(r * width), width),
                    )
                };
                round_row(isa, form, row, out);
            };
            share_rows(rows, k, || (), round);
        };
        // SAFETY: `round_row` writes all words of a row.
        Some(unsafe { Self::build(isa, form, [rows, k], fill) })
    }

    /// Rows, and values of each.
    pub(crate) fn dims(&self) -> [usize; 2] {
        [self.rows, self.k]
    }

    /// Whether products of `form` on `isa` read these words.
    pub(crate) fn serves(&self, isa: Isa, form: Form) -> bool {
        (self.isa, self.form) == (isa, form)
    }

    /// Whether kernels on `isa` find heads of `head_dim` values at whole words.
    pub(crate) fn has_heads(&self, head_dim: usize, isa: Isa) -> bool {
        self.isa == isa && head_dim.is_multiple_of(self.form.inputs())
    }

    /// The first word, and the words between rows.
    pub(crate) fn words(&self) -> (Raw<u32>, usize) {
        (Raw(self.words.as_ptr().cast_mut()), row_words(self.isa, self.form, self.k))
    }

    /// Columns from `start` on of all rows, for packing; `start` begins a word.
    pub(crate) fn columns(&self, start: usize) -> Source {
        let (_, stride) = self.words();
        let packing = packing(self.isa, self.form);
        debug_assert!(start.is_multiple_of(packing));
        Source {
            base: Raw(self.words[start / packing..].as_ptr().cast::<u8>().cast_mut()),
            dtype: if packing == 2 { DType::BF16 } else { DType::F32 },
            rows: self.rows,
            stride: 4 * stride,
        }
    }

    /// The rounded values, row after row.
    pub(crate) fn values(&self) -> Vec<f32> {
        let (_, stride) = self.words();
        let packing = packing(self.isa, self.form);
        let value = |row: &[u32], i: usize| {
            let word = row[i / packing];
            let half = if i.is_multiple_of(2) { word << 16 } else { word & 0xffff_0000 };
            f32::from_bits(if packing == 2 { half } else { word })
        };
        self.words
            .chunks(stride.max(1))
            .flat_map(|row| (0..self.k).map(|i| value(row, i)))
            .collect()
    }
}
