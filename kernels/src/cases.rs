//! One table of cases an operation: tests hold the fast path against the reference, benches time it.

use candle_core::{DType, Device, Tensor};

use crate::Result;
use crate::cpu::gemm;
use crate::cpu::isa::Isa;
use crate::ops::{attention, conv3d, matmul, matrix, modulate, norm, rope};

/// An operation on fixed operands, both ways.
pub struct Case {
    /// Operation.
    pub op: &'static str,
    /// What is particular about the operands.
    pub what: &'static str,
    /// Dtype of the products.
    pub dtype: DType,
    /// Multiplications and additions of products; zero where memory is what takes time.
    pub flops: f64,
    /// Bytes read and written at least; zero where products are what takes time.
    pub bytes: f64,
    /// The public operation.
    pub fast: Run,
    /// Its reference.
    pub reference: Run,
}

/// Runs one form of a case.
pub type Run = Box<dyn Fn() -> Result<Tensor> + Send + Sync>;

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}, {}", self.op, self.dtype, self.what)
    }
}

/// Every case of every operation, small enough for tests.
///
/// # Errors
/// Those of the tensor library.
pub fn all() -> Result<Vec<Case>> {
    let tables =
        [matmul::cases, conv3d::cases, attention::cases, norm::cases, modulate::cases, rope::cases];
    let mut cases = Vec::new();
    for table in tables {
        cases.extend(table()?);
    }
    Ok(cases)
}

/// Cases of the sizes models have, for benches.
///
/// # Errors
/// Those of the tensor library.
pub fn timed() -> Result<Vec<Case>> {
    let tables = [
        matmul::timed_cases,
        conv3d::timed_cases,
        attention::timed_cases,
        norm::timed_cases,
        modulate::timed_cases,
        rope::timed_cases,
    ];
    let mut cases = Vec::new();
    for table in tables {
        cases.extend(table()?);
    }
    Ok(cases)
}

/// Runs the register tile for products in `dtype` on operands in the first cache, on one thread; how many operations
/// that was.
///
/// # Errors
/// A dtype that products are not computed in.
pub fn ceiling(dtype: DType, rounds: usize) -> Result<f64> {
    Ok(gemm::ceiling(Isa::current(), matrix::form(dtype)?, rounds))
}

/// Values between -1 and 1 that depend on `salt` and nothing else.
pub(crate) fn values(shape: &[usize], salt: u64) -> Result<Tensor> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// As [`values`], with one in 50 a thousand times as large.
pub(crate) fn outliers(shape: &[usize], salt: u64) -> Result<Tensor> {
    let plain = values(shape, salt)?;
    let large = (plain.abs()?.ge(0.98)?.to_dtype(DType::F32)? * 999.0)?;
    Ok(plain.broadcast_mul(&(large + 1.0)?)?)
}
