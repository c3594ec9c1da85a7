//! The choice of a model: a table of situations, what holds in all of them, and the classifier of cuts.

mod explained;
mod models;
mod properties;
mod sentences;
mod situations;
mod world;
