//! Shared by the tests, and by the command that measures what a model shows.

pub mod hub;
pub mod judge;
pub mod listener;
pub mod program;
pub mod server;
pub mod studio;
pub mod takes;
pub mod world;
