//! A plan as people read it.

use kinora_engine::Hint;
use kinora_engine::money::Money;
use kinora_engine::production::{Planned, Work};

use crate::ui;

/// What is planned for a cut, in one line.
pub(crate) fn line(planned: &Planned) -> String {
    let want = &planned.want;
    let cut = want.cut.to_string();
    let takes = ui::count(want.missing() as usize, "take");
    let work = match &planned.work {
        Ok(work) => format!("{:<16} {}", work.model(), details(work, want.missing())),
        Err(error) => {
            let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("cannot be made: {error}{hint}")
        }
    };
    let after = want.waits_for.as_ref().map(|cut| format!("  after {cut}"));
    format!("{cut:<16} {takes:<10} {work}{}", after.unwrap_or_default()).trim_end().to_owned()
}

/// The most that is said against a model.
const MOST_REASONS: usize = 3;

/// What speaks against the model that a cut names, in one line; none where nothing does.
pub(crate) fn warning(planned: &Planned) -> Option<String> {
    let reasons = planned.warnings();
    let (cut, named) = (&planned.want.cut, planned.route.named.as_ref()?);
    let first = reasons.iter().take(MOST_REASONS);
    let first: Vec<String> = first.map(|one| format!("{}: {}", one.rule, one.text)).collect();
    let more = match reasons.len().saturating_sub(MOST_REASONS) {
        0 => String::new(),
        more => format!("; {more} more: kinora route {cut} --explain"),
    };
    let is_any = !first.is_empty();
    is_any.then(|| format!("warning: {cut} names {named}: {}{more}", first.join("; ")))
}

/// Where it is made, how long that takes, what memory and what money.
pub(crate) fn details(work: &Work, takes: u32) -> String {
    match work {
        Work::Hosted(work) => {
            let price = work.price.times(f64::from(takes));
            format!("{}  up to {price} USD", work.card.host)
        }
        Work::Local(work) => {
            let mut parts = vec!["this machine".to_owned()];
            parts.extend(work.seconds.map(|one| format!("about {}", secs(one * f64::from(takes)))));
            parts.extend(work.memory_bytes.map(gib));
            parts.extend(work.smaller.as_ref().map(|smaller| format!("made smaller: {smaller}")));
            parts.extend(work.refused.as_ref().map(|why| format!("it will be refused: {why}")));
            parts.join("  ")
        }
    }
}

/// What all of it comes to.
pub(crate) fn totals(plan: &[Planned], left: Option<Money>) -> String {
    let (mut here, mut there, mut seconds, mut memory, mut money) = (0, 0, 0.0, 0, Money::ZERO);
    let mut cannot = 0_usize;
    for planned in plan {
        let takes = planned.want.missing();
        match &planned.work {
            Ok(Work::Local(work)) => {
                here += takes;
                seconds += work.seconds.unwrap_or_default() * f64::from(takes);
                memory = memory.max(work.memory_bytes.unwrap_or_default());
            }
            Ok(Work::Hosted(work)) => {
                there += takes;
                money = money + work.price.times(f64::from(takes));
            }
            Err(_) => cannot += 1,
        }
    }
    let takes = |number: u32| ui::count(number as usize, "take");
    let mut parts = vec![format!(
        "{} on this machine, about {}, up to {}",
        takes(here),
        secs(seconds),
        gib(memory)
    )];
    if there > 0 {
        parts.push(format!("{} by providers", takes(there)));
    }
    let left = left.map_or_else(String::new, |left| format!(" of {left} left"));
    parts.push(format!("up to {money} USD{left}"));
    if cannot > 0 {
        parts.push(format!("{} cannot be made", ui::count(cannot, "cut")));
    }
    format!("{}: {}", ui::count(plan.len(), "cut"), parts.join("; "))
}

/// Seconds as people say them.
fn secs(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{} s", s.ceil()),
        s if s < 6000.0 => format!("{} min", (s / 60.0).round()),
        s => format!("{} h", (s / 3600.0).round()),
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
