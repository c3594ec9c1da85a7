//! Element by element: roundings between dtypes, exponentials and what is built from them.
//!
//! Bodies are plain Rust, compiled once per instruction set; every element goes through the same operations wherever
//! it stands in a row, so results do not depend on how rows are cut.

#![allow(
    unsafe_code,
    reason = "calls of functions compiled for instruction sets found at run time"
)]

use super::isa::Isa;
use crate::ops::matmul::Activation;

/// Compiles the bodies once for each instruction set and adds an `isa` as first argument that chooses.
///
/// Inside, [`multiply_add`] with the constant `FUSED` is one rounding where the set has it.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[allow(unsafe_code, reason = "one body, compiled for instruction sets found at run time")]
        $vis fn $name(isa: $crate::cpu::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(dead_code, reason = "not every body multiplies and adds")]
            fn body<const FUSED: bool>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::isa::Isa;
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn avx512($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }
                match isa {
                    // SAFETY: an `Isa` above portable is made only by `Isa::detect` or lies below what it made.
                    Isa::Avx512 | Isa::Avx512Bf16 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    Isa::Portable => {}
                }
            }
            let _ = isa;
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    )*};
}
pub(crate) use vectorised;

/// `a * b + c`, with one rounding when `FUSED`.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// Where `e^x` leaves the normal numbers.
const LOWEST: f32 = -87.336_54;
const HIGHEST: f32 = 88.722_84;

/// `e^x = p * 2^n` for `LOWEST <= x <= HIGHEST`: `p` between 0.7 and 1.5, and `n`.
#[inline(always)]
fn exp_parts<const FUSED: bool>(x: f32) -> (f32, i32) {
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    // ln 2 in two parts, the first exact when multiplied by any `whole`.
    let r = multiply_add::<FUSED>(whole, -0.693_359_4, x);
    let r = multiply_add::<FUSED>(whole, 2.121_944_4e-4, r);
    let p = 1.987_569_1e-4;
    let p = multiply_add::<FUSED>(p, r, 1.398_2e-3);
    let p = multiply_add::<FUSED>(p, r, 8.333_452e-3);
    let p = multiply_add::<FUSED>(p, r, 4.166_579_6e-2);
    let p = multiply_add::<FUSED>(p, r, 1.666_666_5e-1);
    let p = multiply_add::<FUSED>(p, r, 0.5);
    let p = multiply_add::<FUSED>(p, r * r, r) + 1.0;
    (p, (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `e^x` to about one unit in the last place; zero below the smallest normal result, not a number for one.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    let (p, n) = exp_parts::<FUSED>(x.clamp(LOWEST, HIGHEST));
    // `n` can be 128, one more than an exponent holds, so the power is applied in two halves.
    let half = n >> 1;
    let y = p * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    let y = if x < LOWEST { 0.0 } else { y };
    if x > HIGHEST { f32::INFINITY } else { y }
}

/// `e^x` for `x <= 0`, as [`exp`].
#[inline(always)]
pub(crate) fn exp_down<const FUSED: bool>(x: f32) -> f32 {
    let (p, n) = exp_parts::<FUSED>(if x < LOWEST { LOWEST } else { x });
    let y = p * power_of_two(n);
    if x < LOWEST { 0.0 } else { y }
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu<const FUSED: bool>(x: f32) -> f32 {
    x / (1.0 + exp::<FUSED>(-x))
}

/// GELU in its tanh form, as `x * sigmoid(2 u)` with the `u` that the tanh is taken of: nothing cancels.
#[inline(always)]
pub(crate) fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const SCALE: f32 = 0.797_884_6; // sqrt(2 / pi)
    let u = SCALE * x * multiply_add::<FUSED>(0.044_715 * x, x, 1.0);
    x / (1.0 + exp::<FUSED>(-2.0 * u))
}

/// Bits of a finite or infinite `f32` rounded to `bf16`, to nearest and ties to even; a NaN stays one.
#[inline(always)]
pub(crate) fn to_bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) | 0x40 } else { rounded }
}

/// Bits of the `f32` of an `f16` in the low half.
#[inline(always)]
pub(crate) fn f16_to_f32(half: u32) -> u32 {
    let sign = (half & 0x8000) << 16;
    // The exponents differ by 112; a multiplication also brings subnormals to their place.
    let magnitude = (f32::from_bits((half & 0x7fff) << 13) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if half & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    sign | magnitude | special
}

/// Bits of an `f32` rounded to `f16`.
#[inline(always)]
pub(crate) fn to_f16(x: f32) -> u32 {
    u32::from(half::f16::from_f32(x).to_bits())
}

#[inline(always)]
fn finish<const FUSED: bool>(row: &mut [f32], bias: Option<&[f32]>, f: impl Fn(f32) -> f32) {
    match bias {
        Some(bias) => row.iter_mut().zip(bias).for_each(|(y, b)| *y = f(*y + b)),
        None => row.iter_mut().for_each(|y| *y = f(*y)),
    }
}

vectorised! {
    /// Adds a bias to a row and applies an activation.
    pub(crate) fn bias_activation(row: &mut [f32], bias: Option<&[f32]>, activation: Activation) {
        match activation {
            Activation::None if bias.is_none() => {}
            Activation::None => finish::<FUSED>(row, bias, |y| y),
            Activation::GeluTanh => finish::<FUSED>(row, bias, gelu_tanh::<FUSED>),
            Activation::Silu => finish::<FUSED>(row, bias, silu::<FUSED>),
        }
    }

    /// Rounds a row to pairs of `bf16`; a missing last one is zero.
    fn round_pairs_with(row: &[f32], out: &mut [u32]) {
        let (pairs, rest) = row.as_chunks::<2>();
        for (out, [low, high]) in out.iter_mut().zip(pairs) {
            *out = to_bf16(*low) | (to_bf16(*high) << 16);
        }
        if let ([last], Some(out)) = (rest, out.get_mut(pairs.len())) {
            *out = to_bf16(*last);
        }
    }

    /// Rounds a row to `bf16`, kept in `f32`; what the output has more is zero.
    pub(crate) fn round_bf16(row: &[f32], out: &mut [u32]) {
        out[row.len()..].fill(0);
        out.iter_mut().zip(row).for_each(|(out, x)| *out = to_bf16(*x) << 16);
    }

    /// Rounds a row to `f16`, kept in `f32`; what the output has more is zero.
    pub(crate) fn round_f16(row: &[f32], out: &mut [u32]) {
        out[row.len()..].fill(0);
        out.iter_mut().zip(row).for_each(|(out, x)| *out = f16_to_f32(to_f16(*x)));
    }
}

/// Rounds a row to pairs of `bf16`; a missing last one is zero. Where the machine has an instruction for it, subnormal
/// numbers become zero.
pub(crate) fn round_pairs(isa: Isa, row: &[f32], out: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512Bf16 {
        // SAFETY: an `Isa` above portable is made only by `Isa::detect` or lies below what it made.
        unsafe { round_pairs_at_once(row, out) };
        return;
    }
    round_pairs_with(isa, row, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn round_pairs_at_once(row: &[f32], out: &mut [u32]) {
    use std::arch::x86_64::{__m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_storeu_si512};
    let round = |run: &[f32; 32], out: &mut [u32; 16]| {
        // SAFETY: a run is two vectors of `f32`, a chunk of words one vector.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(run.as_ptr()), _mm512_loadu_ps(run[16..].as_ptr()));
            let pairs: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), pairs);
        }
    };
    let (runs, rest) = row.as_chunks::<32>();
    let (outs, out_rest) = out.as_chunks_mut::<16>();
    for (run, out) in runs.iter().zip(&mut *outs) {
        round(run, out);
    }
    if !rest.is_empty() {
        let (mut run, mut words) = ([0f32; 32], [0u32; 16]);
        run[..rest.len()].copy_from_slice(rest);
        round(&run, &mut words);
        // A row of 31 values fills the last whole chunk of words.
        let last = if out_rest.is_empty() { &mut outs[runs.len()][..] } else { out_rest };
        last.copy_from_slice(&words[..last.len()]);
    }
}

/// The sum of `f` of every value, in as many sums as keep the processor busy.
#[inline(always)]
fn total(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    const LANES: usize = 32;
    let mut sums = [0f32; LANES];
    let (runs, rest) = row.as_chunks::<LANES>();
    for run in runs {
        for (sum, x) in sums.iter_mut().zip(run) {
            *sum += f(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f(*x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    sums[0]
}

/// `1 / sqrt(mean(x^2) + eps)`.
#[inline(always)]
fn mean_square_factor(row: &[f32], eps: f32) -> f32 {
    1.0 / (total(row, |x| x * x) / row.len() as f32 + eps).sqrt()
}

#[inline(always)]
fn turn_pair(pair: [f32; 2], cos: f32, sin: f32) -> [f32; 2] {
    [pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos]
}

vectorised! {
    /// `x / sqrt(mean(x^2) + eps) * weight`.
    pub(crate) fn mean_square_scale(row: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let factor = mean_square_factor(row, eps);
        for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
            *out = x * factor * weight;
        }
    }

    /// `(x - mean) / sqrt(var + eps)`, then `y * (scale + more) + shift` where given as `(scale, more, shift)`.
    pub(crate) fn centre_scale(
        row: &[f32],
        affine: Option<(&[f32], f32, &[f32])>,
        eps: f32,
        out: &mut [f32],
    ) {
        let mean = total(row, |x| x) / row.len() as f32;
        let variance = total(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
        let factor = 1.0 / (variance + eps).sqrt();
        match affine {
            Some((scale, more, shift)) => {
                for (((out, x), scale), shift) in out.iter_mut().zip(row).zip(scale).zip(shift) {
                    *out = multiply_add::<FUSED>((x - mean) * factor, scale + more, *shift);
                }
            }
            None => out.iter_mut().zip(row).for_each(|(out, x)| *out = (x - mean) * factor),
        }
    }

    /// `x / max(|x|, 1e-12) * sqrt(d) * gamma`, then SiLU when asked.
    pub(crate) fn length_scale(row: &[f32], gamma: &[f32], with_silu: bool, out: &mut [f32]) {
        let length = total(row, |x| x * x).sqrt();
        // A comparison that keeps a length that is not a number.
        let length = if length < 1e-12 { 1e-12 } else { length };
        let factor = (row.len() as f32).sqrt() / length;
        for ((out, x), gamma) in out.iter_mut().zip(row).zip(gamma) {
            *out = x * factor * gamma;
        }
        if with_silu {
            out.iter_mut().for_each(|y| *y = silu::<FUSED>(*y));
        }
    }

    /// `base + (x + bias) * gate`, in place of `x`.
    pub(crate) fn bias_gate_add(
        base: &[f32],
        row: &mut [f32],
        bias: Option<&[f32]>,
        gate: Option<&[f32]>,
    ) {
        match (bias, gate) {
            (Some(bias), Some(gate)) => {
                for (((x, base), bias), gate) in row.iter_mut().zip(base).zip(bias).zip(gate) {
                    *x = multiply_add::<FUSED>(*x + bias, *gate, *base);
                }
            }
            (None, Some(gate)) => {
                for ((x, base), gate) in row.iter_mut().zip(base).zip(gate) {
                    *x = multiply_add::<FUSED>(*x, *gate, *base);
                }
            }
            (Some(bias), None) => {
                for ((x, base), bias) in row.iter_mut().zip(base).zip(bias) {
                    *x = base + (*x + bias);
                }
            }
            (None, None) => row.iter_mut().zip(base).for_each(|(x, base)| *x += base),
        }
    }

    /// Turns adjacent pairs by the angles of one head, head after head.
    pub(crate) fn turn(row: &[f32], cos: &[f32], sin: &[f32], out: &mut [f32]) {
        let head = 2 * cos.len();
        for (row, out) in row.chunks_exact(head).zip(out.chunks_exact_mut(head)) {
            let pairs = row.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<2>().0);
            for (((x, out), cos), sin) in pairs.zip(cos).zip(sin) {
                *out = turn_pair(*x, *cos, *sin);
            }
        }
    }

    /// [`mean_square_scale`], then [`turn`].
    pub(crate) fn mean_square_turn(
        row: &[f32],
        weight: &[f32],
        eps: f32,
        cos: &[f32],
        sin: &[f32],
        out: &mut [f32],
    ) {
        let factor = mean_square_factor(row, eps);
        let head = 2 * cos.len();
        let heads = row.chunks_exact(head).zip(weight.chunks_exact(head));
        for ((row, weight), out) in heads.zip(out.chunks_exact_mut(head)) {
            let pairs = row.as_chunks::<2>().0.iter().zip(weight.as_chunks::<2>().0);
            let pairs = pairs.zip(out.as_chunks_mut::<2>().0);
            for ((((x, weight), out), cos), sin) in pairs.zip(cos).zip(sin) {
                let x = [x[0] * factor * weight[0], x[1] * factor * weight[1]];
                *out = turn_pair(x, *cos, *sin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_within_two_units_in_the_last_place() {
        for i in -87_000..88_000 {
            let x = i as f32 * 1e-3 + 3.3e-4;
            let expected = f64::from(x).exp();
            let down = if x <= 0.0 { exp_down::<true>(x) } else { exp::<true>(x) };
            for y in [exp::<true>(x), exp::<false>(x), down] {
                let error = (f64::from(y) - expected).abs() / expected;
                assert!(error < 2.5e-7, "exp({x}) = {y}, expected {expected}");
            }
        }
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert!(exp::<true>(f32::NAN).is_nan());
        assert_eq!(exp_down::<true>(f32::NEG_INFINITY), 0.0);
        assert!(exp_down::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn half_precision_is_the_half_crates() {
        for bits in 0..=u16::MAX {
            let half = half::f16::from_bits(bits);
            let ours = f32::from_bits(f16_to_f32(u32::from(bits)));
            assert!(ours.to_bits() == half.to_f32().to_bits() || half.is_nan() && ours.is_nan());
        }
        for x in [0.0f32, -0.0, 1.0, 1.003_906_2, 1.005, f32::MAX, f32::INFINITY, 1e-40] {
            assert_eq!(to_bf16(x), u32::from(half::bf16::from_f32(x).to_bits()), "{x}");
        }
        assert!(half::bf16::from_bits(to_bf16(f32::NAN) as u16).is_nan());
    }
}
