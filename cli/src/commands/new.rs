//! `kinora new`: begins a production.

use std::path::Path;
use std::process::ExitCode;

use kinora_engine::production::Production;

use crate::errors::Failure;
use crate::ui;

/// Writes the files and says what to do with them.
pub(crate) fn run(folder: &Path) -> Result<ExitCode, Failure> {
    for file in Production::begin(folder)? {
        ui::print(&file.display().to_string());
    }
    ui::tell("now change them as you like; `kinora check` says whether they are right");
    Ok(ExitCode::SUCCESS)
}
