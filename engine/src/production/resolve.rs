//! What a cut comes to: every value with where it was said.

use std::fmt::Display;

use kinora_cards::{Card, Defaults, Frames, SamplerKind, Size};

use super::cut::{Cut, Scene};
use super::label::Label;
use super::place::Place;
use super::project::Production;
use super::settings::{Layer, Length, Level, Origin, Resolved, Settings, strongest};
use crate::hash::Blake3;
use crate::id::CutId;

/// A cut with its values. What is `None` nobody said: the model decides.
#[derive(Debug, Clone)]
pub struct ResolvedCut<'a> {
    /// The scene.
    pub scene: &'a Scene,
    /// The cut.
    pub cut: &'a Cut,
    /// Who may see it, as far as the production's files say.
    pub label: Label,
    /// The model, or `auto`.
    pub model: Option<Resolved<String>>,
    /// What the picture should be.
    pub prompt: String,
    /// What it should not be.
    pub negative: Option<Resolved<String>>,
    /// Width and height in pixels.
    pub size: Option<Resolved<Size>>,
    /// How long.
    pub length: Option<Resolved<Length>>,
    /// How many takes there are to be.
    pub takes: Resolved<u32>,
    /// Seed of the first take.
    pub seed: Resolved<u64>,
    /// Denoising steps.
    pub steps: Option<Resolved<u32>>,
    /// Strength of classifier-free guidance.
    pub guidance: Option<Resolved<f64>>,
    /// Shift of the noise schedule.
    pub flow_shift: Option<Resolved<f64>>,
    /// Sampler.
    pub sampler: Option<Resolved<SamplerKind>>,
    /// Whether sound is wanted.
    pub audio: Option<Resolved<bool>>,
    /// When the take is wanted at the latest, in seconds of work.
    pub deadline_secs: Option<Resolved<u64>>,
}

/// One line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What it is of.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Where it was said.
    pub origin: String,
}

impl Production {
    /// Resolves a cut: what the command line says, else the cut, its scene, its characters, its style, the project, the card of
    /// its model. Of several characters the last one listed wins. `None` where there is no such cut.
    pub fn resolve<'a>(
        &'a self,
        id: &CutId,
        command_line: &'a Settings,
        card: Option<&'a Card>,
    ) -> Option<ResolvedCut<'a>> {
        let (scene, cut) = self.cut(id)?;
        let mut layers = self.layers(scene, cut);
        layers.push(Layer { level: Level::CommandLine, name: None, settings: command_line });
        let base = strongest(&layers, |said| &said.negative).or_else(|| {
            of(card.filter(|_| !self.negatives.is_empty()), |card| card.negative_prompt.clone())
        });
        let world = self.negatives.first().map(|said| said.place.clone());
        let negative = self.negative(base.as_ref().map(|base| base.value.as_str()));
        let negative = negative.map(|value| Resolved {
            value,
            origin: match base {
                Some(base) => base.origin,
                None => {
                    Origin { level: Level::Project, name: Some("world".to_owned()), place: world }
                }
            },
        });
        Some(ResolvedCut {
            scene,
            cut,
            label: self.label_of(scene, cut),
            model: strongest(&layers, |said| &said.model),
            prompt: self.prompt(scene, cut, &|id| self.has_adapter(id, card)),
            negative,
            size: strongest(&layers, |said| &said.size).or_else(|| of(card, Defaults::size)),
            length: strongest(&layers, |said| &said.length)
                .or_else(|| of(card, |card| Length::Frames(card.num_frames.0))),
            takes: strongest(&layers, |said| &said.takes).unwrap_or_else(|| default(1)),
            seed: strongest(&layers, |said| &said.seed).unwrap_or_else(|| default(seed_of(id))),
            steps: strongest(&layers, |said| &said.steps)
                .or_else(|| of(card, |card| card.num_inference_steps)),
            guidance: strongest(&layers, |said| &said.guidance)
                .or_else(|| of(card, |card| card.guidance_scale)),
            flow_shift: strongest(&layers, |said| &said.flow_shift)
                .or_else(|| of(card, |card| card.flow_shift)),
            sampler: strongest(&layers, |said| &said.sampler)
                .or_else(|| of(card, |card| card.sampler)),
            audio: strongest(&layers, |said| &said.audio),
            deadline_secs: strongest(&layers, |said| &said.deadline_secs),
        })
    }

    /// Whether a character has an adapter for a model.
    pub fn has_adapter(&self, character: &str, card: Option<&Card>) -> bool {
        let adapters = self.character(character).map(|character| &character.adapters);
        card.zip(adapters).is_some_and(|(card, adapters)| {
            adapters.iter().any(|(fits, files)| !files.is_empty() && is_for(&fits.value, card))
        })
    }
}

/// Whether the name under which adapters are listed means a card: its family, or the beginning of its name.
pub fn is_for(name: &str, card: &Card) -> bool {
    let rest = card.name.strip_prefix(name);
    card.family == name || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
}

/// What the card of a model says.
fn of<T>(card: Option<&Card>, pick: impl Fn(&Defaults) -> T) -> Option<Resolved<T>> {
    let card = card?;
    let origin = Origin { level: Level::Card, name: Some(card.name.clone()), place: None };
    Some(Resolved { value: pick(&card.defaults), origin })
}

/// A value that nobody said and the program decides.
fn default<T>(value: T) -> Resolved<T> {
    Resolved { value, origin: Origin { level: Level::Default, name: None, place: None } }
}

/// The seed of a cut that has none: its own, so that no two cuts begin from the same noise.
fn seed_of(id: &CutId) -> u64 {
    let digits = Blake3::of(id.to_string().as_bytes()).to_string();
    u64::from_str_radix(&digits[..8], 16).unwrap_or_default() >> 1
}

impl ResolvedCut<'_> {
    /// The frames that its length means for a model of this card: the nearest number that the model can make.
    pub fn frames(&self, card: &Card) -> Frames {
        match self.length.as_ref().map(|length| length.value) {
            Some(Length::Frames(frames)) => Frames(frames),
            Some(Length::Seconds(seconds)) => {
                card.limits.frames.nearest(seconds * f64::from(card.defaults.fps))
            }
            None => card.defaults.num_frames,
        }
    }

    /// Every value with where it was said, in the order people ask for them.
    pub fn explain(&self) -> Vec<Explained> {
        let mut lines = Vec::new();
        let mut at = |name, value: String, place: &Place| {
            let origin = format!("cut, {place}");
            lines.push(Explained { name, value, origin });
        };
        let cut = self.cut;
        for (name, said) in [("type", &cut.kind), ("intent", &cut.intent), ("camera", &cut.camera)]
        {
            if let Some(said) = said {
                at(name, said.value.clone(), &said.place);
            }
        }
        for (name, said) in [("first_frame", &cut.first_frame), ("last_frame", &cut.last_frame)] {
            if let Some(said) = said {
                at(name, said.value.to_string(), &said.place);
            }
        }
        at("prompt", self.prompt.clone(), &cut.prompt.place);
        let place = self.label.place.as_ref().map(|place| format!(", {place}"));
        let origin = format!("{}{}", self.label.by, place.unwrap_or_default());
        lines.push(Explained { name: "privacy", value: self.label.privacy.to_string(), origin });
        let mut add = |name, value: Option<(String, &Origin)>| {
            lines.extend(value.map(|(value, origin)| Explained {
                name,
                value,
                origin: origin.to_string(),
            }));
        };
        fn shown<T: Display>(value: &Option<Resolved<T>>) -> Option<(String, &Origin)> {
            value.as_ref().map(|resolved| (resolved.value.to_string(), &resolved.origin))
        }
        add("model", shown(&self.model));
        add("negative", shown(&self.negative));
        let size = self.size.as_ref();
        add(
            "size",
            size.map(|size| (format!("{}x{}", size.value.width, size.value.height), &size.origin)),
        );
        add("duration", shown(&self.length));
        add("takes", Some((self.takes.value.to_string(), &self.takes.origin)));
        add("seed", Some((self.seed.value.to_string(), &self.seed.origin)));
        add("steps", shown(&self.steps));
        add("guidance", shown(&self.guidance));
        add("flow_shift", shown(&self.flow_shift));
        add("sampler", shown(&self.sampler));
        add("audio", shown(&self.audio));
        add("deadline_secs", shown(&self.deadline_secs));
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::privacy::Privacy;
    use crate::production::{Error, parse_size};

    const PROJECT: &str = r#"schema = 1
name = "The Window"
fps = 24
size = [1280, 720]
default_model = "wan2.1-t2v-1.3b"
privacy = "any"
studio = ["render.lan:8000"]

[world]
rules = ["Rain never stops."]
negative = ["watermark"]

[style.ink]
prompt = "ink wash"
steps = 30
guidance = 4

[character.mina]
description = "17, red scarf"
trigger = "m1na girl"
privacy = "studio"
adapters = { "wan2.1" = [{ file = "a.safetensors", scale = 0.9 }] }
steps = 31
"#;

    const SCENE: &str = r#"[[scene]]
id = "sc02"
style = "ink"
takes = 3

  [[scene.cut]]
  id = "sh0010"
  prompt = "{mina} turns to the window"
  characters = ["mina"]
  camera = "slow push in"
  duration = "3s"
  seed = 1000

  [[scene.cut]]
  id = "sh0020"
  type = "insert"
  prompt = "rain on {{glass}}"
  first_frame = "take:sh0010/last"
  privacy = "local-only"
  takes = 1
"#;

    fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Production, Error>) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.safetensors"), b"").expect("room");
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("room");
            fs::write(path, text).expect("room");
        }
        let production = Production::load(folder.path());
        (folder, production)
    }

    fn cut(name: &str) -> CutId {
        name.parse().expect("a cut")
    }

    #[test]
    fn the_strongest_level_wins_and_says_where() {
        let (_folder, production) = load(&[("project.toml", PROJECT), ("scenes/sc02.toml", SCENE)]);
        let production = production.expect("right");
        let card = kinora_cards::find("wan2.1-t2v-1.3b");
        let typed = Settings {
            takes: Some(super::super::Said { value: 5, place: Place::whole("") }),
            ..Settings::default()
        };
        let resolved = production.resolve(&cut("sc02/sh0010"), &typed, card).expect("there");
        let said: Vec<String> = resolved
            .explain()
            .into_iter()
            .filter(|line| !["camera", "negative"].contains(&line.name))
            .map(|line| format!("{} = {} ({})", line.name, line.value, line.origin))
            .collect();
        assert_eq!(
            said,
            [
                "prompt = m1na girl, 17, red scarf turns to the window, slow push in, ink wash, Rain never stops. (cut, scenes/sc02.toml:8)",
                "privacy = studio (character mina, project.toml:21)",
                "model = wan2.1-t2v-1.3b (project, project.toml:5)",
                "size = 1280x720 (project, project.toml:4)",
                "duration = 3s (cut, scenes/sc02.toml:11)",
                "takes = 5 (command line)",
                "seed = 1000 (cut, scenes/sc02.toml:12)",
                "steps = 31 (character mina, project.toml:23)",
                "guidance = 4 (style ink, project.toml:16)",
                "flow_shift = 5 (card wan2.1-t2v-1.3b)",
                "sampler = unipc (card wan2.1-t2v-1.3b)",
            ]
        );
        assert_eq!(resolved.frames(card.expect("there")), Frames(49));
        let negative = resolved.negative.expect("the world says one");
        assert!(negative.value.starts_with('色') && negative.value.ends_with("watermark"));
        assert_eq!(negative.origin.to_string(), "card wan2.1-t2v-1.3b");
        let none = Settings::default();
        let other = production.resolve(&cut("sc02/sh0020"), &none, None).expect("there");
        assert_eq!(other.label.privacy, Privacy::LocalOnly);
        assert_eq!(other.prompt, "rain on {glass}, ink wash, Rain never stops.");
        assert_eq!((other.takes.value, other.takes.origin.level), (1, Level::Cut));
        assert_ne!(other.seed.value, seed_of(&cut("sc02/sh0030")));
        assert!(production.resolve(&cut("sc02/sh0099"), &none, None).is_none());
        let size = parse_size("96x64").expect("a size");
        assert_eq!((size.width, size.height), (96, 64));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_line() {
        for (from, to, expected) in [
            ("schema = 1", "schema = 2", "project.toml:1: schema is 2, this program reads 1"),
            ("schema = 1\n", "", "project.toml: `schema` is missing"),
            ("fps = 24", "fsp = 24", "project.toml:3: unknown key `fsp`"),
            ("fps = 24", "fps = ", "project.toml:3: string values must be quoted"),
            (
                "[1280, 720]",
                "[1280]",
                "project.toml:4: size: expected a size such as [1280, 720], found [1280]",
            ),
            ("[1280, 720]", "\"big\"", "project.toml:4: size: expected a size such as 1280x720"),
            ("\"any\"", "\"all\"", "project.toml:6: privacy: expected local-only, studio or any"),
            (
                "privacy = \"any\"\n",
                "",
                "project.toml:20: privacy \"studio\" would loosen: nothing above says otherwise",
            ),
            (
                "a.safetensors",
                "b.safetensors",
                "project.toml:22: there is no file \"b.safetensors\"",
            ),
            ("a.safetensors", "../b", "project.toml:22: \"../b\" is outside the production"),
            (
                "steps = 31",
                "steps = 31.5",
                "project.toml:23: character.mina.steps: expected a whole number",
            ),
            (
                "[style.ink]",
                "[style.Ink]",
                "project.toml:13: \"Ink\" cannot be the name of a style",
            ),
            (
                "[style.ink]",
                "[provider.a]\nprovider = \"fal\"\n[provider.b]\nprovider = \"fal\"\n[style.ink]",
                "project.toml:15: its model \"fal-",
            ),
            (
                "[style.ink]",
                "[provider.mini]\nprovider = \"openai-compatible\"\nbase = \"https://barn\"\nmodels = [\"x\"]\n[style.ink]",
                "project.toml:13: its model \"mini\" has the name of another: one of this machine",
            ),
            (
                "[style.ink]",
                "[provider.a]\nprovider = \"openai-compatible\"\nbase = \"https://barn\"\nmodels = [\"x/wan\", \"y/wan\"]\n[style.ink]",
                "project.toml:13: its model \"a-wan\" has the name of another: project.toml:13",
            ),
            ("id = \"sc02\"", "", "scenes/sc02.toml:1: a scene needs an `id`"),
            ("\"ink\"", "\"inc\"", "scenes/sc02.toml:3: there is no style \"inc\""),
            ("{mina}", "{mira}", "scenes/sc02.toml:8: prompt: there is no character \"mira\""),
            ("{mina}", "{mina", "scenes/sc02.toml:8: prompt: a { that is not closed"),
            ("[\"mina\"]", "[]", "scenes/sc02.toml:8: prompt: mina is not in this cut"),
            ("\"3s\"", "\"3m\"", "scenes/sc02.toml:11: scene.cut.duration: expected a length"),
            (
                "\"sh0020\"",
                "\"sh0010\"",
                "scenes/sc02.toml:14: there is a cut \"sc02/sh0010\" already, at scenes/sc02.toml:6",
            ),
            (
                "type = \"insert\"",
                "type = \"inset\"",
                "scenes/sc02.toml:16: type: \"inset\" is no type of cut",
            ),
            (
                "take:sh0010/last",
                "take:sh0011/last",
                "scenes/sc02.toml:18: there is no cut sc02/sh0011",
            ),
            (
                "take:sh0010/last",
                "take:sh0020/last",
                "scenes/sc02.toml:18: a cut cannot begin with itself",
            ),
            (
                "  seed = 1000",
                "  first_frame = \"take:sh0020/first\"",
                "scenes/sc02.toml:12: these cuts wait for one another: sc02/sh0010, sc02/sh0020",
            ),
            ("first_frame", "last_frame", "scenes/sc02.toml:18: a last_frame needs a first_frame"),
            (
                "type = \"insert\"",
                "typ = \"insert\"",
                "scenes/sc02.toml:16: unknown key `typ` in scene.cut",
            ),
        ] {
            let (project, scene) = (PROJECT.replacen(from, to, 1), SCENE.replacen(from, to, 1));
            assert!(project != PROJECT || scene != SCENE, "{from}");
            let (_folder, loaded) =
                load(&[("project.toml", &project), ("scenes/sc02.toml", &scene)]);
            let Err(Error::Invalid { problems }) = loaded else { panic!("{from} became {to}") };
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(said.iter().any(|line| line.starts_with(expected)), "{expected}: {said:#?}");
        }
    }

    #[test]
    fn a_file_with_a_key_is_in_the_production() {
        let (elsewhere, within) = ("/keys/kling", "kling.key");
        let servers = format!(
            "[provider.fal]\nkey_file = {elsewhere:?}\n[provider.kling]\nkey_file = {within:?}\n[style.ink]"
        );
        let project = PROJECT.replacen("[style.ink]", &servers, 1);
        let (folder, loaded) = load(&[("project.toml", &project), ("scenes/sc02.toml", SCENE)]);
        let servers = loaded.expect("right").servers;
        let files: Vec<_> =
            servers.iter().map(|server| server.key_file.clone().expect("said").value).collect();
        assert_eq!(files, [PathBuf::from(elsewhere), folder.path().join(within)]);
    }

    #[test]
    fn cuts_by_their_words() {
        let (_folder, production) = load(&[("project.toml", PROJECT), ("scenes/sc02.toml", SCENE)]);
        let production = production.expect("right");
        let select = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            production
                .select(&words)
                .map(|cuts| cuts.iter().map(|cut| cut.id.cut().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(select(&[]).expect("all"), ["sh0010", "sh0020"]);
        assert_eq!(select(&["sc02"]).expect("all"), ["sh0010", "sh0020"]);
        assert_eq!(select(&["sh0020", "sc02/sh0010"]).expect("both"), ["sh0010", "sh0020"]);
        let error = select(&["sh0021"]).expect_err("there is none").to_string();
        assert_eq!(error, "there is no scene or cut \"sh0021\" in this production");
    }
}
