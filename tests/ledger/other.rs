//! Another process of this program, which does what its words say to a ledger and prints what it was told.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kinora_engine::ledger::steps::{self, Step};
use kinora_engine::ledger::{Caps, Error, Ledger};
use kinora_tests::takes;

use crate::deeds::{CUT, act, cut, money};

/// Holds the words; without it there is nothing to be done.
const VARIABLE: &str = "KINORA_TEST_OTHER";

/// Holds the folder.
const FOLDER: &str = "KINORA_TEST_FOLDER";

/// What begins a line that the other process wrote, as against those of the test harness.
const MARK: &str = "* ";

/// The other process, which has not begun.
pub(crate) fn command(words: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test has a path"));
    prepare(&mut command, words, folder);
    command
}

/// Makes a command of this program do what the words say.
pub(crate) fn prepare(command: &mut Command, words: &str, folder: &Path) {
    command.args(["--exact", "other::the_other_process", "--nocapture"]);
    command.env(VARIABLE, words).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
}

/// The lines that the other process wrote.
pub(crate) fn said(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    // A line that was cut off in the middle told nothing.
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    // The harness writes the name of a test, and no end of line after it.
    let ours = lines.filter_map(|line| Some(line[line.find(MARK)? + MARK.len()..].to_owned()));
    ours.collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).expect("somebody listens");
}

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static SEEN: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

/// Not a test of its own: the others start it.
#[test]
fn the_other_process() {
    let Ok(words) = std::env::var(VARIABLE) else { return };
    let folder = std::env::var_os(FOLDER).expect("a folder");
    let folder = Path::new(&folder);
    let words: Vec<&str> = words.split(' ').collect();
    match words[..] {
        ["trace", deed] => {
            steps::watch(|step| SEEN.with_borrow_mut(|seen| seen.push(step)));
            act(folder, deed).expect("room");
            SEEN.with_borrow(|seen| seen.iter().for_each(|step| say(&format!("{step:?}"))));
        }
        ["crash", deed, at] => {
            LEFT.set(at.parse().expect("a number"));
            steps::watch(|_| match LEFT.get() {
                0 => std::process::abort(),
                left => LEFT.set(left - 1),
            });
            act(folder, deed).expect("it ends before");
        }
        ["many", count] => match many(folder, count.parse().expect("a number")) {
            Ok(()) => say("done"),
            Err(error) => say(&format!("error {error}")),
        },
        ["reserve", cap, count] => {
            for _ in 0..count.parse().expect("a number") {
                reserve(folder, cap);
            }
        }
        _ => panic!("no such words: {words:?}"),
    }
}

/// Records takes and what people think of them, and tells of each.
fn many(folder: &Path, count: u32) -> Result<(), Error> {
    let mut ledger = Ledger::open(folder)?;
    let cut = cut(CUT);
    for made in 0..count {
        let take = takes::id().expect("random numbers");
        // Several processes may be told the same number: the second one to use it asks again.
        loop {
            let number = ledger.next_number(&cut)?;
            let media = takes::clip(&ledger, take, &format!("frames of {take}"))?;
            let request = kinora_engine::hash::Blake3::of(b"request");
            match ledger.record_take(&takes::record(take, &cut, number, request, media)) {
                Err(Error::Number { .. }) => continue,
                recorded => break recorded?,
            }
        }
        say(&format!("take {take}"));
        match made % 4 {
            0 => {
                ledger.pick(take)?;
                say(&format!("picked {take}"));
            }
            1 => {
                ledger.note(take, &"far too long. ".repeat(100))?;
                say(&format!("noted {take}"));
            }
            2 => {
                ledger.reject(take, "dark")?;
                say(&format!("rejected {take}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Asks for a dollar, and tells whether it was reserved.
fn reserve(folder: &Path, cap: &str) {
    let caps = Caps { production: Some(money(cap)), ..Caps::default() };
    let mut ledger = Ledger::open(folder).expect("it opens");
    let (take, cut) = (takes::id().expect("random numbers"), cut(CUT));
    loop {
        let number = ledger.next_number(&cut).expect("readable");
        match ledger.reserve(takes::intent(take, &cut, number, money("1")), &caps) {
            Ok(()) => say(&format!("reserved {take}")),
            Err(Error::Number { .. }) => continue,
            Err(Error::Cap { .. }) => say("too much"),
            Err(error) => panic!("{error}"),
        }
        return;
    }
}
