//! Holds the tree to the house's invariants, those that reading it can show. ARCHITECTURE.md says which these are.

mod crates;
mod rules;
mod source;

use rules::{RULES, Rule};
use source::Source;

/// Bytes that one file of a golden may have, and all of them together.
const GOLDEN: u64 = 300 * 1024;
const GOLDENS: u64 = 6 * 1024 * 1024;

fn broken(rule: &Rule, file: &Source) -> Vec<String> {
    let found = (rule.find)(file);
    found
        .iter()
        .map(|(line, what)| format!("{}:{line}: {what} ({})", file.path, rule.says))
        .collect()
}

#[test]
fn every_file_keeps_every_rule() {
    let tree = source::tree();
    assert!(tree.iter().any(|file| file.path == "Cargo.toml"), "the tree was not found");
    let broken: Vec<String> =
        tree.iter().flat_map(|file| RULES.iter().flat_map(|rule| broken(rule, file))).collect();
    assert!(broken.is_empty(), "{} things are out of place:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_rule_finds_what_breaks_it_and_nothing_else() {
    for rule in RULES {
        assert!(!rule.bad.is_empty() && !rule.good.is_empty(), "no example: {}", rule.says);
        for (path, text) in rule.bad {
            assert!(
                !broken(rule, &Source::new(path, text)).is_empty(),
                "not found in {path}: {text:?} ({})",
                rule.says
            );
        }
        for (path, text) in rule.good {
            assert_eq!(broken(rule, &Source::new(path, text)), [""; 0], "{text:?}");
        }
    }
}

#[test]
fn no_package_points_upward() {
    let manifests: Vec<Source> = source::tree()
        .into_iter()
        .filter(|file| file.path.rsplit('/').next() == Some("Cargo.toml"))
        .collect();
    assert_eq!(manifests.len(), 11, "the workspace and its ten packages");
    let faults: Vec<String> = manifests.iter().flat_map(crates::manifest_faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_engine_without_its_local_runtime_has_no_model_crate() {
    assert_eq!(crates::model_crates_in_engine(&["--no-default-features"]), [""; 0]);
    assert_eq!(
        crates::model_crates_in_engine(&["--no-default-features", "--features", "hosted"]),
        [""; 0]
    );
}

#[test]
fn one_client_of_the_network_is_linked_and_one_package_brings_it() {
    assert_eq!(crates::network_crates(), ["rustls by ureq", "ureq by kinora-engine"]);
}

/// Returns what is wrong with the goldens' sizes and with the note that each folder of them carries.
fn golden_faults(tree: &[Source]) -> Vec<String> {
    let goldens: Vec<&Source> =
        tree.iter().filter(|file| file.path.starts_with("tests/golden/")).collect();
    let mut faults: Vec<String> = Vec::new();
    for file in goldens.iter().filter(|file| file.size > GOLDEN) {
        faults.push(format!("{}: {} bytes, {GOLDEN} allowed", file.path, file.size));
    }
    let all: u64 = goldens.iter().map(|file| file.size).sum();
    if all > GOLDENS {
        faults.push(format!("tests/golden: {all} bytes, {GOLDENS} allowed"));
    }
    let mut cases: Vec<&str> = goldens
        .iter()
        .filter_map(|file| file.path.strip_prefix("tests/golden/")?.split_once('/'))
        .map(|(case, _)| case)
        .collect();
    cases.dedup();
    for case in cases {
        let note = format!("tests/golden/{case}/case.toml");
        if !goldens.iter().any(|file| file.path == note) {
            faults.push(format!("{note}: missing"));
        }
    }
    faults
}

#[test]
fn goldens_are_small_and_say_where_they_come_from() {
    let tree = source::tree();
    assert!(
        tree.iter().any(|file| file.path.starts_with("tests/golden/")),
        "the goldens were not found"
    );
    assert_eq!(golden_faults(&tree), [""; 0]);
}

#[test]
fn a_large_golden_and_one_without_a_note_are_found() {
    let sized = |path: &str, size| Source { path: path.to_owned(), size, text: None };
    let noted = |case: &str, size| {
        [
            sized(&format!("tests/golden/{case}/case.toml"), 10),
            sized(&format!("tests/golden/{case}/a"), size),
        ]
    };
    assert_eq!(golden_faults(&noted("x", GOLDEN)), [""; 0]);
    assert_eq!(
        golden_faults(&noted("x", GOLDEN + 1)),
        ["tests/golden/x/a: 307201 bytes, 307200 allowed"]
    );
    assert_eq!(
        golden_faults(&[sized("tests/golden/x/a", 1)]),
        ["tests/golden/x/case.toml: missing"]
    );
    let many: Vec<Source> = (0..21).flat_map(|case| noted(&format!("{case}"), GOLDEN)).collect();
    assert_eq!(golden_faults(&many).len(), 1);
}

#[test]
fn the_scripts_can_be_run() {
    for script in ["x", ".ci/run"] {
        let path = source::top().join(script);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert!(text.starts_with("#!"), "{script} does not name its shell");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = path.metadata().expect("it was just read").permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{script} cannot be executed");
        }
    }
}
