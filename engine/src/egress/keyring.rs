//! The keyring of the desktop, asked through the desktop's own tool: nothing of it is linked.
//!
//! | system | tool | keyring |
//! |---|---|---|
//! | Linux and the like | `secret-tool`, of libsecret | whatever keeps the secrets of the session: GNOME Keyring, KWallet |
//! | macOS | `security` | the login keychain |
//!
//! A key has the attributes `service kinora` and `provider NAME`; on macOS it is of the service `kinora` and the account NAME.
//!
//! - **No key is an argument** of a program, which everybody on the machine can read: it goes through pipes.
//! - **Nobody is asked for a password** who only wants to render: `secret-tool search` finds what is locked and leaves it so, where
//!   `lookup` opens a window that nobody may be there to answer, or says that there is nothing. To put a key in may ask.
//! - **No connection** of the tool's leaves this machine: the bus of the session must be a socket in the file system, and the tool
//!   gets nothing else of the environment, so that it finds no other way and no other secret.
//! - **The tool is looked for** in folders that are named from the root, never beside the production.
//! - What the tool says of errors is never repeated, as there may be a key in it.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Error, Result, Token};

/// Why a key in the keyring cannot be read for now.
pub(super) const LOCKED: &str = "is locked";
/// Why nobody knows what is in the keyring.
pub(super) const SILENT: &str = "does not answer";
/// Why nobody knows what is in the keyring.
pub(super) const FAILED: &str = "cannot be asked";
/// Why a key is not in the keyring.
pub(super) const REFUSES: &str = "does not take the key";

/// How long it may take to find a key, which asks nobody anything.
const FINDING: Duration = Duration::from_secs(10);
/// How long it may take to change something: somebody may have to type a password.
const CHANGING: Duration = Duration::from_secs(120);
/// The most that is read of what the tool says.
const MOST_BYTES: u64 = 64 << 10;

/// The keyring of the desktop.
#[derive(Debug)]
pub struct Keyring {
    tool: Tool,
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    finding: Duration,
    /// Whether it once gave no answer in time. It is not waited for again.
    is_silent: AtomicBool,
}

/// Whose words are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    SecretTool,
    Security,
}

/// What is asked of the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Find,
    Set,
    Remove,
}

/// What the tool said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Keyring {
    /// The keyring of this desktop; none where there is no tool to ask it with, or no session that it could belong to.
    ///
    /// Of the environment, `PATH` says where the tool is, `DBUS_SESSION_BUS_ADDRESS` and `XDG_RUNTIME_DIR` where the session is.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        Self::of(if cfg!(target_os = "macos") { Tool::Security } else { Tool::SecretTool }, var)
    }

    fn of(tool: Tool, var: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let path = var("PATH")?;
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        let program = folders.map(|folder| folder.join(tool.name())).find(|file| file.is_file())?;
        // Errors are told apart by their words.
        let mut environment = vec![("LC_ALL", OsString::from("C"))];
        environment.extend(var("HOME").map(|home| ("HOME", home)));
        if tool == Tool::SecretTool {
            environment.push(session(&var)?);
        }
        let is_silent = AtomicBool::new(false);
        Some(Self { tool, program, environment, finding: FINDING, is_silent })
    }

    /// The tool that it is asked with.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Finds the key of this name. Asks nobody for a password.
    ///
    /// # Errors
    /// [`Error::Key`] for one that is locked or is no key, and for a keyring that gives no answer within ten seconds or another
    /// than expected.
    pub(super) fn find(&self, name: &str) -> Result<Option<Token>> {
        let Some(said) = self.ask(Verb::Find, name, None)? else { return Ok(None) };
        let secret = match self.tool {
            Tool::SecretTool => said.searched(),
            Tool::Security => said.found(),
        };
        let secret = secret.map_err(|why| wrong(name, why))?;
        secret.map(|text| Token::new(&text).ok_or_else(|| wrong(name, "is no key"))).transpose()
    }

    /// Puts a key in, in place of the one that has this name. False where there is no keyring after all.
    ///
    /// # Errors
    /// [`Error::Key`] where it does not take it.
    pub(super) fn set(&self, name: &str, key: &Token) -> Result<bool> {
        let input = match self.tool {
            Tool::SecretTool => key.text().to_owned(),
            // A line of a language in which letters of a key would mean something.
            Tool::Security => {
                let hex: String = key.text().bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("add-generic-password -U -s kinora -a {name} -X {hex}\n")
            }
        };
        let said = self.ask(Verb::Set, name, Some(&input))?;
        if said.is_none_or(|said| said.has_no_keyring()) {
            return Ok(false);
        }
        // What the tool says of itself is not enough.
        let is_there = self.find(name).is_ok_and(|found| found.as_ref() == Some(key));
        let refuses = || Error::Key { place: "the keyring".to_owned(), why: REFUSES };
        is_there.then_some(true).ok_or_else(refuses)
    }

    /// Removes the key of this name. False where there is none.
    ///
    /// # Errors
    /// [`Error::Key`] where it cannot be removed, because it is locked for one.
    pub(super) fn remove(&self, name: &str) -> Result<bool> {
        if matches!(self.find(name), Ok(None)) {
            return Ok(false);
        }
        self.ask(Verb::Remove, name, None)?;
        // What the tool says of itself is not enough.
        let left = self.find(name)?;
        left.map_or(Ok(true), |_| Err(wrong(name, "cannot be removed")))
    }

    /// Asks the tool; none where it is gone.
    fn ask(&self, verb: Verb, name: &str, input: Option<&str>) -> Result<Option<Said>> {
        let whole = |why| Error::Key { place: "the keyring".to_owned(), why };
        if self.is_silent.load(Ordering::Relaxed) {
            return Err(whole(SILENT));
        }
        let patience = if verb == Verb::Find { self.finding } else { CHANGING };
        let mut command = Command::new(&self.program);
        command.args(self.tool.arguments(verb, name));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(whole(FAILED)),
        };
        let said = talk(&mut child, input, Instant::now() + patience);
        if said.is_none() {
            self.is_silent.store(true, Ordering::Relaxed);
            // It may have ended by itself just now.
            let _ = child.kill();
            let _ = child.wait();
        }
        said.map(Some).ok_or_else(|| whole(SILENT))
    }
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::SecretTool => "secret-tool",
            Self::Security => "security",
        }
    }

    fn arguments(self, verb: Verb, name: &str) -> Vec<String> {
        let label = format!("--label=Kinora: {name}");
        let words: &[&str] = match (self, verb) {
            (Self::SecretTool, Verb::Find) => &["search", "service", "kinora", "provider", name],
            (Self::SecretTool, Verb::Set) => {
                &["store", &label, "service", "kinora", "provider", name]
            }
            (Self::SecretTool, Verb::Remove) => &["clear", "service", "kinora", "provider", name],
            (Self::Security, Verb::Find) => {
                &["find-generic-password", "-s", "kinora", "-a", name, "-w"]
            }
            (Self::Security, Verb::Set) => &["-i"],
            (Self::Security, Verb::Remove) => {
                &["delete-generic-password", "-s", "kinora", "-a", name]
            }
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

impl Said {
    /// The secret that `secret-tool search` found.
    fn searched(&self) -> Result<Option<String>, &'static str> {
        if self.has_no_keyring() {
            return Ok(None);
        }
        if self.code != Some(0) {
            return Err(FAILED);
        }
        match self.out.lines().find_map(|line| line.strip_prefix("secret = ")) {
            Some(secret) => Ok(Some(secret.to_owned())),
            None if self.out.trim().is_empty() => Ok(None),
            // It begins with a path in brackets, and goes on with what may be seen of it.
            None if self.out.starts_with('[') => Err(LOCKED),
            None => Err("cannot be understood"),
        }
    }

    /// The secret that `security find-generic-password` found. It ends with the last byte of the system's own number.
    fn found(&self) -> Result<Option<String>, &'static str> {
        match self.code {
            Some(0) => Ok(Some(self.out.clone())),
            // errSecItemNotFound.
            Some(44) => Ok(None),
            // errSecInteractionNotAllowed, errSecAuthFailed.
            Some(36 | 51) => Err(LOCKED),
            _ => Err(FAILED),
        }
    }

    /// Whether nobody keeps the secrets of this session.
    fn has_no_keyring(&self) -> bool {
        const SIGNS: [&str; 3] =
            ["org.freedesktop.secrets was not provided", "autolaunch", "Could not connect"];
        self.code != Some(0) && SIGNS.iter().any(|sign| self.err.contains(sign))
    }
}

fn wrong(name: &str, why: &'static str) -> Error {
    Error::Key { place: format!("the keyring's entry for {name}"), why }
}

/// Where the bus of the session is, if it is a socket of this machine: it can be an address of the network or a program as well.
fn session(var: &impl Fn(&str) -> Option<OsString>) -> Option<(&'static str, OsString)> {
    let name = "DBUS_SESSION_BUS_ADDRESS";
    if let Some(address) = var(name) {
        let mut ways = address.to_str()?.split(';').filter(|way| !way.is_empty());
        return ways.all(|way| way.starts_with("unix:")).then_some((name, address));
    }
    let name = "XDG_RUNTIME_DIR";
    let folder = var(name)?;
    Path::new(&folder).join("bus").exists().then_some((name, folder))
}

/// What a program says and ends with; none where that takes too long.
fn talk(child: &mut Child, input: Option<&str>, until: Instant) -> Option<Said> {
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // It is short enough for the pipe; one who does not read it says why.
        let _ = pipe.write_all(input.as_bytes());
    }
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    };
    // A program of its own that it left behind could hold the pipes.
    let said = |pipe: Receiver<String>| {
        let left = until.saturating_duration_since(Instant::now());
        pipe.recv_timeout(left.max(Duration::from_millis(100))).ok()
    };
    Some(Said { code: status.code(), out: said(out)?, err: said(err)? })
}

/// Reads the beginning of a pipe, beside everything else.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What came before an error counts.
            let _ = pipe.take(MOST_BYTES).read_to_end(&mut bytes);
        }
        // Nobody may be waiting any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "sk-4/f9+\"x\\$0_B=";

    /// A folder with a tool that is a script.
    struct Desk(tempfile::TempDir);

    impl Desk {
        /// The tool writes down what it was started with, then does what the script says.
        fn new(tool: Tool, script: &str) -> Self {
            let desk = Self(tempfile::tempdir().expect("a folder"));
            let path = desk.path(tool.name());
            let told = "(echo \"$*\"; env) >> \"$HOME/told\"";
            fs::write(&path, format!("#!/bin/sh\n{told}\n{script}\n")).expect("room");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("ours");
            fs::write(desk.path("bus"), "").expect("room");
            desk
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn keyring(&self, tool: Tool) -> Keyring {
            let folder = self.0.path().as_os_str();
            let var = |name: &str| match name {
                "PATH" | "HOME" | "XDG_RUNTIME_DIR" => Some(folder.to_owned()),
                _ => Some("not for others".into()).filter(|_| name != "DBUS_SESSION_BUS_ADDRESS"),
            };
            Keyring::of(tool, var).expect("a keyring")
        }

        /// What the tool was started with.
        fn told(&self) -> String {
            fs::read_to_string(self.path("told")).expect("it was started")
        }
    }

    fn key() -> Token {
        Token::new(KEY).expect("a key")
    }

    /// What a keyring says whose tool does this.
    fn says(tool: Tool, script: &str) -> String {
        match Desk::new(tool, script).keyring(tool).find("fal") {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(found)) => found.text().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn secret_tool_is_understood_and_what_it_says_of_errors_is_not_repeated() {
        let says = |script: &str| says(Tool::SecretTool, script);
        assert_eq!(says("printf '[/1]\\nlabel = x\\nsecret = sk-1\\ncreated = now\\n'"), "sk-1");
        assert_eq!(says(":"), "nothing");
        for no_keyring in [
            "The name org.freedesktop.secrets was not provided by any .service files",
            "Cannot autolaunch D-Bus without X11 $DISPLAY",
            "Could not connect: Connection refused",
        ] {
            assert_eq!(says(&format!("echo 'secret-tool: {no_keyring}' >&2; exit 1")), "nothing");
        }
        let locked =
            "printf '[/1]\\nlabel = x\\n'; echo 'Cannot get secret of a locked object' >&2";
        assert_eq!(says(locked), "key: the keyring's entry for fal is locked");
        for (script, expected) in [
            ("printf '[/1]\\nsecret = two words\\n'", "is no key"),
            ("printf '[/1]\\nsecret = \\n'", "is no key"),
            ("echo sk-secret", "cannot be understood"),
            ("head -c 200000 /dev/zero; exit 0", "cannot be understood"),
            ("echo 'failed with sk-secret' >&2; exit 1", "cannot be asked"),
            ("echo 'secret = sk-secret'; exit 3", "cannot be asked"),
            ("kill -9 $$", "cannot be asked"),
        ] {
            assert_eq!(says(script), format!("key: the keyring's entry for fal {expected}"));
        }
    }

    #[test]
    fn security_is_understood() {
        let says = |script: &str| says(Tool::Security, script);
        assert_eq!(says("echo sk-1"), "sk-1");
        assert_eq!(says("echo 'could not be found' >&2; exit 44"), "nothing");
        assert_eq!(says("exit 36"), "key: the keyring's entry for fal is locked");
        assert_eq!(says("exit 1"), "key: the keyring's entry for fal cannot be asked");
    }

    #[test]
    fn a_key_is_put_in_through_a_pipe_and_read_back() {
        let ring = "case $1 in
            store) cat > \"$HOME/ring\";;
            search) [ ! -e \"$HOME/ring\" ] || echo \"secret = $(cat \"$HOME/ring\")\";;
            clear) rm \"$HOME/ring\";;
        esac";
        let chain = "case $1 in
            -i) cat > \"$HOME/line\";;
            delete*) rm \"$HOME/line\";;
            *) [ -e \"$HOME/line\" ] || exit 44; cat \"$HOME/shown\";;
        esac";
        for (tool, script) in [(Tool::SecretTool, ring), (Tool::Security, chain)] {
            let desk = Desk::new(tool, script);
            fs::write(desk.path("shown"), format!("{KEY}\n")).expect("room");
            let keyring = desk.keyring(tool);
            assert_eq!(keyring.find("fal").expect("an answer"), None);
            assert!(!keyring.remove("fal").expect("an answer"));
            assert!(keyring.set("fal", &key()).expect("it takes it"));
            assert_eq!(keyring.find("fal").expect("an answer"), Some(key()));
            if tool == Tool::Security {
                let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
                let line = fs::read_to_string(desk.path("line")).expect("a line");
                assert_eq!(line, format!("add-generic-password -U -s kinora -a fal -X {hex}\n"));
            }
            assert!(keyring.remove("fal").expect("it gives it up"));
            assert_eq!(keyring.find("fal").expect("an answer"), None);
            let told = desk.told();
            assert!(told.contains("fal"), "{told}");
            for secret in ["sk-4", "f9+", "736b2d", "not for others"] {
                assert!(!told.contains(secret), "neither an argument nor a variable: {told}");
            }
        }
    }

    #[test]
    fn a_keyring_that_takes_no_key_says_so_without_it() {
        for script in [
            "[ $1 != store ] || { cat >&2; exit 1; }",
            // Another one is there afterwards, or none, whatever the tool says of itself.
            "[ $1 = store ] || echo 'secret = sk-other'",
            "[ $1 != store ] || exec < /dev/null",
        ] {
            let desk = Desk::new(Tool::SecretTool, script);
            let error = desk.keyring(Tool::SecretTool).set("fal", &key()).expect_err("refused");
            assert_eq!(error.to_string(), "key: the keyring does not take the key");
            assert!(!format!("{error:?}").contains("sk-"), "{error:?}");
        }
        let none = "echo 'org.freedesktop.secrets was not provided' >&2; exit 1";
        let desk = Desk::new(Tool::SecretTool, none);
        assert!(!desk.keyring(Tool::SecretTool).set("fal", &key()).expect("no keyring"));
    }

    #[test]
    fn a_keyring_that_does_not_answer_is_waited_for_once() {
        // The second leaves a program behind that holds the pipes.
        for script in ["exec sleep 60", "sleep 60 &"] {
            let desk = Desk::new(Tool::SecretTool, script);
            let mut keyring = desk.keyring(Tool::SecretTool);
            keyring.finding = Duration::from_millis(500);
            let begun = Instant::now();
            for name in ["fal", "google", "kling"] {
                let error = keyring.find(name).expect_err("silence");
                assert_eq!(error.to_string(), "key: the keyring does not answer");
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
            assert_eq!(desk.told().matches("provider").count(), 1, "{}", desk.told());
        }
    }

    #[test]
    fn a_keyring_is_asked_only_through_a_socket_of_this_machine_and_a_tool_named_from_the_root() {
        let desk = Desk::new(Tool::SecretTool, "");
        let folder = desk.0.path().to_str().expect("plain letters").to_owned();
        let is_there = |vars: &[(&str, &str)]| {
            let var = |name: &str| {
                let found = vars.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| OsString::from(value))
            };
            Keyring::of(Tool::SecretTool, var).is_some()
        };
        let bus = "DBUS_SESSION_BUS_ADDRESS";
        let path = ("PATH", folder.as_str());
        assert!(is_there(&[path, (bus, "unix:path=/run/x;unix:abstract=y,guid=1")]));
        assert!(is_there(&[path, ("XDG_RUNTIME_DIR", &folder)]));
        for other in
            ["tcp:host=example.org,port=1", "unix:path=/run/x;tcp:host=a", "unixexec:path=ssh", "x"]
        {
            assert!(!is_there(&[path, (bus, other), ("XDG_RUNTIME_DIR", &folder)]), "{other}");
        }
        assert!(!is_there(&[path]) && !is_there(&[path, ("XDG_RUNTIME_DIR", "/nowhere")]));
        assert!(!is_there(&[("PATH", "."), ("XDG_RUNTIME_DIR", &folder)]));
        assert!(!is_there(&[("XDG_RUNTIME_DIR", &folder)]));
    }
}
