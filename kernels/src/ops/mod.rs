//! One op, one stem.

pub mod attention;
pub mod conv3d;
pub mod matmul;
pub mod modulate;
pub mod norm;
pub mod rope;
