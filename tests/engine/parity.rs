//! Every tensor on the way from prompt to frames is the reference's.

use candle_core::{DType, Tensor};
use kinora_engine::cards::SamplerKind;
use kinora_engine::local::{LocalOptions, Precision};
use kinora_engine::request::Request;
use kinora_models::faults::{self, Fault};
use tempfile::TempDir;

use crate::golden::{self, Golden, Tensors, relative_l2};

/// Largest relative L2 of any tensor of a run in `f32`.
const TOLERANCE: f64 = 1e-4;

/// A difference between a run and the reference's.
#[derive(Debug)]
struct Difference {
    tensor: String,
    error: f64,
}

/// Compares a trace with the reference's, which keeps only the rows of true tokens of prompts. Names are those of the
/// reference, both ways, with `frames` and the picture it begins with beside them.
fn differences(mut ours: Tensors, theirs: &Tensors) -> Vec<Difference> {
    let frames = ours.remove("frames").expect("a trace ends in frames");
    let made = ours["vae.decode.out"]
        .squeeze(0)
        .and_then(|x| ((x * 0.5)? + 0.5)?.clamp(0f32, 1f32)?.transpose(0, 1));
    assert!(relative_l2(&frames, &made.expect("frames are pixels in another order")) < 1e-7);
    if let Some(picture) = ours.remove("input.image") {
        // (height, width, channel) in bytes -> (1, channel, 1, height, width) in [-1, 1]
        let read = picture.to_dtype(DType::F32).and_then(|x| {
            ((x.permute((2, 0, 1))? / 127.5)? - 1.0)?.unsqueeze(1)?.unsqueeze(0)?.contiguous()
        });
        let read = read.expect("a picture has three dimensions");
        assert!(relative_l2(&read, &theirs["vae.encode.0.in"]) < 1e-6);
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let mut differences = Vec::new();
    for (name, theirs) in theirs {
        let ours = &ours[name];
        assert_eq!(ours.dtype(), theirs.dtype(), "{name}");
        let is_prompt = name.starts_with("text.") && name.ends_with(".out")
            || name.ends_with("encoder_hidden_states");
        let ours = if is_prompt { true_rows(ours, theirs.dims()[1]) } else { ours.clone() };
        let error = relative_l2(&ours, theirs);
        let is_exact = theirs.dtype() == DType::I64 || matches!(name.as_str(), "noise" | "sigmas");
        if error.is_nan() || error > if is_exact { 0.0 } else { TOLERANCE } {
            differences.push(Difference { tensor: name.clone(), error });
        }
    }
    differences
}

/// The first rows of a prompt; the others are zero.
fn true_rows(prompt: &Tensor, rows: usize) -> Tensor {
    let rest = prompt
        .narrow(1, rows, prompt.dims()[1] - rows)
        .and_then(|x| x.abs()?.sum_all()?.to_scalar::<f32>());
    assert_eq!(rest.expect("a prompt has rows of padding"), 0.0);
    prompt.narrow(1, 0, rows).expect("a prompt has so many rows")
}

fn assert_equal(ours: Tensors, theirs: &Tensors) {
    let found = differences(ours, theirs);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_guided_run_is_the_references() {
    let golden = Golden::open();
    let ours = golden::trace(&golden::path("model"), golden.request());
    assert_equal(ours, &golden.run("unipc"));
}

#[test]
fn an_unguided_run_with_another_sampler_is_the_references() {
    let golden = Golden::open();
    let request = Request {
        sampler: Some(SamplerKind::Euler),
        guidance_scale: Some(1.0),
        ..golden.request()
    };
    assert_equal(golden::trace(&golden::path("model"), request), &golden.run("euler"));
}

#[test]
fn a_run_from_a_picture_is_the_references() {
    let golden = Golden::open();
    let place = TempDir::new().expect("there is room for a checkpoint");
    golden::copy(&golden::path("model"), place.path());
    let index = place.path().join("model_index.json");
    let text = std::fs::read_to_string(&index).expect("the checkpoint has an index");
    let (off, on) = (r#""expand_timesteps": false"#, r#""expand_timesteps": true"#);
    assert!(text.contains(off));
    std::fs::write(&index, text.replace(off, on)).expect("the copy is writable");
    let request = Request { image: Some(golden::path("first.png")), ..golden.request() };
    assert_equal(golden::trace(place.path(), request), &golden.run("image"));
}

#[test]
fn narrow_products_stay_near_the_reference() {
    let golden = Golden::open();
    let theirs = golden.run("unipc");
    // Measured: 3.6e-3 and 1.5e-2 in bf16, 3.8e-4 and 1.4e-3 in f16.
    for (precision, latents, pixels) in
        [(Precision::Bf16, 1e-2, 5e-2), (Precision::F16, 1e-3, 5e-3)]
    {
        let options = LocalOptions { precision, ..golden::exact() };
        let ours = golden::trace_with(&golden::path("model"), golden.request(), options);
        for (name, most) in [("step.2.latents", latents), ("vae.decode.out", pixels)] {
            let error = relative_l2(&ours[name], &theirs[name]);
            assert!(error > TOLERANCE && error <= most, "{precision:?} {name}: {error:e}");
        }
    }
}

#[test]
fn a_schedule_without_its_shift_is_noticed() {
    let golden = Golden::open();
    let theirs = golden.run("unipc");
    let injected = faults::inject(Fault::ShiftIgnored);
    let ours = golden::trace(&golden::path("model"), golden.request());
    drop(injected);
    let found = differences(ours, &theirs);
    for name in ["timesteps", "sigmas", "step.1.model_output", "step.2.latents", "vae.decode.out"] {
        assert!(found.iter().any(|difference| difference.tensor == name), "{name}: {found:#?}");
    }
}

#[test]
fn faults_of_every_part_are_noticed() {
    let golden = Golden::open();
    let theirs = golden.run("unipc");
    for (fault, first) in [
        (Fault::SharedBias, "text.0.out"),
        (Fault::RopeAxisSplit, "step.0.call.0.out"),
        (Fault::VaeCacheDropped, "vae.decode.out"),
    ] {
        let injected = faults::inject(fault);
        let ours = golden::trace(&golden::path("model"), golden.request());
        drop(injected);
        let found = differences(ours, &theirs);
        let error = found.iter().find(|difference| difference.tensor == first);
        assert!(error.is_some_and(|d| d.error > 10.0 * TOLERANCE), "{fault:?}: {found:#?}");
    }
}
