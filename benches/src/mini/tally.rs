//! How often clips show what was asked, and how often they would by chance.

use kinora_tests::judge::Verdict;
use kinora_tests::world::{Action, Character};

use super::asked::Asked;

/// What is counted, in the order of the table.
const ROWS: [&str; 6] = ["colour", "character", "direction", "action", "background", "all four"];

/// Every clip that was judged.
#[derive(Default)]
pub(super) struct Tally {
    judged: Vec<(Asked, Verdict)>,
    psnrs: Vec<f64>,
}

impl Tally {
    pub(super) fn len(&self) -> usize {
        self.judged.len()
    }

    pub(super) fn add(&mut self, asked: Asked, verdict: Verdict, psnr: Option<f64>) {
        self.judged.push((asked, verdict));
        self.psnrs.extend(psnr);
    }

    pub(super) fn print(&self) {
        let own = self.judged.iter().map(|(asked, verdict)| right(asked, verdict));
        let own = shares(own);
        // Every clip against every other clip's caption: all shufflings at once.
        let others = self.judged.iter().enumerate().flat_map(|(i, (_, verdict))| {
            let others = self.judged.iter().enumerate().filter(move |(j, _)| i != *j);
            others.map(|(_, (asked, _))| right(asked, verdict))
        });
        let shuffled = shares(others);
        println!("{:12} {:>8} {:>10}", "", "shown", "shuffled");
        for (row, name) in ROWS.iter().enumerate() {
            println!("{name:12} {:>7.1}% {:>9.1}%", own[row], shuffled[row]);
        }
        println!("all four: colour, character, direction, background");
        self.print_motion();
        let likeness: f32 = self.judged.iter().map(|(_, verdict)| verdict.likeness).sum();
        println!("likeness: {:.2} in the mean", likeness / self.judged.len() as f32);
        let has_momo = self.judged.iter().any(|(asked, verdict)| {
            let seen = verdict.character.map(|seen| seen.what);
            asked.character == Character::Momo || seen == Some(Character::Momo)
        });
        let momo = has_momo.then_some(Character::Momo);
        let characters = Character::ALL.into_iter().chain(momo).map(Character::name);
        let of = self.judged.iter().map(|(asked, verdict)| {
            (asked.character.name(), verdict.character.map(|seen| seen.what.name()))
        });
        confusion("character", &characters.collect::<Vec<_>>(), &of.collect::<Vec<_>>());
        let of = self.judged.iter().map(|(asked, verdict)| {
            (asked.action.name(), verdict.action.map(|seen| seen.what.name()))
        });
        confusion("action", &Action::ALL.map(Action::name), &of.collect::<Vec<_>>());
    }

    fn print_motion(&self) {
        let moves = |action: Action| action != Action::Still;
        let should: Vec<&Verdict> = self
            .judged
            .iter()
            .filter(|(asked, _)| moves(asked.action))
            .map(|(_, verdict)| verdict)
            .collect();
        let does = |verdict: &&&Verdict| verdict.action.is_some_and(|seen| moves(seen.what));
        let moving = should.iter().filter(does).count();
        if !should.is_empty() {
            let share = percent(moving, should.len());
            println!("moving: {share:.1}% of the {} that should", should.len());
        }
        if !self.psnrs.is_empty() {
            let mean = self.psnrs.iter().sum::<f64>() / self.psnrs.len() as f64;
            let least = self.psnrs.iter().copied().fold(f64::INFINITY, f64::min);
            println!("first frame: {mean:.1} dB in the mean, {least:.1} dB at least");
        }
    }
}

/// Whether a clip shows what was asked, row by row.
fn right(asked: &Asked, verdict: &Verdict) -> [bool; 6] {
    // Momo has a colour of its own, whatever was asked.
    let colour = asked.character == Character::Momo
        || verdict.colour.is_some_and(|seen| seen.what == asked.colour);
    let character = verdict.character.is_some_and(|seen| seen.what == asked.character);
    let direction = verdict.direction.is_some_and(|seen| seen.what == asked.action.direction());
    let action = verdict.action.is_some_and(|seen| seen.what == asked.action);
    let background = verdict.background.what == asked.background;
    let all = colour && character && direction && background;
    [colour, character, direction, action, background, all]
}

fn shares(rows: impl Iterator<Item = [bool; 6]>) -> [f64; 6] {
    let (mut counts, mut all) = ([0; 6], 0);
    for row in rows {
        all += 1;
        for (count, is_right) in counts.iter_mut().zip(row) {
            *count += usize::from(is_right);
        }
    }
    counts.map(|count| percent(count, all))
}

fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}

/// Prints how often each was asked for (down) and what was seen instead (across).
fn confusion(what: &str, names: &[&'static str], pairs: &[(&'static str, Option<&'static str>)]) {
    println!();
    print!("{what:12}");
    for name in names {
        print!(" {name:>6}");
    }
    println!(" {:>6}", "nobody");
    for asked in names {
        print!("{asked:12}");
        let row = pairs.iter().filter(|(one, _)| one == asked);
        let seen: Vec<Option<&str>> = row.map(|(_, seen)| *seen).collect();
        for name in names.iter().copied().map(Some).chain([None]) {
            match seen.iter().filter(|seen| **seen == name).count() {
                0 => print!(" {:>6}", "."),
                count => print!(" {count:>6}"),
            }
        }
        println!();
    }
}
