//! The golden of whole runs: a checkpoint, adapters for it, and what the reference computed with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use kinora_engine::cards::{Frames, Size};
use kinora_engine::generator::{Generated, Generator};
use kinora_engine::local::{DeviceChoice, LocalGenerator, LocalOptions, Precision};
use kinora_engine::request::{NegativePrompt, Request};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// What the golden was made with.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) seed: u64,
    pub(crate) prompt: String,
    pub(crate) negative: String,
    guidance: f64,
    width: u32,
    height: u32,
    frames: u32,
    steps: u32,
    sha256: BTreeMap<String, String>,
    same: BTreeMap<String, BTreeMap<String, String>>,
}

impl Golden {
    /// Opens the golden; a file that is missing or has changed fails the test.
    pub(crate) fn open() -> Self {
        let text = std::fs::read_to_string(path("case.toml")).expect("the golden is there");
        let golden: Self = toml::from_str(&text).expect("the golden says what it is");
        for (file, sum) in &golden.sha256 {
            let bytes = std::fs::read(path(file)).expect("the golden is whole");
            let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(&found, sum, "golden pipeline/{file} has changed");
        }
        golden
    }

    /// The guided request of the golden.
    pub(crate) fn request(&self) -> Request {
        Request {
            prompt: self.prompt.clone(),
            negative: NegativePrompt::Text(self.negative.clone()),
            size: Some(Size { width: self.width, height: self.height }),
            num_frames: Some(Frames(self.frames)),
            num_inference_steps: Some(self.steps),
            guidance_scale: Some(self.guidance),
            seed: self.seed,
            ..Request::default()
        }
    }

    /// What the reference computed in a run.
    pub(crate) fn run(&self, name: &str) -> Tensors {
        let mut tensors = load(&path(&format!("{name}.safetensors")));
        for (twin, stored) in &self.same[name] {
            tensors.insert(twin.clone(), tensors[stored].clone());
        }
        tensors
    }
}

/// A file of the golden.
pub(crate) fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/pipeline").join(file)
}

/// Everything in `f32` on the processor, on the threads of the caller.
pub(crate) fn exact() -> LocalOptions {
    LocalOptions {
        device: DeviceChoice::Cpu,
        precision: Precision::F32,
        vae_precision: Precision::F32,
        ..LocalOptions::default()
    }
}

/// Opens a checkpoint without a card.
pub(crate) fn open(folder: &Path, options: LocalOptions) -> LocalGenerator {
    LocalGenerator::open(folder, &folder.display().to_string(), None, options)
        .expect("the checkpoint is complete")
}

/// Generates with the golden's checkpoint.
pub(crate) fn generate(request: &Request, options: LocalOptions) -> Generated {
    open(&path("model"), options).generate(request, &()).expect("the request fits the checkpoint")
}

/// Every tensor of a run with a checkpoint in `f32`.
pub(crate) fn trace(folder: &Path, request: Request) -> Tensors {
    trace_with(folder, request, exact())
}

/// Every tensor of a run with a checkpoint.
pub(crate) fn trace_with(folder: &Path, request: Request, options: LocalOptions) -> Tensors {
    let place = TempDir::new().expect("there is room for a trace");
    let file = place.path().join("trace.safetensors");
    let request = Request { trace: Some(file.clone()), ..request };
    open(folder, options).generate(&request, &()).expect("the request fits the checkpoint");
    load(&file)
}

/// All tensors of a file.
pub(crate) fn load(file: &Path) -> Tensors {
    let tensors = candle_core::safetensors::load(file, &Device::Cpu);
    tensors.expect("the file is safetensors").into_iter().collect()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("there is room for a copy");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder is readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("there is room for a copy");
        }
    }
}

/// `|ours - theirs| / |theirs|` in the L2 norm.
pub(crate) fn relative_l2(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.dims(), theirs.dims());
    let values = |x: &Tensor| {
        let x = x.to_dtype(DType::F64).and_then(|x| x.flatten_all()?.to_vec1::<f64>());
        x.expect("a tensor has values")
    };
    let (ours, theirs) = (values(ours), values(theirs));
    let squares: f64 = ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum();
    (squares / theirs.iter().map(|b| b * b).sum::<f64>()).sqrt()
}
