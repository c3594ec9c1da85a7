//! A production with takes, for the tests of this room.

use std::fs;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Collect, Failure, Ledger, Place, SCHEMA, TakeRecord};
use crate::Kind;
use crate::hash::Blake3;
use crate::id::{CutId, TakeId};
use crate::job::Intent;
use crate::money::Money;

/// A ledger in a folder of its own.
pub(super) struct Sample {
    pub(super) folder: TempDir,
    pub(super) ledger: Ledger,
}

impl Sample {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::open(folder.path()).expect("new");
        Self { folder, ledger }
    }

    /// Records the next take of a cut.
    pub(super) fn take(&mut self, cut: &str) -> TakeId {
        self.take_from(cut, "as it is", None)
    }

    /// Records the next take of a cut, made from a request and going on from another take.
    pub(super) fn take_from(&mut self, cut: &str, request: &str, parent: Option<TakeId>) -> TakeId {
        let record = self.made(cut, request, parent);
        self.ledger.record_take(&record).expect("room");
        record.id
    }

    /// A take that is made and not recorded.
    pub(super) fn made(&mut self, cut: &str, request: &str, parent: Option<TakeId>) -> TakeRecord {
        let (id, cut) = (id(), cut.parse().expect("a cut"));
        let number = self.ledger.next_number(&cut).expect("readable");
        let clip = self.ledger.work_path(id, "mp4");
        fs::write(&clip, format!("frames of {cut} {number}")).expect("room");
        let media = self.ledger.import_media(&clip).expect("room");
        fs::remove_file(&clip).expect("it has its name still");
        TakeRecord {
            schema: SCHEMA,
            id,
            cut,
            number,
            kind: "close-up".to_owned(),
            request: Blake3::of(request.as_bytes()),
            seed: u64::MAX - u64::from(number),
            model: "wan2.1-t2v-1.3b".to_owned(),
            route: serde_json::json!({ "step": 1, "for": ["it fits"] }),
            place: Place::Local,
            cost: Money::ZERO,
            reserved: Money::ZERO,
            licence: "Apache-2.0".to_owned(),
            territory: "world".to_owned(),
            privacy: "local-only".to_owned(),
            egress: Vec::new(),
            approximations: vec!["vae tiles".to_owned()],
            media,
            frames_hash: Some(Blake3::of(b"frames")),
            latent_hash: Some(Blake3::of(b"latents")),
            made: serde_json::json!({ "sigmas": [1.0, 0.9333333333333333, 0.0] }),
            parent,
            created: Timestamp::now(),
            seconds: 0.9333333333333333,
        }
    }

    /// Clips and other files given up, of rejected takes.
    pub(super) fn gc_rejected(&mut self) -> super::Collected {
        let what = Collect { rejected: true, ..Collect::default() };
        self.ledger.gc(&what).expect("room")
    }

    /// Everything that the ledger knows.
    pub(super) fn export(&self) -> String {
        let mut text = Vec::new();
        self.ledger.export(&mut text).expect("readable");
        String::from_utf8(text).expect("text")
    }

    /// What a job of the next take of a cut would be.
    pub(super) fn intent(&mut self, cut: &str, dollars: &str) -> Intent {
        let cut: CutId = cut.parse().expect("a cut");
        Intent {
            take: id(),
            number: self.ledger.next_number(&cut).expect("readable"),
            cut,
            provider: "fal".to_owned(),
            model: "kling".to_owned(),
            host: "queue.example.com".to_owned(),
            payload: Blake3::of(b"payload"),
            reserved: dollars.parse().expect("money"),
            record: serde_json::Value::Null,
        }
    }

    /// An attempt at the next take of a cut that came to nothing.
    pub(super) fn failure(&mut self, cut: &str) -> Failure {
        let cut: CutId = cut.parse().expect("a cut");
        let number = self.ledger.next_number(&cut).expect("readable");
        let (kind, why) = (Kind::Resources, "out of memory".to_owned());
        Failure { take: id(), cut, number, kind, why }
    }
}

/// A new take's name.
pub(super) fn id() -> TakeId {
    TakeId::new(Timestamp::now()).expect("random numbers")
}
