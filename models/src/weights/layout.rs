//! Recognises a checkpoint folder by what is in it.
//!
//! Two layouts are read: the folder of a diffusers pipeline (`model_index.json` and a folder for each component, tensors
//! under their canonical names), and that of the original releases of Wan (`config.json` of the transformer, `.pth`
//! files for text encoder and VAE, tensors under the names of `wan/keys/original-*.toml`). Everything else that people
//! keep checkpoints in is refused by name. Only files that belong to a component are opened.

use std::path::{Path, PathBuf};

use kinora_cards::Layout;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Folder, Location, StoredDtype, TensorFile, WeightsError};

/// The largest configuration file that is read.
const CONFIG_LIMIT_BYTES: u64 = 16 << 20;

/// A recognised checkpoint: where each component is. No tensor has been touched.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The folder, or what it is called where the program carries it.
    pub root: PathBuf,
    /// How it is laid out, which also says which dialect its tensor names are in.
    pub layout: Layout,
    /// The class of the pipeline, or of the transformer where the layout knows no pipeline.
    pub class: String,
    /// `model_index.json`, which also holds settings of the pipeline.
    pub index: Option<Config>,
    /// The text encoder.
    pub text_encoder: Component,
    /// The `tokenizer.json` of the text encoder.
    pub tokenizer: Location,
    /// The `tokenizer_config.json` beside it, where there is one.
    pub tokenizer_config: Option<Location>,
    /// The denoiser.
    pub transformer: Component,
    /// The VAE.
    pub vae: Component,
    /// The scheduler's configuration; the original layout has none.
    pub scheduler: Option<Config>,
}

/// A component with weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its configuration as the folder has it; the original layout has one for the transformer only.
    pub config: Option<Config>,
    /// Its file of tensors, or the index of its shards: what [`Source::of`](super::Source::of) takes.
    pub weights: Location,
}

/// The text of a configuration file, known to be JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file.
    pub file: PathBuf,
    /// Its content.
    pub text: String,
}

impl Config {
    fn read(location: &Location) -> Result<Self, WeightsError> {
        let text = location.read_text(CONFIG_LIMIT_BYTES)?;
        let config = Self { file: location.path().to_owned(), text };
        config.parse::<Map<String, Value>>()?;
        Ok(config)
    }

    /// Holds the class that the file names, under the key of either library, against those that are read.
    fn names_one_of(&self, classes: &[&str]) -> Result<(), WeightsError> {
        let content: Map<String, Value> = self.parse()?;
        let class = text(&content, "_class_name")
            .or_else(|| content.get("architectures")?.get(0)?.as_str());
        supported(&self.file, "class", class, classes)?;
        if content.get("quantization_config").is_some_and(|value| !value.is_null()) {
            return Err(WeightsError::Unsupported {
                file: self.file.clone(),
                found: "quantization_config".to_owned(),
            });
        }
        Ok(())
    }

    /// Reads the text as a type.
    ///
    /// # Errors
    /// [`WeightsError::Json`] with file and line.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, WeightsError> {
        serde_json::from_str(&self.text)
            .map_err(|source| WeightsError::Json { file: self.file.clone(), source })
    }
}

/// The pipelines whose folders are read.
const PIPELINES: [&str; 2] = ["WanPipeline", "WanImageToVideoPipeline"];

/// The components of such a folder, each with the classes it may have.
const COMPONENTS: [(&str, &[&str]); 5] = [
    ("text_encoder", &["UMT5EncoderModel"]),
    // The last two are what transformers 4 and 5 call any tokenizer that is all in tokenizer.json.
    (
        "tokenizer",
        &["T5TokenizerFast", "T5Tokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"],
    ),
    ("transformer", &["WanTransformer3DModel"]),
    ("vae", &["AutoencoderKLWan"]),
    ("scheduler", &["UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"]),
];

/// The transformer classes of the original layout.
const ORIGINAL_TRANSFORMERS: [&str; 1] = ["WanModel"];

/// The names of its VAE, of Wan 2.1 and 2.2; which one it is the content tells.
const ORIGINAL_VAES: [&str; 2] = ["Wan2.1_VAE.pth", "Wan2.2_VAE.pth"];

/// The names a component's weights may have, without `.safetensors`.
const STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];

impl Checkpoint {
    /// Recognises the checkpoint in a folder.
    ///
    /// # Errors
    /// [`WeightsError::Missing`] when a component is not there, [`WeightsError::Unsupported`] when the content is known
    /// but not read yet, [`WeightsError::Unrecognised`] when it is not known at all, and any error of a configuration.
    pub fn open(root: &Path) -> Result<Self, WeightsError> {
        if root.is_file() {
            return Err(refuse_file(root));
        }
        Self::of(&Folder::on_disk(root))
    }

    /// Recognises the checkpoint in a folder wherever it is.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`].
    pub fn of(root: &Folder) -> Result<Self, WeightsError> {
        if let Some(index) = root.file("model_index.json") {
            diffusers(root, Config::read(&index)?)
        } else if let Some(config) = root.file("config.json") {
            original(root, Config::read(&config)?)
        } else {
            Err(refuse_folder(root.path()))
        }
    }
}

fn diffusers(root: &Folder, index: Config) -> Result<Checkpoint, WeightsError> {
    let listed: Map<String, Value> = index.parse()?;
    let class = text(&listed, "_class_name");
    supported(&index.file, "pipeline class", class, &PIPELINES)?;
    let pipeline = Pipeline { root, index: &index, listed: &listed };
    pipeline.has_only_known_components()?;
    let transformer = pipeline.component("transformer")?;
    let vae = pipeline.component("vae")?;
    let text_encoder = pipeline.component("text_encoder")?;
    pipeline.classes("tokenizer")?;
    let tokenizer = named(root, "tokenizer", "tokenizer/tokenizer.json")?;
    let classes = pipeline.classes("scheduler")?;
    let scheduler = Config::read(&named(root, "scheduler", "scheduler/scheduler_config.json")?)?;
    scheduler.names_one_of(classes)?;
    Ok(Checkpoint {
        root: root.path().to_owned(),
        layout: Layout::Diffusers,
        class: class.unwrap_or_default().to_owned(),
        text_encoder,
        tokenizer,
        tokenizer_config: root.file("tokenizer/tokenizer_config.json"),
        transformer,
        vae,
        scheduler: Some(scheduler),
        index: Some(index),
    })
}

/// A folder with `model_index.json`.
struct Pipeline<'a> {
    root: &'a Folder,
    index: &'a Config,
    /// What the index lists: settings, and components as pairs of library and class.
    listed: &'a Map<String, Value>,
}

impl Pipeline<'_> {
    /// The class of a component; both parts of its pair are null when it is left out.
    fn class(&self, name: &str) -> Option<&str> {
        self.listed.get(name)?.get(1)?.as_str()
    }

    fn has_only_known_components(&self) -> Result<(), WeightsError> {
        let is_known = |name: &str| COMPONENTS.iter().any(|(known, _)| *known == name);
        match self.listed.keys().find(|name| !is_known(name) && self.class(name).is_some()) {
            None => Ok(()),
            Some(name) => Err(WeightsError::Unsupported {
                file: self.index.file.clone(),
                found: format!("component {name}"),
            }),
        }
    }

    /// The classes that a component may have, once it has one of them and a folder.
    fn classes(&self, name: &'static str) -> Result<&'static [&'static str], WeightsError> {
        let known = COMPONENTS.iter().find(|(known, _)| *known == name);
        let classes = known.map_or(&[][..], |(_, classes)| classes);
        match self.class(name) {
            Some(class) if self.root.holds_folder(name) => {
                supported(&self.index.file, name, Some(class), classes)?;
                Ok(classes)
            }
            _ => Err(missing(self.root, name, name)),
        }
    }

    fn component(&self, name: &'static str) -> Result<Component, WeightsError> {
        let classes = self.classes(name)?;
        let config = Config::read(&named(self.root, name, &format!("{name}/config.json"))?)?;
        config.names_one_of(classes)?;
        let weights = weights(self.root, name, &format!("{name}/"))?;
        Ok(Component { config: Some(config), weights })
    }
}

fn original(root: &Folder, config: Config) -> Result<Checkpoint, WeightsError> {
    let content: Map<String, Value> = config.parse()?;
    let class = text(&content, "_class_name");
    supported(&config.file, "class", class, &ORIGINAL_TRANSFORMERS)?;
    let plain = |weights| Component { config: None, weights };
    Ok(Checkpoint {
        root: root.path().to_owned(),
        layout: Layout::Original,
        class: class.unwrap_or_default().to_owned(),
        index: None,
        text_encoder: plain(named(root, "text_encoder", "models_t5_umt5-xxl-enc-bf16.pth")?),
        tokenizer: named(root, "tokenizer", "google/umt5-xxl/tokenizer.json")?,
        tokenizer_config: root.file("google/umt5-xxl/tokenizer_config.json"),
        transformer: Component { weights: weights(root, "transformer", "")?, config: Some(config) },
        vae: plain(
            named(root, "vae", ORIGINAL_VAES[1])
                .or_else(|_| named(root, "vae", ORIGINAL_VAES[0]))?,
        ),
        scheduler: None,
    })
}

/// The weights of a component, below a prefix: the index of shards where there is one, else the single file.
fn weights(root: &Folder, component: &'static str, prefix: &str) -> Result<Location, WeightsError> {
    let names = STEMS
        .iter()
        .flat_map(|stem| [format!("{stem}.safetensors.index.json"), format!("{stem}.safetensors")]);
    if let Some(location) =
        names.map(|name| format!("{prefix}{name}")).find_map(|name| root.file(&name))
    {
        return Ok(location);
    }
    match with_extension(&root.path().join(prefix), "gguf") {
        Some(file) => Err(WeightsError::Unsupported { file, found: "GGUF".to_owned() }),
        None => {
            let stem = if component == "text_encoder" { STEMS[1] } else { STEMS[0] };
            Err(missing(root, component, &format!("{prefix}{stem}.safetensors")))
        }
    }
}

fn named(root: &Folder, component: &'static str, name: &str) -> Result<Location, WeightsError> {
    root.file(name).ok_or_else(|| missing(root, component, name))
}

fn missing(root: &Folder, component: &'static str, expected: &str) -> WeightsError {
    WeightsError::Missing { root: root.path().to_owned(), component, expected: expected.to_owned() }
}

fn text<'a>(content: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    content.get(key)?.as_str()
}

fn supported(
    file: &Path,
    what: &str,
    found: Option<&str>,
    known: &[&str],
) -> Result<(), WeightsError> {
    match found {
        Some(found) if known.contains(&found) => Ok(()),
        Some(found) => Err(WeightsError::Unsupported {
            file: file.to_owned(),
            found: format!("{what} {found}"),
        }),
        None => Err(WeightsError::Unrecognised { path: file.to_owned(), expected: "_class_name" }),
    }
}

fn refuse_folder(root: &Path) -> WeightsError {
    if let Err(source) = std::fs::read_dir(root) {
        return WeightsError::Io { file: root.to_owned(), source };
    }
    match with_extension(root, "gguf").or_else(|| with_extension(root, "safetensors")) {
        Some(file) => refuse_file(&file),
        None => WeightsError::Unrecognised {
            path: root.to_owned(),
            expected: "model_index.json or config.json",
        },
    }
}

/// Says what a single file is; none is read as a checkpoint yet.
fn refuse_file(path: &Path) -> WeightsError {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let found = match extension {
        Some("gguf") => "GGUF",
        Some("safetensors") => match TensorFile::open(path) {
            Ok(file) => {
                let is_fp8 = |dtype| matches!(dtype, StoredDtype::F8E4M3 | StoredDtype::F8E5M2);
                if file.entries().values().any(|entry| is_fp8(entry.dtype)) {
                    "a single file in fp8"
                } else {
                    "a single file as a checkpoint"
                }
            }
            Err(error) => return error,
        },
        _ => {
            return WeightsError::Unrecognised {
                path: path.to_owned(),
                expected: "a checkpoint folder",
            };
        }
    };
    WeightsError::Unsupported { file: path.to_owned(), found: found.to_owned() }
}

/// The first file of a folder, by name, with an extension.
fn with_extension(folder: &Path, extension: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).min()
}
