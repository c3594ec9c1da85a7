//! Holding a ledger against itself: every line of the log, every object, the index, the files for people.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::event::Recorded;
use super::objects::{Found, Objects, hash};
use super::open::Places;
use super::take::TakeRecord;
use super::{Error, Ledger, Result, TakeRow, compare, gc, renders};
use crate::hash::Blake3;
use crate::id::TakeId;

/// What was looked at and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Events that were read.
    pub events: u64,
    /// Takes that were looked at.
    pub takes: u64,
    /// Those of them whose frames have no hash: the program that recorded them could not read the clip of the provider. The file
    /// itself is verified as any other.
    pub unread: u64,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was found that says more than that a process was interrupted.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(Finding::is_harmless)
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The log of events is not what was written.
    Log {
        /// What is wrong.
        why: String,
    },
    /// An object that an event names is gone.
    Missing {
        /// The take it belongs to.
        take: TakeId,
        /// The object.
        object: Blake3,
    },
    /// An object is not what its name says.
    Altered {
        /// The take it belongs to.
        take: TakeId,
        /// The object.
        object: Blake3,
    },
    /// A manifest says something else than the event that names it.
    Disagrees {
        /// The take.
        take: TakeId,
        /// What is wrong.
        why: String,
    },
    /// The index is damaged, or does not say what the events say. It can be made again.
    Index {
        /// What is wrong.
        why: String,
    },
    /// A file for people is not what is in the store. It can be made again.
    Render {
        /// The file.
        path: PathBuf,
    },
    /// A file for people is gone: somebody removed it, or the process that was to make it ended. It can be made again.
    Hidden {
        /// The file.
        path: PathBuf,
    },
    /// A file that belongs to nothing: what a process left that was interrupted.
    Stray {
        /// The file.
        path: PathBuf,
    },
}

impl Finding {
    /// Whether nothing is lost and nothing is wrong by it.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Hidden { .. } | Self::Stray { .. })
    }

    /// Whether [`Ledger::rebuild`] or [`Ledger::gc`] puts it right.
    pub fn is_repairable(&self) -> bool {
        self.is_harmless() || matches!(self, Self::Index { .. } | Self::Render { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { why } => f.write_str(why),
            Self::Missing { take, object } => write!(f, "take {take}: object {object} is gone"),
            Self::Altered { take, object } => write!(f, "take {take}: object {object} was altered"),
            Self::Disagrees { take, why } => {
                write!(f, "take {take}: its manifest and its event disagree: {why}")
            }
            Self::Index { why } => write!(f, "index: {why}"),
            Self::Render { path } => write!(f, "{} is not what is in the store", path.display()),
            Self::Hidden { path } => write!(f, "{} is gone", path.display()),
            Self::Stray { path } => write!(f, "{} belongs to nothing", path.display()),
        }
    }
}

impl Ledger {
    /// Reads everything, and changes nothing. What other processes do meanwhile may be told as if it were a fault: a clip that
    /// is given up as one that is missing, one that is imported as a stray.
    ///
    /// # Errors
    /// Only what keeps it from looking, such as a folder that cannot be read. What is wrong is in the report.
    pub fn verify(production: &Path) -> Result<Report> {
        let places = Places::new(production);
        let objects = Objects::new(places.objects());
        let mut report = Report::default();
        let truth = compare::truth(&places, &mut report)?;
        let renders = places.renders();
        truth.each_take(&mut |row| {
            report.takes += 1;
            check_manifest(&objects, row, &mut report)?;
            if !row.collected {
                check_clip(&objects, row, &mut report.findings)?;
            }
            check_renders(&objects, &renders, row, &mut report.findings)
        })?;
        let strays = gc::strays(&places, &objects, &truth)?;
        report.findings.extend(strays.into_iter().map(|path| Finding::Stray { path }));
        Ok(report)
    }
}

fn check_manifest(objects: &Objects, row: &TakeRow, report: &mut Report) -> Result<()> {
    let (take, object) = (row.id, row.manifest);
    let findings = &mut report.findings;
    let record = match objects.read(object) {
        Ok(json) => TakeRecord::from_json(take, &json),
        Err(Error::Missing { .. }) => {
            findings.push(Finding::Missing { take, object });
            return Ok(());
        }
        Err(Error::Altered { .. }) => {
            findings.push(Finding::Altered { take, object });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let why = match record {
        Err(error) => error.to_string(),
        Ok(record) if Recorded::of(&record, object) != recorded(row) => {
            "they differ in what they say of the take".to_owned()
        }
        Ok(record) => {
            report.unread += u64::from(record.frames_hash.is_none());
            return Ok(());
        }
    };
    findings.push(Finding::Disagrees { take, why });
    Ok(())
}

/// What the event of a take says.
fn recorded(row: &TakeRow) -> Recorded {
    Recorded {
        id: row.id,
        cut: row.cut.clone(),
        number: row.number,
        manifest: row.manifest,
        media: row.media.clone(),
        kind: row.kind.clone(),
        request: row.request,
        seed: row.seed,
        model: row.model.clone(),
        place: row.place.clone(),
        cost: row.cost,
        parent: row.parent,
        created: row.created,
        seconds: row.seconds,
    }
}

fn check_clip(objects: &Objects, row: &TakeRow, findings: &mut Vec<Finding>) -> Result<()> {
    let (take, object) = (row.id, row.media.blake3);
    match objects.find(object)? {
        Found::Whole => {}
        Found::Nothing => findings.push(Finding::Missing { take, object }),
        Found::Altered => findings.push(Finding::Altered { take, object }),
    }
    Ok(())
}

fn check_renders(
    objects: &Objects,
    folder: &Path,
    row: &TakeRow,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let names = [
        (row.media.extension.as_str(), row.media.blake3, row.collected),
        ("json", row.manifest, false),
    ];
    for (extension, object, is_gone) in names {
        let path = renders::path(folder, &row.cut, row.number, extension);
        // What is one file with the object was looked at there.
        if is_gone || renders::is_same(&objects.path(object), &path) {
            continue;
        }
        findings.push(match File::open(&path).and_then(|mut file| hash(&mut file)) {
            Ok((found, _)) if found == object => continue,
            Ok(_) => Finding::Render { path },
            Err(error) if error.kind() == ErrorKind::NotFound => Finding::Hidden { path },
            Err(source) => return Err(Error::Read { path, source }),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::super::Event;
    use super::super::sample::Sample;
    use super::*;

    fn findings(sample: &Sample) -> Vec<Finding> {
        Ledger::verify(sample.folder.path()).expect("readable").findings
    }

    fn replace(path: &Path, text: &[u8]) {
        fs::remove_file(path).expect("there");
        fs::write(path, text).expect("room");
    }

    #[test]
    fn objects_that_are_gone_or_altered_are_found() {
        let mut sample = Sample::new();
        let take = sample.take("a/a");
        let row = sample.ledger.take(take).expect("readable").expect("there");
        assert_eq!(findings(&sample), []);
        for object in [row.media.blake3, row.manifest] {
            let path = sample.ledger.objects.path(object);
            let whole = fs::read(&path).expect("there");
            let mut altered = whole.clone();
            altered[whole.len() / 2] ^= 1;
            replace(&path, &altered);
            assert_eq!(findings(&sample), [Finding::Altered { take, object }]);
            fs::remove_file(&path).expect("there");
            assert_eq!(findings(&sample), [Finding::Missing { take, object }]);
            fs::write(&path, whole).expect("room");
            assert_eq!(findings(&sample), []);
        }
    }

    #[test]
    fn files_for_people_are_looked_at_and_made_again() {
        let mut sample = Sample::new();
        let take = sample.take("a/a");
        let row = sample.ledger.take(take).expect("readable").expect("there");
        let path = sample.ledger.render_path(&row);
        // Of another length, and of the same.
        let length = fs::read(&path).expect("there").len();
        for other in [b"something else".as_slice(), &vec![b'x'; length]] {
            replace(&path, other);
            assert_eq!(findings(&sample), [Finding::Render { path: path.clone() }]);
            assert_eq!(Ledger::rebuild(sample.folder.path()).expect("room").renders, 1);
            assert_eq!(findings(&sample), []);
        }
        // Shown or not, the store is not reached through it.
        fs::remove_file(&path).expect("there");
        assert_eq!(findings(&sample), [Finding::Hidden { path: path.clone() }]);
        sample.ledger.show_newest().expect("room");
        assert_eq!(findings(&sample), []);
    }

    #[test]
    fn an_index_that_says_something_else_is_found() {
        let mut sample = Sample::new();
        let take = sample.take("a/a");
        sample.ledger.note(take, "closer").expect("room");
        let conn = &sample.ledger.index.conn;
        for (table, spoil, mend) in [
            ("take", "UPDATE take SET stars = 5", "UPDATE take SET stars = NULL"),
            ("note", "UPDATE note SET text = 'far'", "UPDATE note SET text = 'closer'"),
            ("pick", "INSERT INTO pick SELECT scene, cut, id, 0 FROM take", "DELETE FROM pick"),
        ] {
            conn.execute_batch(spoil).expect("a statement");
            let found = findings(&sample);
            let [Finding::Index { why }] = found.as_slice() else { panic!("{found:?}") };
            assert!(why.contains(&format!("table {table} differs")), "{why}");
            conn.execute_batch(mend).expect("a statement");
            assert_eq!(findings(&sample), []);
        }
        // One that is behind says what the events said then, and is no fault.
        let note = Event::Note { take, text: "still closer".to_owned() };
        sample.ledger.chain.append(Timestamp::now(), &[note]).expect("room");
        assert_eq!(findings(&sample), []);
        conn.execute_batch("UPDATE note SET text = 'far'").expect("a statement");
        assert_eq!(findings(&sample).len(), 1);
        assert_eq!(sample.ledger.notes(take).expect("readable").len(), 1);
        let ledger = Ledger::open(sample.folder.path()).expect("whole");
        assert_eq!(ledger.notes(take).expect("readable").len(), 2);
        drop(ledger);
        fs::remove_file(sample.folder.path().join(".kinora/ledger.sqlite")).expect("there");
        assert_eq!(findings(&sample), [Finding::Index { why: "it is not there".to_owned() }]);
    }

    #[test]
    fn a_manifest_of_another_take_is_found() {
        let mut sample = Sample::new();
        let record = sample.made("a/a", "as it is", None);
        sample.ledger.record_take(&record).expect("room");
        let row = sample.ledger.take(record.id).expect("readable").expect("there");
        let mut other = record.clone();
        other.seconds += 1.0;
        let mut report = Report::default();
        let object = sample.ledger.objects.put(&other.to_json().expect("JSON")).expect("room");
        let row = TakeRow { manifest: object, ..row };
        check_manifest(&sample.ledger.objects, &row, &mut report).expect("readable");
        let found = report.findings;
        assert!(matches!(found.as_slice(), [Finding::Disagrees { .. }]), "{found:?}");
    }
}
