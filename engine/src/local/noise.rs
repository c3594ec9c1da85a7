//! Noise that means the same as elsewhere: the bits of `torch.randn` for a seed.
//!
//! A seed found in another program starts from the same noise here, on every device and machine: noise is always drawn on the
//! processor, in f32, by this file. It follows the x86-64 AVX2 path of the reference, whose compiler fuses multiplications into
//! additions; [`f32::mul_add`] stands exactly where that build fuses, and nowhere else.
//!
//! # Source
//! pytorch/pytorch: `aten/src/ATen/core/{MT19937RNGEngine,DistributionsHelper}.h`, `aten/src/ATen/native/cpu/{DistributionTemplates,avx_mathfun}.h`;
//! the polynomials are those of Cephes (S. L. Moshier). Compared bit by bit with PyTorch 2.15.

const STATE: usize = 624;
const SHIFT: usize = 397;
/// Values drawn together: 8 radii and 8 angles make 16 normal values.
const BLOCK: usize = 16;

/// A Mersenne Twister seeded as `torch.Generator().manual_seed(seed)`, drawing normal values of mean 0 and deviation 1.
///
/// Two draws from one generator continue the stream, as two calls of `torch.randn` with one generator do.
#[derive(Debug, Clone)]
pub struct Generator {
    state: [u32; STATE],
    next: usize,
    /// The second value of the last pair drawn one by one, in f64.
    spare: Option<f64>,
}

impl Generator {
    /// Seeds the generator. Only the low 32 bits of `seed` reach the twister, as in the reference.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = [0_u32; STATE];
        let mut word = (seed & 0xffff_ffff) as u32;
        state[0] = word;
        for (slot, index) in state.iter_mut().skip(1).zip(1_u32..) {
            word = 1_812_433_253_u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(index);
            *slot = word;
        }
        Self { state, next: STATE, spare: None }
    }

    /// Draws `shape.product()` values in row-major order.
    ///
    /// Fewer than 16 values are drawn one by one in f64; from 16 on, blocks of 16 are made from uniform f32 values, and where the
    /// length is no multiple of 16 the last 16 values are drawn again, so the length changes the values of the tail.
    #[must_use]
    pub fn randn(&mut self, shape: &[usize]) -> Vec<f32> {
        let len = shape.iter().product();
        if len < BLOCK {
            return (0..len).map(|_| self.single() as f32).collect();
        }
        let mut values: Vec<f32> = (0..len).map(|_| self.uniform()).collect();
        values.chunks_exact_mut(BLOCK).for_each(box_muller);
        if !len.is_multiple_of(BLOCK) {
            let tail = &mut values[len - BLOCK..];
            tail.fill_with(|| self.uniform());
            box_muller(tail);
        }
        values
    }

    fn word(&mut self) -> u32 {
        if self.next == STATE {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for i in 0..STATE {
            let mixed = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ (mixed >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// 24 random bits as an f32 in [0, 1).
    fn uniform(&mut self) -> f32 {
        (self.word() & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0)
    }

    /// 53 random bits as an f64 in [0, 1); the first word is the high one.
    fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.word());
        let low = u64::from(self.word());
        (((high << 32) | low) & 0x001f_ffff_ffff_ffff) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// One normal value in f64; the other one of its pair is kept for the next call.
    fn single(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let turn = self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        let theta = 2.0 * std::f64::consts::PI * turn;
        self.spare = Some(radius * theta.sin());
        radius * theta.cos()
    }
}

/// Draws from a fresh generator: the bits of `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` in f32.
#[must_use]
pub fn randn(seed: u64, shape: &[usize]) -> Vec<f32> {
    Generator::new(seed).randn(shape)
}

/// Turns 16 uniform values into 16 normal ones: value `i` and value `i + 8` are one pair.
fn box_muller(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (first, second) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * ln(1.0 - *first)).sqrt();
        let (sin, cos) = sin_cos(std::f32::consts::TAU * *second);
        // The reference multiplies by the deviation and adds the mean; adding 0 turns -0 into 0.
        *first = radius * cos + 0.0;
        *second = radius * sin + 0.0;
    }
}

/// Natural logarithm of a normal f32 in (0, 1] after Cephes' `logf`.
fn ln(value: f32) -> f32 {
    let bits = value.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 126) as f32;
    let mut x = f32::from_bits((bits & 0x807f_ffff) | 0x3f00_0000);
    if x < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        x = x - 1.0 + x;
    } else {
        x -= 1.0;
    }
    let square = x * x;
    let series = [
        7.037_683_6e-2_f32,
        -1.151_461e-1,
        1.167_699_84e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let poly = series[1..].iter().fold(series[0], |sum, term| sum.mul_add(x, *term)) * x;
    let low = poly.mul_add(square, exponent * -2.121_944_4e-4);
    let low = square.mul_add(-0.5, low);
    exponent.mul_add(0.693_359_4, x + low)
}

/// Sine and cosine of an f32 in [0, 2 pi] after Cephes' `sinf` and `cosf`.
fn sin_cos(angle: f32) -> (f32, f32) {
    // The octant, rounded up to an even one.
    let octant = ((angle * 1.273_239_5) as u32 + 1) & !1;
    let turns = octant as f32;
    let x = turns.mul_add(-0.785_156_25, angle);
    let x = turns.mul_add(-2.418_756_5e-4, x);
    let x = turns.mul_add(-3.774_895e-8, x);
    let square = x * x;

    let cos = 2.443_315_7e-5_f32.mul_add(square, -1.388_731_6e-3).mul_add(square, 4.166_664_6e-2)
        * square;
    let cos = cos.mul_add(square, square * -0.5) + 1.0;
    let sin = (-1.951_529_6e-4_f32).mul_add(square, 8.332_161e-3).mul_add(square, -1.666_665_5e-1)
        * square;
    let sin = sin.mul_add(x, x);

    let (sin, cos) = if octant & 2 == 0 { (sin, cos) } else { (cos, sin) };
    let sin = if octant & 4 == 0 { sin } else { -sin };
    let cos = if (octant + 2) & 4 == 0 { cos } else { -cos };
    (sin, cos)
}
