//! Whole generations on a checkpoint of the real classes, against diffusers' pipelines.

mod adapters;
mod determinism;
mod golden;
mod parity;
