#!/usr/bin/env python3
"""Trains Kinora's embedded model: a tiny but genuine Wan text-and-image-to-video checkpoint.

  preview   draw the cartoon world
  vae       train AutoencoderKLWan; --decoder-only once a denoiser depends on its latents
  widen     give the decoder of the VAE more channels, before more of vae --decoder-only
  dit       train UMT5EncoderModel and WanTransformer3DModel; --settle for weights to keep
  lora      train a LoRA for the character that the model has not seen
  export    write the diffusers folder (f16)
  sample    sheets of clips, by the stock diffusers pipelines
  clips     clips of held-out captions, for the judge
  check     hold the forward passes of the training against the stock ones

All state is under --work: a command goes on from what it finds there, or from the folder --init.
"""
from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import torch

import setting
import world


def preview(args, preset):
    rng, clips = random.Random(args.seed), []
    for i in range(18):
        scene = world.sample_scene(rng, (world.CHARS + ("momo",))[i % 7])
        clips.append(world.render(scene, setting.FRAMES, preset["w"], preset["h"]))
        print(i, world.caption(scene, rng))
    setting.sheet(clips, args.work / "world.png")


def commands():
    # Imported here: the help needs none of it.
    import check
    import dit
    import lora
    import sample
    import vae

    return dict(preview=preview, vae=vae.train, widen=vae.widen, dit=dit.train, lora=lora.train, export=sample.export,
                sample=sample.sample, clips=sample.clips, check=check.check)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["preview", "vae", "widen", "dit", "lora", "export", "sample", "clips", "check"])
    p.add_argument("--preset", default="cpu", choices=list(setting.PRESETS))
    p.add_argument("--work", type=Path, default=Path("run"), help="folder of the run")
    p.add_argument("--init", type=Path, help="diffusers folder to start from")
    p.add_argument("--out", type=Path, default=Path("out"), help="the diffusers folder that export writes and sample reads")
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=0, help="threads of the arithmetic (default: one a core)")
    p.add_argument("--workers", type=int, default=0, help="processes that draw clips, worth having beside a GPU")
    p.add_argument("--minutes", type=float, default=20.0)
    p.add_argument("--rate", type=float, default=1.0, help="vae: factor on the learning rate")
    p.add_argument("--hold", type=float, default=0.25, help="vae: share of the time at the full learning rate")
    p.add_argument("--kl", type=float, default=1e-4, help="vae: weight of the divergence from a normal distribution")
    p.add_argument("--square", type=float, default=2.0, help="vae: weight of the squared error")
    p.add_argument("--decoder-only", action="store_true", help="vae: keep the encoder")
    p.add_argument("--width", type=int, default=32, help="widen: channels of the decoder where it is narrowest")
    p.add_argument("--clips", type=int, default=0, help="dit: clips to encode in a new run (default: the preset's number)")
    p.add_argument("--word-steps", type=int, default=1200, help="dit: steps of teaching the text encoder alone, in a new run")
    p.add_argument("--image-samples", type=int, default=150_000, help="dit: samples that are single pictures, at first")
    p.add_argument("--plan", type=float, default=0.5, help="dit: weight of the plan")
    p.add_argument("--settle", action="store_true", help="dit: let the rate down, and keep the state of the run")
    p.add_argument("--compile", action="store_true", help="dit: torch.compile of a block (a GPU gains, a CPU does not)")
    p.add_argument("--rank", type=int, default=8, help="lora: rank")
    p.add_argument("--steps", type=int, default=24)
    p.add_argument("--guidance", type=float, default=4.0)
    p.add_argument("--flow-shift", type=float, default=3.0)
    p.add_argument("--lora", type=Path, help="sample, clips: a LoRA to attach")
    p.add_argument("--prompts", nargs="*", help="sample: what to draw")
    p.add_argument("--count", type=int, default=100, help="clips: how many")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    if args.device == "cpu":
        torch.set_num_threads(args.threads or os.cpu_count() or 1)
    commands()[args.command](args, setting.PRESETS[args.preset])


if __name__ == "__main__":
    main()
