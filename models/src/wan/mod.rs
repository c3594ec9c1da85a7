//! Wan: text and pictures to video, by Alibaba's Wan team (<https://arxiv.org/abs/2503.20314>).

pub mod vae;
