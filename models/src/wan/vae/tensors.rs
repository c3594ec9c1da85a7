//! Every tensor of a VAE by canonical name.
//!
//! Wan 2.1 numbers the encoder's blocks and what halves between them in one row; Wan 2.2 numbers the levels, and the
//! blocks of each. Beyond names they differ in the channels that the decoder's levels hand on.

use super::config::{Config, PICTURE_CHANNELS};
use crate::weights::Expected;

impl Config {
    /// The name of a residual block of the encoder, without `encoder`.
    pub(super) fn down_block(&self, level: usize, block: usize) -> String {
        match self.is_residual {
            true => format!("down_blocks.{level}.resnets.{block}"),
            false => format!("down_blocks.{}", level * (self.num_res_blocks + 1) + block),
        }
    }

    /// The name of what leads from a level of the encoder to the next coarser one.
    pub(super) fn downsampler(&self, level: usize) -> String {
        match self.is_residual {
            true => format!("down_blocks.{level}.downsampler"),
            false => self.down_block(level, self.num_res_blocks),
        }
    }

    /// The name of what leads from a level of the decoder to the next finer one.
    pub(super) fn upsampler(&self, level: usize) -> String {
        match self.is_residual {
            true => format!("up_blocks.{level}.upsampler"),
            false => format!("up_blocks.{level}.upsamplers.0"),
        }
    }

    /// Every tensor of the model, by canonical name.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected::new();
        let mut asked = Asked { expected: &mut expected };
        let z = self.z_dim;
        let picture = PICTURE_CHANNELS * self.patch_size * self.patch_size;
        let mut inputs = self.base_dim;
        asked.conv("encoder.conv_in", inputs, picture, &[3, 3, 3]);
        for (level, dim) in self.encoder_dims().into_iter().enumerate() {
            for block in 0..self.num_res_blocks {
                asked.resnet(&format!("encoder.{}", self.down_block(level, block)), dim, inputs);
                inputs = dim;
            }
            if let Some(halves) = self.temporal_downsample.get(level) {
                let name = format!("encoder.{}", self.downsampler(level));
                asked.conv(&format!("{name}.resample.1"), dim, dim, &[3, 3]);
                if *halves {
                    asked.conv(&format!("{name}.time_conv"), dim, dim, &[3, 1, 1]);
                }
            }
        }
        asked.ends("encoder", inputs, inputs, 2 * z);
        asked.conv("quant_conv", 2 * z, 2 * z, &[1, 1, 1]);

        let dims = self.decoder_dims();
        asked.conv("post_quant_conv", z, z, &[1, 1, 1]);
        asked.conv("decoder.conv_in", dims[0], z, &[3, 3, 3]);
        let doubles = self.temporal_upsample();
        let mut inputs = dims[0];
        for (level, &dim) in dims.iter().enumerate() {
            for block in 0..=self.num_res_blocks {
                let name = format!("decoder.up_blocks.{level}.resnets.{block}");
                asked.resnet(&name, dim, inputs);
                inputs = dim;
            }
            if let Some(doubles) = doubles.get(level) {
                inputs = self.handed_on(dim);
                let name = format!("decoder.{}", self.upsampler(level));
                asked.conv(&format!("{name}.resample.1"), inputs, dim, &[3, 3]);
                if *doubles {
                    asked.conv(&format!("{name}.time_conv"), 2 * dim, dim, &[3, 1, 1]);
                }
            }
        }
        asked.ends("decoder", dims[0], inputs, picture);
        expected
    }
}

/// Collects the tensors a configuration asks for.
struct Asked<'a> {
    expected: &'a mut Expected,
}

impl Asked<'_> {
    fn conv(&mut self, name: &str, n: usize, c: usize, kernel: &[usize]) {
        self.expected.add(format!("{name}.weight"), [&[n, c], kernel].concat());
        self.expected.add(format!("{name}.bias"), [n]);
    }

    fn resnet(&mut self, name: &str, n: usize, c: usize) {
        self.expected.add(format!("{name}.norm1.gamma"), [c, 1, 1, 1]);
        self.conv(&format!("{name}.conv1"), n, c, &[3, 3, 3]);
        self.expected.add(format!("{name}.norm2.gamma"), [n, 1, 1, 1]);
        self.conv(&format!("{name}.conv2"), n, n, &[3, 3, 3]);
        if n != c {
            self.conv(&format!("{name}.conv_shortcut"), n, c, &[1, 1, 1]);
        }
    }

    /// The coarsest level in the middle, and the last norm and convolution.
    fn ends(&mut self, side: &str, middle: usize, last: usize, n: usize) {
        let block = format!("{side}.mid_block");
        self.resnet(&format!("{block}.resnets.0"), middle, middle);
        self.expected.add(format!("{block}.attentions.0.norm.gamma"), [middle, 1, 1]);
        self.conv(&format!("{block}.attentions.0.to_qkv"), 3 * middle, middle, &[1, 1]);
        self.conv(&format!("{block}.attentions.0.proj"), middle, middle, &[1, 1]);
        self.resnet(&format!("{block}.resnets.1"), middle, middle);
        self.expected.add(format!("{side}.norm_out.gamma"), [last, 1, 1, 1]);
        self.conv(&format!("{side}.conv_out"), n, last, &[3, 3, 3]);
    }
}
