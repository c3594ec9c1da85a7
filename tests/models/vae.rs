//! The VAEs of Wan 2.1 and 2.2 against diffusers' `AutoencoderKLWan`, and its configuration against published shapes.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use kinora_models::faults::{self, Fault};
use kinora_models::parts::{Placement, Tiling, VideoVae};
use kinora_models::wan::vae::{Config, WanVae};
use kinora_models::{Error, Result};

use crate::golden::{Golden, TOLERANCE, agree, inventory, relative_l2};

const CASES: [&str; 5] = [
    "wan-vae-published-levels",
    "wan-vae-three-levels",
    "wan-vae-residual",
    "wan-vae-residual-three-levels",
    "wan-vae-residual-unpatched",
];

fn load(golden: &Golden, compute: DType) -> WanVae {
    let config = Config::from_json(&golden.config).expect("the golden's configuration is valid");
    let weights = golden.weights(&config.expected());
    let placement = Placement { device: Device::Cpu, compute };
    WanVae::load(&config, &weights, &placement).expect("the golden's weights fit")
}

fn decode(vae: &WanVae, latents: &Tensor, tiling: Option<Tiling>) -> Tensor {
    vae.decode(latents, tiling, &mut |_, _| ControlFlow::Continue(())).expect("latents decode")
}

fn first(clip: &Tensor, frames: usize) -> Tensor {
    clip.narrow(1, 0, frames).expect("the golden is long enough")
}

#[test]
fn clips_of_every_length_decode_as_in_diffusers() {
    for case in CASES {
        let golden = Golden::open(case);
        let vae = load(&golden, DType::F32);
        let (latents, expected) = (golden.tensor("decode.in"), golden.tensor("decode.out"));
        for latent_frames in 1..=latents.dims()[1] {
            let frames = 1 + (latent_frames - 1) * vae.compression()[0];
            let ours = decode(&vae, &first(&latents, latent_frames), None);
            agree(&ours, &first(&expected, frames), &format!("{case}: decode {frames} frames"));
        }
    }
}

#[test]
fn clips_of_every_length_encode_as_in_diffusers() {
    for case in CASES {
        let golden = Golden::open(case);
        let vae = load(&golden, DType::F32);
        let (clip, expected) = (golden.tensor("encode.in"), golden.tensor("encode.mean"));
        for frames in (1..=clip.dims()[1]).step_by(4) {
            let ours = vae.encode(&first(&clip, frames)).expect("frames encode");
            let latent_frames = 1 + (frames - 1) / vae.compression()[0];
            let what = format!("{case}: encode {frames} frames");
            agree(&ours, &first(&expected, latent_frames), &what);
        }
    }
}

/// The tiles of each case, and the size they cut: not a whole number of tiles.
#[test]
fn tiles_blend_as_in_diffusers() {
    let tiles = [(16, 8), (16, 12), (32, 16), (16, 8), (16, 12)];
    for (case, (tile_px, stride_px)) in CASES.into_iter().zip(tiles) {
        let golden = Golden::open(case);
        let vae = load(&golden, DType::F32);
        let (latents, expected) = (golden.tensor("tiled.in"), golden.tensor("tiled.out"));
        let ours = decode(&vae, &latents, Some(Tiling { tile_px, stride_px }));
        agree(&ours, &expected, &format!("{case}: tiles"));
        let whole = decode(&vae, &latents, None);
        assert!(relative_l2(&whole, &expected) > 1e-2, "{case}: the tiles make no difference");
        // A picture no larger than a tile is not cut, however close the tiles.
        let (latents, expected) = (golden.tensor("decode.in"), golden.tensor("decode.out"));
        let latent_px = vae.compression()[1];
        let side = latents.dims()[2].max(latents.dims()[3]);
        let tiling = Tiling { tile_px: side * latent_px, stride_px: latent_px };
        agree(&decode(&vae, &latents, Some(tiling)), &expected, &format!("{case}: one tile"));
    }
}

#[test]
fn narrow_products_err_no_more_than_those_of_diffusers() {
    for case in CASES {
        let golden = Golden::open(case);
        let vae = load(&golden, DType::BF16);
        let ours = decode(&vae, &golden.tensor("decode.in"), None);
        let error = relative_l2(&ours, &golden.tensor("decode.out"));
        let theirs = golden.error_bf16.expect("the golden says how far diffusers is off");
        assert!(error > TOLERANCE && error <= 1.2 * theirs, "{case}: {error:e}, theirs {theirs:e}");
    }
}

#[test]
fn a_dropped_cache_turns_the_golden_red() {
    for case in CASES {
        let golden = Golden::open(case);
        let vae = load(&golden, DType::F32);
        let _fault = faults::inject(Fault::VaeCacheDropped);
        let (latents, expected) = (golden.tensor("decode.in"), golden.tensor("decode.out"));
        assert!(relative_l2(&decode(&vae, &latents, None), &expected) > 1e-2, "{case}: decode");
        let (frames, expected) = (golden.tensor("encode.in"), golden.tensor("encode.mean"));
        let mean = vae.encode(&frames).expect("frames encode");
        assert!(relative_l2(&mean, &expected) > 1e-2, "{case}: encode");
    }
}

#[test]
fn progress_counts_latent_frames_and_stops() {
    let golden = Golden::open(CASES[0]);
    let vae = load(&golden, DType::F32);
    let latents = golden.tensor("decode.in");
    let mut heard = Vec::new();
    let stopped = vae.decode(&latents, None, &mut |done, total| {
        heard.push((done, total));
        if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(heard, [(1, 3), (2, 3)]);
    heard.clear();
    let tiling = Some(Tiling { tile_px: 8, stride_px: 8 });
    let tiles = vae.decode(&first(&latents, 1), tiling, &mut |done, total| {
        heard.push((done, total));
        ControlFlow::Continue(())
    });
    assert!(tiles.is_ok());
    assert_eq!(heard.last(), Some(&(4, 4)));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let vae = load(&Golden::open(CASES[0]), DType::F32);
    let zeros = |shape: [usize; 4]| Tensor::zeros(&shape, DType::F32, &Device::Cpu).expect("zeros");
    for frames in [[3, 4, 16, 16], [3, 0, 16, 16], [3, 5, 12, 16], [1, 5, 16, 16]] {
        let refused = vae.encode(&zeros(frames)).map_err(|error| error.to_string());
        let expected = "frames: expected (3, 4n + 1, multiple of 8, multiple of 8), found";
        assert_eq!(refused.err(), Some(format!("{expected} {frames:?}")));
    }
    let go = &mut |_: usize, _: usize| ControlFlow::Continue(());
    assert!(matches!(vae.decode(&zeros([5, 1, 2, 2]), None, go), Err(Error::Input { .. })));
    for (tile_px, stride_px) in [(20, 16), (16, 0), (16, 24), (0, 0)] {
        let refused = vae.decode(&zeros([4, 1, 2, 2]), Some(Tiling { tile_px, stride_px }), go);
        assert!(matches!(refused, Err(Error::Input { .. })), "{tile_px} {stride_px}");
    }
}

fn residual(latents: &str) -> String {
    format!(
        r#"{{
            "_class_name": "AutoencoderKLWan", "base_dim": 160, "clip_output": false, "decoder_base_dim": 256,
            "in_channels": 12, "is_residual": true, "out_channels": 12, "patch_size": 2,
            "scale_factor_spatial": 16, "scale_factor_temporal": 4, "z_dim": 48 {latents}
        }}"#
    )
}

/// What diffusers publishes for Wan 2.2, with the given statistics.
fn published_22() -> Config {
    let of = |values: &[f32]| format!("{values:?}");
    let known = Config::detect(&inventory("original-wan2.2-vae")).expect("the file is known");
    let (mean, std) = (of(&known.latents_mean), of(&known.latents_std));
    let latents = format!(r#", "latents_mean": {mean}, "latents_std": {std}"#);
    Config::from_json(&residual(&latents)).expect("the published configuration is valid")
}

#[test]
fn published_configurations_ask_for_published_tensors() {
    let config = Config::from_json("{}").expect("every field has a published value");
    assert_eq!(config, Config::default());
    for (config, file, spatial) in
        [(config, "diffusers-wan2.1-vae", 8), (published_22(), "diffusers-wan2.2-vae", 16)]
    {
        let published = inventory(file);
        let expected = config.expected();
        for (name, shape) in expected.iter() {
            let listed = published.get(name).map(|listed| listed.shape.as_slice());
            assert_eq!(listed, Some(shape), "{file}: {name}");
        }
        assert_eq!(expected.iter().count(), published.len());
        assert_eq!((config.temporal_factor(), config.spatial_factor()), (4, spatial));
    }
}

#[test]
fn the_original_file_tells_its_configuration() -> Result<()> {
    assert_eq!(Config::detect(&inventory("original-wan2.1-vae"))?, Config::default());
    let found = Config::detect(&inventory("original-wan2.2-vae"))?;
    assert_eq!(found, published_22());
    assert_eq!((found.latents_mean[47], found.latents_std[47]), (-0.0667, 0.7744));
    let other = Config::detect(&inventory("original-wan2.2-ti2v-5b"));
    assert_eq!(
        other.map_err(|error| error.to_string()).err().as_deref(),
        Some(
            "AutoencoderKLWan: encoder.conv1.weight: \
             expected a convolution of a VAE of Wan, found nothing"
        )
    );
    Ok(())
}

#[test]
fn configurations_that_cannot_be_are_refused_by_field() {
    let cases = [
        (r#"{"is_residual": 1}"#, "is_residual: expected true or false, found 1"),
        (
            r#"{"patch_size": 2}"#,
            "in_channels: expected 12 (anything else is not yet supported), found 3",
        ),
        (
            r#"{"patch_size": 2, "in_channels": 12}"#,
            "out_channels: expected 12 (anything else is not yet supported), found 3",
        ),
        (r#"{"patch_size": 0}"#, "patch_size: expected an integer from 1 to 8, found 0"),
        (&residual(""), "latents_mean: expected 48 values, one for each of z_dim, found 16"),
        (
            r#"{"is_residual": true, "dim_mult": [1, 3, 4, 4]}"#,
            "dim_mult: expected a divisor of 768 channels at level 1 of the encoder, found 288",
        ),
        (
            r#"{"is_residual": true, "dim_mult": [1, 1, 8, 8]}"#,
            "dim_mult: expected a divisor of 384 channels at level 2 of the decoder, found 768",
        ),
        (
            r#"{"in_channels": 12}"#,
            "in_channels: expected 3 (anything else is not yet supported), found 12",
        ),
        (
            r#"{"attn_scales": [0.5]}"#,
            "attn_scales: expected [] (anything else is not yet supported), found [0.5]",
        ),
        (
            r#"{"_class_name": "AutoencoderKL"}"#,
            "_class_name: expected \"AutoencoderKLWan\" (anything else is not yet supported), found \"AutoencoderKL\"",
        ),
        (
            r#"{"base_dim": 99999999}"#,
            "base_dim: expected an integer from 1 to 8192, found 99999999",
        ),
        (r#"{"base_dim": -96}"#, "base_dim: expected an integer from 1 to 8192, found -96"),
        (
            r#"{"base_dim": 95, "dim_mult": [1, 3, 4, 4]}"#,
            "dim_mult: expected even multiples of base_dim 95 after the first, up to 8192, found 3",
        ),
        (
            r#"{"dim_mult": [1, 2, 4, 400]}"#,
            "dim_mult: expected even multiples of base_dim 96 after the first, up to 8192, found 400",
        ),
        (r#"{"dim_mult": []}"#, "dim_mult: expected 1 to 8 levels, found 0"),
        (r#"{"num_res_blocks": 0}"#, "num_res_blocks: expected an integer from 1 to 16, found 0"),
        (
            r#"{"temperal_downsample": [true]}"#,
            "temperal_downsample: expected 3 values, one fewer than dim_mult, found 1",
        ),
        (r#"{"z_dim": 8}"#, "latents_mean: expected 8 values, one for each of z_dim, found 16"),
        (r#"{"latents_std": [1e300]}"#, "latents_std: expected a number, found 1e+300"),
        (
            r#"{"scale_factor_spatial": 16}"#,
            "scale_factor_spatial: expected 8 (anything else is not yet supported), found 16",
        ),
        (r#"{"base_dims": 96}"#, "base_dims: expected no such field, found 96"),
    ];
    for (text, expected) in cases {
        let refused = Config::from_json(text).map_err(|error| error.to_string()).err();
        assert_eq!(refused, Some(format!("AutoencoderKLWan: {expected}")), "{text}");
    }
}

#[test]
fn decoding_needs_memory_that_tiles_bound() {
    let config = Config::default();
    let tiling = Some(Tiling::default());
    let bytes = |frames, side, tiling| config.decode_bytes([frames, side, side], tiling, 4);
    // Half a gibibyte of frames looked back on, a quarter of transient ones, at 256 pixels.
    assert!((400 << 20..900 << 20).contains(&bytes(5, 256, None)), "{}", bytes(5, 256, None));
    assert!(bytes(5, 1024, None) > 14 * bytes(5, 256, None));
    assert!(bytes(5, 1024, tiling) < 2 * bytes(5, 256, None));
    // Wan 2.2 with half its channels took 90 and 359 MiB when it was measured.
    let half = Config { base_dim: 80, decoder_base_dim: 128, ..published_22() };
    for (side, mebibytes) in [(128, 90), (256, 359)] {
        let bytes = half.decode_bytes([5, side, side], None, 4);
        assert!((mebibytes << 20..(mebibytes * 9) << 17).contains(&bytes), "{bytes}");
    }
    // A longer clip costs its frames only.
    let clip = 4 * 3 * 76 * 256 * 256;
    assert_eq!(bytes(81, 256, None) - bytes(5, 256, None), clip);
}
