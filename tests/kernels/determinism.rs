//! Results do not depend on the number of threads.

use candle_core::{DType, Device, Tensor};
use kinora_kernels::cases;
use kinora_kernels::ops::matmul::{Activation, feed_forward, linear};
use kinora_kernels::ops::matrix::Matrix;
use kinora_kernels::ops::modulate::Residual;

fn bits(x: &Tensor) -> Vec<u32> {
    let x = x.to_dtype(DType::F32).expect("a float");
    let values = x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("values");
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn one_two_three_and_four_threads_give_the_same_bits() {
    let cases = cases::all().expect("the cases are well-formed");
    let run = |threads: usize| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads can be started");
        pool.install(|| {
            cases.iter().map(|case| bits(&(case.fast)().expect("the case runs"))).collect()
        })
    };
    let one = run(1);
    for threads in [2, 3, 4] {
        for ((case, expected), found) in cases.iter().zip(&one).zip(run(threads)) {
            assert!(*expected == found, "{case:?} depends on the number of threads ({threads})");
        }
    }
}

#[test]
fn a_feed_forward_in_pieces_has_the_bits_of_two_layers() {
    let device = Device::Cpu;
    // So wide that 130 tokens are taken in two pieces.
    let (tokens, k, f) = (130, 6, 60_000);
    let ramp = |n: usize, k: usize| {
        let x = Tensor::arange(0u32, (n * k) as u32, &device).and_then(|x| x.to_dtype(DType::F32));
        x.and_then(|x| (x * 0.37)?.sin()?.reshape((n, k))).expect("a tensor")
    };
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let (x, up, down) = (ramp(tokens, k), ramp(f, k), ramp(k, f));
        let (up, down) = (
            Matrix::new(&up, dtype).expect("a matrix"),
            Matrix::new(&down, dtype).expect("a matrix"),
        );
        let gelu = Activation::GeluTanh;
        let whole = linear(&x, &up, None, gelu)
            .and_then(|hidden| linear(&hidden, &down, None, Activation::None))
            .and_then(|y| Residual { base: &x, gate: None }.add(&y))
            .expect("shapes fit");
        let residual = Residual { base: &x, gate: None };
        let pieces =
            feed_forward(&x, (&up, None), gelu, (&down, None), &residual).expect("shapes fit");
        assert!(bits(&whole) == bits(&pieces), "{dtype:?}");
    }
}
