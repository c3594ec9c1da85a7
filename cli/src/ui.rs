//! The terminal: bars, plain lines or JSON lines from the engine's events.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kinora_engine::Kind;
use kinora_engine::observe::{Event, Observer, Stage};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use crate::errors::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Makes Ctrl-C (and termination) a wish to stop; a second one ends the program at once.
pub(crate) fn stop_on_interrupt() {
    let asked = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    debug_assert!(asked.is_ok(), "the handler is set once");
}

/// Whether the user asked to stop.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Writes a line to standard output, as [`print_bytes`] does.
pub(crate) fn print(line: &str) {
    print_bytes(format!("{line}\n").as_bytes());
}

/// Writes to standard output. Where that fails, [`unwritten`] says so.
pub(crate) fn print_bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Keeps the first failure to write to standard output; a reader that went away is none.
pub(crate) fn written(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        UNWRITTEN.get_or_init(|| error);
    }
}

/// What a command fails with whose answer could not be written.
pub(crate) fn unwritten() -> Option<Failure> {
    let error = UNWRITTEN.get()?;
    Some(Failure::new(Kind::Resources, format!("write standard output: {error}")))
}

/// Asks on the terminal for something that it is not to show.
pub(crate) fn ask_hidden(question: &str, answer: &mut String) -> io::Result<()> {
    let shown = tcgetattr(io::stdin())?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL);
    let restored = shown.clone();
    // Whoever stops here wants to see what is typed next.
    let asked = ctrlc::set_handler(move || {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &restored);
        std::process::exit(130);
    });
    debug_assert!(asked.is_ok(), "the handler is set once");
    tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
    let _ = write!(io::stderr().lock(), "{question}");
    let read = io::stdin().read_line(answer);
    tcsetattr(io::stdin(), OptionalActions::Now, &shown)?;
    read.map(drop)
}

/// Writes a line to standard error.
pub(crate) fn tell(line: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{line}");
}

/// So many of something: `1 cut`, `2 cuts`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// JSON lines on standard output.
    Json,
    /// Bars on a terminal, plain lines elsewhere, on standard error.
    Human,
    /// The same in fewer words, and those a film-maker's.
    Film,
}

/// Shows events and passes on the wish to stop.
pub(crate) struct Ui {
    mode: Mode,
    bars: bool,
    now: Mutex<Now>,
}

struct Now {
    mentions: Vec<String>,
    bar: Option<ProgressBar>,
    stage: Option<Stage>,
    begun: Instant,
}

impl Ui {
    /// An observer for one generation.
    pub(crate) fn new(mode: Mode) -> Self {
        let now = Now { mentions: Vec::new(), bar: None, stage: None, begun: Instant::now() };
        Self { mode, bars: std::io::stderr().is_terminal(), now: Mutex::new(now) }
    }

    /// Has people told of something once the work begins: a request that is refused before says nothing else.
    pub(crate) fn mention(&mut self, text: String) {
        if let Ok(now) = self.now.get_mut() {
            now.mentions.push(text);
        }
    }

    fn human(&self, now: &mut Now, event: &Event) {
        match event {
            Event::Stage(stage) => {
                self.finish(now);
                if *stage != Stage::Plan {
                    now.mentions.drain(..).for_each(|text| tell(&text));
                }
                now.begun = Instant::now();
                now.stage = self.label(*stage).is_some().then_some(*stage);
                let Some(label) = self.label(*stage) else { return };
                if self.bars {
                    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                    bar.set_style(style("{spinner} {msg} {elapsed}"));
                    bar.set_message(label);
                    bar.enable_steady_tick(std::time::Duration::from_millis(120));
                    now.bar = Some(bar);
                } else {
                    tell(label);
                }
            }
            Event::Weights { bytes } if self.mode == Mode::Human => {
                let text = format!("{} of weights", self::bytes(*bytes));
                match (&now.bar, now.stage.and_then(|stage| self.label(stage))) {
                    (Some(bar), Some(label)) => bar.set_message(format!("{label}, {text}")),
                    _ => tell(&format!("  {text}")),
                }
            }
            Event::CardOverFolder { value, card, folder } => {
                let line = format!("{value}: the card's {card} is used, the folder says {folder}");
                match &now.bar {
                    Some(bar) => bar.suspend(|| tell(&line)),
                    None => tell(&line),
                }
            }
            Event::Step { index, total, sigma } => {
                self.progress(now, *index, *total, &format!("sigma {sigma:.3}"));
            }
            Event::Decode { index, total } => self.progress(now, *index, *total, ""),
            Event::Media { index, total } if self.bars || index == total => {
                self.progress(now, *index, *total, "");
            }
            Event::Done { .. } => self.finish(now),
            _ => {}
        }
    }

    fn progress(&self, now: &mut Now, index: usize, total: usize, note: &str) {
        if let Some(bar) = &now.bar {
            if bar.length() != Some(total as u64) {
                bar.set_length(total as u64);
                bar.set_style(style("{spinner} {msg} {bar:30} {pos}/{len} {per_sec} ETA {eta}"));
            }
            bar.set_position(index as u64);
        } else if self.mode == Mode::Human {
            let seconds = now.begun.elapsed().as_secs_f64();
            let left = seconds / index as f64 * (total - index.min(total)) as f64;
            let note = if note.is_empty() { String::new() } else { format!(", {note}") };
            tell(&format!("  {index}/{total}{note}, {seconds:.1} s, about {left:.0} s left"));
        }
    }

    fn finish(&self, now: &mut Now) {
        let Some(bar) = now.bar.take() else { return };
        bar.finish_and_clear();
        let label = now.stage.and_then(|stage| self.label(stage));
        if let (Some(label), Mode::Human) = (label, self.mode) {
            tell(&format!("{label} {:.1} s", now.begun.elapsed().as_secs_f64()));
        }
    }

    /// What people read of a stage, where it is worth a word.
    fn label(&self, stage: Stage) -> Option<&'static str> {
        if self.mode == Mode::Film {
            return match stage {
                Stage::Plan | Stage::Text | Stage::Load => None,
                Stage::Image => Some("  looking at the picture"),
                Stage::Denoise => Some("  drawing"),
                Stage::Decode => Some("  developing"),
                Stage::Media => Some("  writing the film"),
            };
        }
        Some(match stage {
            Stage::Plan => "opening the model",
            Stage::Text => "reading the prompt",
            Stage::Image => "reading the picture",
            Stage::Load => "loading the denoiser",
            Stage::Denoise => "denoising",
            Stage::Decode => "decoding",
            Stage::Media => "writing",
        })
    }
}

/// So many bytes of weights, for reading.
pub(crate) fn bytes(count: u64) -> String {
    match count as f64 {
        bytes if bytes < 1e3 => format!("{bytes} B"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e8 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.2} GB", bytes / 1e9),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// An event as one JSON object.
fn object(event: &Event) -> Value {
    match event {
        Event::Stage(stage) => json!({"event": "stage", "stage": stage.name()}),
        Event::Weights { bytes } => json!({"event": "weights", "bytes": bytes}),
        Event::CardOverFolder { value, card, folder } => {
            json!({"event": "card_over_folder", "value": value, "card": card, "folder": folder})
        }
        Event::Pass { index, total } => json!({"event": "pass", "index": index, "total": total}),
        Event::Step { index, total, sigma } => {
            json!({"event": "step", "index": index, "total": total, "sigma": sigma})
        }
        Event::Decode { index, total } => {
            json!({"event": "decode", "index": index, "total": total})
        }
        Event::Media { index, total } => json!({"event": "media", "index": index, "total": total}),
        Event::Done { seconds } => json!({"event": "done", "seconds": seconds}),
        _ => json!({"event": "unknown"}),
    }
}

impl Observer for Ui {
    fn on(&self, event: &Event) -> ControlFlow<()> {
        match self.mode {
            Mode::Json => print(&object(event).to_string()),
            Mode::Human | Mode::Film => {
                if let Ok(mut now) = self.now.lock() {
                    self.human(&mut now, event);
                }
            }
        }
        // Nobody can follow a run whose events are lost.
        let ends = is_interrupted() || UNWRITTEN.get().is_some();
        if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Shows how far the bytes of some files are: a bar on a terminal, plain lines elsewhere.
pub(crate) struct Bytes {
    bar: Option<ProgressBar>,
    tenths: BTreeMap<String, u64>,
}

impl Bytes {
    /// Progress of so many bytes, of which some are there already.
    pub(crate) fn new(total: u64, done: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.set_style(style("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}"));
            bar.set_position(done);
            bar
        });
        Self { bar, tenths: BTreeMap::new() }
    }

    /// Shows that `done` of the `total` bytes of a file are there, `new` of them since the last time.
    pub(crate) fn show(&mut self, file: &str, new: u64, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(file.to_owned());
            bar.inc(new);
        } else if let Some(tenths) = self.next(file, done, total) {
            tell(&format!("  {file}: {} % of {}", tenths * 10, HumanBytes(total)));
        }
    }

    /// How many tenths of a file are there, where that is worth a line: at its first bytes, and at each tenth.
    fn next(&mut self, file: &str, done: u64, total: u64) -> Option<u64> {
        let tenths = done.min(total).saturating_mul(10).checked_div(total).unwrap_or(10);
        if self.tenths.get(file).is_some_and(|told| tenths <= *told) {
            return None;
        }
        self.tenths.insert(file.to_owned(), tenths);
        Some(tenths)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn a_file_has_a_line_at_its_beginning_and_at_each_tenth() {
        let mut bytes = Bytes { bar: None, tenths: Default::default() };
        let mut told = |file: &str, done| bytes.next(file, done, 1000);
        let lines: Vec<u64> = (1..=1000).filter_map(|done| told("a", done)).collect();
        assert_eq!(lines, (0..=10).collect::<Vec<u64>>());
        // Another file is counted by itself, and one that begins again is not told of twice.
        assert_eq!([told("b", 250), told("b", 100), told("b", 1000)], [Some(2), None, Some(10)]);
        assert_eq!(bytes.next("empty", 0, 0), Some(10));
    }
}
