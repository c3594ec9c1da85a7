//! The rules that one file alone can break, each with files that break it and files that do not.

use crate::source::Source;

/// A rule and the examples that show it at work.
pub(crate) struct Rule {
    /// What holds, as a sentence.
    pub(crate) says: &'static str,
    /// Returns what breaks the rule in a file: line (from 1, or 0 for the file as a whole) and what is there.
    pub(crate) find: fn(&Source) -> Vec<(usize, String)>,
    /// Path and text of files that break it.
    pub(crate) bad: &'static [(&'static str, &'static str)],
    /// Path and text of files that come close and do not.
    pub(crate) good: &'static [(&'static str, &'static str)],
}

/// Files that may read a Cargo feature: the kernels choose a device, the others are the switch of one optional part.
const SWITCHES: [&str; 4] =
    ["kernels/", "engine/src/local/mod.rs", "engine/src/hosted/mod.rs", "engine/src/media/mod.rs"];

/// Files that may be `unsafe`: instruction sets and devices, the one file mapping, libav's C interface.
const UNSAFE: [&str; 2] = ["kernels/", "models/src/weights/map.rs"];

/// Files that may open a socket: the one file of the one door, and the servers that the tests play against it.
const NETWORK: [&str; 2] = ["engine/src/egress/door.rs", "tests/testkit/"];

/// The file that may start a program: the keyring's own tool, which connects to nothing but the session on this machine.
const STARTS: [&str; 1] = ["engine/src/egress/keyring.rs"];

/// How many lines a Rust file has before it must say why.
const LONG: usize = 600;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        says: "a Cargo feature is read only in kernels and the switches of engine",
        find: |file| {
            if allowed(file, &SWITCHES) {
                return Vec::new();
            }
            matching(&file.code(), |line| {
                let at = line.find("feature = \"")?;
                // `target_feature` asks the processor, not Cargo.
                (!line[..at].ends_with('_')).then_some("feature")
            })
        },
        bad: &[
            ("models/src/wan/vae.rs", "#[cfg(feature = \"cuda\")]\nfn f() {}\n"),
            ("cli/src/main.rs", "if cfg!(all(unix, feature = \"cuda\")) {}\n"),
            ("engine/src/router/mod.rs", "#![cfg_attr(not(feature = \"local\"), allow(x))]\n"),
        ],
        good: &[
            ("kernels/src/ops/rope.rs", "#[cfg(feature = \"cuda\")]\n"),
            ("engine/src/local/mod.rs", "#[cfg(feature = \"local\")]\n"),
            (
                "models/src/lib.rs",
                "//! #[cfg(feature = \"x\")]\n#[cfg(target_feature = \"fma\")]\n",
            ),
        ],
    },
    Rule {
        says: "`unsafe` stands only where DESIGN allows it",
        find: |file| {
            if allowed(file, &UNSAFE) {
                return Vec::new();
            }
            matching(&file.code(), |line| has_word(line, "unsafe").then_some("unsafe"))
        },
        bad: &[
            ("models/src/weights/file.rs", "let x = unsafe { *p };\n"),
            ("engine/src/media/ffmpeg.rs", "unsafe impl Send for X {}\n"),
        ],
        good: &[
            ("models/src/weights/map.rs", "unsafe { Mmap::map(&file) }\n"),
            ("models/src/lib.rs", "#![forbid(unsafe_code)] // no unsafe\nlet s = \"unsafe\";\n"),
        ],
    },
    Rule {
        says: "a connection is opened only in engine/src/egress/door.rs",
        find: |file| {
            if allowed(file, &NETWORK) {
                return Vec::new();
            }
            const OPENS: [&str; 20] = [
                "TcpStream",
                "TcpListener",
                "UdpSocket",
                "UnixStream",
                "UnixListener",
                "UnixDatagram",
                "avio_open",
                "avio_open2",
                "avformat_network_init",
                "curl",
                "quinn",
                "ToSocketAddrs",
                "reqwest",
                "ureq",
                "hyper",
                "native_tls",
                "rustls",
                "socket2",
                "mio",
                "tokio",
            ];
            const CALLS: [&str; 7] = [
                "connect(",
                "getaddrinfo(",
                "libc::socket(",
                "rustix::net",
                "hf_hub::api",
                "network::init(",
                "format::network",
            ];
            matching(&file.code(), |line| {
                OPENS
                    .into_iter()
                    .find(|word| has_word(line, word))
                    .or_else(|| CALLS.into_iter().find(|call| line.contains(call)))
            })
        },
        bad: &[
            ("engine/src/store/pull.rs", "let s = std::net::TcpStream::connect(a)?;\n"),
            ("engine/src/hosted/client.rs", "use ureq::Agent;\n"),
            ("cli/src/commands/pull.rs", "socket.connect(address)\n"),
            ("tests/cli/main.rs", "let l = TcpListener::bind(a)?;\n"),
            // Not even another file of the same room, nor one beside it.
            ("engine/src/egress/log.rs", "use ureq::Agent;\n"),
            ("engine/src/egress/upload.rs", "let s = TcpStream::connect(a)?;\n"),
            ("engine/src/egress/door/second.rs", "use std::net::UdpSocket;\n"),
            ("engine/src/egress.rs", "use ureq::Agent;\n"),
            ("engine/src/hosted/fal.rs", "let s = rustix::net::socket(a, b, c)?;\n"),
            // Nor in another package, nor through a library that has a network of its own.
            ("cli/src/serve.rs", "let l = std::os::unix::net::UnixListener::bind(a)?;\n"),
            ("models/src/wan/mod.rs", "let a = reqwest::blocking::get(a)?;\n"),
            ("models/cards/src/lib.rs", "let s = std::net::UdpSocket::bind(a)?;\n"),
            ("adapters/src/lora.rs", "use std::os::unix::net::UnixStream;\n"),
            ("kernels/src/launch.rs", "let fd = libc::socket(a, b, c);\n"),
            ("benches/src/peer.rs", "let s = TcpStream::connect(a)?;\n"),
            ("engine/src/media/ffmpeg.rs", "ffmpeg::format::network::init();\n"),
            ("engine/src/media/ffmpeg.rs", "let e = ffi::avio_open2(a, b, c, d, e);\n"),
            ("engine/src/media/read.rs", "use ffmpeg::format::network;\n"),
        ],
        good: &[
            ("engine/src/egress/door.rs", "use ureq::Agent;\n"),
            ("tests/testkit/server.rs", "use std::net::TcpListener;\n"),
            ("engine/src/egress/address.rs", "use std::net::IpAddr;\nlet is_networked = 1;\n"),
            ("engine/src/store/mod.rs", "//! No TcpStream here.\nlet hyperbole = 1;\n"),
        ],
    },
    Rule {
        says: "no program but the keyring's tool is started, which could connect in our place",
        find: |file| {
            if allowed(file, &STARTS) {
                return Vec::new();
            }
            const CALLS: [&str; 5] =
                ["process::Command", "process::{", "Command::new(", "posix_spawn", "libc::exec"];
            matching(&file.shipped_code(), |line| {
                CALLS.into_iter().find(|call| line.contains(call))
            })
        },
        bad: &[
            ("engine/src/store/pull.rs", "let c = std::process::Command::new(\"curl\");\n"),
            ("cli/src/ui.rs", "use std::process::Command;\n"),
            // Not even another file of the same room.
            ("engine/src/egress/keys.rs", "use std::process::{Child, Command};\n"),
        ],
        good: &[
            ("engine/src/egress/keyring.rs", "let mut c = Command::new(&self.program);\n"),
            ("tests/cli/command.rs", "let mut c = Command::new(path);\n"),
            ("cli/src/args.rs", "pub(crate) enum Command { Check }\nCommand::Check\n"),
        ],
    },
    Rule {
        says: "kernels and models have no network, environment, clock or random numbers",
        find: |file| {
            if !file.path.starts_with("kernels/src/") && !file.path.starts_with("models/") {
                return Vec::new();
            }
            const OUTSIDE: [&str; 10] = [
                "std::net",
                "std::env",
                "env::var",
                "SystemTime",
                "Instant",
                "std::process",
                "rand::",
                "fastrand",
                "getrandom",
                "thread_rng",
            ];
            matching(&file.shipped_code(), |line| {
                OUTSIDE.into_iter().find(|word| {
                    line.match_indices(word)
                        .any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric))
                })
            })
        },
        bad: &[
            ("models/src/wan/mod.rs", "let x = std::env::var(\"X\");\n"),
            ("kernels/src/ops/rope.rs", "let t = Instant::now();\n"),
            ("kernels/src/ops/norm.rs", "let x: f32 = rand::random();\n"),
            ("kernels/src/ops/norm.rs", "let x = fastrand::f32();\n"),
        ],
        good: &[
            ("engine/src/local/memory.rs", "let x = std::env::var(\"X\");\n"),
            ("kernels/src/ops/norm.rs", "use super::operand::Operand;\n"),
            (
                "models/src/wan/mod.rs",
                "let x = env!(\"CARGO_PKG_NAME\");\n#[cfg(test)]\nuse std::time::Instant;\n",
            ),
        ],
    },
    Rule {
        says: "kernels open no file, and models open one only in weights/map.rs",
        find: |file| {
            let inside = file.path.starts_with("kernels/src/") || file.path.starts_with("models/");
            if !inside || file.path == "models/src/weights/map.rs" {
                return Vec::new();
            }
            const OPENS: [&str; 6] = [
                "File::open(",
                "File::create(",
                "fs::read(",
                "fs::read_to_string(",
                "fs::write(",
                "OpenOptions",
            ];
            matching(&file.shipped_code(), |line| {
                // `TensorFile::open` and the like go through weights/map.rs.
                OPENS.into_iter().find(|call| {
                    line.match_indices(call)
                        .any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric))
                })
            })
        },
        bad: &[
            ("models/src/wan/config.rs", "let text = std::fs::read_to_string(path)?;\n"),
            ("kernels/src/lib.rs", "let f = File::open(path)?;\n"),
        ],
        good: &[
            ("models/src/weights/map.rs", "let file = File::open(path)?;\n"),
            ("models/src/weights/shards.rs", "let file = TensorFile::open(path)?;\n"),
        ],
    },
    Rule {
        says: "a checkpoint is a card: no code asks for a model by its name",
        find: |file| {
            if !file.is_rust()
                || file.path.starts_with("tests/")
                || file.path.starts_with("benches/")
            {
                return Vec::new();
            }
            const NAMES: [&str; 4] = ["== \"wan", "== \"hunyuan", "== \"ltx", "== \"Wan-AI"];
            let shipped = file.shipped_code().len();
            let lines: Vec<String> = file.text().lines().take(shipped).map(str::to_owned).collect();
            matching(&lines, |line| NAMES.into_iter().find(|name| line.contains(name)))
        },
        bad: &[("engine/src/local/enabled.rs", "if card.name == \"wan2.1-t2v-14b\" {}\n")],
        good: &[(
            "engine/src/local/enabled.rs",
            "let families = [\"wan\"];\n#[cfg(test)]\nassert!(x == \"wan\");\n",
        )],
    },
    Rule {
        says: "nothing is left to be done",
        find: |file| {
            const NOTES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
            const CALLS: [&str; 3] = ["dbg!(", "todo!(", "unimplemented!("];
            if file.path.starts_with("tests/tidy/")
                || file.path.ends_with("Cargo.lock")
                || is_data(file)
            {
                return Vec::new();
            }
            let lines: Vec<String> = file.text().lines().map(str::to_owned).collect();
            let mut found =
                matching(&lines, |line| NOTES.into_iter().find(|note| has_word(line, note)));
            found.extend(matching(&file.code(), |line| {
                CALLS.into_iter().find(|call| line.contains(call))
            }));
            found
        },
        bad: &[
            ("models/src/lib.rs", "// TODO: later\n"),
            ("README.md", "FIXME\n"),
            ("cli/src/main.rs", "    todo!()\n"),
            ("cli/src/main.rs", "dbg!(x);\n"),
        ],
        good: &[("models/src/lib.rs", "let TODOS = \"dbg!()\";\n")],
    },
    Rule {
        says: "no path of a machine and no package registry's host is named",
        find: |file| {
            if file.path.starts_with("tests/tidy/") || file.path.ends_with("Cargo.lock") {
                return Vec::new();
            }
            const PLACES: [&str; 5] =
                ["/home/", "/root/", "/Users/", ":\\Users", "_name_or_path\": \"/"];
            const HOSTS: [&str; 7] = [
                "crates.io",
                "pypi.org",
                "pythonhosted.org",
                "npmjs.org",
                "deb.debian.org",
                "archive.ubuntu.com",
                "proxy.golang.org",
            ];
            let lines: Vec<String> = file.text().lines().map(str::to_owned).collect();
            matching(&lines, |line| {
                PLACES.into_iter().chain(HOSTS).find(|place| line.contains(place))
            })
        },
        bad: &[
            ("tests/golden/make.py", "p = '/home/me/x'\n"),
            ("x", "pip --index-url https://pypi.org/simple\n"),
        ],
        good: &[("README.md", "See ~/.cache/kinora and /usr/lib, /homework.\n")],
    },
    Rule {
        says: "a file is named by what it holds",
        find: |file| {
            const EMPTY: [&str; 8] =
                ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];
            let parts = file.path.split('/').flat_map(|part| part.split('.').next());
            let found =
                parts.flat_map(|part| part.split(['_', '-'])).filter(|word| EMPTY.contains(word));
            found.map(|word| (0, word.to_owned())).collect()
        },
        bad: &[
            ("models/src/utils.rs", ""),
            ("engine/src/common/mod.rs", ""),
            ("engine/src/job_manager.rs", ""),
        ],
        good: &[("engine/src/commons_licence.rs", ""), ("engine/src/store.rs", "")],
    },
    Rule {
        says: "a Rust file opens by saying what it is, and past 600 lines why it is one file",
        find: |file| {
            if !file.is_rust() {
                return Vec::new();
            }
            let header: Vec<&str> =
                file.text().lines().take_while(|line| line.starts_with("//!")).collect();
            let mut found = Vec::new();
            if header.first().is_none_or(|line| line.trim_start_matches("//!").trim().is_empty()) {
                found.push((1, "no `//!` line".to_owned()));
            }
            let lines = file.text().lines().count();
            if lines > LONG && !header.join(" ").contains("600 lines") {
                found.push((1, format!("{lines} lines and no reason that names the 600 lines")));
            }
            found
        },
        bad: &[
            ("models/src/lib.rs", "use x;\n"),
            ("models/src/lib.rs", "/// A type.\nstruct X;\n"),
            ("models/src/lib.rs", "//!\n"),
            ("models/src/lib.rs", LONG_FILE),
        ],
        good: &[("models/src/lib.rs", "//! The models.\n"), ("models/a.toml", "x = 1\n")],
    },
    Rule {
        says: "a test that is not run says what it waits for",
        find: |file| {
            matching(&file.code(), |line| line.contains("#[ignore]").then_some("#[ignore]"))
        },
        bad: &[("tests/models/main.rs", "#[test]\n#[ignore]\nfn f() {}\n")],
        good: &[("tests/models/main.rs", "#[ignore = \"weights: wan2.1-t2v-1.3b\"]\n")],
    },
    Rule {
        says: "only cli prints and ends the process",
        find: |file| {
            if file.path.starts_with("cli/") || file.path.ends_with("build.rs") {
                return Vec::new();
            }
            const TALKS: [&str; 6] = [
                "print!(",
                "println!(",
                "eprint!(",
                "eprintln!(",
                "process::exit(",
                "process::abort(",
            ];
            matching(&file.shipped_code(), |line| {
                TALKS.into_iter().find(|call| line.contains(call))
            })
        },
        bad: &[
            ("engine/src/lib.rs", "println!(\"x\");\n"),
            ("models/src/lib.rs", "std::process::exit(1)\n"),
        ],
        good: &[
            ("cli/src/ui.rs", "println!(\"x\");\n"),
            ("engine/src/lib.rs", "let s = \"println!(\";\n"),
        ],
    },
    Rule {
        says: "text ends with one newline, has no carriage return and no blanks at the end of a line",
        find: |file| {
            let text = file.text();
            // Recorded text is as it was recorded; its lines may end in blanks.
            if text.is_empty() || file.path.starts_with("tests/golden/") {
                return Vec::new();
            }
            let mut found = Vec::new();
            if !text.ends_with('\n') || text.ends_with("\n\n") {
                found.push((text.lines().count(), "end of file".to_owned()));
            }
            let blank = |line: &str| line.ends_with([' ', '\t', '\r']);
            let lines = text.split_terminator('\n').enumerate().filter(|(_, line)| blank(line));
            found.extend(lines.map(|(at, _)| (at + 1, "blank at the end".to_owned())));
            found
        },
        bad: &[("a.md", "x"), ("a.md", "x\n\n"), ("a.toml", "x \n"), ("x", "x\r\n")],
        good: &[("a.md", "x\n\ny\n"), ("a.rs", "")],
    },
];

const LONG_FILE: &str = {
    const BYTES: [u8; 1210] = {
        let mut bytes = [b'\n'; 1210];
        (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]) = (b'/', b'/', b'!', b' ', b'x');
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => panic!("it is ASCII"),
    }
};

fn allowed(file: &Source, places: &[&str]) -> bool {
    places.iter().any(|place| {
        if place.ends_with('/') { file.path.starts_with(place) } else { file.path == *place }
    })
}

/// Tables of names and recorded bytes, whose words are not ours.
fn is_data(file: &Source) -> bool {
    file.path.starts_with("tests/inventory/")
        || file.path.starts_with("tests/golden/") && !file.path.ends_with(".py")
}

fn matching<'a>(lines: &[String], find: impl Fn(&str) -> Option<&'a str>) -> Vec<(usize, String)> {
    let found =
        lines.iter().enumerate().filter_map(|(at, line)| Some((at + 1, find(line)?.to_owned())));
    found.collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(joins) && !line[at + word.len()..].starts_with(joins))
}
