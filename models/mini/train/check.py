"""Holds the forward passes of the training against the stock ones, on random input."""
from __future__ import annotations

import torch

import dit
import vae
import wandit
import wanvae
import words
from setting import FRAMES, TEXT, VAE, say


def off(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


@torch.no_grad()
def check(args, preset):
    """Relative L2 of velocity, latents and clip, each of which should be rounding alone."""
    torch.manual_seed(args.seed)
    tokenizer = words.load_tokenizer(args)
    _, denoiser, _ = dit.load(args, tokenizer)
    z = torch.randn(2, VAE["z_dim"], 5, 8, 12)
    lengths, total = torch.tensor([7, 4]), 512
    text = torch.zeros(2, total, TEXT["d_model"])
    for row, n in zip(text, lengths):
        row[:n] = torch.randn(n, TEXT["d_model"])
    t = torch.tensor([700.0, 150.0])
    each = t[:, None].repeat(1, 5 * 4 * 6)
    each[1, :24] = 0  # the second clip has a clean first frame
    theirs = denoiser(z, each, text).sample
    clean = torch.tensor([False, True])
    ours, _ = wandit.forward(denoiser, z, t, clean, text[:, :8 + 1], wandit.pad_bias(lengths, 9, total))
    velocity = off(ours, theirs)

    model = vae.load(args)
    x = torch.rand(1, 3, FRAMES, preset["h"], preset["w"]) * 2 - 1
    wanvae.restore()
    stock = model.encode(x).latent_dist.mean
    again = model.decode(stock).sample
    wanvae.install()
    latents = off(wanvae.encode(model, x).chunk(2, 1)[0], stock)
    clip = off(wanvae.decode(model, stock).clamp(-1, 1), again)
    say(f"velocity {velocity:.1e}, latents {latents:.1e}, clip {clip:.1e}")
    assert max(velocity, latents, clip) < 1e-5
