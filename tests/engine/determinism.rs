//! One recipe, one result: with any number of threads, in any run, and again from the file it was written to.

use kinora_engine::local::{LocalOptions, VaeTile};
use kinora_engine::request::Request;
use kinora_engine::{Replay, read_manifest, replay_request, write_take};
use tempfile::TempDir;

use crate::golden::{self, Golden};

#[test]
fn threads_and_runs_change_nothing() {
    for precision in [
        golden::exact(),
        LocalOptions { device: golden::exact().device, ..LocalOptions::default() },
    ] {
        let hashes = |threads| {
            let manifest =
                golden::generate(&Golden::open().request(), LocalOptions { threads, ..precision })
                    .manifest;
            (manifest.latent_hash, manifest.frames_hash)
        };
        let first = hashes(None);
        for threads in [Some(1), Some(2), Some(4), None] {
            assert_eq!(hashes(threads), first, "{threads:?}");
        }
    }
}

#[test]
fn seeds_and_prompts_change_the_result() {
    let request = Golden::open().request();
    let hash = |request: &Request| golden::generate(request, golden::exact()).manifest.latent_hash;
    let first = hash(&request);
    assert_ne!(hash(&Request { seed: request.seed + 1, ..request.clone() }), first);
    assert_ne!(hash(&Request { prompt: "a dog".to_owned(), ..request.clone() }), first);
}

#[test]
fn a_clip_is_made_again_from_its_file() {
    let place = TempDir::new().expect("there is room for a clip");
    let generator = golden::open(&golden::path("model"), golden::exact());
    for output in ["clip.mp4", "clip.mkv"] {
        let request = Golden::open().request();
        let take = write_take(&generator, &request, &place.path().join(output), &());
        let take = take.expect("the clip is written");
        let manifest = read_manifest(&take.path).expect("the clip carries its manifest");
        assert_eq!(manifest, take.manifest);
        let again = replay_request(&manifest).expect("the manifest is a request");
        let again = golden::generate(&again, golden::exact());
        let replay = Replay::compare(&manifest, &again.manifest);
        assert!(replay.latents_equal && replay.frames_equal && replay.agrees());
    }
}

#[test]
fn latents_that_were_saved_and_noise_that_was_given_are_used() {
    let place = TempDir::new().expect("there is room for latents");
    let request = Golden::open().request();
    let (noise, saved) =
        (place.path().join("noise.safetensors"), place.path().join("latents.safetensors"));
    let drawn = golden::generate(
        &Request {
            trace: Some(noise.clone()),
            save_latents: Some(saved.clone()),
            ..request.clone()
        },
        golden::exact(),
    );
    let last = golden::load(&noise)["step.2.latents"].clone();
    assert_eq!(golden::relative_l2(&golden::load(&saved)["latents"], &last), 0.0);
    let given = Request { init_latents: Some(noise), seed: 7, ..request };
    assert_eq!(
        golden::generate(&given, golden::exact()).manifest.latent_hash,
        drawn.manifest.latent_hash
    );
}

#[test]
fn tiles_are_part_of_the_recipe() {
    let tiled =
        LocalOptions { vae_tile: VaeTile::Tiles { tile_px: 64, stride_px: 48 }, ..golden::exact() };
    let manifest = golden::generate(&Golden::open().request(), tiled).manifest;
    assert_eq!(manifest.computed.vae_tile, Some((64, 48)));
}
