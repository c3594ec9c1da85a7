//! Looks for inputs that `kinora_fuzz::ledger::check` does not bear.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kinora_fuzz::ledger::check(bytes));
