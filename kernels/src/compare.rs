//! How far a fast path may be from its reference.

use candle_core::{DType, Tensor};

use crate::{Error, Result};

/// Normalised mean square error: the energy of the difference over the energy of what is expected.
///
/// Zero where they are equal, infinite where only `found` is not finite, not a number where neither is.
///
/// # Errors
/// Shapes that differ.
pub fn nmse(found: &Tensor, expected: &Tensor) -> Result<f64> {
    let values = |x: &Tensor| -> Result<Vec<f32>> {
        Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?)
    };
    if found.dims() != expected.dims() {
        return Err(Error::Shape {
            op: "nmse",
            what: "result",
            found: found.dims().to_vec(),
            expected: "the shape of the reference",
        });
    }
    let (mut difference, mut energy) = (0f64, 0f64);
    for (found, expected) in values(found)?.into_iter().zip(values(expected)?) {
        difference += (f64::from(found) - f64::from(expected)).powi(2);
        energy += f64::from(expected).powi(2);
    }
    Ok(match (difference, energy) {
        (0.0, _) => 0.0,
        (_, e) if !e.is_finite() => f64::NAN,
        (d, _) if !d.is_finite() => f64::INFINITY,
        (d, e) => d / e,
    })
}

/// The largest [`nmse`] allowed for products computed in `dtype` and accumulated in `f32`.
///
/// Operands are rounded alike on both sides, so what is left is the order of sums, and for attention in a narrow
/// dtype the rounding of weights before and after they are normalised.
pub fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => 1e-12,
        DType::F16 => 1e-7,
        _ => 2e-5,
    }
}

/// With the feature `check`, runs a reference beside a fast path.
///
/// # Errors
/// [`Error::Drift`].
pub(crate) fn drift(
    op: &'static str,
    dtype: DType,
    found: &Tensor,
    reference: impl FnOnce() -> Result<Tensor>,
) -> Result<()> {
    if cfg!(feature = "check") {
        let (nmse, limit) = (nmse(found, &reference()?)?, tolerance(dtype));
        if nmse > limit {
            return Err(Error::Drift { op, nmse, limit });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).expect("a tensor")
    }

    #[test]
    fn errors_are_relative_and_never_hide_what_is_not_finite() {
        let nmse = |a: &[f32], b: &[f32]| nmse(&tensor(a), &tensor(b)).expect("shapes agree");
        assert_eq!(nmse(&[0.0, 0.0], &[0.0, 0.0]), 0.0);
        assert_eq!(nmse(&[3.0, 5.0], &[3.0, 4.0]), 1.0 / 25.0);
        assert_eq!(nmse(&[1.0], &[0.0]), f64::INFINITY);
        assert_eq!(nmse(&[f32::NAN, 1.0], &[1.0, 1.0]), f64::INFINITY);
        assert!(nmse(&[1.0, 1.0], &[f32::NAN, 1.0]).is_nan());
        assert!(super::nmse(&tensor(&[1.0]), &tensor(&[1.0, 2.0])).is_err());
    }

    #[test]
    fn drift_is_an_error_where_it_is_looked_for() {
        let reference = || Ok(tensor(&[1.0, 2.0]));
        let near = drift("op", DType::F32, &tensor(&[1.0, 2.0]), reference);
        assert!(near.is_ok());
        let far = drift("op", DType::F32, &tensor(&[1.0, 2.1]), reference);
        assert_eq!(matches!(far, Err(Error::Drift { op: "op", .. })), cfg!(feature = "check"));
    }

    #[test]
    fn every_case_passes_what_the_feature_check_looks_at() {
        for case in crate::cases::all().expect("the cases are well-formed") {
            (case.fast)().expect("the fast path agrees with its reference");
        }
    }
}
