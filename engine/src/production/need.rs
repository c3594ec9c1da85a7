//! What a cut needs of a model, and what binds the choice: the files of a production in the words of the router.

use std::fs;

use jiff::civil::Date;

use super::label::Label;
use super::project::Production;
use super::resolve::ResolvedCut;
use crate::hosted::Task;
use crate::ledger::Ledger;
use crate::media::Fps;
use crate::router::{CutKind, Evidence, Known, Left, Need, Policy, Proposal, Words, propose};
use crate::{Error, Result};

impl Production {
    /// What a cut needs of a model, for so many takes. What nobody says is left to each model. `resolved` is the cut without a card:
    /// what it says itself.
    pub fn need(&self, resolved: &ResolvedCut<'_>, takes: u32) -> Need {
        let cut = resolved.cut;
        let task = match (&cut.first_frame, &cut.last_frame) {
            (Some(_), Some(_)) => Task::FirstLastFrame,
            (Some(_), None) => Task::FirstFrame,
            (None, _) => Task::Text,
        };
        let fps = self.delivery_fps.as_ref().and_then(|said| said.value.parse::<Fps>().ok());
        let known = cut.characters.iter().filter_map(|said| self.character(&said.value));
        let known = known.map(|character| Known {
            name: character.id.value.clone(),
            adapters: character
                .adapters
                .iter()
                .filter(|(_, files)| !files.is_empty())
                .map(|(fits, _)| fits.value.clone())
                .collect(),
            references: count(character.references.len()),
        });
        Need {
            cut: cut.id.clone(),
            kind: kind(resolved),
            task,
            references: count(cut.references.len()),
            audio: resolved.audio.as_ref().map(|audio| audio.value),
            multi_shot: cut.multi_shot,
            length: resolved.length.as_ref().map(|length| length.value),
            size: resolved.size.as_ref().map(|size| size.value),
            fps: fps.map(|fps| f64::from(fps.num()) / f64::from(fps.den())),
            characters: known.collect(),
            model: resolved.model.as_ref().map(|model| model.value.clone()),
            deadline_secs: resolved.deadline_secs.as_ref().map(|secs| secs.value as f64),
            takes,
        }
    }

    /// What is known by experience: preferences of the program and of the production, what was kept here and elsewhere.
    ///
    /// # Errors
    /// An index that cannot be used, a file that cannot be read or makes no sense.
    pub fn evidence(&self, ledger: Option<&Ledger>) -> Result<Evidence> {
        let mut evidence = Evidence::default();
        for (kind, preferences) in &self.routing {
            evidence.preferences.put(*kind, preferences.clone());
        }
        if let Some(ledger) = ledger {
            evidence.keep_rates = ledger.keep_rates()?;
        }
        if let Some(file) = &self.evidence {
            let path = self.folder.join(&file.value);
            let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
            evidence.add(&text).map_err(|source| {
                let (place, source) = (file.place.clone(), Box::new(source));
                super::Error::Evidence { place, source }
            })?;
        }
        Ok(evidence)
    }

    /// What binds the choice for something that `label` covers, with so much left to spend.
    pub fn policy(&self, label: Label, left: Left, offline: bool, today: Date) -> Policy {
        Policy {
            privacy: label.privacy,
            labelled_by: Some(label.by),
            providers: Some(self.servers.iter().map(|s| s.provider.value.clone()).collect()),
            commercial: self.commercial.as_ref().is_some_and(|said| said.value),
            territory: self.territory.as_ref().map(|said| said.value.clone()),
            left,
            offline,
            today,
            accepts_unverified: self.budget.unverified,
        }
    }
}

/// The type of a cut: what it says, else what its words say.
fn kind(resolved: &ResolvedCut<'_>) -> Proposal {
    let cut = resolved.cut;
    // A word that is none was refused when the production was read.
    let said = cut.kind.as_ref().and_then(|kind| kind.value.parse::<CutKind>().ok());
    let text = |said: &Option<super::Said<String>>| {
        said.as_ref().map_or_else(String::new, |said| said.value.clone())
    };
    said.map_or_else(
        || {
            propose(&Words {
                intent: &text(&cut.intent),
                prompt: &cut.prompt.value,
                camera: &text(&cut.camera),
                characters: cut.characters.len(),
                multi_shot: cut.multi_shot,
            })
        },
        Proposal::said,
    )
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
