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
import math
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


class Blocks(dict):
    """Collects what modules put out, under the names that `--trace-blocks` gives them without their call."""

    def attach(self, module, prefix, names):
        for name in names:
            module.get_submodule(name).register_forward_hook(self.hook(prefix + name))
        return self

    def hook(self, name):
        def keep(_module, _inputs, output):
            parts = output if isinstance(output, tuple) else [output]
            for j, part in enumerate(parts):
                if part is not None:
                    self[name + (f"/{j}" if isinstance(output, tuple) else "")] = part.clone()
        return keep


def umt5(case, seed, tokens, **config):
    """Encodes padded prompts of several lengths; only the rows of true tokens are kept."""
    from transformers import UMT5Config, UMT5EncoderModel

    config = dict(feed_forward_proj="gated-gelu", num_decoder_layers=0, dropout_rate=0.0, layer_norm_epsilon=1e-6,
                  relative_attention_num_buckets=32, relative_attention_max_distance=128, **config)
    model = fill(UMT5EncoderModel(UMT5Config(**config)), seed)
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:
            parameter.data = random(seed + parameter.numel() + int(name.split(".")[2]), *parameter.shape)
    layers = [f"encoder.block.{i}" for i in range(config["num_layers"])]
    tensors = {}
    for true in tokens:
        ids = torch.zeros(1, max(tokens), dtype=torch.int32)
        generator = torch.Generator().manual_seed(seed + true)
        ids[0, :true] = torch.randint(1, config["vocab_size"], (true,), generator=generator)
        mask = (torch.arange(max(tokens)) < true).int()[None]
        blocks = Blocks().attach(model, f"{true}.", layers)
        out = model(ids.long(), mask).last_hidden_state
        tensors.update({name: value[0, :true] for name, value in blocks.items() if name.startswith(f"{true}.")})
        tensors.update({f"{true}.ids": ids[0, :true].float(), f"{true}.out": out[0, :true]})
        last = true
    narrow_out = copy.deepcopy(model).bfloat16()(ids.long(), mask).last_hidden_state[0, :last].float()
    del model.encoder.embed_tokens  # the same table as `shared`
    save(case, model, config, seed, tensors, package="transformers", repo="huggingface/transformers",
         error_bf16=relative_l2(narrow_out, out[0, :last]))


def wan_transformer(case, seed, size, words, rows=512, per_token=False, **config):
    """One forward pass, every block of it; `words` rows of the prompt are true, the others zero."""
    from diffusers import WanTransformer3DModel

    model = fill(WanTransformer3DModel(**config), seed)
    config = {name: value for name, value in model.config.items() if not name.startswith("_")}
    patch = config["patch_size"]
    latents = random(seed + 1, 1, config["in_channels"], *size)
    prompt = torch.zeros(1, rows, config["text_dim"])
    prompt[0, :words] = random(seed + 2, words, config["text_dim"])
    tokens = math.prod(side // step for side, step in zip(size, patch))
    timestep = torch.tensor([812.5])
    if per_token:  # the first latent frame is clean
        timestep = torch.full((1, tokens), 812.5)
        timestep[0, : tokens // (size[0] // patch[0])] = 0
    names = ["rope", "patch_embedding", "condition_embedder", "norm_out", "proj_out"]
    names += [f"blocks.{i}" for i in range(config["num_layers"])]
    blocks = Blocks().attach(model, "", names)
    out = model(latents, timestep, prompt).sample
    tensors = {f"block:{name}": value for name, value in blocks.items()}
    shown = tensors["block:condition_embedder/2"]
    assert (shown[0, words:] == shown[0, -1]).all()
    tensors["block:condition_embedder/2"] = shown[:, : words + 1]  # one row of padding stands for all
    tensors |= {"latents": latents[0], "timestep": timestep[0] if per_token else timestep, "prompt": prompt[0, :words],
                "out": out[0], "rows": torch.tensor([float(rows)])}
    half = copy.deepcopy(model).bfloat16()
    half_out = half(latents.bfloat16(), timestep, prompt.bfloat16()).sample.float()
    save(case, model, config, seed, tensors, error_bf16=relative_l2(half_out, out))


CASES = {
    "wan-vae-published-levels": lambda: wan_vae(
        "wan-vae-published-levels", 11, (2, 2), (16, 16, 8, 8), base_dim=3, z_dim=4, dim_mult=[1, 2, 4, 4],
        num_res_blocks=1, temperal_downsample=[False, True, True], latents_mean=[0.5, -0.25, 0.0, 1.0],
        latents_std=[1.5, 2.0, 0.75, 1.0]),
    "wan-vae-three-levels": lambda: wan_vae(
        "wan-vae-three-levels", 23, (4, 3), (16, 16, 12, 12), base_dim=4, z_dim=4, dim_mult=[1, 2, 2], num_res_blocks=2,
        temperal_downsample=[True, False], scale_factor_temporal=2, scale_factor_spatial=4,
        latents_mean=[0.5, -0.25, 0.0, 1.0], latents_std=[1.5, 2.0, 0.75, 1.0]),
    "umt5": lambda: umt5("umt5", 31, (1, 7, 60), vocab_size=64, d_model=32, d_kv=16, d_ff=48, num_layers=3, num_heads=3),
    "wan-transformer": lambda: wan_transformer(
        "wan-transformer", 41, (3, 4, 6), 5, num_attention_heads=2, attention_head_dim=28, in_channels=4, out_channels=4,
        text_dim=24, freq_dim=16, ffn_dim=64, num_layers=2),
    "wan-transformer-per-token": lambda: wan_transformer(
        "wan-transformer-per-token", 43, (2, 4, 4), 6, per_token=True, num_attention_heads=3, attention_head_dim=16,
        in_channels=6, out_channels=3, text_dim=20, freq_dim=32, ffn_dim=40, num_layers=2, eps=1e-5),
    "wan-transformer-unpadded": lambda: wan_transformer(
        "wan-transformer-unpadded", 47, (1, 4, 2), 9, rows=9, num_attention_heads=2, attention_head_dim=12, in_channels=4,
        out_channels=None, text_dim=16, freq_dim=16, ffn_dim=24, num_layers=1, cross_attn_norm=False,
        patch_size=(1, 2, 1)),
}

if __name__ == "__main__":
    with torch.no_grad():
        for case in sys.argv[1:] or CASES:
            CASES[case]()
