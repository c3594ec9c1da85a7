//! Text: prompts made clean, cut into tokens and encoded. What is here is shared by the families.

pub mod clean;
mod html;
mod mapping;
mod mojibake;
mod suspicion;
pub mod tokenizer;
pub mod umt5;
