//! Checkpoints on disk: found, mapped, accounted for, then read.
//!
//! The way of a weight, and the only one:
//!
//! 1. [`Checkpoint::open`] recognises a folder by its content and names its components, each with its configuration
//!    text and its weight files. No tensor is touched.
//! 2. [`Source::open`] maps the files of one component and reads their headers; [`Source::renamed`] gives
//!    foreign tensors their canonical names (those of diffusers) through a [`KeyMap`].
//! 3. [`Source::plan`] holds the names, shapes and dtypes against what the model's configuration asks for
//!    ([`Expected`]). One error lists everything that is missing, unexpected or misshapen.
//! 4. Only then there are [`Weights`] to read: checked finite, copied into tensors or lent straight from the map.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.safetensors");
//! # let header = br#"{"proj.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
//! # let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
//! # bytes.extend(header);
//! # bytes.extend([0u8; 8]);
//! # std::fs::write(&path, bytes)?;
//! use candle_core::{DType, Device};
//! use kinora_models::weights::{Expected, Source};
//!
//! let mut expected = Expected::new();
//! expected.add("proj.bias", [2]);
//! let weights = Source::open(&path)?.plan(&expected)?.on(&Device::Cpu);
//! let proj = weights.at("proj");
//! let bias = proj.tensor("bias", DType::F32)?;
//! proj.release("bias")?;
//! assert_eq!(bias.dims(), [2]);
//! # Ok(())
//! # }
//! ```
//!
//! A file that is cut short by someone else while it is mapped ends the process: the operating system sends SIGBUS,
//! and no check here can prevent it. Leave checkpoints alone while they are in use.

mod dtype;
mod error;
mod file;
mod inventory;
mod keymap;
mod layout;
mod location;
mod map;
mod pickle;
mod plan;
mod safetensors;
mod shards;
mod source;
mod state_dict;
mod tensors;
mod zip;

pub use dtype::StoredDtype;
pub use error::WeightsError;
pub use file::{Entry, FormatFault, TensorFile, read_header};
pub use inventory::{Inventory, Listed};
pub use keymap::{KeyMap, KeyMapFault};
pub use kinora_cards::Layout;
pub use layout::{Checkpoint, Component, Config};
pub use location::{Carried, Folder, Location};
pub use map::Mapping;
pub use plan::{Expected, Place, PlanError};
pub use safetensors::HeaderFault;
pub use shards::ShardFault;
pub use source::Source;
pub use state_dict::PickleFault;
pub use tensors::{TensorView, Weights};
pub use zip::ArchiveFault;
