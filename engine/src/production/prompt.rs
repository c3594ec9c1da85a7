//! The words that a model is given: the cut's own, with its characters, camera, style and the rules of the world.

use super::cut::{Cut, Scene};
use super::project::Production;

/// The characters that a prompt names as `{mina}`, in order. `{{` and `}}` stand for braces.
///
/// # Errors
/// A brace that is not closed, or closes nothing.
pub(super) fn names(prompt: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    walk(prompt, &mut |piece| {
        if let Piece::Name(name) = piece {
            names.push(name);
        }
    })?;
    Ok(names)
}

enum Piece<'a> {
    Words(&'a str),
    Name(&'a str),
}

fn walk<'a>(prompt: &'a str, take: &mut dyn FnMut(Piece<'a>)) -> Result<(), String> {
    let mut rest = prompt;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..=at];
        take(Piece::Words(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            take(Piece::Words(brace));
            rest = after;
        } else if brace == "}" {
            return Err("a } that closes nothing (write }} for a brace)".to_owned());
        } else {
            let end = rest.find('}').ok_or("a { that is not closed (write {{ for a brace)")?;
            take(Piece::Name(rest[..end].trim()));
            rest = &rest[end + 1..];
        }
    }
    take(Piece::Words(rest));
    Ok(())
}

impl Production {
    /// The prompt of a cut: its own words, where `{mina}` is what mina looks like, then characters that it does not name, what the
    /// camera does, the style, and the rules of the world. `answers` says whether a character's adapter will be on, so that its
    /// trigger is understood.
    pub fn prompt(&self, scene: &Scene, cut: &Cut, answers: &dyn Fn(&str) -> bool) -> String {
        let look = |id: &str| {
            let Some(character) = self.character(id) else { return id.to_owned() };
            let trigger = character.trigger.as_ref().filter(|_| answers(id));
            let words = [trigger, character.description.as_ref()].into_iter().flatten();
            let words: Vec<&str> = words.map(|said| said.value.trim()).collect();
            if words.is_empty() {
                character.name.clone().unwrap_or_else(|| id.to_owned())
            } else {
                words.join(", ")
            }
        };
        let (mut text, mut named) = (String::new(), Vec::new());
        // A prompt with a brace that is not closed was refused when the production was read.
        let walked = walk(&cut.prompt.value, &mut |piece| match piece {
            Piece::Words(words) => text.push_str(words),
            Piece::Name(name) => {
                text.push_str(&look(name));
                named.push(name.to_owned());
            }
        });
        if walked.is_err() {
            text.clone_from(&cut.prompt.value);
        }
        let unnamed = cut.characters.iter().filter(|character| !named.contains(&character.value));
        let mut parts = vec![text];
        parts.extend(unnamed.map(|character| look(&character.value)));
        parts.extend(cut.camera.iter().map(|camera| camera.value.clone()));
        let style = self.style_of(scene, cut).and_then(|style| style.prompt.as_ref());
        parts.extend(style.map(|prompt| prompt.value.clone()));
        parts.extend(self.rules.iter().map(|rule| rule.value.clone()));
        joined(&parts, ", ")
    }

    /// What the picture should not be: `base`, which is what the strongest level says, and what the world adds. `None` where
    /// nobody says anything and the model's own holds.
    pub fn negative(&self, base: Option<&str>) -> Option<String> {
        if base.is_none() && self.negatives.is_empty() {
            return None;
        }
        let mut parts = vec![base.unwrap_or_default().to_owned()];
        parts.extend(self.negatives.iter().map(|negative| negative.value.clone()));
        Some(joined(&parts, ", "))
    }
}

/// Joins sentences and phrases so that no point is followed by a comma.
fn joined(parts: &[String], comma: &str) -> String {
    let mut text = String::new();
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push_str(if text.ends_with(['.', '!', '?', ',', ';', '…']) {
                " "
            } else {
                comma
            });
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces() {
        assert_eq!(names("{mina} and {joe}, {{not}} {mina}"), Ok(vec!["mina", "joe", "mina"]));
        for wrong in ["{mina", "mina}", "{a} }"] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
        let parts =
            ["A cat. ", "", "slow push in", "Rain never stops.", "grain"].map(str::to_owned);
        assert_eq!(joined(&parts, ", "), "A cat. slow push in, Rain never stops. grain");
    }
}
