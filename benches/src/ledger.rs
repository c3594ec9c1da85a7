//! The commands of a production with very many takes, each timed as a whole process.
//!
//! The production is made by the ledger itself, take by take, in a folder that may be kept: where it is there already it is
//! used as it is.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kinora_engine::cards::{Card, built_in};
use kinora_engine::egress::Token;
use kinora_engine::generator::Generator;
use kinora_engine::hash::Blake3;
use kinora_engine::id::CutId;
use kinora_engine::ledger::Ledger;
use kinora_engine::production::{Production, Server, Settings, Want, Workshop};
use kinora_tests::takes;

/// Cuts of a scene.
const CUTS_IN_SCENE: usize = 50;

/// How often each command is run.
const ROUNDS: usize = 15;

/// How often the memory of a command is looked at.
const GLANCE: Duration = Duration::from_micros(300);

/// Makes a production of `cuts` cuts with `takes` takes each, unless it is there, and prints a row for each command.
pub(crate) fn run(folder: &Path, cuts: usize, takes: u32) -> Result<(), Box<dyn Error>> {
    let program = program()?;
    let made = folder.join("made");
    if !made.is_file() {
        make(folder, cuts, takes)?;
        fs::write(made, "")?;
    }
    println!("program,case,build,cuts,takes,rounds,median_ms_wall,worst_ms_wall,peak_mib");
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    for (name, command) in commands(cuts, takes) {
        let run = |round: usize| {
            let mut process = Command::new(&program);
            process.args(command(round)).current_dir(folder);
            process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            process
        };
        let peak_mib = peak_mib(run(0))?;
        let mut walls = Vec::with_capacity(ROUNDS);
        for round in 1..=ROUNDS {
            let begun = Instant::now();
            let status = run(round).status()?;
            walls.push(begun.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                return Err(format!("kinora {}: {status}", command(round).join(" ")).into());
            }
        }
        walls.sort_by(f64::total_cmp);
        let (median, worst) = (walls[ROUNDS / 2], walls[ROUNDS - 1]);
        println!(
            "kinora,{name},{build},{cuts},{takes},{ROUNDS},{median:.1},{worst:.1},{peak_mib:.1}"
        );
    }
    Ok(())
}

type Words = Box<dyn Fn(usize) -> Vec<String>>;

/// The commands, and their words in each round.
fn commands(cuts: usize, takes: u32) -> Vec<(&'static str, Words)> {
    let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<String>>();
    let plain = |text: &'static str| -> Words { Box::new(move |_| words(text)) };
    let about = |verb: &'static str, rest: &'static str| -> Words {
        Box::new(move |round| {
            let number = 1 + round as u32 % takes;
            words(&format!("{verb} {}:{number}{rest}", cut_name(round * 61 % cuts)))
        })
    };
    let one =
        move || -> Words { Box::new(move |n| words(&format!("takes {}", cut_name(n % cuts)))) };
    vec![
        ("check", plain("check")),
        ("takes", plain("takes")),
        ("takes of one cut", one()),
        ("takes of a cut without its scene", plain("takes sh00007")),
        ("pick", about("pick", "")),
        ("rate", about("rate", " 4")),
        ("reject", about("reject", " --why dark")),
        ("diff", Box::new(move |_| words(&format!("diff {0}:1 {0}:2", cut_name(cuts / 2))))),
        ("render --dry-run", plain("render --dry-run")),
        (
            "route of one cut",
            Box::new(move |n| words(&format!("route {}", cut_name(n * 61 % cuts)))),
        ),
    ]
}

/// The name of a cut by its place in the film.
fn cut_name(at: usize) -> String {
    format!("sc{:04}/sh{at:05}", at / CUTS_IN_SCENE)
}

/// The command that is built beside this one.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let program =
        std::env::current_exe()?.with_file_name(format!("kinora{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing: build it first", program.display()).into())
    }
}

/// The most memory that a command holds, as far as many glances at it tell.
fn peak_mib(mut command: Command) -> Result<f64, Box<dyn Error>> {
    let mut child = command.spawn()?;
    let path = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    while child.try_wait()?.is_none() {
        let status = fs::read_to_string(&path).unwrap_or_default();
        peak = peak.max(crate::step::peak_in(&status));
        std::thread::sleep(GLANCE);
    }
    Ok(peak)
}

/// Every model is the one that the program carries, and none is opened.
struct Shop;

impl Workshop for Shop {
    fn card(&self, _: &str) -> kinora_engine::Result<Option<&'static Card>> {
        Ok(Some(built_in()))
    }

    fn open(&self, model: &str) -> kinora_engine::Result<Box<dyn Generator>> {
        Err(kinora_engine::Error::Unknown { what: "model", found: model.to_owned(), known: "none" })
    }

    fn here(&self) -> Vec<&'static Card> {
        vec![built_in()]
    }

    fn key(&self, _: &Server) -> kinora_engine::Result<Option<Token>> {
        Ok(None)
    }

    fn is_offline(&self) -> bool {
        true
    }
}

/// Writes the files of a production, and records its takes. In one cut of three a take is picked; every other cut is to have one
/// more take than there are, and goes on from the cut before.
fn make(folder: &Path, cuts: usize, takes: u32) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    if folder.join("scenes").exists() {
        return Err(format!("{} was not finished: remove it first", folder.display()).into());
    }
    fs::create_dir_all(folder.join("scenes"))?;
    for scene in 0..cuts.div_ceil(CUTS_IN_SCENE) {
        let first = scene * CUTS_IN_SCENE;
        let mut text = format!("[[scene]]\nid = \"sc{scene:04}\"\n");
        for at in first..cuts.min(first + CUTS_IN_SCENE) {
            text += &format!(
                "\n  [[scene.cut]]\n  id = \"sh{at:05}\"\n  prompt = \"a {{cat}} jumps in field {at}\"\n  characters = [\"cat\"]\n  takes = {}\n",
                takes + (at % 2) as u32
            );
            if at % 2 == 1 {
                text += &format!("  first_frame = \"take:{}/last\"\n", cut_name(at - 1));
            }
        }
        fs::write(folder.join(format!("scenes/sc{scene:04}.toml")), text)?;
    }
    let project = "schema = 1\nname = \"Many\"\ndefault_model = \"mini\"\nprivacy = \"local-only\"\n\n[character.cat]\ndescription = \"red cat\"\n";
    fs::write(folder.join("project.toml"), project)?;
    let production = Production::load(folder)?;
    let mut ledger = Ledger::open(folder)?;
    let all: Vec<_> = production.cuts().map(|(_, cut)| cut).collect();
    loop {
        let plan = production.plan(&all, &Settings::default(), &Shop, Some(&ledger))?;
        let ready = plan.iter().map(|planned| &planned.want).filter(|want| want.made == 0);
        let ready: Vec<(&Want, Blake3)> =
            ready.filter_map(|want| Some((want, want.hash?))).collect();
        if ready.is_empty() {
            break;
        }
        for (at, (want, request)) in ready.into_iter().enumerate() {
            record(&mut ledger, &want.cut, request, takes, at)?;
        }
    }
    eprintln!("made in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Records the takes of one cut, and what people think of some.
fn record(
    ledger: &mut Ledger,
    cut: &CutId,
    request: Blake3,
    takes: u32,
    at: usize,
) -> Result<(), Box<dyn Error>> {
    for number in 1..=takes {
        let take = takes::id()?;
        let media = takes::clip(ledger, take, &format!("frames of take {number} of {cut}"))?;
        ledger.record_take(&takes::record(take, cut, number, request, media))?;
        match number % 10 {
            1 if number == 1 && at.is_multiple_of(3) => ledger.pick(take)?,
            4 => ledger.rate(take, 3)?,
            7 => ledger.reject(take, "blurred")?,
            _ => {}
        }
    }
    Ok(())
}
