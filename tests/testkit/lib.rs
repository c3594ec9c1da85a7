//! Shared by the tests.

pub mod hub;
