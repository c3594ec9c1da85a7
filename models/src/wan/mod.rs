//! Wan 2.1 and 2.2: a diffusion transformer over latent patches, steered by UMT5.
//!
//! Paper: "Wan: Open and Advanced Large-Scale Video Generative Models", arXiv 2503.20314.
//! Source: `Wan-Video/Wan2.1` 9737cba, `Wan-Video/Wan2.2` 42bf4cf; tensor names and semantics are those of diffusers
//! 0.42.1.
//!
//! | model | width | heads | blocks | feed-forward | latents in / out |
//! |---|---|---|---|---|---|
//! | 2.1 T2V 1.3B | 1536 | 12 | 30 | 8960 | 16 / 16 |
//! | 2.1 T2V 14B, each expert of 2.2 T2V A14B | 5120 | 40 | 40 | 13824 | 16 / 16 |
//! | 2.2 I2V A14B, each expert | 5120 | 40 | 40 | 13824 | 36 / 16 |
//! | 2.2 TI2V 5B | 3072 | 24 | 30 | 14336 | 48 / 48 |

mod condition;
mod config;
mod model;
mod text;
mod transformer;
pub mod vae;

pub use config::Config;
pub use model::FAMILY;
pub use transformer::Transformer;
