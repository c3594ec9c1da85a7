//! Which package may depend on what: read from the manifests, and asked of cargo for the engine without its models.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source::{Source, top};

/// The packages and those of ours that each may depend on. Nothing points back.
const DIRECTION: [(&str, &[&str]); 10] = [
    ("kinora-kernels", &[]),
    ("kinora-cards", &[]),
    ("kinora-mini", &[]),
    ("kinora-models", &["kinora-cards", "kinora-kernels"]),
    ("kinora-adapters", &["kinora-models", "kinora-kernels"]),
    (
        "kinora-engine",
        &["kinora-adapters", "kinora-models", "kinora-cards", "kinora-mini", "kinora-kernels"],
    ),
    ("kinora", &["kinora-engine"]),
    (
        "kinora-tests",
        &["kinora-engine", "kinora-adapters", "kinora-models", "kinora-cards", "kinora-kernels"],
    ),
    (
        "kinora-benches",
        &[
            "kinora-tests",
            "kinora-engine",
            "kinora-adapters",
            "kinora-models",
            "kinora-cards",
            "kinora-kernels",
        ],
    ),
    ("kinora-fuzz", &["kinora-engine"]),
];

/// Crates that speak to a network, and the packages that may depend on one.
const NETWORK: [&str; 19] = [
    "ureq",
    "reqwest",
    "hyper",
    "isahc",
    "surf",
    "curl",
    "attohttpc",
    "minreq",
    "tokio",
    "socket2",
    "mio",
    "async-std",
    "smol",
    "quinn",
    "h2",
    "tungstenite",
    "native-tls",
    "openssl",
    "rustls",
];
const MAY_CONNECT: [&str; 1] = ["kinora-engine"];

/// Crates that a package must not depend on, whatever for.
const KEPT_OUT: [(&str, &[&str]); 9] = [
    ("kinora-kernels", &["anyhow", "rand", "tokenizers", "safetensors", "memmap2"]),
    ("kinora-cards", &["anyhow", "rand", "candle-core", "safetensors", "memmap2"]),
    ("kinora-mini", &["anyhow", "rand", "candle-core", "safetensors", "memmap2"]),
    ("kinora-models", &["anyhow", "rand"]),
    ("kinora-adapters", &["anyhow", "rand"]),
    ("kinora-engine", &["anyhow", "indicatif", "clap"]),
    ("kinora", &["candle-core", "cudarc", "safetensors"]),
    ("kinora-tests", &["anyhow"]),
    ("kinora-benches", &["anyhow"]),
];

/// Returns what is wrong with a manifest.
pub(crate) fn manifest_faults(file: &Source) -> Vec<String> {
    let manifest: toml::Table = match file.text().parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{}: {error}", file.path)],
    };
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")?.as_str())
    else {
        return Vec::new(); // the workspace itself
    };
    let Some((_, below)) = DIRECTION.iter().find(|(package, _)| *package == name) else {
        return vec![format!("{}: package {name} has no place in the house", file.path)];
    };
    let kept_out =
        KEPT_OUT.iter().find(|(package, _)| *package == name).map_or(&[][..], |(_, kept)| kept);
    let mut faults = Vec::new();
    for dependency in dependencies(&manifest) {
        if dependency.starts_with("kinora") && !below.contains(&dependency.as_str()) {
            faults.push(format!("{}: {name} must not know {dependency}", file.path));
        }
        if NETWORK.contains(&dependency.as_str()) && !MAY_CONNECT.contains(&name) {
            faults.push(format!(
                "{}: {name} must not reach a network through {dependency}",
                file.path
            ));
        }
        if kept_out.contains(&dependency.as_str()) {
            faults.push(format!("{}: {name} must not depend on {dependency}", file.path));
        }
    }
    if manifest.get("lints").is_none_or(|lints| lints.get("workspace").is_none()) {
        faults.push(format!("{}: the lints of the workspace are not taken", file.path));
    }
    faults
}

/// Names under every kind of dependency table, those of `[target]` too.
fn dependencies(table: &toml::Table) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => {
                names.extend(inner.iter().map(|(name, value)| {
                    let package = value.get("package").and_then(toml::Value::as_str);
                    package.unwrap_or(name).to_owned()
                }));
            }
            "target" => {
                names.extend(
                    inner.values().filter_map(toml::Value::as_table).flat_map(dependencies),
                );
            }
            _ => {}
        }
    }
    names
}

/// Returns the crates that the engine with these features pulls in, and that it then must not.
pub(crate) fn model_crates_in_engine(features: &[&str]) -> Vec<String> {
    let listed = tree(&[&["--package", "kinora-engine", "--prefix", "none"], features].concat());
    assert!(listed.contains("kinora-cards"), "the list of crates is not what it was: {listed}");
    model_crates(&listed)
}

/// Returns which crates that speak to a network the command contains, and which package brings each client of them.
pub(crate) fn network_crates() -> Vec<String> {
    let names: BTreeSet<String> = tree(&["--package", "kinora", "--prefix", "none"])
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| NETWORK.contains(name))
        .map(str::to_owned)
        .collect();
    let bring = |name: String| {
        let lines =
            tree(&["--package", "kinora", "--invert", &name, "--depth", "1", "--prefix", "none"]);
        let above: BTreeSet<&str> =
            lines.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        format!("{name} by {}", above.into_iter().collect::<Vec<_>>().join(", "))
    };
    names.into_iter().map(bring).collect()
}

/// What cargo says of the crates that are linked, or that are run to build.
fn tree(options: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(top())
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--format", "{p}"])
        .args(options)
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "cargo tree: {said}");
    String::from_utf8(tree.stdout).expect("cargo writes UTF-8")
}

/// The crates of a list, one a line, that belong to models and devices.
fn model_crates(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let heavy = |name: &&str| {
        name.starts_with("candle")
            || ["cudarc", "safetensors", "kinora-models", "kinora-kernels"].contains(name)
    };
    let mut found: Vec<String> = names.filter(heavy).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn a_manifest_that_points_upward_is_found() {
    let faults = |text: &str| {
        let found = manifest_faults(&Source::new("p/Cargo.toml", text));
        found
            .iter()
            .map(|fault| fault.split(": ").nth(1).unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}")
    };
    let none: [&str; 0] = [];
    assert_eq!(
        faults(&package("kinora-models", "[dependencies]\nkinora-kernels.workspace = true\n")),
        none
    );
    assert_eq!(
        faults(&package("kinora-models", "[dependencies]\nkinora-adapters.workspace = true\n")),
        ["kinora-models must not know kinora-adapters"]
    );
    assert_eq!(
        faults(&package(
            "kinora-models",
            "[target.'cfg(unix)'.dev-dependencies]\nup = { package = \"kinora-engine\" }\n"
        )),
        ["kinora-models must not know kinora-engine"]
    );
    assert_eq!(
        faults(&package("kinora-adapters", "[build-dependencies]\nureq = \"3\"\n")),
        ["kinora-adapters must not reach a network through ureq"]
    );
    assert_eq!(
        faults(&package("kinora", "[dependencies]\ncandle-core = \"0.11\"\n")),
        ["kinora must not depend on candle-core"]
    );
    assert_eq!(
        faults("[package]\nname = \"kinora-cards\"\n"),
        ["the lints of the workspace are not taken"]
    );
    assert_eq!(
        faults(&package("kinora-attic", "")),
        ["package kinora-attic has no place in the house"]
    );
    assert_eq!(faults("[package\n").len(), 1);
}

#[test]
fn model_crates_are_found_in_a_list() {
    let listed = "kinora-engine v0.1.0\ncandle-core v0.11.1 (*)\nhalf v2.7\ncandle-core v0.11.1\nsafetensors v0.8.0\n";
    assert_eq!(model_crates(listed), ["candle-core", "safetensors"]);
}

#[test]
fn the_engine_with_its_local_runtime_does_pull_the_model_crates() {
    assert!(model_crates_in_engine(&[]).contains(&"candle-core".to_owned()));
}
