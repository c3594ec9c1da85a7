//! The store against a hub on this machine: finding, fetching, and everything that can go wrong on the way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod breaks;
mod find;
mod pull;
mod refuse;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinora_engine::cards::{Card, Source};
use kinora_engine::egress::Egress;
use kinora_engine::store::{Error, PullEvent, PullOptions, Pulled, Store, StoreConfig};
use kinora_tests::hub::{FakeHub, HubFile};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const REPO: &str = "Test/Tiny-Diffusers";
const CHUNK: usize = 64 << 10;
const WEIGHTS: &str = "transformer/diffusion_pytorch_model.safetensors";
/// What `config.json` holds, and its name as git has it.
const CONFIG: (&[u8], &str) = (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a");

/// Numbers that look random and are the same each time (Knuth's 64-bit generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}

/// A hub, a home on this machine, and a source that names the hub.
struct Scene {
    hub: FakeHub,
    home: TempDir,
    source: Source,
    weights: Vec<u8>,
}

impl Scene {
    fn new(weights_len: usize) -> Self {
        let mut dice = Dice(7);
        let weights: Vec<u8> = (0..weights_len).map(|_| dice.roll(256) as u8).collect();
        let sha256 = Sha256::digest(&weights).iter().map(|byte| format!("{byte:02x}")).collect();
        let small = |path: &str| HubFile {
            path: path.to_owned(),
            content: CONFIG.0.to_vec(),
            etag: CONFIG.1.to_owned(),
            is_large: false,
        };
        let large = HubFile {
            path: WEIGHTS.to_owned(),
            content: weights.clone(),
            etag: sha256,
            is_large: true,
        };
        let picture = HubFile { path: "assets/poster.png".to_owned(), ..small("") };
        let readme = small("README.md");
        let config = small("transformer/config.json");
        let files = vec![readme, picture, small("model_index.json"), config, large];
        let hub = FakeHub::start(REPO, files).unwrap();
        let source = source(&hub);
        Self { hub, home: TempDir::new().unwrap(), source, weights }
    }

    fn store(&self) -> Store {
        self.store_with(&[])
    }

    /// A store as a new process would make it.
    fn store_with(&self, more: &[(&str, &str)]) -> Store {
        let home = self.home.path().to_str().unwrap().to_owned();
        let endpoint = self.hub.endpoint();
        let config = StoreConfig::from_env(|name| {
            let given = more.iter().find(|(var, _)| *var == name);
            match name {
                _ if given.is_some() => given.map(|(_, value)| value.into()),
                "HOME" => Some(home.clone().into()),
                "HF_ENDPOINT" => Some(endpoint.clone().into()),
                _ => None,
            }
        });
        Store::new(config.unwrap())
    }

    fn pull(&self) -> Result<Pulled, Error> {
        self.pull_with(&self.store(), &mut |_| ControlFlow::Continue(()))
    }

    fn pull_with(
        &self,
        store: &Store,
        on: &mut dyn FnMut(&PullEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Pulled, Error> {
        let door = Egress::with_patience(store.config().is_offline, Duration::from_millis(300));
        let mut door = door.log_in(self.home.path());
        door.allow(store.consent(&self.source));
        store.pull(&door, &self.source, &options(), on)
    }

    /// The repository's folder in the cache.
    fn repo(&self) -> PathBuf {
        self.home.path().join(".cache/huggingface/hub/models--Test--Tiny-Diffusers")
    }

    /// Every name in the cache's folder of contents.
    fn blobs(&self) -> Vec<String> {
        names(&self.repo().join("blobs"))
    }
}

fn options() -> PullOptions {
    PullOptions { chunk_bytes: CHUNK as u64, max_failures: 4, backoff: Duration::from_millis(1) }
}

/// A card's source that names the hub's repository, and its other address as a place to be redirected to.
fn source(hub: &FakeHub) -> Source {
    let text = include_str!("../../models/cards/wan2.1-t2v-1.3b.toml");
    let mut source = Card::parse(text).unwrap().sources.swap_remove(0);
    source.repo = REPO.to_owned();
    source.files = ["model_index.json", "transformer/*.json", "transformer/*.safetensors"]
        .map(ToOwned::to_owned)
        .to_vec();
    source.redirect_hosts = vec![hub.large_host()];
    source
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
