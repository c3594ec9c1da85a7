//! What people decide about takes.

use jiff::Timestamp;

use super::event::Event;
use super::index::Index;
use super::{Error, Ledger, Result, TakeRow};
use crate::id::{CutId, TakeId};

impl Ledger {
    /// Picks a take: it is the one of its cut from now on, in place of any other, and not rejected any more.
    ///
    /// # Errors
    /// A take that is not in the ledger or whose clip was given up, a disk that is full or read-only.
    pub fn pick(&mut self, take: TakeId) -> Result<()> {
        self.about(take, |row| {
            if row.collected {
                return Err(Error::Collected { take });
            }
            Ok((row.picked.is_none() || row.rejected.is_some()).then_some(Event::Pick { take }))
        })
    }

    /// Picks no take of a cut any more. Where none was picked nothing happens.
    ///
    /// # Errors
    /// A disk that is full or read-only.
    pub fn unpick(&mut self, cut: &CutId) -> Result<()> {
        self.tell(Timestamp::now(), |index, _| {
            let event = index.picked(cut)?.map(|_| Event::Unpick { cut: cut.clone() });
            Ok(event.into_iter().collect())
        })
    }

    /// Rejects a take; it is not picked any more.
    ///
    /// # Errors
    /// A take that is not in the ledger, a disk that is full or read-only.
    pub fn reject(&mut self, take: TakeId, why: &str) -> Result<()> {
        self.about(take, |_| Ok(Some(Event::Reject { take, why: why.to_owned() })))
    }

    /// Gives a take stars, in place of those it had.
    ///
    /// # Errors
    /// Less than one or more than five, a take that is not in the ledger, a disk that is full or read-only.
    pub fn rate(&mut self, take: TakeId, stars: u8) -> Result<()> {
        if !(1..=5).contains(&stars) {
            return Err(Error::Stars { found: stars });
        }
        self.about(take, |_| Ok(Some(Event::Rate { take, stars })))
    }

    /// Makes a remark about a take.
    ///
    /// # Errors
    /// A take that is not in the ledger, a disk that is full or read-only.
    pub fn note(&mut self, take: TakeId, text: &str) -> Result<()> {
        self.about(take, |_| Ok(Some(Event::Note { take, text: text.to_owned() })))
    }

    fn about(
        &mut self,
        take: TakeId,
        decide: impl FnOnce(&TakeRow) -> Result<Option<Event>>,
    ) -> Result<()> {
        self.tell(Timestamp::now(), |index, _| {
            Ok(decide(&known(index, take)?)?.into_iter().collect())
        })
    }
}

fn known(index: &Index, take: TakeId) -> Result<TakeRow> {
    index.take(take)?.ok_or_else(|| Error::NoTake { what: take.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, id};
    use super::super::{KeepRate, State};
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let mut sample = Sample::new();
        let (one, two) = (sample.take("sc01/sh0010"), sample.take("sc01/sh0010"));
        let cut = "sc01/sh0010".parse().expect("a cut");
        let ledger = &mut sample.ledger;
        let state =
            |ledger: &Ledger, take| ledger.take(take).expect("readable").expect("there").state();
        let picked = |ledger: &Ledger| ledger.picked(&cut).expect("readable").map(|row| row.id);
        ledger.pick(one).expect("room");
        ledger.pick(two).expect("room");
        assert_eq!(picked(ledger), Some(two));
        assert_eq!((state(ledger, one), state(ledger, two)), (State::Open, State::Picked));
        ledger.reject(two, "blurred").expect("room");
        assert_eq!((picked(ledger), state(ledger, two)), (None, State::Rejected));
        ledger.pick(two).expect("room");
        assert_eq!((picked(ledger), state(ledger, two)), (Some(two), State::Picked));
        let head = ledger.chain.head();
        ledger.pick(two).expect("it is");
        assert_eq!(ledger.chain.head(), head);
        ledger.unpick(&cut).expect("room");
        assert_eq!((picked(ledger), state(ledger, two)), (None, State::Open));
        let head = ledger.chain.head();
        ledger.unpick(&cut).expect("none is");
        assert_eq!(ledger.chain.head(), head);
    }

    #[test]
    fn stars_and_notes() {
        let mut sample = Sample::new();
        let take = sample.take("sc01/sh0010");
        let ledger = &mut sample.ledger;
        ledger.rate(take, 2).expect("room");
        ledger.rate(take, 5).expect("room");
        ledger.note(take, "hand on the left").expect("room");
        ledger.note(take, "").expect("room");
        let row = ledger.take(take).expect("readable").expect("there");
        assert_eq!(row.stars, Some(5));
        let notes = ledger.notes(take).expect("readable");
        let texts: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(texts, ["hand on the left", ""]);
        for stars in [0, 6] {
            assert!(matches!(ledger.rate(take, stars), Err(Error::Stars { .. })));
        }
        let unknown = id();
        for told in [
            ledger.pick(unknown),
            ledger.reject(unknown, "?"),
            ledger.rate(unknown, 1),
            ledger.note(unknown, "?"),
        ] {
            assert!(matches!(told, Err(Error::NoTake { .. })), "{told:?}");
        }
    }

    #[test]
    fn keep_rates_are_of_what_was_decided() {
        let mut sample = Sample::new();
        let takes = [(); 3].map(|()| sample.take("sc01/sh0010"));
        assert_eq!(sample.ledger.keep_rates().expect("readable"), []);
        sample.ledger.reject(takes[0], "blurred").expect("room");
        sample.ledger.pick(takes[1]).expect("room");
        let other = sample.take("sc02/sh0010");
        sample.ledger.pick(other).expect("room");
        let (kind, model) = ("close-up".to_owned(), "wan2.1-t2v-1.3b".to_owned());
        let rates = sample.ledger.keep_rates().expect("readable");
        assert_eq!(rates, [KeepRate { kind, model, kept: 2, of: 3 }]);
    }
}
