"""What every command of the training shares: sizes, the folder of a run, its log, and how clips become tensors."""
from __future__ import annotations

import json
import math
import random
import shutil
import time

import numpy as np
import torch
from PIL import Image

FRAMES = 17
FPS = 8

PRESETS = {
    "cpu": dict(
        w=96, h=64, crop=48, vae_batch={5: 6, 9: 3, 17: 2}, vae_lr=2e-3, batch=48, image_batch=192, lr=3e-3, adam_lr=2e-3,
        pool=16000, ema=0.999, words_batch=128),
    "gpu": dict(
        w=96, h=64, crop=48, vae_batch={5: 64, 9: 32, 17: 16}, vae_lr=3e-3, batch=192, image_batch=768, lr=3e-3, adam_lr=2e-3,
        pool=60000, ema=0.9995, words_batch=512),
}

VAE = dict(
    base_dim=24, z_dim=24, dim_mult=[1, 2, 2], num_res_blocks=1, temperal_downsample=[True, True], is_residual=True, patch_size=2,
    in_channels=12, out_channels=12, scale_factor_spatial=8, scale_factor_temporal=4)
TEXT = dict(d_model=128, d_kv=32, num_heads=4, d_ff=256, num_layers=2)
DENOISER = dict(num_attention_heads=6, attention_head_dim=32, ffn_dim=768, num_layers=7, freq_dim=128)


def say(*words):
    print(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()), *words, flush=True)


def autocast(device):
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


class Stream(torch.utils.data.IterableDataset):
    """Endless batches from `make(rng)`, drawn by worker processes when there are any."""

    def __init__(self, make, seed):
        self.make, self.seed = make, seed

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(self.seed * 1000 + (worker.id if worker else 0))
        while True:
            yield self.make(rng)


def stream(args, make, seed):
    extra = dict(prefetch_factor=4, persistent_workers=True) if args.workers else {}
    return iter(torch.utils.data.DataLoader(Stream(make, seed), batch_size=None, num_workers=args.workers, **extra))


def to_tensor(clips):
    """uint8 [b, t, h, w, 3] -> float [b, 3, t, h, w] in [-1, 1]"""
    return torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_bytes(clips):
    """float [b, 3, t, h, w] in [-1, 1] -> uint8 [b, t, h, w, 3]"""
    return ((clips.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).numpy()


def psnr(a, b):
    """a, b in [-1, 1]; mean of the PSNR of each clip"""
    error = ((a - b) / 2).square().flatten(1).mean(1).clamp_min(1e-10)
    return (-10 * error.log10()).mean().item()


def sheet(clips, path, picks=(0, 4, 8, 12, 16), scale=2, columns=2):
    """One row a clip, five frames in it."""
    rows = [np.concatenate([clip[min(k, len(clip) - 1)] for k in picks], 1) for clip in clips]
    while len(rows) % columns:
        rows.append(np.zeros_like(rows[0]))
    n = len(rows) // columns
    image = np.concatenate([np.concatenate(rows[i * n:(i + 1) * n], 0) for i in range(columns)], 1)
    Image.fromarray(image).resize((image.shape[1] * scale, image.shape[0] * scale), Image.LANCZOS).save(path)


def replace(path, write):
    """Has a file or a folder written beside `path`, and then gives it that name: what is there is whole."""
    new = path.with_name(path.name + ".new")
    if new.is_dir():
        shutil.rmtree(new)
    write(new)
    if path.is_dir():
        shutil.rmtree(path)
    new.rename(path) if new.is_dir() else new.replace(path)


def record(args, part, **figures):
    """Adds what a part of the training came to, to the history of the run."""
    path = args.work / "history.jsonl"
    line = dict(part=part, at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **figures)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def cosine(x, end):
    """From 1 at x = 0 to `end` at x = 1."""
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(max(x, 0.0), 1.0)))
