//! Weights packed from the bytes of a file, several below each other.

use candle_core::{DType, Device, Tensor};
use kinora_kernels::ops::matmul::{Activation, linear};
use kinora_kernels::ops::matrix::{Matrix, Part};
use kinora_kernels::{Error, compare};

fn weight(n: usize, k: usize, dtype: DType) -> Tensor {
    let x = Tensor::arange(0f32, (n * k) as f32, &Device::Cpu).expect("a tensor");
    let x = x.affine(0.71, 0.1).and_then(|x| x.sin()?.reshape((n, k))).expect("a tensor");
    x.to_dtype(dtype).expect("a float")
}

/// The bytes of a tensor, one byte off every alignment.
fn bytes(x: &Tensor) -> Vec<u8> {
    let flat = x.flatten_all().expect("a tensor");
    let mut bytes = vec![0];
    match x.dtype() {
        DType::F32 => {
            for x in flat.to_vec1::<f32>().expect("f32") {
                bytes.extend(x.to_le_bytes());
            }
        }
        DType::BF16 => {
            for x in flat.to_vec1::<half::bf16>().expect("bf16") {
                bytes.extend(x.to_le_bytes());
            }
        }
        _ => {
            for x in flat.to_vec1::<half::f16>().expect("f16") {
                bytes.extend(x.to_le_bytes());
            }
        }
    }
    bytes
}

#[test]
fn parts_of_any_dtype_become_one_matrix() {
    for compute in [DType::F32, DType::BF16, DType::F16] {
        let (n, k) = ([17, 70, 1], 37);
        let tensors = [
            weight(n[0], k, DType::F32),
            weight(n[1], k, DType::BF16),
            weight(n[2], k, DType::F16),
        ];
        let files: Vec<Vec<u8>> = tensors.iter().map(bytes).collect();
        let part =
            |i: usize| Part::Bytes { bytes: &files[i][1..], dtype: tensors[i].dtype(), n: n[i], k };
        // A view whose rows are not contiguous, between two files.
        let wide = Tensor::cat(&[&tensors[1], &tensors[1]], 1).expect("a tensor");
        let view = wide.narrow(1, k, k).expect("a view");
        let parts = [part(0), Part::Tensor(&view), part(1), part(2)];
        let matrix = Matrix::concat(&parts, compute, &Device::Cpu).expect("parts fit");
        assert_eq!((matrix.n(), matrix.k()), (n[0] + 2 * n[1] + n[2], k));

        let expected: Vec<Tensor> = [0, 1, 1, 2]
            .iter()
            .map(|&i| {
                tensors[i].to_dtype(DType::F32).and_then(|x| x.to_dtype(compute)).expect("a float")
            })
            .collect();
        let expected = Tensor::cat(&expected, 0).expect("a tensor");
        let found = matrix.to_tensor().expect("a tensor");
        assert_eq!(compare::nmse(&found, &expected).expect("shapes agree"), 0.0, "{compute:?}");

        let x = weight(3, k, DType::F32);
        let y = linear(&x, &matrix, None, Activation::None).expect("shapes fit");
        let whole = Matrix::new(&expected, compute).expect("a matrix");
        let z = linear(&x, &whole, None, Activation::None).expect("shapes fit");
        assert_eq!(compare::nmse(&y, &z).expect("shapes agree"), 0.0, "{compute:?}");
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let four = weight(2, 4, DType::F32);
    let five = weight(2, 5, DType::F32);
    let refused = |parts: &[Part<'_>]| Matrix::concat(parts, DType::F32, &Device::Cpu).err();
    assert!(matches!(
        refused(&[Part::Tensor(&four), Part::Tensor(&five)]),
        Some(Error::Shape { op: "matrix", .. })
    ));
    assert!(matches!(refused(&[]), Some(Error::Shape { .. })));
    let short = Part::Bytes { bytes: &[0; 31], dtype: DType::F32, n: 2, k: 4 };
    assert!(matches!(refused(&[short]), Some(Error::Shape { .. })));
    let whole = Part::Bytes { bytes: &[0; 32], dtype: DType::U32, n: 2, k: 4 };
    assert!(matches!(refused(&[whole]), Some(Error::DType { .. })));
}
