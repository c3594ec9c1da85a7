//! A production with one cut that a provider on this machine makes, and a clock that does not wait.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kinora_engine::cards::Size;
use kinora_engine::egress::upload::{self, Wanted};
use kinora_engine::egress::{Address, Consent, Egress, Labelled, Purpose, Token};
use kinora_engine::hosted::jobs::{
    Access, Clock, Decodes, Desk, Directory, Ended, LedgerJournal, Made, Patience, Ticket,
};
use kinora_engine::hosted::{HostedCard, Order, Picture};
use kinora_engine::id::{CutId, TakeId};
use kinora_engine::ledger::{Caps, Ledger, Place, SCHEMA, TakeRecord};
use kinora_engine::media::{self, Fps, Frames, PictureFormat};
use kinora_engine::observe::Observer;
use kinora_engine::privacy::Privacy;
use kinora_engine::{Error, Result, hash};
use serde_json::json;

use crate::server::{Dialect, KEY};

/// A clock that counts what it should have waited, and waits next to nothing.
#[derive(Debug, Default)]
pub struct Quick(Mutex<Duration>);

impl Quick {
    /// What it should have waited so far.
    pub fn slept(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Quick {
    fn now(&self) -> Timestamp {
        let slept = SignedDuration::try_from(self.slept()).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_add(slept).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
        std::thread::sleep(Duration::from_millis(1));
    }

    fn jitter(&self) -> f64 {
        0.0
    }
}

/// A production with a ledger and a door.
pub struct Studio {
    /// Its folder.
    pub folder: PathBuf,
    /// Its ledger.
    pub ledger: Mutex<Ledger>,
    /// The time.
    pub clock: Quick,
    /// How long it waits.
    pub patience: Patience,
    /// How much may be spent.
    pub caps: Caps,
    /// The model.
    pub card: HostedCard,
    /// The key.
    pub key: Option<Token>,
    base: Address,
    egress: Egress,
    work: PathBuf,
}

impl Directory for Studio {
    fn card(&self, name: &str) -> Option<HostedCard> {
        (self.card.name == name).then(|| self.card.clone())
    }

    fn access(&self, _: &HostedCard) -> Result<Access> {
        Ok(Access { base: self.base.clone(), key: self.key.clone() })
    }
}

impl Studio {
    /// Opens a production in a folder, whose provider is at a host of this machine.
    ///
    /// # Errors
    /// A ledger that cannot be opened.
    pub fn open(folder: &Path, dialect: &dyn Dialect, host: &str) -> Result<Self> {
        let ledger = Ledger::open(folder)?;
        let mut egress = Egress::new(false).log_in(&folder.join(".kinora"));
        let consent = |host: &str| Consent {
            host: host.to_owned(),
            purpose: Purpose::Generation,
            redirect_hosts: Vec::new(),
        };
        egress.allow(consent(host));
        Ok(Self {
            folder: folder.to_owned(),
            work: ledger.work_folder(),
            ledger: Mutex::new(ledger),
            clock: Quick::default(),
            patience: Patience { answer: Duration::from_secs(5), ..Patience::default() },
            caps: Caps::default(),
            card: dialect.card(host),
            key: Token::new(KEY),
            base: Address::parse(&format!("http://{host}"))?,
            egress,
        })
    }

    /// The ledger, for a moment.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with the desk of the production.
    pub fn at_desk<T>(&self, work: impl FnOnce(&Desk<'_>) -> T) -> T {
        let journal = LedgerJournal { ledger: &self.ledger, caps: self.caps };
        work(&Desk {
            egress: &self.egress,
            directory: self,
            journal: &journal,
            clock: &self.clock,
            check: &Decodes,
            work: &self.work,
            patience: &self.patience,
        })
    }

    /// Has a clip made.
    ///
    /// # Errors
    /// Those of [`Desk::run`].
    pub fn run(&self, order: &Order, number: u32, observer: &dyn Observer) -> Result<Ended> {
        let cut: CutId = "sc01/sh0010".parse().expect("because it is one");
        let price = self.card.quote(&order.asked()).expect("because the card has a price");
        let ticket =
            Ticket { cut, number, reserved: price.amount, record: json!({ "number": number }) };
        self.at_desk(|desk| {
            desk.run(&self.card, order, ticket, observer, &mut |made| self.keep(made))
        })
    }

    /// Goes on with every job that is not over.
    ///
    /// # Errors
    /// Those of [`Desk::resume`].
    pub fn resume(&self) -> Result<Vec<Ended>> {
        let mut jobs = self.ledger().open_jobs()?;
        jobs.extend(self.ledger().unknown_jobs()?);
        let mut ended = Vec::new();
        for job in jobs {
            ended.extend(self.at_desk(|desk| desk.resume(&job, &(), &mut |made| self.keep(made)))?);
        }
        Ok(ended)
    }

    /// Calls every job off that is not over.
    ///
    /// # Errors
    /// Those of [`Desk::cancel`].
    pub fn cancel(&self) -> Result<Vec<Ended>> {
        let mut jobs = self.ledger().open_jobs()?;
        jobs.extend(self.ledger().unknown_jobs()?);
        let mut ended = Vec::new();
        for job in jobs {
            ended.extend(self.at_desk(|desk| desk.cancel(&job, &()))?);
        }
        Ok(ended)
    }

    /// Records a take of a clip.
    ///
    /// # Errors
    /// A clip that cannot be read, a ledger that cannot be written.
    pub fn keep(&self, made: &Made) -> Result<()> {
        let frames_hash = media::frames_hash_of(&made.path)?.map(hash::Blake3::from);
        let number = made.record["number"].as_u64().and_then(|number| u32::try_from(number).ok());
        let mut ledger = self.ledger();
        let media = ledger.import_media(&made.path)?;
        let card = &self.card;
        ledger.record_take(&TakeRecord {
            schema: SCHEMA,
            id: made.take,
            cut: "sc01/sh0010".parse().expect("because it is one"),
            number: number.expect("because it was kept"),
            kind: "action".to_owned(),
            request: hash::Blake3::of(b"request"),
            seed: 7,
            model: card.name.clone(),
            route: json!({ "model": card.name }),
            place: Place::Hosted {
                provider: card.provider.clone(),
                model: card.model.clone(),
                host: card.host.clone(),
            },
            cost: made.cost,
            reserved: made.reserved,
            licence: card.licence.spdx.clone(),
            territory: String::new(),
            privacy: "any".to_owned(),
            egress: Vec::new(),
            approximations: Vec::new(),
            media,
            frames_hash,
            latent_hash: None,
            made: json!({ "remote": made.remote }),
            parent: None,
            // The same in every process, so that a take that is recorded twice is the same take.
            created: made.take.at(),
            seconds: 1.0,
        })?;
        Ok(())
    }
}

/// An order for a take.
pub fn order(take: TakeId) -> Order {
    let label = |text: &str| Labelled::new(text.to_owned(), Privacy::Any);
    Order {
        take,
        prompt: label("a red kite over the sea"),
        negative: Some(label("people")),
        seconds: 5.0625,
        size: Size { width: 832, height: 480 },
        fps: Some(16),
        seed: 7,
        audio: false,
        first_frame: None,
        last_frame: None,
        references: Vec::new(),
    }
}

/// A picture to begin with.
///
/// # Errors
/// What writing it fails with.
pub fn picture(folder: &Path) -> Result<Picture> {
    let path = folder.join("picture.png");
    media::write_picture(&Frames::new(2, 2, vec![7; 12])?, &path)?;
    let wanted = Wanted { format: PictureFormat::Png, most_side_px: 64, most_bytes: 1 << 10 };
    let upload = upload::picture(&path, Privacy::Any, &wanted);
    Ok(upload
        .map_err(|source| Error::Write { path, source: std::io::Error::other(source) })?
        .into())
}

/// A name for a take.
///
/// # Errors
/// No random numbers.
pub fn take() -> Result<TakeId> {
    TakeId::new(Timestamp::now())
        .map_err(|source| Error::Write { path: PathBuf::from("a take"), source })
}

/// A small clip, as bytes of an mp4 file.
///
/// # Errors
/// What writing it fails with.
pub fn clip(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join("clip.mp4");
    let pixel = |index: usize| (index * 7 % 251) as u8;
    let frames = Frames::new(64, 64, (0..64 * 64 * 3 * 8).map(pixel).collect())?;
    let fps: Fps = "8".parse()?;
    media::write(&frames, fps, "{}", &path, &mut |_| std::ops::ControlFlow::Continue(()))?;
    std::fs::read(&path).map_err(|source| Error::Read { path, source })
}
