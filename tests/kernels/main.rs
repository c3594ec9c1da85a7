//! Fast paths of the operations: against their references on every instruction set, and with any number of threads.

mod determinism;
mod operands;
mod packing;
mod parity;
