//! Tensor operations of video diffusion models: a plain reference beside each fast path.
//!
//! Knows tensors, devices and dtypes; knows no file, network, clock, random number or model name.
//! On the CPU activations are `f32` and matrix operands may be narrower (`bf16`, `f16`); every product
//! is accumulated in `f32` in an order that does not depend on the number of threads. On other devices
//! the references run on candle's own operations.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod cases;
pub mod compare;
mod cpu;
mod error;
pub mod ops;

pub use cpu::isa::{Isa, with_isa};
pub use error::{Error, Result};

/// Name of the instruction set that the operations on the processor use.
pub fn instruction_set() -> &'static str {
    Isa::detect().name()
}
