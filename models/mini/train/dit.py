"""Trains UMT5EncoderModel and WanTransformer3DModel together, by flow matching on latents of the VAE.

Beside the velocity, a block in the middle is asked for a plan of the clip: what is in it, and where the character is in each frame.
A few linear heads, dropped afterwards, read it. The gradient of a plan is clear where that of a noisy clip is not, so motion and
identity are learnt in a fraction of the samples.
"""
from __future__ import annotations

import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel
from transformers import UMT5EncoderModel

import optim
import vae
import wandit
import words
import world
from setting import DENOISER, FRAMES, TEXT, VAE, autocast, cosine, record, replace, say

TAP = 3
POSE = 6  # values of a frame's pose


def new_denoiser():
    z = VAE["z_dim"]
    model = WanTransformer3DModel(
        **DENOISER, in_channels=z, out_channels=z, text_dim=TEXT["d_model"], patch_size=(1, 2, 2), cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=128)
    with torch.no_grad():
        model.proj_out.weight.mul_(0.02)
        model.proj_out.bias.zero_()
    return model


def load(args, tokenizer):
    """Text encoder and denoiser of the run, of the folder to start from, or new ones."""
    source = next((f for f in (args.work, args.init) if f and (f / "transformer" / "config.json").exists()), None)
    if source:
        return (UMT5EncoderModel.from_pretrained(source / "text_encoder", dtype=torch.float32).to(args.device),
                WanTransformer3DModel.from_pretrained(source / "transformer", torch_dtype=torch.float32).to(args.device), False)
    return words.new_encoder(len(tokenizer)).to(args.device), new_denoiser().to(args.device), True


def save(args, encoder, denoiser):
    replace(args.work / "text_encoder", encoder.save_pretrained)
    replace(args.work / "transformer", denoiser.save_pretrained)


class Plan(torch.nn.Module):
    """The heads that read the plan, and what they should read."""

    def __init__(self):
        super().__init__()
        dim = DENOISER["num_attention_heads"] * DENOISER["attention_head_dim"]
        self.norm = torch.nn.LayerNorm(dim)
        self.pose = torch.nn.Linear(dim, 4 * POSE)
        self.kinds = torch.nn.ModuleList([torch.nn.Linear(dim, len(values)) for values in words.ATTRIBUTES.values()])

    def loss(self, h, poses, kinds, ratio):
        """h [b, T, tokens, dim]; poses [b, frames, x y r rotation]; kinds [b, attributes]"""
        b, t, tokens, _ = h.shape
        h = self.norm(h.float())
        rows = round((tokens / ratio) ** 0.5)
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(tokens // rows) + 0.5, indexing="ij")
        x, y = (v.flatten().to(h.device) / rows for v in (x, y))  # in heights of the picture
        # The frames of a latent: the first has one, the others four.
        of = torch.tensor([[0] * 4] + [[4 * k - 3 + i for i in range(4)] for k in range(1, t)], device=h.device)
        px, py, r, turn = (v[:, :, None] for v in poses[:, of].unbind(-1))  # b t 1 4
        dx, dy = px - x[:, None], py - y[:, None]  # b t tokens 4
        inside = (0.5 - ((dx ** 2 + dy ** 2).sqrt() - r) * rows).clamp(0, 1)
        same = lambda v: v.expand_as(dx)
        wanted = torch.stack([inside, dx.clamp(-1, 1), dy.clamp(-1, 1), same(4 * r - 0.8), same(turn.cos()), same(turn.sin())], -1)
        pose = (self.pose(h).unflatten(-1, (4, POSE)) - wanted).square().mean()
        kind = sum(
            F.cross_entropy(head(h).flatten(0, 2), kinds[:, i].repeat_interleave(t * tokens)) for i, head in enumerate(self.kinds))
        return pose, kind / len(self.kinds)


class Pool:
    """Encoded clips with their scenes and poses."""

    def __init__(self, z, scenes, ratio):
        self.z, self.scenes = z, scenes
        t = np.arange(FRAMES, dtype=np.float32) / (FRAMES - 1)
        poses = [np.stack([np.broadcast_to(v, t.shape) for v in world.pose(s, t, ratio)[:4]], -1) for s in scenes]
        self.poses = torch.from_numpy(np.stack(poses).astype(np.float32))
        names = {name: list(values) for name, values in words.ATTRIBUTES.items()}
        number = lambda name, value: names[name].index(value) if value in names[name] else 0
        self.kinds = torch.tensor([[number(name, getattr(s, name)) for name in names] for s in scenes])

    @classmethod
    def of(cls, args, preset, name, n, seed, char=None):
        path, model = args.work / f"{name}.pt", vae.load(args).eval()
        mean = model.config.latents_mean
        if not path.exists():
            z, scenes = vae.encode(args, preset, model, n, seed, char)
            held = dict(z=z, scenes=[vars(s) for s in scenes], latents_mean=mean)
            replace(path, lambda new: torch.save(held, new))
        held = torch.load(path, weights_only=False)
        if held["latents_mean"] != mean:
            raise SystemExit(f"{path} was encoded by another VAE than {args.work / 'vae'}: remove it")
        return cls(held["z"], [world.Scene(**s) for s in held["scenes"]], preset["w"] / preset["h"])

    def batches(self, rng):
        order = []
        while True:
            b = yield order[:0]
            while b:
                if len(order) < b:
                    order = rng.sample(range(len(self.scenes)), len(self.scenes))
                taken, order = order[:b], order[b:]
                b = yield taken


def loss(args, preset, denoiser, encoder, tokenizer, pool, rows, rng, images=False, plan=None, block=wandit.block):
    """Flow matching; a third of the clips keep a clean first frame, a tenth has no caption."""
    device = args.device
    z = pool.z[rows].to(device).float()
    if images:
        z = z[:, :, :1].contiguous()
    b, t = z.shape[0], z.shape[2]
    captions = ["" if rng.random() < 0.1 else world.caption(pool.scenes[i], rng) for i in rows]
    ids, lengths = (v.to(device) for v in words.tokenize(tokenizer, captions))
    u = torch.rand(b, device=device)
    u = torch.where(torch.rand(b, device=device) < 0.5, u, torch.sigmoid(torch.randn(b, device=device)))
    shift = 1.5 if images else 2.5
    sigma = shift * u / (1 + (shift - 1) * u)
    noise = torch.randn_like(z)
    s = sigma.view(-1, 1, 1, 1, 1)
    x = (1 - s) * z + s * noise
    clean = torch.rand(b, device=device) < (0.0 if images else 0.33)
    x = torch.cat([torch.where(clean.view(-1, 1, 1, 1, 1), z[:, :, :1], x[:, :, :1]), x[:, :, 1:]], 2)
    total = 512 if rng.random() < 0.75 else rng.choice((64, 128, 226))
    with autocast(device):
        text, bias = words.context(encoder, ids, lengths, total)
        velocity, tapped = wandit.forward(denoiser, x, sigma * 1000, clean, text, bias, block, TAP if plan else None)
    error = (velocity.float() - (noise - z)).square().mean((1, 3, 4))
    weight = torch.ones_like(error)
    weight[:, 0] = torch.where(clean, 0.0, 1.0)
    matching = (error * weight).sum() / weight.sum()
    if plan is None:
        return matching, torch.zeros(()), torch.zeros(())
    pose, kind = plan.loss(tapped, pool.poses[rows].to(device), pool.kinds[rows].to(device), preset["w"] / preset["h"])
    return matching, pose, kind


def train(args, preset):
    """Goes on for --minutes from the state of the run. The rate is held, so that a run can go on for days in pieces; with --settle it
    is let down over these minutes instead, for weights to keep, and the state stays as it was."""
    device = args.device
    pool = Pool.of(args, preset, "pool", args.clips or preset["pool"], seed=1)
    say("pool", tuple(pool.z.shape), "standard deviation", round(pool.z.float().std().item(), 3))
    tokenizer = words.load_tokenizer(args)
    state_path, step, seen = args.work / "state.pt", 0, 0
    encoder, denoiser, is_new = load(args, tokenizer)
    if is_new and not state_path.exists():
        words.pretrain(args, preset, tokenizer, encoder, steps=args.word_steps)
    plan = Plan().to(device)
    parts = [("denoiser", denoiser), ("encoder", encoder), ("plan", plan)]
    named = {id(p): (f"{part}.{n}", p) for part, model in parts for n, p in model.train().named_parameters()}
    named = list(named.values())
    say("parameters", {part: sum(p.numel() for p in model.parameters()) for part, model in parts})
    is_matrix = lambda n, p: p.ndim == 2 and ("blocks." in n or ".block." in n) and "scale_shift" not in n and "relative" not in n
    optimizer = optim.Muon(named, is_matrix, lr=preset["lr"], adam_lr=preset["adam_lr"], betas=(0.9, 0.98), wd=0.01)
    # While the rate is let down, the weights settle by themselves: a long memory would only hold them back.
    ema = optim.EMA([p for _, p in named], 0.98 if args.settle else preset["ema"])
    if state_path.exists():
        state = torch.load(state_path, map_location=device, weights_only=False)
        with torch.no_grad():
            for (_, p), value in zip(named, state["parameters"], strict=True):
                p.copy_(value)
        optimizer.load(state["optimizer"])
        ema.load(state["ema"])
        step, seen = state["step"], state["seen"]
        say("going on from step", step, "samples", seen)
    torch.manual_seed(1_000_003 * args.seed + step)  # other noise than in the pieces before

    def keep():
        parameters = [p.detach().cpu() for _, p in named]
        state = dict(parameters=parameters, optimizer=optimizer.state(), ema=ema.state(), step=step, seen=seen)
        replace(state_path, lambda new: torch.save(state, new))

    def publish():
        ema.swap()
        save(args, encoder, denoiser)
        ema.swap()

    block = torch.compile(wandit.block, dynamic=False) if args.compile else wandit.block
    rng = random.Random(int(time.time()))
    drawn = pool.batches(rng)
    next(drawn)
    recent, first_step, first_seen, begun = [], step, seen, time.time()
    saved = begun
    while (done := (time.time() - begun) / (args.minutes * 60)) < 1:
        images = seen < args.image_samples
        rows = drawn.send(preset["image_batch" if images else "batch"])
        scale = min(1, (step + 1) / 50) * (cosine(done, 0.01) if args.settle else 1.0)
        matching, pose, kind = loss(args, preset, denoiser, encoder, tokenizer, pool, rows, rng, images, plan, block)
        optimizer.zero_grad()
        (matching + args.plan * (pose + 0.2 * kind)).backward()
        norm = optimizer.step(scale)
        ema.update()
        step += 1
        seen += len(rows)
        recent.append((matching.item(), pose.item(), kind.item(), float(norm)))
        if step % 50 == 0:
            m, p, k, norm = np.mean(recent, 0)
            recent = []
            pace = (time.time() - begun) / (step - first_step)
            say(f"dit {step} {'images' if images else 'clips'} {seen} loss {m:.4f} pose {p:.4f} kind {k:.4f} grad {norm:.2f} rate {scale:.2f} {pace:.2f} s {done:.0%}")
        if time.time() - saved > 300:
            if not args.settle:
                keep()
            publish()
            saved = time.time()
    if not args.settle:
        keep()
    publish()
    say("done", step, "steps", seen, "samples")
    record(args, "settle" if args.settle else "dit", minutes=args.minutes, steps=step - first_step, samples=seen - first_seen,
           all_samples=seen, clips=len(pool.scenes))
