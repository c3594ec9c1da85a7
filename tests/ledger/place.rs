//! A production with a ledger in which something has happened, and copies of it.

use std::fs;
use std::path::Path;

use kinora_engine::hash::Blake3;
use kinora_engine::id::TakeId;
use kinora_engine::job::JobEvent;
use kinora_engine::ledger::Ledger;
use kinora_tests::takes;
use serde_json::Value;
use tempfile::TempDir;

use crate::deeds::{CUT, HOSTED, JOBS, TAKES, cut, money, record, take};

/// A folder with a production's ledger.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// Three takes of one cut, of which one is rejected and one picked, two jobs of another, and a clip that belongs to nothing.
    pub(crate) fn eventful() -> Self {
        let place = Self { folder: TempDir::new().expect("a folder") };
        let mut ledger = place.ledger();
        for number in 1..=3 {
            let media = takes::clip(&ledger, take(TAKES[number - 1]), &format!("frames {number}"));
            let record = record(TAKES[number - 1], CUT, number as u32, media.expect("room"));
            ledger.record_take(&record).expect("room");
        }
        ledger.reject(take(TAKES[1]), "blurred").expect("room");
        ledger.pick(take(TAKES[2])).expect("room");
        for (number, job) in (1..).zip(JOBS) {
            let intent = takes::intent(take(job), &cut(HOSTED), number, money("0.5"));
            ledger.reserve(intent, &Default::default()).expect("no cap");
        }
        let (take, remote) = (take(JOBS[0]), "remote-1".to_owned());
        ledger.job(JobEvent::Submitted { take, remote }).expect("room");
        takes::clip(&ledger, take, "a stray").expect("room");
        place
    }

    /// The same once more.
    pub(crate) fn copy(&self) -> Self {
        self.copy_into(TempDir::new().expect("a folder"))
    }

    /// The same once more, in an empty folder.
    pub(crate) fn copy_into(&self, folder: TempDir) -> Self {
        let place = Self { folder };
        copy(self.path(), place.path());
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(self.path()).expect("it opens")
    }

    /// Everything that the ledger knows.
    pub(crate) fn export(&self) -> String {
        let mut text = Vec::new();
        self.ledger().export(&mut text).expect("readable");
        String::from_utf8(text).expect("text")
    }

    /// Everything that the ledger knows, but for the moments at which it was told.
    pub(crate) fn said(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).expect("JSON");
        self.export().lines().map(line).map(without_moments).collect()
    }

    /// The takes that there are, each once.
    pub(crate) fn takes(&self) -> Vec<TakeId> {
        let takes = self.ledger().takes(&Default::default()).expect("readable");
        takes.into_iter().map(|take| take.id).collect()
    }

    /// Once it was opened nothing is wrong with the log, the takes and the index, and nothing has a final name that is not whole.
    pub(crate) fn is_sound(&self, when: &str) {
        drop(self.ledger());
        let report = Ledger::verify(self.path()).expect("readable");
        assert!(report.is_sound(), "{when}: {report:?}");
        for file in files(&self.path().join(".kinora/objects")) {
            let (folder, name) = (file.parent().expect("two names"), named(&file));
            if !name.starts_with('.') {
                let content = Blake3::of(&fs::read(&file).expect("readable")).to_string();
                assert_eq!(named(folder) + &name, content, "{when}");
            }
        }
    }

    /// What processes left behind that ended is cleared away, and nothing but that.
    pub(crate) fn clear(&self, when: &str) {
        Ledger::rebuild(self.path()).expect("room");
        self.ledger().gc(&Default::default()).expect("room");
        let report = Ledger::verify(self.path()).expect("readable");
        assert_eq!(report.findings, [], "{when}");
    }
}

fn named(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn without_moments(mut line: Value) -> Value {
    if let Value::Object(values) = &mut line {
        values.retain(|key, _| key != "at" && key != "day");
        for (key, value) in values.iter_mut() {
            *value = match (key.as_str(), value.take()) {
                ("picked", picked) => Value::Bool(!picked.is_null()),
                ("notes", Value::Array(notes)) => notes.into_iter().map(without_moments).collect(),
                (_, other) => other,
            };
        }
    }
    line
}

/// Every file under a folder.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).expect("room");
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("room");
        }
    }
}
