//! Takes, failures and jobs as a ledger keeps them, made of words instead of pictures.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use kinora_engine::Kind;
use kinora_engine::hash::Blake3;
use kinora_engine::id::{CutId, TakeId};
use kinora_engine::job::Intent;
use kinora_engine::ledger::{Failure, Ledger, Media, Place, SCHEMA, TakeRecord};
use kinora_engine::money::Money;
use serde_json::{Value, json};

/// A new take's name.
///
/// # Errors
/// A system without random numbers.
pub fn id() -> io::Result<TakeId> {
    TakeId::new(Timestamp::now())
}

/// Brings the clip of a take into the store: a few words.
///
/// # Errors
/// A disk that is full or read-only.
pub fn clip(ledger: &Ledger, take: TakeId, words: &str) -> kinora_engine::ledger::Result<Media> {
    let path = ledger.work_path(take, "mp4");
    write(&path, words)?;
    let media = ledger.import_media(&path)?;
    fs::remove_file(&path)
        .map_err(|source| kinora_engine::ledger::Error::Write { path, source })?;
    Ok(media)
}

fn write(path: &Path, words: &str) -> kinora_engine::ledger::Result<()> {
    let failed = |source| kinora_engine::ledger::Error::Write { path: path.to_owned(), source };
    fs::write(path, words).map_err(failed)
}

/// What is kept of a take that was made on this machine, about as long as that of a real one.
pub fn record(take: TakeId, cut: &CutId, number: u32, request: Blake3, media: Media) -> TakeRecord {
    let sigmas: Vec<f64> = (0..30).rev().map(|step| f64::from(step) / 30.0).collect();
    TakeRecord {
        schema: SCHEMA,
        id: take,
        cut: cut.clone(),
        number,
        kind: "close-up".to_owned(),
        request,
        seed: u64::from(number),
        model: "mini".to_owned(),
        route: json!({ "model": "mini", "place": "local" }),
        place: Place::Local,
        cost: Money::ZERO,
        reserved: Money::ZERO,
        licence: "MIT".to_owned(),
        territory: "DE".to_owned(),
        privacy: "local-only".to_owned(),
        egress: Vec::new(),
        approximations: Vec::new(),
        media,
        frames_hash: Some(Blake3::of(b"frames")),
        latent_hash: Some(Blake3::of(b"latents")),
        made: json!({ "prompt": "a red cat moves right in a snowy field", "sigmas": sigmas }),
        parent: None,
        created: Timestamp::now(),
        seconds: 1.5,
    }
}

/// An attempt that came to nothing.
pub fn failure(take: TakeId, cut: &CutId, number: u32) -> Failure {
    let why = "out of memory".to_owned();
    Failure { take, cut: cut.clone(), number, kind: Kind::Resources, why }
}

/// A job that is about to be sent.
pub fn intent(take: TakeId, cut: &CutId, number: u32, reserved: Money) -> Intent {
    Intent {
        take,
        cut: cut.clone(),
        number,
        provider: "fal".to_owned(),
        model: "kling".to_owned(),
        host: "queue.example.com".to_owned(),
        payload: Blake3::of(b"payload"),
        reserved,
        record: Value::Null,
    }
}
