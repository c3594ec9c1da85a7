"""Trains AutoencoderKLWan of the Wan 2.2 kind, on crops around the character, and encodes clips with it."""
from __future__ import annotations

import math
import random
import time

import numpy as np
import torch
from diffusers import AutoencoderKLWan

import optim
import wanvae
import world
from setting import FRAMES, VAE, autocast, cosine, psnr, record, replace, say, sheet, stream, to_bytes, to_tensor


def shapes(rng, frames, n):
    """Random moving shapes: they keep the VAE general, for pictures of the user and characters it has not seen."""
    x, y = world._grid(n, n)
    colour = lambda: np.array([rng.random() for _ in range(3)], np.float32)
    t = (y if rng.random() < 0.6 else x)[..., None]
    top, bottom = colour(), colour()
    if rng.random() < 0.6:
        bottom = np.clip(top + (bottom - top) * 0.3, 0, 1)
    out = np.repeat((top * (1 - t) + bottom * t)[None], frames, 0)
    for _ in range(rng.randint(2, 6)):
        kind, fill, r = rng.randrange(4), colour(), rng.choice((0.03, 0.07, 0.15, 0.25, 0.35))
        cx, cy, angle = rng.random(), rng.random(), rng.uniform(0, 6.28)
        moves = rng.random() < 0.7
        vx, vy, turn = (rng.uniform(-0.06, 0.06) if moves else 0 for _ in range(3))
        aspect, outlined = rng.uniform(0.5, 1.0), rng.random() < 0.5
        for f in range(frames):
            a = angle + turn * 5 * f
            gx, gy = x - cx - vx * f, y - cy - vy * f
            u, v = (gx * math.cos(a) - gy * math.sin(a)) / r, (gx * math.sin(a) + gy * math.cos(a)) / r
            if kind == 0:
                d = world.ellipse(u, v, 0, 0, 1, aspect)
            elif kind == 1:
                d = world.rbox(u, v, 0, 0, 1, aspect, 0.15)
            elif kind == 2:
                d = world.poly(u, v, [(0, -1), (-0.9, 0.7), (0.9, 0.7)])
            else:
                d = world.poly(u, v, world.STAR)
            for line, tint in ((0.0, fill * 0.35), (0.12, fill)) if outlined else ((0.0, fill),):
                mask = np.clip(0.5 - (d + line) * r * n, 0, 1)[..., None]
                out[f] = out[f] * (1 - mask) + tint * mask
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)


def crop(rng, preset, frames):
    """A part of a clip, most often around the character."""
    n, w, h = preset["crop"], preset["w"], preset["h"]
    if rng.random() < 0.1:
        return shapes(rng, frames, n)
    scene = world.sample_scene(rng)
    if rng.random() < 0.25:
        scene.action = rng.choice(("spin", "jump"))  # the hardest: much changes within one latent
    t = np.arange(frames, dtype=np.float32) + rng.randint(0, FRAMES - frames)
    t = t / (FRAMES - 1)
    clip = world.render_at(scene, t, w, h)
    if rng.random() < 0.8:
        x, y, *_ = world.pose(scene, t, w / h)
        f = rng.randrange(frames)
        left, top = x[f] * h + rng.uniform(-10, 10) - n / 2, y[f] * h + rng.uniform(-10, 10) - n / 2
    else:
        left, top = rng.uniform(0, w - n), rng.uniform(0, h - n)
    left, top = int(min(max(left, 0), w - n)), int(min(max(top, 0), h - n))
    clip = clip[:, top:top + n, left:left + n]
    if rng.random() < 0.5:
        clip = clip[:, :, ::-1]
    if rng.random() < 0.05:
        clip = clip[..., rng.sample(range(3), 3)]
    return clip


def channels_last(model):
    for p in model.parameters():
        if p.ndim == 5:
            p.data = p.data.contiguous(memory_format=torch.channels_last_3d)
        elif p.ndim == 4 and p.shape[-1] == 3:
            p.data = p.data.contiguous(memory_format=torch.channels_last)
    return model


def load(args):
    """The VAE of the run, of the folder to start from, or a new one."""
    wanvae.install()
    if (args.work / "vae" / "config.json").exists():
        model = AutoencoderKLWan.from_pretrained(args.work / "vae")
    elif args.init:
        model = AutoencoderKLWan.from_pretrained(args.init / "vae", torch_dtype=torch.float32)
    else:
        z = VAE["z_dim"]
        model = AutoencoderKLWan(**VAE, latents_mean=[0.0] * z, latents_std=[1.0] * z)
        with torch.no_grad():
            model.quant_conv.bias[z:] = -6.0  # nearly no noise at first
    return channels_last(model.to(args.device))


@torch.no_grad()
def widen(args, preset):
    """Gives the decoder --width channels where it is narrowest: what it drew it still draws, nearly, and it has room to learn. New
    channels are heard by nobody at first, and say little, for the norms hear all of them."""
    old = load(args)
    statistics = {name: old.config[name] for name in ("latents_mean", "latents_std")}
    new = AutoencoderKLWan(**{**VAE, "decoder_base_dim": args.width}, **statistics)
    before = old.state_dict()
    for name, value in new.state_dict().items():
        was = before[name].to(value.dtype)
        if value.shape == was.shape:
            value.copy_(was)
            continue
        if name.endswith("gamma"):
            # A norm is to length sqrt(channels), and the new ones add nothing to speak of.
            scale = (len(was) / len(value)) ** 0.5
            value.fill_(was.mean() * scale)
            value[:len(was)] = was * scale
            continue
        value.mul_(0.1)
        # Queries, keys and values, and the two frames that one becomes, lie behind one another.
        parts = 3 if "to_qkv" in name else 2 if "time_conv" in name else 1
        for part, kept in zip(value.chunk(parts), was.chunk(parts)):
            if part.ndim > 1:
                part[:len(kept), kept.shape[1]:] = 0
                part[:len(kept), :kept.shape[1]] = kept
            else:
                part[:len(kept)] = kept
    replace(args.work / "vae", new.save_pretrained)
    say("held-out clips: psnr %.2f, unseen character %.2f" % evaluate(args, preset, new, n=14))


def edges(y, x):
    """L1 of the differences between neighbours, in space and in time."""
    total = 0.0
    for dim in (-1, -2, 2):
        if y.shape[dim] > 1:
            total = total + (y.diff(dim=dim) - x.diff(dim=dim)).abs().mean()
    return total


@torch.no_grad()
def evaluate(args, preset, model, path=None, n=14, seed=10_001):
    """PSNR on held-out clips, and on the character that no training saw."""
    rng = random.Random(seed)
    kinds = world.CHARS + ("momo",)
    clips = [world.render(world.sample_scene(rng, kinds[i % 7]), FRAMES, preset["w"], preset["h"]) for i in range(n)]
    x, out = to_tensor(np.stack(clips)), []
    for i in range(n):
        with autocast(args.device):
            mean = wanvae.encode(model, x[i:i + 1].to(args.device)).chunk(2, 1)[0]
            out.append(wanvae.decode(model, mean).float().clamp(-1, 1).cpu())
    y = torch.cat(out)
    unseen = [i for i in range(n) if i % 7 == 6]
    seen = [i for i in range(n) if i % 7 != 6]
    if path:
        again = to_bytes(y)
        sheet([clip for i in range(min(n, 8)) for clip in (clips[i], again[i])], path)
    return psnr(y[seen], x[seen]), psnr(y[unseen], x[unseen])


@torch.no_grad()
def statistics(args, preset, model, n=64):
    """Mean and standard deviation of each latent channel over random clips."""
    rng, all_latents = random.Random(77), []
    for _ in range(n):
        x = to_tensor(world.render(world.sample_scene(rng), FRAMES, preset["w"], preset["h"])[None])
        with autocast(args.device):
            all_latents.append(wanvae.encode(model, x.to(args.device)).float().chunk(2, 1)[0].cpu())
    z = torch.cat(all_latents)
    return z.mean((0, 2, 3, 4)).tolist(), z.std((0, 2, 3, 4)).tolist()


def save(args, preset, model):
    """The statistics of the latents belong to the encoder: both are written together."""
    if not args.decoder_only:
        mean, std = statistics(args, preset, model)
        model.register_to_config(latents_mean=mean, latents_std=std)
    replace(args.work / "vae", model.save_pretrained)


def train(args, preset):
    """Trains for --minutes, the rate held for the share --hold of them and then let down. With --decoder-only the latents stay
    what they are, so that a denoiser trained on them stays right."""
    if not args.decoder_only and next(args.work.glob("pool*.pt"), None):
        raise SystemExit(f"{args.work} has encoded clips, which another encoder would not understand: use --decoder-only")
    torch.manual_seed(int(time.time()))
    device, model = args.device, load(args).train()
    if args.decoder_only:
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    say("vae", sum(p.numel() for _, p in named), "parameters to train")
    is_matrix = lambda n, p: p.ndim >= 4 and not any(part in n for part in ("conv_in", "conv_out", "gamma", "norm"))
    rate = preset["vae_lr"] * args.rate
    optimizer = optim.Muon(named, is_matrix, lr=rate, adam_lr=rate, betas=(0.9, 0.97))
    ema = optim.EMA([p for _, p in named], 0.998)

    def make(rng):
        r = rng.random()
        frames = 5 if r < 0.4 else 9 if r < 0.8 else 17
        return torch.from_numpy(np.stack([crop(rng, preset, frames) for _ in range(preset["vae_batch"][frames])]))

    batches = stream(args, make, int(time.time()))
    begun = saved = time.time()
    step = seen = 0
    recent = []
    while (done := (time.time() - begun) / (args.minutes * 60)) < 1:
        scale = min(1, (step + 1) / 40) * cosine((done - args.hold) / max(1 - args.hold, 1e-9), 0.02)
        raw = next(batches)
        x = (raw.to(device).permute(0, 4, 1, 2, 3).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last_3d)
        with autocast(device):
            with torch.set_grad_enabled(not args.decoder_only):
                mean, log_variance = wanvae.encode(model, x).float().chunk(2, 1)
            log_variance = log_variance.clamp(-14, 4)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            y = wanvae.decode(model, z).float()
        absolute, square = (y - x).abs().mean(), (y - x).square().mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        loss = absolute + args.square * square + 0.5 * edges(y, x) + args.kl * kl
        optimizer.zero_grad()
        loss.backward()
        norm = optimizer.step(scale)
        ema.update()
        step += 1
        seen += len(raw)
        recent.append((absolute.item(), square.item(), kl.item(), float(norm)))
        if step % 100 == 0:
            l1, l2, divergence, norm = np.mean(recent, 0)
            recent = []
            decibels = -10 * math.log10(l2 / 4)
            say(f"vae {step} crops {seen} l1 {l1:.4f} psnr {decibels:.2f} kl {divergence:.2f} grad {norm:.2f} rate {scale:.3f} {done:.0%}")
        if time.time() - saved > 180:
            ema.swap()
            save(args, preset, model)
            say("held-out clips: psnr %.2f, unseen character %.2f" % evaluate(args, preset, model, n=7))
            ema.swap()
            saved = time.time()
    ema.swap()
    save(args, preset, model)
    # A run of seconds only shows that everything works.
    known, unseen = evaluate(args, preset, model, args.work / "vae.png", n=56 if args.minutes >= 5 else 14)
    say(f"held-out clips: psnr {known:.2f}, unseen character {unseen:.2f}, {step} steps, {seen} crops")
    record(args, "vae", minutes=args.minutes, steps=step, crops=seen, decoder_only=args.decoder_only, psnr=known, psnr_unseen=unseen)


@torch.no_grad()
def encode(args, preset, model, n, seed, char=None):
    """Normalised latents in f16, and the scenes, of n random clips."""
    if not any(model.config.latents_mean):
        raise SystemExit("the VAE has no statistics of its latents: train it first")
    b = 4 if args.device == "cpu" else 64

    def make(rng):
        scenes = [world.sample_scene(rng, char) for _ in range(b)]
        return scenes, torch.from_numpy(np.stack([world.render(s, FRAMES, preset["w"], preset["h"]) for s in scenes]))

    batches = stream(args, make, seed)
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1).to(args.device) for v in (model.config.latents_mean, model.config.latents_std))
    begun, all_latents, all_scenes = time.time(), [], []
    while len(all_scenes) < n:
        scenes, raw = next(batches)
        x = raw.to(args.device).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        with autocast(args.device):
            z = wanvae.encode(model, x).float().chunk(2, 1)[0]
        all_latents.append(((z - mean) / std).half().cpu())
        all_scenes += scenes
        if len(all_scenes) % 2000 < b:
            say(f"encoded {len(all_scenes)} clips, {(time.time() - begun) / len(all_scenes) * 1000:.0f} ms each")
    return torch.cat(all_latents), all_scenes
