//! Keys of providers: kept in a keyring that a script plays, or in a file, and never shown.
#![cfg(not(target_os = "macos"))] // The script says what `secret-tool` says.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::command::{Place, text};

const KEY: &str = "sk-4/f9+Zq";

/// Keeps keys in files, and writes down what it was started with.
const RING: &str = r#"
(echo "$*"; env) >> "$HOME/told"
for name; do :; done
ring="$HOME/ring-$name"
case $1 in
    store) cat > "$ring";;
    clear) rm "$ring";;
    search) [ ! -e "$ring" ] || printf '[/1]\nlabel = x\nsecret = %s\n' "$(cat "$ring")";;
esac"#;

/// A place whose keyring is asked through this script.
fn desktop(script: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path("tools")).expect("room");
    std::fs::create_dir_all(place.path("user")).expect("room");
    let tool = place.path("tools/secret-tool");
    std::fs::write(&tool, format!("#!/bin/sh\n{script}\n")).expect("room");
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).expect("ours");
    place
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    command.env("PATH", place.path("tools"));
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere").env("TEST_OTHER_KEY", "k-other");
    command
}

/// Runs the command with this on its standard input. The key stands in nothing that it says.
fn run(mut command: Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // It may not want any.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!said.contains("sk-4") && !said.contains("f9+"), "{said}");
    output
}

/// What a command says that is given this.
fn said(place: &Place, arguments: &[&str], input: &str) -> String {
    let output = run(command(place, arguments), input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let said = format!("exit {}\n{out}{err}", output.status.code().unwrap_or(-1));
    said.replace(&place.path("").display().to_string(), "DIR/")
}

#[test]
fn a_key_is_kept_in_the_keyring_listed_and_removed() {
    let place = desktop(RING);
    insta::assert_snapshot!(said(&place, &["keys", "set", "fal"], &format!("{KEY}\n")), @r"
    exit 0
    the key for fal is in the keyring
    ");
    let listed = said(&place, &["keys", "list"], "");
    assert!(listed.contains("\nfal                  keyring\n"), "{listed}");
    assert!(listed.contains("\nkling                no key\n"), "{listed}");
    let json = said(&place, &["keys", "list", "--json"], "");
    let line = r#"{"provider":"fal","place":"keyring","at":null,"error":null}"#;
    assert!(json.lines().any(|found| found == line), "{json}");
    let again = said(&place, &["keys", "set", "fal"], "two words");
    insta::assert_snapshot!(again, @r"
    exit 3
    error: standard input holds no key
    hint: type it, or pipe it in; it is one word, and is not an argument, which others could read
    ");
    insta::assert_snapshot!(said(&place, &["keys", "remove", "fal"], ""), @r"
    exit 0
    the key for fal is gone from the keyring
    ");
    insta::assert_snapshot!(said(&place, &["keys", "remove", "fal"], ""), @r"
    exit 2
    error: there is no key for fal in the keyring or in a file of yours
    hint: `kinora keys list` shows where there is one
    ");
    let told = std::fs::read_to_string(place.path("user/told")).expect("it was asked");
    assert!(told.contains("store --label=Kinora: fal service kinora provider fal"), "{told}");
    for secret in ["sk-4", "k-other"] {
        assert!(!told.contains(secret), "neither an argument nor a variable: {told}");
    }
}

#[test]
fn a_key_is_kept_in_a_file_where_there_is_no_keyring_or_it_is_not_to_be_used() {
    let place = desktop("echo 'The name org.freedesktop.secrets was not provided' >&2; exit 1");
    insta::assert_snapshot!(said(&place, &["keys", "set", "render.lan:8000"], KEY), @r"
    exit 0
    the key for render.lan:8000 is in the file DIR/user/.local/share/kinora/keys/render.lan:8000, which only you can read
    there is no keyring here that `secret-tool` or `security` could put it into
    ");
    let file = place.path("user/.local/share/kinora/keys/render.lan:8000");
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    let listed = said(&place, &["keys", "list"], "");
    assert!(listed.contains("render.lan:8000      file DIR/user/"), "{listed}");
    assert!(
        said(&place, &["keys", "remove", "render.lan:8000"], "").contains("is gone from the file")
    );
    assert!(!file.exists());

    let place = desktop(RING);
    said(&place, &["keys", "set", "fal"], "sk-old");
    let kept = said(&place, &["keys", "set", "fal", "--file"], KEY);
    assert!(kept.contains("is in the file DIR/user/"), "{kept}");
    assert!(
        kept.ends_with("the keyring has a key of this name too, which comes first\n"),
        "{kept}"
    );
    let gone = said(&place, &["keys", "remove", "fal"], "");
    assert_eq!(gone.lines().count(), 3, "{gone}");
}

#[test]
fn a_keyring_that_fails_is_one_clear_error_without_the_key() {
    let echoes = format!("[ $1 != store ] || cat >&2; echo 'no: {KEY}' >&2; exit 1");
    insta::assert_snapshot!(said(&desktop(&echoes), &["keys", "set", "fal"], KEY), @r"
    exit 4
    error: key: the keyring does not take the key
    hint: unlock the keyring; `kinora keys set NAME --file` keeps a key without it
    ");
    let place = desktop("printf '[/1]\\nlabel = x\\n'; echo 'Cannot get secret' >&2");
    let listed = said(&place, &["keys", "list"], "");
    assert!(
        listed.contains("\nfal                  key: the keyring's entry for fal is locked\n"),
        "{listed}"
    );
    insta::assert_snapshot!(said(&place, &["keys", "remove", "fal"], ""), @r"
    exit 4
    error: key: the keyring's entry for fal is locked
    hint: unlock the keyring; `kinora keys set NAME --file` keeps a key without it
    ");
}

#[test]
fn a_route_finds_the_key_in_the_keyring_and_says_why_it_cannot() {
    let routes = |script: &str| {
        let place = desktop(script);
        place.prints(&["new", "film"]);
        let project = "schema = 1\nname = \"Keys\"\nprivacy = \"any\"\n[provider.kling]\n";
        std::fs::write(place.path("film/project.toml"), project).expect("room");
        let scene = "[[scene]]\nid = \"sc01\"\n[[scene.cut]]\nid = \"sh0010\"\nprompt = \"rain\"\nmodel = \"kling-3.0-omni\"\n";
        let scenes = std::fs::read_dir(place.path("film/scenes")).expect("scenes");
        scenes
            .for_each(|scene| std::fs::remove_file(scene.expect("a scene").path()).expect("ours"));
        std::fs::write(place.path("film/scenes/sc01.toml"), scene).expect("room");
        said(&place, &["route", "-C", "film"], "")
    };
    let found = routes(&format!("echo 'secret = {KEY}'"));
    assert!(found.starts_with("exit 0\nsc01/sh0010      kling-3.0-omni"), "{found}");
    let none = routes(":");
    assert!(none.starts_with("exit 7\n") && none.contains("there is no key for kling ("), "{none}");
    let locked = routes("echo '[/1]'");
    let why = "there is no key for kling: key: the keyring's entry for kling is locked";
    assert!(locked.starts_with("exit 7\n") && locked.contains(why), "{locked}");
}

#[test]
fn nobody_has_a_key_who_is_no_provider_and_no_host() {
    let place = desktop(RING);
    insta::assert_snapshot!(said(&place, &["keys", "set", "klign"], KEY), @r#"
    exit 2
    error: there is no provider "klign"
    hint: did you mean "kling"?
    "#);
    for name in ["../fal", "a/b", "-x.y", "localhost", "x y.z"] {
        let refused = said(&place, &["keys", "set", "--", name], KEY);
        assert!(refused.starts_with("exit 2\nerror: there is no provider"), "{refused}");
    }
    assert!(!place.path("user/told").exists(), "nobody was asked");
}
