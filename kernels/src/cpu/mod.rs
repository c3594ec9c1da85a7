//! What the CPU fast paths share.
//!
//! One idea carries matrix products, attention and convolution: a register tile multiplies a few rows, each given by a
//! pointer to contiguous values, with a panel of columns that was packed once. Rows are never packed; a convolution
//! points at pixels, attention at queries, a linear layer at tokens. Rows that only products read are rounded where they
//! are made, and what is added to a product is added where its sums are finished: a stream of tokens crosses memory once
//! a layer.

pub(crate) mod elementwise;
pub(crate) mod flash;
pub(crate) mod gemm;
pub(crate) mod isa;
pub(crate) mod pack;
pub(crate) mod panels;
pub(crate) mod pixels;
pub(crate) mod rounded;
pub(crate) mod rows;
pub(crate) mod share;
pub(crate) mod tile;
