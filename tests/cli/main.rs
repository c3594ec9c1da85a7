//! The command as a user meets it: exit codes, what is printed where, and what is left on the disk.
#![cfg(unix)]

mod broken;
mod command;
mod egress;
mod help;
mod jobs;
mod keys;
mod killed;
mod mini;
mod names;
mod printed;
mod production;
mod refusals;
mod replay;
mod route;
mod stopped;
