"""Trains a LoRA for Momo, the character that the model itself has never seen, and writes it in the format of diffusers."""
from __future__ import annotations

import random
import time

import numpy as np
import torch
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

import dit
import words
from setting import cosine, record, say

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]
RATE = 2e-3


def train(args, preset):
    pool = dit.Pool.of(args, preset, "pool-momo", 480, seed=9, char="momo")
    tokenizer = words.load_tokenizer(args)
    encoder, denoiser, _ = dit.load(args, tokenizer)
    encoder.eval().requires_grad_(False)
    denoiser.train().requires_grad_(False)
    denoiser.add_adapter(LoraConfig(r=args.rank, lora_alpha=args.rank, init_lora_weights="gaussian", target_modules=TARGETS))
    parameters = [p for p in denoiser.parameters() if p.requires_grad]
    say("lora", sum(p.numel() for p in parameters), "parameters")
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    rng, step, recent, begun = random.Random(4), 0, [], time.time()
    while (done := (time.time() - begun) / (args.minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * cosine(done, 0.02)
        rows = rng.sample(range(len(pool.scenes)), preset["batch"])
        matching, _, _ = dit.loss(args, preset, denoiser, encoder, tokenizer, pool, rows, rng)
        optimizer.zero_grad()
        matching.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        recent.append(matching.item())
        if step % 25 == 0:
            say(f"lora {step} loss {np.mean(recent[-25:]):.4f} {done:.0%}")
    layers = {k: v.half().contiguous() for k, v in get_peft_model_state_dict(denoiser).items()}
    WanPipeline.save_lora_weights(args.out / "lora", transformer_lora_layers=layers, weight_name="momo.safetensors")
    say("wrote", args.out / "lora" / "momo.safetensors")
    record(args, "lora", minutes=args.minutes, steps=step, rank=args.rank)
