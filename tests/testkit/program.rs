//! The command, as the workspace builds it beside its tests.

use std::path::{Path, PathBuf};

/// Where the command is.
///
/// # Panics
/// Where it was not built.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in deps");
    let path = folder.join(format!("kinora{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: `cargo build --workspace --bins` makes it, and `./x test` does so first",
        path.display()
    );
    path
}
