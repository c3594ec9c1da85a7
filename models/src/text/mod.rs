//! Text: prompts made clean, cut into tokens and encoded. What is here is shared by the families.

pub mod clean;
mod html;
mod mojibake;
pub mod tokenizer;
pub mod umt5;
