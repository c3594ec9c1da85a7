//! Classifier-free guidance: the step away from what the negative prompt asks for.
//!
//! # Source
//! arXiv 2207.12598; huggingface/diffusers `pipelines/wan/pipeline_wan.py`.

use candle_core::{Result, Tensor};

/// `uncond + guidance_scale * (cond - uncond)`, in the type of the two predictions.
///
/// # Errors
/// Shapes, types or devices that differ.
pub fn guide(cond: &Tensor, uncond: &Tensor, guidance_scale: f64) -> Result<Tensor> {
    uncond + ((cond - uncond)? * guidance_scale)?
}
