//! A golden: one file of weights, inputs and outputs, and a text that says what it is.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use kinora_models::weights::{Expected, Inventory, Source, Weights};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A golden case. A missing or changed file fails the test that opens it.
pub(crate) struct Golden {
    /// The reference's configuration, as JSON.
    pub(crate) config: String,
    /// How far the reference in bf16 is from itself in f32: relative L2.
    pub(crate) error_bf16: Option<f64>,
    path: PathBuf,
    all: Weights,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    sha256: String,
    error_bf16: Option<f64>,
}

impl Golden {
    pub(crate) fn open(case: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(case);
        let text = std::fs::read_to_string(folder.join("case.toml")).expect("the golden is there");
        let Case { config, sha256, error_bf16 } =
            toml::from_str(&text).expect("the golden says what it is");
        let path = folder.join("case.safetensors");
        let bytes = std::fs::read(&path).expect("the golden is there");
        let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(found, sha256, "golden {case} has changed");
        let all = Source::open(&path).expect("the golden is safetensors").unplanned();
        Self { config, error_bf16, path, all }
    }

    /// An input or output.
    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        self.all.tensor(name, DType::F32).expect("the golden holds the tensor")
    }

    /// The weights, planned as those of a checkpoint are; what else the file holds are inputs and outputs.
    pub(crate) fn weights(&self, expected: &Expected) -> Weights {
        let mut expected = expected.clone();
        let asked: Vec<String> = expected.iter().map(|(name, _)| name.to_owned()).collect();
        for name in self.all.names().filter(|name| !asked.iter().any(|asked| asked == name)) {
            expected.ignore(name);
        }
        let source = Source::open(&self.path).expect("the golden is safetensors");
        source.plan(&expected).expect("the weights are those of the configuration").on(&Device::Cpu)
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

/// Largest relative L2 of one forward in `f32`.
pub(crate) const TOLERANCE: f64 = 1e-5;

/// Asserts that a tensor is the reference's, within [`TOLERANCE`].
pub(crate) fn agree(ours: &Tensor, theirs: &Tensor, what: &str) {
    let error = relative_l2(ours, theirs);
    assert!(error <= TOLERANCE, "{what}: relative L2 {error:e}");
}

/// Names and shapes of a published class.
pub(crate) fn inventory(name: &str) -> Inventory {
    let path = format!("{}/inventory/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the inventory is in the repository");
    Inventory::parse(&text).expect("the inventory is names and shapes")
}
