//! One op, one stem. [`matrix`] and [`operand`] are what products multiply.

pub mod attention;
pub mod conv3d;
pub mod matmul;
pub mod matrix;
pub mod modulate;
pub mod norm;
pub mod operand;
pub mod rope;
