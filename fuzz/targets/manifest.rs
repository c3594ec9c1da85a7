//! Looks for inputs that `kinora_fuzz::manifest::check` does not bear.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kinora_fuzz::manifest::check(bytes));
