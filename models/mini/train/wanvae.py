"""Whole-clip forward of AutoencoderKLWan: same numbers as the chunked, cached path, one pass, autograd friendly."""
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders import autoencoder_kl_wan as M


def _resample(self, x):
    b, c, t, h, w = x.shape
    if self.mode == "upsample3d" and t > 1:
        y = self.time_conv(x[:, :, 1:])
        y = torch.stack((y[:, :c], y[:, c:]), 3).reshape(b, c, 2 * (t - 1), h, w)
        x = torch.cat([x[:, :, :1], y], 2)
    t = x.shape[2]
    x = x.permute(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
    if self.mode.startswith("upsample"):
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.resample[1](x)
    else:
        x = self.resample(x)
    x = x.view(b, t, x.size(1), x.size(2), x.size(3)).permute(0, 2, 1, 3, 4)
    if self.mode == "downsample3d" and t > 1:
        x = torch.cat([x[:, :, :1], self.time_conv(x)], 2)
    return x


def _norm(self, x):
    # same value as F.normalize * scale * gamma, fewer passes over memory
    s = x.float().square().sum(1, keepdim=True).clamp_min(1e-24).rsqrt() * self.scale
    return (x * s.to(x.dtype)) * self.gamma.to(x.dtype)


_orig_resample, _orig_norm = M.WanResample.forward, M.WanRMS_norm.forward


def _resample_any(self, x, feat_cache=None, feat_idx=[0]):
    return _resample(self, x) if feat_cache is None else _orig_resample(self, x, feat_cache, feat_idx)


def install():
    M.WanResample.forward = _resample_any
    M.WanRMS_norm.forward = _norm


def restore():
    M.WanResample.forward = _orig_resample
    M.WanRMS_norm.forward = _orig_norm


def encode(vae, x):
    """moments: mean and log-variance, [b, 2z, t, h, w]"""
    if vae.config.patch_size:
        x = M.patchify(x.contiguous(), vae.config.patch_size)
    return vae.quant_conv(vae.encoder(x.contiguous(memory_format=torch.channels_last_3d)))


def decode(vae, z):
    y = vae.decoder(vae.post_quant_conv(z.contiguous(memory_format=torch.channels_last_3d)), first_chunk=True)
    return M.unpatchify(y.contiguous(), vae.config.patch_size) if vae.config.patch_size else y
