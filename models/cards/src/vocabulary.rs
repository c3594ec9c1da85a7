//! The words of a model that knows few.

use serde::{Deserialize, Serialize};

/// What a small model can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// A prompt that it understands.
    pub example: String,
    /// The kinds of things it knows.
    pub things: Vec<Things>,
    /// Words that are let by: articles and the like.
    pub others: Vec<String>,
}

/// Things of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Things {
    /// The kind, in the plural.
    pub what: String,
    /// Each thing by its words or phrases; the first is the one to show.
    pub words: Vec<Vec<String>>,
}

impl Vocabulary {
    /// Returns the words of a prompt that are not in the vocabulary, each once, in their order.
    ///
    /// A word is a run of letters and digits, with apostrophes between them, whatever the case.
    pub fn unknown<'a>(&self, prompt: &'a str) -> Vec<&'a str> {
        let phrases = self.things.iter().flat_map(|things| things.words.iter().flatten());
        let known: Vec<&str> =
            phrases.chain(&self.others).flat_map(|phrase| phrase.split(' ')).collect();
        let mut unknown: Vec<&str> = Vec::new();
        for word in prompt.split(|c: char| !c.is_alphanumeric() && c != '\'') {
            let word = word.trim_matches('\'');
            let lower = word.to_lowercase();
            if !word.is_empty() && !known.contains(&lower.as_str()) && !unknown.contains(&word) {
                unknown.push(word);
            }
        }
        unknown
    }
}

#[cfg(test)]
mod tests {
    use crate::find;

    #[test]
    fn words_outside_the_world_are_found() {
        let mini = find("mini").expect("because the card is built in");
        let vocabulary = mini.vocabulary.as_ref().expect("because the card has one");
        assert_eq!(vocabulary.unknown(&vocabulary.example), Vec::<&str>::new());
        assert_eq!(
            vocabulary.unknown("The CRIMSON kitten, at night: jumping!"),
            Vec::<&str>::new()
        );
        let found = vocabulary.unknown("a Dog walks to Paris, a dog, a Dog; die Katze größer");
        assert_eq!(found, ["Dog", "Paris", "dog", "die", "Katze", "größer"]);
        assert_eq!(vocabulary.unknown("a 'red' cat, the cat's"), ["cat's"]);
        assert!(vocabulary.unknown("").is_empty() && vocabulary.unknown(" ,.!").is_empty());
    }
}
