//! The files of the tree, and what of a Rust file is code.

use std::fs;
use std::path::PathBuf;

/// One file of the tree.
pub(crate) struct Source {
    /// Path from the top of the tree, with `/` between its parts.
    pub(crate) path: String,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Its text; `None` where it is not UTF-8.
    pub(crate) text: Option<String>,
}

impl Source {
    /// Makes a file that is not on disk.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), size: text.len() as u64, text: Some(text.to_owned()) }
    }

    /// Tells whether this is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Returns the text, empty where there is none.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Returns the lines of Rust code, comments and the insides of strings blanked; empty for other files.
    pub(crate) fn code(&self) -> Vec<String> {
        if self.is_rust() { code(self.text()) } else { Vec::new() }
    }

    /// Returns [`Source::code`] up to the first unit-test module.
    pub(crate) fn shipped_code(&self) -> Vec<String> {
        if self.path.starts_with("tests/") || self.path.starts_with("benches/") {
            return Vec::new();
        }
        let mut lines = self.code();
        if let Some(tests) = lines.iter().position(|line| line.trim() == "#[cfg(test)]") {
            lines.truncate(tests);
        }
        lines
    }
}

/// Returns the top of the tree.
pub(crate) fn top() -> PathBuf {
    // Where it is run, not where it was built: worktrees may share what they build.
    let tests = std::env::var_os("CARGO_MANIFEST_DIR");
    let tests = tests.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    tests.parent().expect("the tests lie in a folder of the tree").to_owned()
}

/// Reads every file of the tree but what git keeps for itself and what a build or a run leaves behind.
pub(crate) fn tree() -> Vec<Source> {
    let top = top();
    let mut files = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a folder of the tree can be read");
            let (path, name) = (entry.path(), entry.file_name());
            let left_behind = ["target", ".git"];
            let name = name.to_string_lossy();
            if left_behind.contains(&name.as_ref())
                || name.contains(".partial")
                || name.starts_with("kinora-demo")
            {
                continue;
            }
            if entry.file_type().expect("a file has a type").is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let inside = path.strip_prefix(&top).expect("what was found lies below the top");
            files.push(Source {
                path: inside.to_string_lossy().replace('\\', "/"),
                size: bytes.len() as u64,
                text: String::from_utf8(bytes).ok(),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Blanks comments and the insides of string and character literals, keeping every line where it was.
fn code(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest, 1),
            ['r', '"' | '#', ..] if !continues_a_name(&chars, at) => raw_string(rest).unwrap_or(0),
            ['\'', '\\', ..] => 2 + quoted_until(&rest[2..], '\''),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            kept.push(chars[at]);
            at += 1;
            continue;
        }
        let blanked = &rest[..length];
        let is_string = blanked[0] != '/';
        let quote = if is_string { "\"" } else { "" };
        kept.push_str(quote);
        kept.extend(blanked.iter().filter(|c| **c == '\n'));
        kept.push_str(quote);
        at += length;
    }
    kept.lines().map(str::to_owned).collect()
}

fn continues_a_name(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], open: usize) -> usize {
    let mut at = open;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn quoted_until(rest: &[char], end: char) -> usize {
    // The first character is escaped and never the end.
    rest.iter().skip(1).position(|c| *c == end).map_or(rest.len(), |at| at + 2)
}

/// Returns the length of the raw string that `rest` opens, `None` where it opens none.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some(())?;
    let body = 2 + hashes;
    let ends = |at: usize| {
        rest[at] == '"'
            && rest.len() - at > hashes
            && rest[at + 1..=at + hashes].iter().all(|c| *c == '#')
    };
    let end = (body..rest.len()).find(|at| ends(*at));
    Some(end.map_or(rest.len(), |at| at + 1 + hashes))
}

#[test]
fn comments_and_strings_are_no_code_and_lines_stay_where_they_were() {
    let text = "a // unsafe\n/* unsafe /* x */\nunsafe */ b \"unsafe \\\" unsafe\" c r#\"unsafe \"\nunsafe\"# d '\"' e '\\'' 'f for";
    assert_eq!(code(text), ["a ", "", " b \"\" c \"", "\" d \"\" e \"\" 'f for"]);
}
