//! One production and one provider.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use kinora_engine::hosted::jobs::Ended;
use kinora_engine::hosted::provider;
use kinora_engine::id::TakeId;
use kinora_engine::ledger::{Job, JobState, Ledger};
use kinora_engine::money::Money;
use kinora_engine::observe::{Event, Observer};
use kinora_tests::server::{DIALECTS, Dialect, FakeProvider, Fault, KEY};
use kinora_tests::studio::{self, Studio};

/// The bytes of a small clip.
pub(crate) static CLIP: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    studio::clip(folder.path()).expect("a clip")
});

/// Waits for nothing.
pub(crate) struct Impatient;

impl Observer for Impatient {
    fn on(&self, event: &Event) -> ControlFlow<()> {
        match event {
            Event::Remote { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

pub(crate) struct Scene {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) provider: Arc<FakeProvider>,
    pub(crate) studio: Studio,
    pub(crate) take: TakeId,
    clip: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(dialect: &'static dyn Dialect) -> Self {
        Self::with_clip(dialect, CLIP.clone())
    }

    /// With a provider whose clips are these bytes.
    pub(crate) fn with_clip(dialect: &'static dyn Dialect, clip: Vec<u8>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = FakeProvider::start(dialect, clip.clone()).expect("this machine listens");
        let studio = Studio::open(folder.path(), dialect, provider.host()).expect("a production");
        Self {
            dialect,
            provider,
            studio,
            clip,
            take: studio::take().expect("a name"),
            _folder: folder,
        }
    }

    /// Has a clip made while these things go wrong.
    pub(crate) fn run(&self, faults: &[Fault]) -> Ended {
        self.provider.break_next(faults.iter().cloned());
        let ended =
            self.studio.run(&studio::order(self.take), 1, &()).expect("it can be asked for");
        assert_eq!(self.provider.faults_left(), 0, "{}", self.name(faults));
        self.is_sound(&format!("{ended:?}"));
        ended
    }

    /// Has a clip begun that nobody waits for.
    pub(crate) fn begin(&self) {
        let ended = self.studio.run(&studio::order(self.take), 1, &Impatient).expect("begun");
        assert!(matches!(ended, Ended::Left { .. }), "{}: {ended:?}", self.dialect.name());
    }

    pub(crate) fn name(&self, faults: &[Fault]) -> String {
        format!("{} {faults:?}", self.dialect.name())
    }

    pub(crate) fn job(&self) -> Job {
        self.studio.ledger().job_of(self.take).expect("readable").expect("it was begun")
    }

    /// What it cost, as the ledger counts it.
    pub(crate) fn spent(&self) -> Money {
        match self.job().state {
            JobState::Settled { spent, .. } => spent,
            state => panic!("it is not over: {state:?}"),
        }
    }

    /// How many files are in the folder for work.
    pub(crate) fn left(&self) -> usize {
        std::fs::read_dir(self.studio.ledger().work_folder()).expect("there").count()
    }

    /// What was reserved.
    pub(crate) fn price(&self) -> Money {
        self.job().intent.reserved
    }

    /// The clip is in the ledger as it came, paid once.
    pub(crate) fn is_made(&self, what: &str) {
        let ledger = self.studio.ledger();
        let row = ledger.take(self.take).expect("readable");
        let row = row.unwrap_or_else(|| panic!("{what}: there is no take"));
        let bytes = std::fs::read(ledger.media_path(&row.media)).expect("it is kept");
        assert!(bytes == self.clip, "{what}: it is another clip");
        drop(ledger);
        let cost = match self.provider.is_forgetful() {
            true => self.price(),
            false => self.dialect.cost_micros().map_or(self.price(), Money::from_micros),
        };
        assert_eq!((self.spent(), row.cost), (cost, cost), "{what}");
        assert_eq!(self.provider.jobs().len(), 1, "{what}");
    }

    /// Ledger and log are whole, and the key is nowhere.
    pub(crate) fn is_sound(&self, said: &str) {
        let report = Ledger::verify(&self.studio.folder).expect("readable");
        assert!(report.is_sound(), "{:?}", report.findings);
        let folder = self.studio.folder.join(".kinora");
        let log = folder.join("egress.jsonl");
        if log.exists() {
            kinora_engine::egress::log::verify(&log).expect("the log is whole");
        }
        let keys = [KEY.to_owned(), KEY.replace('/', "%2F"), "right-0123456789".to_owned()];
        let told = std::fs::read_to_string(folder.join("events.jsonl")).expect("there");
        let left = std::fs::read_to_string(&log).unwrap_or_default();
        for key in keys {
            assert!(![said, &told, &left].iter().any(|text| text.contains(&key)), "{said}");
        }
    }
}

#[test]
fn every_dialect_is_of_a_provider() {
    for dialect in DIALECTS {
        assert!(provider(dialect.provider()).is_some(), "{}", dialect.provider());
        assert_eq!(dialect.card("127.0.0.1:1").provider, dialect.provider());
    }
}
