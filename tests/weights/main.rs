//! Checkpoint files: key maps held against every published Wan variant, and bad input of every kind.

mod files;
mod folders;
mod inventories;
mod malformed;
mod mutations;
mod plans;
