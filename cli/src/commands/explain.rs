//! `kinora explain`: every value of a cut and where it was said.

use std::process::ExitCode;

use kinora_engine::Kind;
use kinora_engine::cards;
use kinora_engine::production::{Place, Production, Said, Settings};

use crate::args::Explain;
use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// Prints one line for each value.
pub(crate) fn run(options: &Explain) -> Result<ExitCode, Failure> {
    let production = Production::load(&settings::production_folder(&options.place)?)?;
    let chosen = production.select(std::slice::from_ref(&options.cut))?;
    let [cut] = chosen.as_slice() else {
        let message = format!("{} is a scene of {} cuts", options.cut, chosen.len());
        return Err(Failure::new(Kind::Usage, message).hint("name one of its cuts"));
    };
    let typed = |model: &String| Said { value: model.clone(), place: Place::whole("") };
    let typed = Settings { model: options.model.as_ref().map(typed), ..Settings::default() };
    let resolve =
        |card| production.resolve(&cut.id, &typed, card).expect("because it was selected");
    // What the card says depends on the model, which the files say.
    let model = resolve(None).model.map(|model| model.value);
    let mut resolved = resolve(model.as_deref().and_then(cards::find));
    resolved.label = production.label_by_pictures(resolved.scene, resolved.cut)?;
    let lines = resolved.explain();
    if options.json {
        let values: serde_json::Map<_, _> = lines
            .iter()
            .map(|line| {
                let value = serde_json::json!({ "value": line.value, "origin": line.origin });
                (line.name.to_owned(), value)
            })
            .collect();
        ui::print(&serde_json::json!({ "cut": cut.id.to_string(), "values": values }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    ui::print(&cut.id.to_string());
    let widest = lines.iter().map(|line| line.value.chars().count()).max().unwrap_or(0).min(40);
    for line in lines {
        ui::print(&format!("  {:<14} {:<widest$}  {}", line.name, line.value, line.origin));
    }
    Ok(ExitCode::SUCCESS)
}
