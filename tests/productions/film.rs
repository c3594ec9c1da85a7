//! A production of this folder, copied to where it can be rendered, with its providers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use kinora_engine::ledger::{Ledger, TakeRecord};
use kinora_engine::production::{Cut, Production, Rendered, Settings};
use kinora_tests::server::{FakeProvider, KEY, dialect};
use kinora_tests::studio;
use tempfile::TempDir;

use crate::shop::{Heard, Shop};

/// What stands for `# fal` in a production that a test writes.
const FAL: &str = r#"[provider.fal]
base = "http://FAL"
key_variable = "LIGHTHOUSE_KEY""#;

/// What stands for `# barn`.
const BARN: &str = r#"[provider.barn]
provider = "openai-compatible"
base = "http://BARN"
models = ["Wan-AI/Wan2.2-T2V"]
key_variable = "LIGHTHOUSE_KEY""#;

/// A scene of one cut, an action.
pub(crate) const ACTION: &str = r#"
[[scene]]
id = "sc01"

  [[scene.cut]]
  id = "sh0010"
  type = "action"
  duration = "5s"
  prompt = "a boat hits the rocks"
"#;

/// A production and its two providers.
pub(crate) struct Film {
    folder: TempDir,
    pub(crate) fal: Arc<FakeProvider>,
    pub(crate) barn: Arc<FakeProvider>,
}

impl Film {
    pub(crate) fn new(name: &str) -> Self {
        let film = Self::empty();
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("productions").join(name);
        film.copy(&from, &film.path(""));
        film
    }

    /// A production with these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let film = Self::empty();
        for (name, text) in files {
            film.write(&film.path(name), text);
        }
        film
    }

    fn empty() -> Self {
        let folder = TempDir::new().expect("room");
        let clip = studio::clip(folder.path()).expect("a clip");
        let start =
            |provider| FakeProvider::start(dialect(provider), clip.clone()).expect("a port");
        Self { fal: start("fal"), barn: start("openai-compatible"), folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("film").join(name)
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).expect("it is there") {
            let entry = entry.expect("readable");
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                self.copy(&entry.path(), &to);
            } else {
                self.write(&to, &fs::read_to_string(entry.path()).expect("a text"));
            }
        }
    }

    /// Writes a file, with the addresses of the providers in the place of their names, and their tables in that of their lines.
    fn write(&self, path: &Path, text: &str) {
        let text = text.replace("\n# fal\n", &format!("\n{FAL}\n"));
        let text = text.replace("\n# barn\n", &format!("\n{BARN}\n"));
        let text = text.replace("FAL\"", &format!("{}\"", self.fal.host()));
        let text = text.replace("BARN\"", &format!("{}\"", self.barn.host()));
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("room");
        fs::write(path, text).expect("room");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let test = std::env::current_exe().expect("the test has a path");
        let folder = test.parent().and_then(Path::parent).expect("tests lie in deps");
        let mut command = Command::new(folder.join("kinora"));
        command.args(arguments).arg("-C").arg(self.path("")).env_clear();
        command.env("HOME", self.folder.path()).env("LIGHTHOUSE_KEY", KEY).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("`cargo build --workspace --bins` makes it")
    }

    /// What is printed by a command that succeeds, with the names of the providers instead of their addresses.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let printed = text(&output.stdout).replace(self.fal.host(), "FAL");
        printed.replace(self.barn.host(), "BARN")
    }

    /// Renders everything in this process, four takes at a time by providers.
    pub(crate) fn render(&self, shop: &Shop) -> (Rendered, Vec<String>) {
        let mut heard = Heard::default();
        (self.render_while(shop, &mut heard), heard.lines)
    }

    /// The same, with somebody who listens and does something meanwhile.
    pub(crate) fn render_while(&self, shop: &Shop, heard: &mut Heard<'_>) -> Rendered {
        let production = Production::load(&self.path("")).expect("nothing is wrong");
        let ledger = Mutex::new(self.ledger());
        let cuts: Vec<&Cut> = production.cuts().map(|(_, cut)| cut).collect();
        let rendered = production.render(&cuts, &Settings::default(), shop, &ledger, 4, heard);
        rendered.expect("a ledger")
    }

    /// What is kept of a take.
    pub(crate) fn record(&self, cut: &str, number: u32) -> TakeRecord {
        let ledger = self.ledger();
        let cut = cut.parse().expect("a cut");
        let take = ledger.take_of(&cut, number).expect("an index").expect("it was made");
        ledger.record(take.id).expect("a manifest")
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(&self.path("")).expect("a ledger")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
