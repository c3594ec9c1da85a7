//! Text: prompts made clean and cut into tokens. What is here is shared by the families.

pub mod clean;
mod html;
mod mojibake;
pub mod tokenizer;
