//! The register tile: rows by pointer, columns from a packed panel, sums in `f32`.

#![allow(unsafe_code, reason = "vector instructions and the raw rows they read")]

use super::isa::Isa;
use super::panels::Line;

/// Rows that one entry of a row table holds per segment: a multiple of every tile height.
pub(crate) const ROWS: usize = 24;
/// Columns of the widest panel.
pub(crate) const COLUMNS: usize = 64;

/// What a tile multiplies.
///
/// A row is `segments` runs of `steps` 32-bit words. A word is one `f32`, or two `bf16` for [`Product::Pairs`]. The
/// panel holds, for each segment and step, one word per column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// Row pointers: row `r` of segment `g` at `g * stride + r`.
    pub rows: *const *const u32,
    /// Distance between segments in the table of rows.
    pub stride: usize,
    /// Runs of a row.
    pub segments: usize,
    /// Words of a run.
    pub steps: usize,
    /// The panel.
    pub panel: *const Line,
    /// First output of the tile.
    pub out: *mut f32,
    /// Outputs between rows.
    pub out_stride: usize,
    /// Adds to what the output holds instead of replacing it.
    pub accumulate: bool,
    /// Added to every row last: as many values as the tile has columns. Null where there is nothing to add.
    pub bias: *const f32,
    /// Lines that are multiplied with later; they are fetched from memory on the way, each tile going on where the one before
    /// ended. Empty where nobody knows.
    pub ahead: &'a [Line],
}

/// Steps of a tile for each line that it fetches ahead.
const STEPS_AHEAD: usize = 8;

impl Operands<'_> {
    /// Lines that one tile fetches.
    fn reach(&self) -> usize {
        self.segments * (self.steps / STEPS_AHEAD)
    }
}

/// How words multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// `f32` times `f32`.
    Single,
    /// Two `bf16` times two `bf16`, added; only where [`Isa::Avx512Bf16`] is.
    Pairs,
}

/// Multiplies `rows` rows (at most [`height`]) with a panel of `vectors` times 16 columns.
type Tile = unsafe fn(&Operands<'_>);

/// Rows of the largest tile over a panel of `vectors` times 16 columns.
pub(crate) fn height(isa: Isa, vectors: usize) -> usize {
    match isa {
        Isa::Portable => 4,
        Isa::Avx2 => 6,
        Isa::Avx512 | Isa::Avx512Bf16 => match vectors {
            4 => 6,
            3 => 8,
            _ => 12,
        },
    }
}

/// Multiplies `rows` rows, up to [`ROWS`], tile after tile; returns what is left to fetch ahead.
///
/// # Safety
/// Every row pointer in use must be readable for `steps` words, the panel for `segments * steps * vectors` lines, a bias
/// for `16 * vectors` values, the output writable for `rows` rows of `16 * vectors` values, and `isa` must be one this machine has.
pub(crate) unsafe fn multiply<'a>(
    isa: Isa,
    product: Product,
    vectors: usize,
    rows: usize,
    o: &Operands<'a>,
) -> &'a [Line] {
    let height = height(isa, vectors);
    let (mut first, mut ahead) = (0, o.ahead);
    while first < rows {
        let count = height.min(rows - first);
        let tile = select(isa, product, vectors, count);
        // SAFETY: rows first..first + count are among those the caller vouches for.
        unsafe {
            let (rows, out) = (o.rows.add(first), o.out.add(first * o.out_stride));
            tile(&Operands { rows, out, ahead, ..*o });
        }
        ahead = &ahead[o.reach().min(ahead.len())..];
        first += count;
    }
    ahead
}

#[cfg(target_arch = "x86_64")]
fn select(isa: Isa, product: Product, vectors: usize, rows: usize) -> Tile {
    use x86::{dot, fma, fma256};
    macro_rules! by_rows {
        ($tile:ident, $v:literal, [$($r:literal)*]) => {
            match rows { $($r => $tile::<$r, $v>,)* _ => unreachable!("no tile has {rows} rows") }
        };
    }
    macro_rules! by_vectors {
        ($tile:ident) => {
            match vectors {
                1 => by_rows!($tile, 1, [1 2 3 4 5 6 7 8 9 10 11 12]),
                2 => by_rows!($tile, 2, [1 2 3 4 5 6 7 8 9 10 11 12]),
                3 => by_rows!($tile, 3, [1 2 3 4 5 6 7 8]),
                4 => by_rows!($tile, 4, [1 2 3 4 5 6]),
                _ => unreachable!("no panel has {vectors} vectors"),
            }
        };
    }
    match (isa, product) {
        (Isa::Avx512Bf16, Product::Pairs) => by_vectors!(dot),
        (_, Product::Pairs) => unreachable!("pairs need avx512_bf16"),
        (Isa::Avx512 | Isa::Avx512Bf16, _) => by_vectors!(fma),
        (Isa::Avx2, _) => match vectors {
            1 => by_rows!(fma256, 1, [1 2 3 4 5 6]),
            2 => by_rows!(fma256, 2, [1 2 3 4 5 6]),
            3 => by_rows!(fma256, 3, [1 2 3 4 5 6]),
            4 => by_rows!(fma256, 4, [1 2 3 4 5 6]),
            _ => unreachable!("no panel has {vectors} vectors"),
        },
        (Isa::Portable, _) => select_portable(vectors, rows),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn select(_: Isa, _: Product, vectors: usize, rows: usize) -> Tile {
    select_portable(vectors, rows)
}

fn select_portable(vectors: usize, rows: usize) -> Tile {
    macro_rules! tiles {
        ($($v:literal)*) => {
            match (vectors, rows) {
                $(($v, 1) => portable::<1, $v>, ($v, 2) => portable::<2, $v>,
                ($v, 3) => portable::<3, $v>, ($v, 4) => portable::<4, $v>,)*
                _ => unreachable!("no tile has {rows} rows and {vectors} vectors"),
            }
        };
    }
    tiles!(1 2 3 4)
}

/// Fused where the target fuses by itself; elsewhere two roundings, because the library call would be slow.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

unsafe fn portable<const R: usize, const V: usize>(o: &Operands<'_>) {
    for v in 0..V {
        let mut sums = [[0f32; 16]; R];
        // SAFETY: the caller of `multiply` vouches for the ranges of rows, panel and output.
        unsafe {
            let mut panel = o.panel.add(v).cast::<[f32; 16]>();
            for g in 0..o.segments {
                let rows = o.rows.add(g * o.stride);
                for i in 0..o.steps {
                    let columns = &*panel;
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let a = *(*rows.add(r)).cast::<f32>().add(i);
                        for (sum, &b) in sums.iter_mut().zip(columns) {
                            *sum = multiply_add(a, b, *sum);
                        }
                    }
                    panel = panel.add(V);
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                let out = &mut *o.out.add(r * o.out_stride + 16 * v).cast::<[f32; 16]>();
                if o.accumulate {
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                } else {
                    *out = *sums;
                }
                if !o.bias.is_null() {
                    let bias = &*o.bias.add(16 * v).cast::<[f32; 16]>();
                    out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps,
        _mm256_load_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps,
        _mm512_castps_si512, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_load_ps, _mm512_loadu_ps,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    use std::mem::transmute;

    use super::{Line, Operands, STEPS_AHEAD};

    macro_rules! tile512 {
        ($name:ident, $features:literal, |$a:ident, $b:ident, $sum:ident| $step:expr) => {
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name<const R: usize, const V: usize>(o: &Operands<'_>) {
                let mut sums = [[_mm512_setzero_ps(); V]; R];
                let mut columns = [_mm512_setzero_ps(); V];
                let mut rows = [std::ptr::null::<f32>(); R];
                // SAFETY: the caller of `multiply` vouches for the ranges of rows, panel and output, and lines are
                // aligned to 64 bytes.
                unsafe {
                    let mut panel = o.panel.cast::<f32>();
                    // Where there is nothing to fetch, what is there already.
                    let ahead = if o.ahead.is_empty() { o.panel } else { o.ahead.as_ptr() };
                    let mut ahead = ahead.cast::<i8>();
                    for g in 0..o.segments {
                        for (r, row) in rows.iter_mut().enumerate() {
                            *row = (*o.rows.add(g * o.stride + r)).cast::<f32>();
                        }
                        for i in 0..o.steps {
                            if i % STEPS_AHEAD == 0 {
                                _mm_prefetch::<_MM_HINT_T1>(ahead);
                                ahead = ahead.wrapping_add(size_of::<Line>());
                            }
                            for (v, column) in columns.iter_mut().enumerate() {
                                *column = _mm512_load_ps(panel.add(16 * v));
                            }
                            panel = panel.add(16 * V);
                            for r in 0..R {
                                let $a = _mm512_set1_ps(*rows[r].add(i));
                                for v in 0..V {
                                    let ($b, $sum) = (columns[v], sums[r][v]);
                                    sums[r][v] = $step;
                                }
                            }
                        }
                    }
                    for (r, sums) in sums.iter().enumerate() {
                        for (v, &sum) in sums.iter().enumerate() {
                            let out = o.out.add(r * o.out_stride + 16 * v);
                            let sum = if o.accumulate {
                                _mm512_add_ps(sum, _mm512_loadu_ps(out))
                            } else {
                                sum
                            };
                            let sum = if o.bias.is_null() {
                                sum
                            } else {
                                _mm512_add_ps(sum, _mm512_loadu_ps(o.bias.add(16 * v)))
                            };
                            _mm512_storeu_ps(out, sum);
                        }
                    }
                }
            }
        };
    }

    tile512!(fma, "avx512f", |a, b, sum| _mm512_fmadd_ps(a, b, sum));
    tile512!(dot, "avx512f,avx512bf16", |a, b, sum| {
        let pairs = |x: __m512| transmute::<_, std::arch::x86_64::__m512bh>(_mm512_castps_si512(x));
        _mm512_dpbf16_ps(sum, pairs(a), pairs(b))
    });

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn fma256<const R: usize, const V: usize>(o: &Operands<'_>) {
        for part in 0..V {
            let mut sums = [[_mm256_setzero_ps(); 2]; R];
            let mut rows = [std::ptr::null::<f32>(); R];
            // SAFETY: the caller of `multiply` vouches for the ranges of rows, panel and output, and lines are aligned.
            unsafe {
                let mut panel = o.panel.add(part).cast::<f32>();
                for g in 0..o.segments {
                    for (r, row) in rows.iter_mut().enumerate() {
                        *row = (*o.rows.add(g * o.stride + r)).cast::<f32>();
                    }
                    for i in 0..o.steps {
                        let columns = [_mm256_load_ps(panel), _mm256_load_ps(panel.add(8))];
                        panel = panel.add(16 * V);
                        for r in 0..R {
                            let a = _mm256_broadcast_ss(&*rows[r].add(i));
                            sums[r][0] = _mm256_fmadd_ps(a, columns[0], sums[r][0]);
                            sums[r][1] = _mm256_fmadd_ps(a, columns[1], sums[r][1]);
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    for (v, &sum) in sums.iter().enumerate() {
                        let out = o.out.add(r * o.out_stride + 16 * part + 8 * v);
                        let sum = if o.accumulate {
                            _mm256_add_ps(sum, _mm256_loadu_ps(out))
                        } else {
                            sum
                        };
                        let sum = if o.bias.is_null() {
                            sum
                        } else {
                            let bias = o.bias.add(16 * part + 8 * v);
                            _mm256_add_ps(sum, _mm256_loadu_ps(bias))
                        };
                        _mm256_storeu_ps(out, sum);
                    }
                }
            }
        }
    }
}
