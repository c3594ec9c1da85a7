//! Families against their reference implementation: goldens of every module at tiny configurations.

mod golden;
mod transformer;
mod umt5;
mod vae;
