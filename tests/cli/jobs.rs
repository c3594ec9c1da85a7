//! Hosted jobs that are not over: what is listed, and what people say of them.

use kinora_engine::hash::Blake3;
use kinora_engine::id::TakeId;
use kinora_engine::job::{Intent, JobEvent};
use kinora_engine::ledger::{Caps, Ledger};

use crate::command::{Place, text};

/// A production with a job of this number, told so far.
fn job(place: &Place, number: u32, told: impl Fn(TakeId) -> Option<JobEvent>) -> TakeId {
    let mut ledger = Ledger::open(&place.path("film")).expect("a ledger");
    let take = TakeId::new(jiff::Timestamp::now()).expect("a name");
    let intent = Intent {
        take,
        cut: "sc01/sh0010".parse().expect("a cut"),
        number,
        provider: "fal".to_owned(),
        model: "bytedance/seedance-2.0".to_owned(),
        host: "queue.fal.run".to_owned(),
        payload: Blake3::of(b"what is sent"),
        reserved: "0.42".parse().expect("money"),
        record: serde_json::json!({}),
    };
    ledger.reserve(intent, &Caps::default()).expect("no cap");
    if let Some(event) = told(take) {
        ledger.job(event).expect("room");
    }
    take
}

#[test]
fn jobs_are_listed_and_people_say_what_became_of_them() {
    let place = Place::new();
    place.prints(&["new", "film"]);
    assert_eq!(place.prints(&["jobs", "-C", "film"]), "");
    job(&place, 1, |_| None);
    let why = || "the connection was cut".to_owned();
    job(&place, 2, |take| Some(JobEvent::Unknown { take, why: why() }));
    let third = job(&place, 3, |take| Some(JobEvent::Submitted { take, remote: "r-3".to_owned() }));
    let listed = place.run(&["jobs", "-C", "film"]);
    insta::assert_snapshot!(text(&listed.stdout), @r"
    sc01/sh0010:1        unknown    0.42 USD  bytedance/seedance-2.0 at queue.fal.run  the program ended before it knew
    sc01/sh0010:3        submitted  0.42 USD  bytedance/seedance-2.0 at queue.fal.run  r-3
    sc01/sh0010:2        unknown    0.42 USD  bytedance/seedance-2.0 at queue.fal.run  the connection was cut
    ");
    let advice = text(&listed.stderr);
    assert!(advice.contains("--made") && advice.contains("fetches"), "{advice}");
    assert_eq!(place.prints(&["jobs", "--json", "-C", "film"]).lines().count(), 3);

    let film = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(["-C", "film"]).collect();
        let ran = place.run(&all);
        let said = format!("{}{}", text(&ran.stdout), text(&ran.stderr));
        // The name of a take is another each time.
        let is_name = |word: &str| word.trim_end_matches(':').len() == 26;
        let names: Vec<&str> = said.split(' ').filter(|word| is_name(word)).collect();
        names.iter().fold(said.clone(), |said, name| said.replace(name, "TAKE:"))
    };
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:1", "--not-made"]), @"take 1 of sc01/sh0010 never came to be: 0.42 USD are free again");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:2", "--made", "no name"]), @"error: job of take TAKE: no provider names a job like that");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:2", "--made", "r-2"]), @"take 2 of sc01/sh0010 is there: `kinora render` fetches it");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:2", "--not-made"]), @"error: job of take TAKE: the provider has said that it is there");
    let ledger = Ledger::open(&place.path("film")).expect("a ledger");
    let clip = ledger.work_path(third, "mp4");
    drop(ledger);
    let arrived = kinora_tests::studio::clip(&place.path("film")).expect("a clip");
    std::fs::write(&clip, arrived).expect("room");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:3", "--lost"]), @"error: job of take TAKE: its clip is here: the next `kinora render` records it");
    std::fs::remove_file(&clip).expect("it is there");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:3", "--lost"]), @"take 3 of sc01/sh0010 is given up: 0.42 USD are spent");
    insta::assert_snapshot!(film(&["jobs", "resolve", "sh0010:3", "--lost"]), @r#"
    error: there is no job of a take "sh0010:3" that is not over
    hint: `kinora jobs` lists them; CUT:NUMBER names one
    "#);
    let both = place.run(&["jobs", "resolve", "sh0010:2", "--made", "x", "--lost", "-C", "film"]);
    assert_eq!(both.status.code(), Some(2));
    let ledger = Ledger::open(&place.path("film")).expect("a ledger");
    let spent = ledger.spent().expect("readable");
    assert_eq!(
        (spent.total.to_string(), spent.reserved.to_string()),
        ("0.42".into(), "0.42".into())
    );
}
