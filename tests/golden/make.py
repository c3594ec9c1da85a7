#!/usr/bin/env python3
"""Makes the goldens that hold tensors, from the real classes at tiny configurations: tests/golden/<case>.

    make.py [CASE ...]      all of them, or those named

Each case is one safetensors file, and a case.toml that says what it is. Needs torch, diffusers, transformers and
safetensors; nothing here is needed to run the tests.
"""

import copy
import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
MOST_BYTES = 300_000


def fill(module, seed):
    """Gives a module random weights of every kind that bf16 can hold, so that they are stored in half the space."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        value = torch.randn(parameter.shape, generator=generator)
        if name.endswith(("gamma", "norm.weight")) or ".norm" in name and name.endswith("weight"):
            value = 1 + 0.2 * value
        elif parameter.ndim > 1:
            value = value / (parameter.numel() / parameter.shape[0]) ** 0.5
        else:
            value = 0.1 * value
        parameter.data = value.bfloat16().float()
    return module.eval()


def random(seed, *shape):
    """Normal numbers that bf16 can hold."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()


def narrow(tensors):
    """What bf16 can hold is stored as bf16."""
    stored = {}
    for name, value in tensors.items():
        value = value.detach().contiguous()
        is_narrow = value.is_floating_point() and torch.equal(value.bfloat16().to(value.dtype), value)
        stored[name] = value.bfloat16() if is_narrow else value
    return stored


def save(case, module, config, seed, tensors, package="diffusers", repo="huggingface/diffusers", **measured):
    """Writes a case: the weights under their own names beside inputs and outputs, and what else was measured."""
    folder = HERE / case
    folder.mkdir(exist_ok=True)
    path = folder / "case.safetensors"
    weights = dict(module.state_dict())
    assert not weights.keys() & tensors.keys()
    save_file(narrow({**weights, **tensors}), path)
    size = path.stat().st_size
    assert size <= MOST_BYTES, f"{case}: {size} bytes"
    lines = {
        "repo": repo,
        "version": importlib.metadata.version(package),
        "class": type(module).__name__,
        "seed": seed,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **measured,
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    (folder / "case.toml").write_text(f"{text}config = '''\n{json.dumps(config, indent=1)}\n'''\n")
    print(f"{case}: {size} bytes")


def relative_l2(ours, theirs):
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()


def wan_vae(case, seed, size, tile, **config):
    """A decode of 3 latent frames, an encode of 17 frames, and a decode in tiles.

    A shorter clip is the beginning of a longer one, which is asserted here and used by the tests.
    """
    from diffusers import AutoencoderKLWan

    vae = fill(AutoencoderKLWan(attn_scales=[], **config), seed)
    z, scale = config["z_dim"], vae.config.scale_factor_spatial
    latents = 1.5 * random(seed + 1, 1, z, 3, *size)
    decoded = vae.decode(latents).sample
    frames = random(seed + 2, 1, 3, 17, size[0] * scale, size[1] * scale).clamp(-1, 1)
    encoded = vae.encode(frames).latent_dist.mode()
    for count in (1, 2):
        part = vae.decode(latents[:, :, :count]).sample
        assert (part - decoded[:, :, : part.shape[2]]).abs().max() < 1e-6
    for count in (1, 5, 9):
        part = vae.encode(frames[:, :, :count]).latent_dist.mode()
        assert (part - encoded[:, :, : part.shape[2]]).abs().max() < 1e-6
    # More than one tile each way, the last ones smaller.
    tiled = 1.5 * random(seed + 3, 1, z, 2, size[0] + 1, size[1] + 1)
    vae.enable_tiling(*tile)
    tiles = vae.decode(tiled).sample
    tensors = {"decode.in": latents, "decode.out": decoded, "tiled.in": tiled, "tiled.out": tiles,
               "encode.in": frames, "encode.mean": encoded}
    tensors = {name: value[0] for name, value in tensors.items()}
    clamped = (decoded.abs() == 1).float().mean()
    assert 0.001 < clamped < 0.5, f"{case}: {clamped} of the values are clamped"
    config = {name: value for name, value in vae.config.items() if not name.startswith("_")}
    narrow = copy.deepcopy(vae).bfloat16().decode(latents.bfloat16()).sample
    save(case, vae, config, seed, tensors, error_bf16=relative_l2(narrow, decoded))


CASES = {
    "wan-vae-published-levels": lambda: wan_vae(
        "wan-vae-published-levels", 11, (2, 2), (16, 16, 8, 8), base_dim=3, z_dim=4, dim_mult=[1, 2, 4, 4],
        num_res_blocks=1, temperal_downsample=[False, True, True], latents_mean=[0.5, -0.25, 0.0, 1.0],
        latents_std=[1.5, 2.0, 0.75, 1.0]),
    "wan-vae-three-levels": lambda: wan_vae(
        "wan-vae-three-levels", 23, (4, 3), (16, 16, 12, 12), base_dim=4, z_dim=4, dim_mult=[1, 2, 2], num_res_blocks=2,
        temperal_downsample=[True, False], scale_factor_temporal=2, scale_factor_spatial=4,
        latents_mean=[0.5, -0.25, 0.0, 1.0], latents_std=[1.5, 2.0, 0.75, 1.0]),
}

if __name__ == "__main__":
    with torch.no_grad():
        for case in sys.argv[1:] or CASES:
            CASES[case]()
