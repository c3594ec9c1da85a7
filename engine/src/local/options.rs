//! How this machine is to be used.

use std::str::FromStr;

use crate::{Error, Result};

/// Which device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best there is.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device by number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown {
            what: "device",
            found: text.to_owned(),
            known: "auto, cpu, cuda, cuda:N, metal",
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                Ok(Self::Cuda(number.parse().map_err(|_| unknown())?))
            }
        }
    }
}

/// Dtype of the operands of matrix products; sums are always `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits with the exponent of `f32`.
    Bf16,
    /// 16 bits with a short exponent.
    F16,
}

impl Precision {
    /// Its name in options and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err(Error::Unknown {
                what: "dtype",
                found: text.to_owned(),
                known: "f32, bf16, f16",
            }),
        }
    }
}

/// Whether the VAE decodes whole pictures or tiles of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VaeTile {
    /// Tiles when whole pictures do not fit into memory.
    #[default]
    Auto,
    /// Whole pictures.
    Off,
    /// Tiles of so many pixels a side, so many pixels apart.
    Tiles {
        /// Height and width of a tile.
        tile_px: usize,
        /// Distance between the starts of neighbouring tiles.
        stride_px: usize,
    },
}

impl FromStr for VaeTile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => match text.parse() {
                Ok(tile_px) if (64..=1 << 16).contains(&tile_px) && tile_px % 16 == 0 => {
                    Ok(Self::Tiles { tile_px, stride_px: tile_px / 4 * 3 / 8 * 8 })
                }
                _ => Err(Error::Unknown {
                    what: "VAE tile",
                    found: text.to_owned(),
                    known: "auto, off, or a multiple of 16 from 64 up",
                }),
            },
        }
    }
}

/// How this machine is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalOptions {
    /// Device.
    pub device: DeviceChoice,
    /// Precision of text encoder and denoiser.
    pub precision: Precision,
    /// Precision of the VAE.
    pub vae_precision: Precision,
    /// Tiling of the decode.
    pub vae_tile: VaeTile,
    /// Threads; all processors when not given. Results do not depend on it.
    pub threads: Option<usize>,
    /// Memory to stay within, in bytes; what is free when not given.
    pub memory_bytes: Option<u64>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            precision: Precision::Bf16,
            vae_precision: Precision::F32,
            vae_tile: VaeTile::Auto,
            threads: None,
            memory_bytes: None,
        }
    }
}
