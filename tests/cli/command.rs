//! Runs the command in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kinora_tests::program;
use tempfile::TempDir;

/// A folder with the checkpoint of the golden in `model`, and the command run there.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: TempDir::new().expect("there is room for a checkpoint") };
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/pipeline/model");
        copy(&golden, &place.path("model"));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command, with nothing of this machine's settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.path("user")).env("HF_HUB_OFFLINE", "1").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    /// What is printed by a command that succeeds.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The exit code and the lines of a failure. Nothing may stand on standard output or in the file `out.*`, and there
    /// is one line of error and at most one of advice.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stdout), "", "standard output of a failure");
        let stderr = text(&output.stderr).replace(&self.folder.path().display().to_string(), "DIR");
        let lines: Vec<&str> =
            stderr.lines().skip_while(|line| !line.starts_with("error: ")).collect();
        let is_short = lines.len() == 1 || lines.len() == 2 && lines[1].starts_with("hint: ");
        assert!(is_short, "{stderr}");
        assert_eq!(self.left(), [""; 0]);
        format!("exit {}\n{}", output.status.code().unwrap_or(-1), lines.join("\n"))
    }

    /// What was left of the output `out.*`, under its final name or another.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("the folder is readable").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("out")).collect()
    }

    /// Replaces text in a file of the checkpoint.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path("model").join(file);
        let text = std::fs::read_to_string(&path).expect("the checkpoint has the file");
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(path, text.replace(from, to)).expect("the copy is writable");
    }
}

/// A small generation, to which options are added.
pub(crate) const SMALL: [&str; 11] = [
    "generate",
    "a cat",
    "--model",
    "model",
    "--output",
    "out.mp4",
    "--size",
    "48x32",
    "--frames",
    "5",
    "--steps=2",
];

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the command prints UTF-8")
}

/// The same with `N` for each number of seconds, minutes or GiB, which depend on the machine.
pub(crate) fn without_numbers(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_unit = |word: &&&str| {
        let unit = word.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        ["s", "min", "h", "GiB"].contains(&unit)
    };
    let masked = words.iter().enumerate().map(|(at, word)| {
        let is_number =
            word.parse::<f64>().is_ok() && words.get(at + 1).as_ref().is_some_and(is_unit);
        if is_number { "N" } else { word }
    });
    masked.collect::<Vec<_>>().join(" ")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("there is room for a copy");
    for entry in std::fs::read_dir(from).expect("the golden is there") {
        let entry = entry.expect("the golden is readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            let bytes = std::fs::read(entry.path()).expect("the golden is readable");
            std::fs::write(to, bytes).expect("there is room for a copy");
        }
    }
}
