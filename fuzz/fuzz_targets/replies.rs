//! Bytes as the answers of hosts: `./x fuzz replies`, or `cargo fuzz run replies`.
#![no_main]

#[path = "../../tests/hosted/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::answer(bytes));
