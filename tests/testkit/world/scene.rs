//! What a clip shows.

use std::fmt;
use std::str::FromStr;

use super::Rgb;

/// A word that names nothing of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// What it should have named.
    pub what: &'static str,
    /// The word.
    pub found: String,
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is called {:?}", self.what, self.found)
    }
}

impl std::error::Error for Unnamed {}

/// An enumeration whose variants have the names that `world.py` gives them.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident $what:literal: $($(#[$variant_doc:meta])* $variant:ident $name:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {
            $($(#[$variant_doc])* $variant),+
        }

        impl $kind {
            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl FromStr for $kind {
            type Err = Unnamed;

            fn from_str(text: &str) -> Result<Self, Unnamed> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(Unnamed { what: $what, found: text.to_owned() }),
                }
            }
        }
    };
}

named! {
    /// Who is shown.
    Character "character":
    /// A ball with a stripe.
    Ball "ball",
    /// The head of a cat.
    Cat "cat",
    /// A box with an antenna.
    Robot "robot",
    /// A ghost with a skirt.
    Ghost "ghost",
    /// A fish seen from the side.
    Fish "fish",
    /// A star of five points.
    Star "star",
    /// An onion with a leaf, kept out of the base model's training; it has a colour of its own.
    Momo "momo"
}

named! {
    /// The colour of a character.
    Colour "colour":
    /// Red.
    Red "red",
    /// Orange.
    Orange "orange",
    /// Yellow.
    Yellow "yellow",
    /// Green.
    Green "green",
    /// Blue.
    Blue "blue",
    /// Purple.
    Purple "purple",
    /// Pink.
    Pink "pink"
}

named! {
    /// What is behind the character.
    Background "background":
    /// Green hills under a blue sky.
    Meadow "meadow",
    /// A moon, stars and a dark hill.
    Night "night",
    /// Water with waves.
    Sea "sea",
    /// Dunes under an orange sky.
    Desert "desert",
    /// White hills with firs.
    Snow "snow"
}

named! {
    /// What the character does.
    Action "action":
    /// It crosses the picture to the left.
    Left "left",
    /// It crosses the picture to the right.
    Right "right",
    /// It jumps twice.
    Jump "jump",
    /// It rises into the sky.
    Float "float",
    /// It grows, standing.
    Grow "grow",
    /// It turns once in the plane of the picture.
    Spin "spin",
    /// It does nothing.
    Still "still"
}

named! {
    /// Where an action leads, coarsely.
    Direction "direction":
    /// To the left.
    Left "left",
    /// To the right.
    Right "right",
    /// Upwards, to stay or to come down again.
    Up "up",
    /// Nowhere.
    InPlace "in place"
}

impl Character {
    /// Those of the base model's training.
    pub const ALL: [Self; 6] =
        [Self::Ball, Self::Cat, Self::Robot, Self::Ghost, Self::Fish, Self::Star];
}

impl Colour {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Red, Self::Orange, Self::Yellow, Self::Green, Self::Blue, Self::Purple, Self::Pink];

    /// The colour of a body.
    pub fn rgb(self) -> Rgb {
        match self {
            Self::Red => [0.90, 0.12, 0.12],
            Self::Orange => [1.00, 0.55, 0.05],
            Self::Yellow => [1.00, 0.88, 0.10],
            Self::Green => [0.10, 0.66, 0.20],
            Self::Blue => [0.12, 0.32, 0.95],
            Self::Purple => [0.58, 0.18, 0.82],
            Self::Pink => [1.00, 0.50, 0.75],
        }
    }
}

impl Background {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Meadow, Self::Night, Self::Sea, Self::Desert, Self::Snow];
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Left, Self::Right, Self::Jump, Self::Float, Self::Grow, Self::Spin, Self::Still];

    /// Where it leads.
    pub fn direction(self) -> Direction {
        match self {
            Self::Left => Direction::Left,
            Self::Right => Direction::Right,
            Self::Jump | Self::Float => Direction::Up,
            Self::Grow | Self::Spin | Self::Still => Direction::InPlace,
        }
    }
}

/// One clip, but for its size and its number of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Who.
    pub character: Character,
    /// Of which colour.
    pub colour: Colour,
    /// Where.
    pub background: Background,
    /// Does what.
    pub action: Action,
    /// Radius of the character.
    pub size: f64,
    /// How far to the right of the middle it starts.
    pub dx: f64,
    /// How far below the ground it stands.
    pub dy: f64,
    /// Factor of the motion.
    pub amp: f64,
    /// First variation of the background, from 0 to 1.
    pub phase: f64,
    /// Second variation of the background, from 0 to 1.
    pub phase2: f64,
}

impl Scene {
    /// Draws a scene of the base model's world.
    pub fn sample(draw: &mut Draw) -> Self {
        Self {
            character: *draw.choice(&Character::ALL),
            colour: *draw.choice(&Colour::ALL),
            background: *draw.choice(&Background::ALL),
            action: *draw.choice(&Action::ALL),
            size: draw.uniform(0.185, 0.215),
            dx: draw.uniform(-0.08, 0.08),
            dy: draw.uniform(-0.02, 0.02),
            amp: draw.uniform(0.9, 1.1),
            phase: draw.uniform(0.0, 1.0),
            phase2: draw.uniform(0.0, 1.0),
        }
    }
}

/// Numbers that look random and are the same for a seed everywhere: SplitMix64.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to below `high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// From 0 to below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        // The bias of the remainder is below 2^-50 for any list that is here.
        (self.bits() % count as u64) as usize
    }

    /// One of them.
    pub fn choice<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
