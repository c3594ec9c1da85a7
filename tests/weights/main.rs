//! Checkpoint files: key maps held against every published Wan variant, and bad input of every kind.

mod inventories;
