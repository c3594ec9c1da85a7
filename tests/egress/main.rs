//! The one door: who gets through it, what is written down before, and that nothing goes round it.

mod model;
mod rule;
mod tree;
