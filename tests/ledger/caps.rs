//! Several at once: what they were allowed to spend they spend once, and their takes are all there.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use kinora_engine::ledger::{Caps, Error, Ledger};
use kinora_tests::takes;

use crate::deeds::{CUT, HOSTED, cut, money};
use crate::other::{command, said};
use crate::place::Place;

const AT_ONCE: usize = 8;

/// What several processes said that were begun together.
fn together(words: &str, place: &Place) -> Vec<String> {
    let begin = |_| command(words, place.path()).stderr(Stdio::inherit()).spawn().expect("starts");
    let children: Vec<Child> = (0..AT_ONCE).map(begin).collect();
    let ended = children.into_iter().map(|child| child.wait_with_output().expect("it ends"));
    ended
        .flat_map(|output| {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            said(&output.stdout)
        })
        .collect()
}

#[test]
fn processes_stay_within_a_cap_together() {
    let place = Place::eventful();
    // Two jobs of half a dollar are open already.
    let said = together("reserve 6.5 4", &place);
    assert_eq!(said.len(), AT_ONCE * 4);
    let reserved = said.iter().filter(|line| line.starts_with("reserved")).count();
    assert_eq!(reserved, 5, "{said:?}");
    assert_eq!(place.ledger().spent().expect("readable").reserved, money("6"));
    assert_eq!(place.ledger().open_jobs().expect("readable").len(), 2 + reserved);
    place.clear("after reserving");
}

#[test]
fn threads_stay_within_every_cap_together() {
    let place = Place::eventful();
    let caps = Caps {
        production: Some(money("5")),
        per_day: Some(money("4.5")),
        per_cut: Some(money("3.25")),
    };
    let reserve = || {
        let mut ledger = Ledger::open(place.path()).expect("it opens");
        let mut reserved = 0;
        for _ in 0..6 {
            let (take, cut) = (takes::id().expect("random numbers"), cut(CUT));
            let number = ledger.next_number(&cut).expect("readable");
            match ledger.reserve(takes::intent(take, &cut, number, money("1")), &caps) {
                Ok(()) => reserved += 1,
                Err(Error::Number { .. } | Error::Cap { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        reserved
    };
    let reserved: i32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(reserve)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(reserved, 3, "the cut's cap is the tightest");
    let (mut ledger, other) = (place.ledger(), cut(HOSTED));
    let mut ask = |price: &str| {
        let number = ledger.next_number(&other).expect("readable");
        let take = takes::id().expect("random numbers");
        ledger.reserve(takes::intent(take, &other, number, money(price)), &caps)
    };
    assert!(matches!(ask("0.51"), Err(Error::Cap { .. })), "4 of 4.5 dollars of the day are gone");
    ask("0.5").expect("there is so much left");
    assert_eq!(place.ledger().spent().expect("readable").reserved, money("4.5"));
}

#[test]
fn takes_that_several_processes_record_are_all_there() {
    let place = Place::eventful();
    let said = together("many 6", &place);
    let told = said.iter().filter_map(|line| line.strip_prefix("take "));
    let told: BTreeSet<String> = told.map(ToOwned::to_owned).collect();
    assert_eq!(told.len(), AT_ONCE * 6, "{said:?}");
    let rows = place.ledger().takes(&Default::default()).expect("readable");
    assert_eq!(rows.len(), 3 + told.len());
    let numbers: BTreeSet<u32> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=3 + told.len() as u32).collect(), "each has a number of its own");
    assert_eq!(rows.iter().filter(|row| row.picked.is_some()).count(), 1);
    place.clear("after several wrote");
}
