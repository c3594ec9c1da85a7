//! Whole productions, written by hand, from their plan to their last take: this machine and providers on this machine.
#![cfg(unix)]

mod film;
mod instead;
mod learnt;
mod lighthouse;
mod meanwhile;
mod pictures;
mod shop;
