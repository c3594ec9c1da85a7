//! What is said of a scene.

use super::{Action, Background, Character, Colour, Draw, Scene};

/// How a scene is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// Each thing by its first name, in one order.
    Plain,
    /// As in training: synonyms, orders, and now and then less than everything.
    Varied,
    /// As in training, but colour, character, action and background are all said.
    Whole,
}

fn colours(colour: Colour) -> &'static [&'static str] {
    match colour {
        Colour::Red => &["red", "red", "red", "crimson", "scarlet"],
        Colour::Orange => &["orange"],
        Colour::Yellow => &["yellow", "yellow", "golden"],
        Colour::Green => &["green", "green", "emerald"],
        Colour::Blue => &["blue"],
        Colour::Purple => &["purple", "purple", "violet"],
        Colour::Pink => &["pink", "pink", "rosy"],
    }
}

fn characters(character: Character) -> &'static [&'static str] {
    match character {
        Character::Ball => &["ball", "ball", "round ball"],
        Character::Cat => &["cat", "cat", "kitten", "kitty"],
        Character::Robot => &["robot", "robot", "android"],
        Character::Ghost => &["ghost", "ghost", "spirit"],
        Character::Fish => &["fish"],
        Character::Star => &["star"],
        Character::Momo => &["momo"],
    }
}

fn places(background: Background) -> &'static [&'static str] {
    match background {
        Background::Meadow => &[
            "in a meadow",
            "in a green meadow",
            "on the grass",
            "in a sunny meadow",
            "in the hills",
        ],
        Background::Night => {
            &["at night", "under the moon", "in the night", "under the stars", "on a starry night"]
        }
        Background::Sea => {
            &["at sea", "by the sea", "over the sea", "by the ocean", "on the water"]
        }
        Background::Desert => {
            &["in the desert", "in a desert", "on the sand", "in the dunes", "in a hot desert"]
        }
        Background::Snow => {
            &["in the snow", "in a snowy field", "on the snow", "in winter", "in a snowy forest"]
        }
    }
}

/// Verb and gerund.
fn deeds(action: Action) -> &'static [(&'static str, &'static str)] {
    match action {
        Action::Left => &[
            ("moves left", "moving left"),
            ("moves to the left", "moving to the left"),
            ("goes left", "going left"),
            ("walks left", "walking left"),
            ("runs to the left", "running to the left"),
        ],
        Action::Right => &[
            ("moves right", "moving right"),
            ("moves to the right", "moving to the right"),
            ("goes right", "going right"),
            ("walks right", "walking right"),
            ("runs to the right", "running to the right"),
        ],
        Action::Jump => &[
            ("jumps", "jumping"),
            ("bounces", "bouncing"),
            ("hops", "hopping"),
            ("jumps up and down", "jumping up and down"),
        ],
        Action::Float => &[
            ("floats up", "floating up"),
            ("rises", "rising"),
            ("flies up", "flying up"),
            ("floats into the sky", "floating into the sky"),
        ],
        Action::Grow => &[
            ("grows", "growing"),
            ("gets bigger", "getting bigger"),
            ("becomes bigger", "becoming bigger"),
        ],
        Action::Spin => &[
            ("spins", "spinning"),
            ("rotates", "rotating"),
            ("turns around", "turning around"),
            ("spins around", "spinning around"),
        ],
        Action::Still => &[
            ("stands still", "standing still"),
            ("stays still", "staying still"),
            ("waits", "waiting"),
            ("does not move", "standing"),
        ],
    }
}

const ADJECTIVES: [&str; 7] = ["little", "cute", "happy", "small", "funny", "big", "nice"];

/// Words a scene. Momo has its own colour, which nobody says.
pub fn caption(scene: &Scene, wording: Wording, draw: &mut Draw) -> String {
    let is_plain = wording == Wording::Plain;
    let mut one = |of: &[&'static str]| if is_plain { of[0] } else { *draw.choice(of) };
    let colour = one(colours(scene.colour));
    let character = one(characters(scene.character));
    let place = one(places(scene.background));
    let deeds = deeds(scene.action);
    let (verb, gerund) = if is_plain { deeds[0] } else { *draw.choice(deeds) };
    let (noun, subject) = if scene.character == Character::Momo {
        (character.to_owned(), character.to_owned())
    } else {
        let adjective = if is_plain || draw.unit() > 0.12 {
            String::new()
        } else {
            format!("{} ", draw.choice(&ADJECTIVES))
        };
        let noun = format!("{adjective}{colour} {character}");
        let article = match noun.chars().next() {
            _ if !is_plain && draw.unit() < 0.15 => "the",
            Some('a' | 'e' | 'i' | 'o' | 'u') => "an",
            _ => "a",
        };
        let subject = format!("{article} {noun}");
        (noun, subject)
    };
    if is_plain {
        return format!("{subject} {verb} {place}");
    }
    // Forms from 0.79 to 0.98 leave something out.
    let form = match (wording, draw.unit()) {
        (Wording::Whole, r) if r * 0.81 >= 0.79 => 0.99,
        (Wording::Whole, r) => r * 0.81,
        (_, r) => r,
    };
    let mut text = match form {
        r if r < 0.42 => format!("{subject} {verb} {place}"),
        r if r < 0.54 => format!("{subject} {gerund} {place}"),
        r if r < 0.62 => format!("{place}, {subject} {verb}"),
        r if r < 0.68 => format!("{subject} {place}, {gerund}"),
        r if r < 0.74 => format!("{noun}, {place}, {gerund}"),
        r if r < 0.79 => format!("a cartoon of {subject} {gerund} {place}"),
        r if r < 0.87 => format!("{noun} {gerund}"),
        r if r < 0.91 => format!("{subject} {verb}"),
        r if r < 0.95 => format!("{subject} {place}"),
        r if r < 0.98 => noun,
        _ => format!("{subject} {verb} {place}, cartoon, high quality"),
    };
    if draw.unit() < 0.15 {
        text.push('.');
    }
    if draw.unit() < 0.04 {
        text = with_unknown_word(&text, draw);
    }
    text
}

/// Puts in a word that means nothing, to be ignored.
fn with_unknown_word(text: &str, draw: &mut Draw) -> String {
    let letters = 3 + draw.below(6);
    let word: String = (0..letters).map(|_| char::from(b'a' + draw.below(26) as u8)).collect();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.insert(draw.below(words.len() + 1), &word);
    words.join(" ")
}
