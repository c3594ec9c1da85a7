//! Fast paths of the operations: against their references on every instruction set, and with any number of threads.

mod determinism;
mod packing;
mod parity;
