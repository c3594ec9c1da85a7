//! Rounding once, and adding where sums are finished, change no bit of what operations give one by one.

use candle_core::{DType, Device, Tensor};
use kinora_kernels::ops::attention::{KeyValue, attention, attention_rounded};
use kinora_kernels::ops::matmul::{Activation, feed_forward, linear, linear_residual};
use kinora_kernels::ops::matrix::Matrix;
use kinora_kernels::ops::modulate::{Residual, Rows};
use kinora_kernels::ops::norm::{layer_norm, layer_norm_rounded, rms_norm, rms_norm_rounded};
use kinora_kernels::ops::operand::Operand;
use kinora_kernels::{Error, Isa, with_isa};

const DTYPES: [DType; 3] = [DType::F32, DType::BF16, DType::F16];

fn wave(rows: usize, columns: usize, step: f64) -> Tensor {
    let count = (rows * columns) as u32;
    let x = Tensor::arange(0u32, count, &Device::Cpu).and_then(|x| x.to_dtype(DType::F32));
    x.and_then(|x| (x * step)?.sin()?.reshape((rows, columns))).expect("a tensor")
}

fn bits(x: &Tensor) -> Vec<u32> {
    let values = x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("values");
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn rows_rounded_before_give_what_the_tensor_gives() {
    for dtype in DTYPES {
        for (tokens, k, n) in [(1, 1, 1), (7, 33, 17), (50, 1601, 130)] {
            let (x, bias) = (wave(tokens, k, 0.37), wave(1, n, 1.1));
            let matrix = Matrix::new(&wave(n, k, 0.73), dtype).expect("a matrix");
            let rounded = Operand::new(&x, dtype).expect("rows");
            assert_eq!(rounded.dims(), [tokens, k]);
            let plain = linear(&x, &matrix, Some(&bias), Activation::Silu).expect("it fits");
            let again = linear(&rounded, &matrix, Some(&bias), Activation::Silu).expect("it fits");
            assert!(bits(&plain) == bits(&again), "{dtype:?} {tokens}x{k}x{n}");
        }
    }
}

#[test]
fn a_residual_is_added_as_if_by_itself() {
    let index = Tensor::new(vec![1u32, 0, 2, 2, 1, 0, 0], &Device::Cpu).expect("an index");
    let (tokens, k, n) = (7, 1700, 130);
    let (x, base, bias, gates) =
        (wave(tokens, k, 0.37), wave(tokens, n, 0.9), wave(1, n, 1.1), wave(3, n, 0.2));
    let rows = [Rows::Same, Rows::Each(index)];
    for dtype in DTYPES {
        let matrix = Matrix::new(&wave(n, k, 0.73), dtype).expect("a matrix");
        for gate in [None, Some((&gates, &rows[0])), Some((&gates, &rows[1]))] {
            for bias in [None, Some(&bias)] {
                let residual = Residual { base: &base, gate };
                let apart = linear(&x, &matrix, bias, Activation::None)
                    .and_then(|y| residual.add(&y))
                    .expect("it fits");
                let at_once = linear_residual(&x, &matrix, bias, &residual).expect("it fits");
                assert!(bits(&apart) == bits(&at_once), "{dtype:?} {gate:?} {bias:?}");
            }
        }
    }
}

#[test]
fn a_feed_forward_in_pieces_takes_each_token_its_gate() {
    // So wide that 130 tokens are taken in two pieces.
    let (tokens, k, f) = (130, 6, 60_000);
    let index: Vec<u32> = (0..tokens as u32).map(|i| i * 7 % 3).collect();
    let rows = Rows::Each(Tensor::new(index, &Device::Cpu).expect("an index"));
    let (x, base, gates) = (wave(tokens, k, 0.37), wave(tokens, k, 0.9), wave(3, k, 0.2));
    let residual = Residual { base: &base, gate: Some((&gates, &rows)) };
    for dtype in DTYPES {
        let matrix = |n: usize, k: usize| Matrix::new(&wave(n, k, 0.73), dtype).expect("a matrix");
        let (up, down) = (matrix(f, k), matrix(k, f));
        let gelu = Activation::GeluTanh;
        let apart = linear(&x, &up, None, gelu)
            .and_then(|hidden| linear(&hidden, &down, None, Activation::None))
            .and_then(|y| residual.add(&y))
            .expect("it fits");
        let pieces = feed_forward(&x, (&up, None), gelu, (&down, None), &residual);
        assert!(bits(&apart) == bits(&pieces.expect("it fits")), "{dtype:?}");
    }
}

#[test]
fn attention_and_norms_round_what_they_give() {
    let rounded = |x: &Tensor, dtype| Operand::new(x, dtype).and_then(|x| x.to_tensor());
    let (s_q, s_k, eps) = (101, 67, 1e-6);
    for dtype in DTYPES {
        // Heads that begin a word, and heads that do not.
        for (heads, head_dim) in [(2, 40), (3, 7)] {
            let width = heads * head_dim;
            let split = |x: &Tensor, s| x.reshape((s, heads, head_dim)).expect("heads");
            let (query, key) = (wave(s_q, width, 0.37), wave(s_k, width, 0.9));
            let value = split(&wave(s_k, width, 0.73), s_k);
            let plain = KeyValue::new(&split(&key, s_k), &value, dtype).expect("keys");
            let plain = attention(&split(&query, s_q), &plain, 0.2, None)
                .and_then(|y| rounded(&y.reshape((s_q, width))?, dtype));
            let key = Operand::new(&key, dtype).expect("rows");
            let query = Operand::new(&query, dtype).expect("rows");
            let again = KeyValue::new(&key, &value, dtype)
                .and_then(|keys| attention_rounded(&query, &keys, 0.2))
                .and_then(|y| y.to_tensor());
            let (plain, again) = (plain.expect("it fits"), again.expect("it fits"));
            assert!(bits(&plain) == bits(&again), "{dtype:?} {heads}x{head_dim}");
        }
        let (x, gain, offset) = (wave(37, 131, 0.37), wave(1, 131, 0.9), wave(1, 131, 1.3));
        for (plain, again) in [
            (rms_norm(&x, &gain, eps), rms_norm_rounded(&x, &gain, eps, dtype)),
            (
                layer_norm(&x, Some((&gain, &offset)), eps),
                layer_norm_rounded(&x, (&gain, &offset), eps, dtype),
            ),
        ] {
            let plain = plain.and_then(|y| rounded(&y, dtype)).expect("it fits");
            let again = again.and_then(|y| y.to_tensor()).expect("it fits");
            assert!(bits(&plain) == bits(&again), "{dtype:?}");
        }
    }
}

#[test]
fn a_narrow_tensor_is_rounded_before_it_is_added_and_the_stream_is_not() {
    let (x, base) = (wave(5, 66, 0.37).to_dtype(DType::BF16).expect("bf16"), wave(5, 9, 0.9));
    let matrix = Matrix::new(&wave(9, 66, 0.73), DType::BF16).expect("a matrix");
    let residual = Residual { base: &base, gate: None };
    let apart = linear(&x, &matrix, None, Activation::None).and_then(|y| residual.add(&y));
    let at_once = linear_residual(&x, &matrix, None, &residual).expect("it fits");
    assert!(bits(&apart.expect("it fits")) == bits(&at_once));
}

#[test]
fn rows_rounded_for_another_instruction_set_are_rounded_again() {
    for dtype in DTYPES {
        let (x, matrix) = (wave(5, 66, 0.37), Matrix::new(&wave(9, 66, 0.73), dtype));
        let matrix = matrix.expect("a matrix");
        let here = Operand::new(&x, dtype).expect("rows");
        let there = with_isa(Isa::Portable, || {
            let own = linear(&Operand::new(&x, dtype)?, &matrix, None, Activation::None)?;
            let other = linear(&here, &matrix, None, Activation::None)?;
            Ok::<_, Error>((own, other))
        });
        let (own, other) = there.expect("it fits");
        assert!(bits(&own) == bits(&other), "{dtype:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let matrix = Matrix::new(&wave(9, 66, 0.73), DType::BF16).expect("a matrix");
    let x = wave(5, 66, 0.37);
    let wide = Operand::new(&x, DType::F32).expect("rows");
    let refused = linear(&wide, &matrix, None, Activation::None);
    assert!(matches!(refused, Err(Error::DType { found: DType::F32, .. })), "{refused:?}");
    let refused = linear_residual(&x, &matrix, None, &Residual { base: &x, gate: None });
    assert!(matches!(refused, Err(Error::Shape { what: "output", .. })), "{refused:?}");
    // Neither a row nor a batch of matrices is a matrix, whatever the first of its sizes.
    let square = Matrix::new(&wave(66, 66, 0.73), DType::BF16).expect("a matrix");
    let row = wave(1, 66, 0.37).flatten_all().expect("a row");
    let batch = wave(10, 66, 0.37).reshape((2, 5, 66)).expect("a batch");
    for (x, tokens) in [(&row, 66), (&batch, 2)] {
        let base = wave(tokens, 66, 0.1);
        let residual = Residual { base: &base, gate: None };
        let refused = linear_residual(x, &square, None, &residual);
        assert!(matches!(refused, Err(Error::Shape { what: "input", .. })), "{refused:?}");
        let (up, down) = ((&square, None), (&square, None));
        let refused = feed_forward(x, up, Activation::Silu, down, &residual);
        assert!(matches!(refused, Err(Error::Shape { what: "input", .. })), "{refused:?}");
    }
    let (base, gate) = (wave(5, 9, 0.1), wave(1, 8, 0.1));
    let residual = Residual { base: &base, gate: Some((&gate, &Rows::Same)) };
    let refused = linear_residual(&x, &matrix, None, &residual);
    assert!(matches!(refused, Err(Error::Shape { what: "operand", .. })), "{refused:?}");
    assert!(Operand::new(&x, DType::U32).is_err());
}
