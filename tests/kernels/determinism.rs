//! Results do not depend on the number of threads.

use candle_core::{DType, Tensor};
use kinora_kernels::cases;

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
