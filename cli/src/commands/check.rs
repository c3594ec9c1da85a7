//! `kinora check`: everything that is wrong in a production.

use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::production::{Error, Production};

use crate::args::Where;
use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// Prints one line for each thing that is wrong, or what there is.
pub(crate) fn run(place: &Where) -> Result<ExitCode, Failure> {
    let folder = settings::production_folder(place)?;
    match Production::load(&folder) {
        Ok(production) => {
            let (scenes, cuts) = (production.scenes.len(), production.cuts().count());
            let characters = production.characters.len();
            let parts = [(scenes, "scene"), (cuts, "cut"), (characters, "character")];
            let parts = parts.map(|(n, what)| ui::count(n, what)).join(", ");
            ui::print(&format!("{}: {}, nothing wrong", production.name, parts));
            Ok(ExitCode::SUCCESS)
        }
        Err(Error::Invalid { problems }) => {
            for problem in &problems {
                let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})"));
                ui::print(&format!("{problem}{}", hint.unwrap_or_default()));
            }
            let (n, them) =
                (problems.len(), if problems.len() == 1 { "thing is" } else { "things are" });
            Err(Failure::new(Kind::Config, format!("{n} {them} wrong in {}", folder.display())))
        }
        Err(error) => Err(error.into()),
    }
}
