//! What a pull leaves on the disk, and what it asks for.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;

use kinora_engine::egress::Egress;
use kinora_engine::store::{Error, PullEvent};
use kinora_tests::hub::{COMMIT, Fault};

use crate::{CHUNK, CONFIG, Scene, WEIGHTS, names, options};

#[test]
fn the_cache_is_laid_out_as_python_lays_it_out() {
    let scene = Scene::new(3 * CHUNK + 17);
    let pulled = scene.pull().unwrap();
    assert_eq!(pulled.commit, COMMIT);
    assert_eq!(pulled.folder, scene.repo().join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(scene.repo().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(fs::read(pulled.folder.join(WEIGHTS)).unwrap(), scene.weights);
    assert_eq!(fs::read(pulled.folder.join("model_index.json")).unwrap(), CONFIG.0);
    let link = fs::read_link(pulled.folder.join("transformer/config.json")).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("../../../blobs/{}", CONFIG.1));
    assert_eq!(names(&pulled.folder), ["model_index.json", "transformer"], "nothing unneeded");
    assert_eq!(scene.blobs().len(), 2, "{:?}", scene.blobs());
    let received = scene.weights.len() + CONFIG.0.len();
    assert_eq!(pulled.received_bytes, received as u64, "equal contents are fetched once");
    assert_eq!(scene.hub.sent_bytes(), received);
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let scene = Scene::new(CHUNK);
    scene.pull().unwrap();
    let sent = scene.hub.sent_bytes();
    assert_eq!(scene.pull().unwrap().received_bytes, 0);
    assert_eq!(scene.hub.sent_bytes(), sent);
}

#[test]
fn what_is_here_is_hashed_before_it_is_believed() {
    let scene = Scene::new(2 * CHUNK + 5);
    let weights = scene.pull().unwrap().folder.join(WEIGHTS);
    let mut damaged = scene.weights.clone();
    damaged[CHUNK] ^= 1;
    fs::write(&weights, &damaged).unwrap();
    let mut events = Vec::new();
    let pulled = scene.pull_with(&scene.store(), &mut |event| {
        match event {
            PullEvent::Checking { file, done_bytes, total_bytes } if done_bytes == total_bytes => {
                events.push(format!("checked {file}"));
            }
            PullEvent::Received { file, done_bytes, total_bytes, .. }
                if done_bytes == total_bytes =>
            {
                events.push(format!("received {file}"));
            }
            PullEvent::Verified { file } => events.push(format!("verified {file}")),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!(pulled.unwrap().received_bytes as usize, scene.weights.len());
    assert_eq!(fs::read(&weights).unwrap(), scene.weights);
    let small = ["model_index.json", "transformer/config.json"];
    let expected = [
        format!("checked {}", small[0]),
        format!("verified {}", small[0]),
        format!("verified {}", small[1]), // of the same content, which is read once
        format!("checked {WEIGHTS}"),
        format!("received {WEIGHTS}"),
        format!("verified {WEIGHTS}"),
    ];
    assert_eq!(events, expected);
}

#[test]
fn damage_does_not_outlive_a_pull_that_fails() {
    let scene = Scene::new(CHUNK);
    let weights = scene.pull().unwrap().folder.join(WEIGHTS);
    fs::write(&weights, vec![0; CHUNK]).unwrap();
    scene.hub.break_next(WEIGHTS, [Fault::Garbage]);
    let error = scene.pull().unwrap_err();
    assert!(matches!(&error, Error::Hash { file, .. } if file == WEIGHTS), "{error}");
    assert!(!weights.exists(), "nothing is better than something else");
    scene.pull().unwrap();
    assert_eq!(fs::read(&weights).unwrap(), scene.weights);
}

#[test]
fn events_account_for_every_byte() {
    let scene = Scene::new(2 * CHUNK + 1);
    let (mut planned, mut received, mut verified) = (0, 0, Vec::new());
    let pulled = scene.pull_with(&scene.store(), &mut |event| {
        match event {
            PullEvent::Planned { total_bytes, missing_bytes } => {
                assert_eq!(total_bytes, missing_bytes);
                planned = *total_bytes;
            }
            PullEvent::Received { new_bytes, .. } => received += new_bytes,
            PullEvent::Verified { file } => verified.push((*file).to_owned()),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!(pulled.unwrap().received_bytes, received);
    // Two small files of one content: planned twice, fetched once.
    assert_eq!(planned, received + CONFIG.0.len() as u64);
    assert_eq!(verified, ["model_index.json", "transformer/config.json", WEIGHTS]);
}

#[test]
fn a_stop_keeps_what_arrived() {
    let scene = Scene::new(8 * CHUNK);
    let stopped = scene.pull_with(&scene.store(), &mut |event| match event {
        PullEvent::Received { done_bytes, .. } if *done_bytes > 3 * CHUNK as u64 => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert!(names(&scene.repo().join("snapshots")).is_empty(), "nothing is linked yet");
    assert!(names(&scene.repo().join("refs")).is_empty());
    let partial = scene.blobs().into_iter().find(|name| name.ends_with(".incomplete")).unwrap();
    let kept = fs::metadata(scene.repo().join("blobs").join(partial)).unwrap().len();
    assert!(kept > 3 * CHUNK as u64, "{kept}");

    let (before, mut checked) = (scene.hub.sent_bytes(), 0);
    let pulled = scene.pull_with(&scene.store(), &mut |event| {
        if let PullEvent::Checking { done_bytes, .. } = event {
            checked = *done_bytes;
        }
        ControlFlow::Continue(())
    });
    assert_eq!(checked, kept);
    assert_eq!(pulled.unwrap().received_bytes, scene.weights.len() as u64 - kept);
    assert_eq!(scene.hub.sent_bytes() - before, scene.weights.len() - kept as usize);
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let scene = Scene::new(16 * CHUNK);
    let pull = || scene.pull().unwrap().received_bytes;
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(pull);
        pull() + other.join().unwrap()
    });
    assert_eq!(both as usize, scene.weights.len() + CONFIG.0.len());
    assert_eq!(scene.hub.sent_bytes(), both as usize);
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let scene = Scene::new(CHUNK);
    scene.hub.gate("/transformer/config.json");
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Gated { status: 401, had_token: false, .. }), "{error}");

    let store = scene.store_with(&[("HF_TOKEN", "hf_secret")]);
    let said = RefCell::new(String::new());
    let pulled = scene.pull_with(&store, &mut |event| {
        said.borrow_mut().push_str(&format!("{event:?}"));
        ControlFlow::Continue(())
    });
    let said = said.into_inner() + &format!("{pulled:?} {store:?}");
    assert!(pulled.is_ok() && !said.contains("secret") && !said.contains("s3cret"), "{said}");
    let asked = scene.hub.asked();
    let (hub, others): (Vec<_>, Vec<_>) = asked.iter().partition(|asked| asked.is_hub);
    assert!(hub.iter().any(|asked| asked.authorization.as_deref() == Some("Bearer hf_secret")));
    assert!(!others.is_empty() && others.iter().all(|asked| asked.authorization.is_none()));
}

#[test]
fn offline_opens_no_connection() {
    let scene = Scene::new(CHUNK);
    let store = scene.store_with(&[("HF_HUB_OFFLINE", "1")]);
    let refused = scene.pull_with(&store, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(Error::Egress(kinora_engine::egress::Error::Offline { .. }))));
    let unasked = store
        .pull(&Egress::new(false), &scene.source, &options(), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(unasked, Err(Error::Egress(kinora_engine::egress::Error::Refused { .. }))));
    let mut unlogged = Egress::new(false);
    unlogged.allow(store.consent(&scene.source));
    let unlogged =
        store.pull(&unlogged, &scene.source, &options(), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(unlogged, Err(Error::Egress(kinora_engine::egress::Error::NoLog { .. }))));
    assert_eq!(scene.hub.connections(), 0);
}
