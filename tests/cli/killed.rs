//! A rendering that is killed at random moments loses nothing that it told of, and makes nothing twice.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::{Place, text};

/// How often it is killed: a few times, or as often as this variable says.
const VARIABLE: &str = "KINORA_KILLS";

/// A production of several cuts, two of which go on from others.
fn film(place: &Place) {
    place.prints(&["new", "film"]);
    let mut scene = String::from("[[scene]]\nid = \"sc01\"\nsteps = 1\n");
    for (n, action) in ["jumps", "moves left", "moves right", "grows", "spins"].iter().enumerate() {
        scene +=
            &format!("[[scene.cut]]\nid = \"sh{n}\"\nprompt = \"a {{cat}} {action} at night\"\n");
        scene += "characters = [\"cat\"]\n";
        if n % 2 == 1 {
            scene += &format!("first_frame = \"take:sh{}/last\"\n", n - 1);
        }
    }
    std::fs::write(place.path("film/scenes/sc01.toml"), scene).expect("room");
}

#[test]
fn nothing_that_was_told_is_lost_and_nothing_is_made_twice() {
    let kills: u32 = match std::env::var(VARIABLE) {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => 4,
    };
    let place = Place::new();
    film(&place);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    // Told where it fails: the moments of a run can be tried again.
    let mut random = now | 1;
    let mut told: BTreeSet<String> = BTreeSet::new();
    let (mut takes, mut kill) = (1, 0);
    while kill < kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let wanted = takes.to_string();
        let mut command = place.command(&["render", "--takes", &wanted, "-C", "film"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(random % 1200));
        let is_done = child.try_wait().expect("it is ours").is_some();
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        let mut said = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        stdout.read_to_string(&mut said).expect("paths are text");
        // A line that was cut off in the middle told nothing.
        let lines = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        told.extend(lines.map(ToOwned::to_owned));
        if is_done {
            takes += 1;
        } else {
            kill += 1;
        }
        sound(&place, &told, &format!("kill {kill}, began with {now}"));
    }
    let wanted = takes.to_string();
    place.prints(&["render", "--takes", &wanted, "-C", "film"]);
    assert_eq!(place.prints(&["render", "--takes", &wanted, "-C", "film"]), "", "all is there");
    let whole = place.prints(&["ledger", "export", "-C", "film"]);
    std::fs::remove_file(place.path("film/.kinora/ledger.sqlite")).expect("there");
    place.prints(&["ledger", "rebuild", "-C", "film"]);
    assert_eq!(place.prints(&["ledger", "export", "-C", "film"]), whole, "began with {now}");
    place.prints(&["ledger", "gc", "-C", "film"]);
    let verified = place.prints(&["ledger", "verify", "-C", "film"]);
    assert_eq!(verified.lines().count(), 1, "nothing is left that belongs to nothing: {verified}");
}

/// Everything that was told is in the ledger and whole, and no take is there twice.
fn sound(place: &Place, told: &BTreeSet<String>, when: &str) {
    let verified = place.run(&["ledger", "verify", "-C", "film"]);
    let findings = text(&verified.stdout);
    assert_eq!(verified.status.code(), Some(0), "{when}: {findings}");
    let listed = place.prints(&["takes", "--json", "--limit", "100000", "-C", "film"]);
    let (mut numbers, mut seeds) = (BTreeSet::new(), BTreeSet::new());
    for line in listed.lines() {
        let take: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let of = |key: &str| format!("{} {} {}", take["cut"], take["request"], take[key]);
        assert!(numbers.insert(format!("{} {}", take["cut"], take["number"])), "{when}: {line}");
        assert!(seeds.insert(of("seed")), "{when}: {line}");
    }
    assert!(numbers.len() >= told.len(), "{when}: {} of {}", numbers.len(), told.len());
    for path in told {
        assert!(std::path::Path::new(path).is_file(), "{when}: {path}");
    }
}

#[test]
fn a_second_rendering_is_told_and_choices_are_taken_meanwhile() {
    let place = Place::new();
    film(&place);
    let mut command = place.command(&["render", "--takes", "50", "-C", "film"]);
    let mut first =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut told = String::new();
    BufReader::new(first.stdout.as_mut().expect("it is piped"))
        .read_line(&mut told)
        .expect("it tells");
    let second = place.run(&["render", "-C", "film"]);
    assert_eq!(second.status.code(), Some(5), "{}", text(&second.stderr));
    assert!(text(&second.stderr).contains(&first.id().to_string()), "{}", text(&second.stderr));
    place.prints(&["pick", "sh0:1", "-C", "film"]);
    assert!(place.prints(&["takes", "-C", "film"]).contains("picked"));
    place.prints(&["render", "--dry-run", "-C", "film"]);
    first.kill().expect("it is ours");
    first.wait().expect("it ends");
    place.prints(&["ledger", "verify", "-C", "film"]);
}
