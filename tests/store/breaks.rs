//! Broken connections cost little, and never more than a chunk.

use std::fs;
use std::time::{Duration, Instant};

use kinora_engine::egress::log;
use kinora_engine::store::Error;
use kinora_tests::hub::Fault;

use crate::{CHUNK, CONFIG, Dice, Scene, WEIGHTS};

#[test]
fn fifty_cuts_at_random_bytes() {
    for seed in 0..3 {
        let scene = Scene::new(40 * CHUNK + 4321);
        let mut dice = Dice(seed);
        let cuts: Vec<Fault> = (0..50).map(|_| Fault::Cut(dice.roll(CHUNK))).collect();
        scene.hub.break_next(WEIGHTS, cuts);
        let pulled = scene.pull().unwrap();
        assert_eq!(scene.hub.faults_left(), 0, "every cut was made");
        assert_eq!(fs::read(pulled.folder.join(WEIGHTS)).unwrap(), scene.weights);
        let wanted = scene.weights.len() + CONFIG.0.len();
        let twice = scene.hub.sent_bytes() - wanted;
        assert!(twice <= 50 * CHUNK, "{twice} bytes were sent twice");
        assert_eq!(pulled.received_bytes as usize, wanted, "what arrived was kept");
        let log = log::verify(&scene.home.path().join(log::NAME)).unwrap();
        assert_eq!(log.allowed as usize, scene.hub.asked().len(), "each question is in the log");
    }
}

#[test]
fn fifty_ends_of_the_process() {
    let scene = Scene::new(30 * CHUNK + 99);
    let mut dice = Dice(11);
    let mut ends = 0;
    let pulled = loop {
        let mut left = dice.roll(2 * CHUNK) as u64;
        let pulled = scene.pull_with(&scene.store(), &mut |event| match event {
            kinora_engine::store::PullEvent::Received { new_bytes, .. } => {
                let stops = *new_bytes > left;
                left = left.saturating_sub(*new_bytes);
                if stops {
                    std::ops::ControlFlow::Break(())
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            }
            _ => std::ops::ControlFlow::Continue(()),
        });
        match pulled {
            Err(Error::Cancelled) => ends += 1,
            other => break other.unwrap(),
        }
    };
    assert!(ends >= 10, "{ends}");
    assert_eq!(fs::read(pulled.folder.join(WEIGHTS)).unwrap(), scene.weights);
    let twice = scene.hub.sent_bytes() - scene.weights.len() - CONFIG.0.len();
    assert!(twice <= ends * CHUNK, "{twice} bytes were sent twice after {ends} ends");
}

#[test]
fn a_stalled_connection_is_given_up_and_resumed() {
    let scene = Scene::new(2 * CHUNK);
    scene.hub.break_next(WEIGHTS, [Fault::Stall(1000, Duration::from_secs(5))]);
    let begin = Instant::now();
    let pulled = scene.pull().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(pulled.received_bytes as usize, scene.weights.len() + CONFIG.0.len());
}

#[test]
fn busy_servers_are_waited_for() {
    let scene = Scene::new(CHUNK);
    scene.hub.break_next(
        WEIGHTS,
        [
            Fault::Status(503, String::new()),
            Fault::Status(429, "Retry-After: 1\r\n".to_owned()),
            Fault::Status(500, String::new()),
        ],
    );
    let begin = Instant::now();
    scene.pull().unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "Retry-After is heard");
    assert_eq!(scene.hub.faults_left(), 0);
}

#[test]
fn patience_ends() {
    let scene = Scene::new(CHUNK);
    scene.hub.break_next(WEIGHTS, vec![Fault::Status(503, String::new()); 4]);
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Status { status: 503, .. }), "{error}");
    assert_eq!(scene.hub.faults_left(), 0);

    scene.hub.break_next(WEIGHTS, [Fault::Status(429, "Retry-After: 86400\r\n".to_owned())]);
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Status { status: 429, .. }), "{error}");

    scene.hub.break_next(WEIGHTS, vec![Fault::Cut(0); 4]);
    let error = scene.pull().unwrap_err();
    assert!(matches!(error, Error::Transfer { .. }), "{error}");
    scene.pull().unwrap();
}

#[test]
fn a_server_without_ranges_is_read_from_the_beginning() {
    let scene = Scene::new(3 * CHUNK);
    scene.hub.break_next(WEIGHTS, [Fault::Cut(100), Fault::Whole]);
    let pulled = scene.pull().unwrap();
    assert_eq!(scene.hub.faults_left(), 0);
    assert_eq!(fs::read(pulled.folder.join(WEIGHTS)).unwrap(), scene.weights);
}
