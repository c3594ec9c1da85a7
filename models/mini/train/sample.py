"""Writes the run as a diffusers folder, and draws clips with the stock pipelines: for looking at, and for the judge."""
from __future__ import annotations

import json
import random
import time

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image
from safetensors.torch import save_file

import dit
import vae
import words
import world
from setting import FRAMES, say, sheet

PROMPTS = [
    "a red cat jumps in a snowy field", "a blue robot moves left in the desert", "a green ghost floats up at night",
    "a yellow star spins by the sea", "a pink fish moves right over the sea", "an orange ball bounces in a meadow",
    "a purple cat grows in the desert", "a blue ball stands still in the snow", "red robot jumping",
    "at night, a yellow fish moves left", "a green star moves right in a green meadow", "a kitten"]


def export(args, preset):
    """A diffusers folder in f16."""
    tokenizer = words.load_tokenizer(args)
    encoder, denoiser, is_new = dit.load(args, tokenizer)
    if is_new:
        raise SystemExit(f"{args.work} has no denoiser yet")
    pipeline = WanPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder,
        vae=vae.load(args),
        transformer=denoiser,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=args.flow_shift, num_train_timesteps=1000),
        expand_timesteps=True)
    for model in (pipeline.text_encoder, pipeline.vae, pipeline.transformer):
        model.half()
    pipeline.save_pretrained(args.out, safe_serialization=True)
    files = [f for f in sorted(args.out.rglob("*")) if f.is_file()]
    for file in files:
        if file.suffix == ".json":
            # Where the parts lay on this machine is nobody's business.
            lines = [line for line in file.read_text().splitlines() if "_name_or_path" not in line]
            file.write_text("\n".join(lines) + "\n")
    for file in files:
        print(f"{file.stat().st_size:>10} {file.relative_to(args.out)}")
    print(f"{sum(f.stat().st_size for f in files):>10} in all")


def draw(pipeline, args, preset, prompt, seed, **extra):
    out = pipeline(
        prompt=prompt, negative_prompt="", height=preset["h"], width=preset["w"], num_frames=FRAMES, num_inference_steps=args.steps,
        guidance_scale=args.guidance, generator=torch.Generator("cpu").manual_seed(seed), output_type="np", **extra).frames[0]
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)


def load(args):
    pipeline = WanPipeline.from_pretrained(args.out, torch_dtype=torch.float32).to(args.device)
    pipeline.set_progress_bar_config(disable=True)
    if args.lora:
        pipeline.load_lora_weights(str(args.lora.parent), weight_name=args.lora.name)
    return pipeline


def sample(args, preset):
    """A sheet of clips from prompts, and one of clips that go on from a picture beside what the world draws."""
    pipeline, begun = load(args), time.time()
    prompts = args.prompts or PROMPTS
    clips = [draw(pipeline, args, preset, prompt, args.seed + i) for i, prompt in enumerate(prompts)]
    say(f"{(time.time() - begun) / len(prompts):.1f} s a clip")
    sheet(clips, args.work / "sample.png", columns=2 if len(clips) > 6 else 1)
    parts = {**pipeline.components, "image_encoder": None, "image_processor": None, "transformer_2": None}
    pipeline = WanImageToVideoPipeline(**parts, expand_timesteps=True)
    pipeline.set_progress_bar_config(disable=True)
    rng, clips = random.Random(5), []
    # As many from a picture as by words, up to one for each action.
    for i, action in enumerate(world.ACTIONS[:len(prompts)]):
        scene = world.sample_scene(rng, world.CHARS[i % 6])
        scene.action = action
        truth = world.render(scene, FRAMES, preset["w"], preset["h"])
        caption = world.caption(scene, rng, plain=True)
        clip = draw(pipeline, args, preset, caption, i, image=Image.fromarray(truth[0]))
        error = np.abs(clip[0].astype(float) - truth[0]).mean() / 255
        say(caption, f"first frame off by {error:.4f}")
        clips += [truth, clip]
    sheet(clips, args.work / "sample-image.png")


def clips(args, preset):
    """Clips of held-out scenes and captions that say everything, in a file for the judge."""
    pipeline, rng, begun = load(args), random.Random(20_000 + args.seed), time.time()
    drawn, captions = [], []
    while len(drawn) < args.count:
        scene = world.sample_scene(rng)
        caption = world.caption(scene, rng)
        if any(number == len(values) for number, values in zip(words.said(scene, caption), words.ATTRIBUTES.values())):
            continue
        drawn.append(draw(pipeline, args, preset, caption, args.seed * 10_000 + len(drawn)))
        captions.append(dict(char=scene.char, colour=scene.colour, bg=scene.bg, action=scene.action, caption=caption))
        if len(drawn) % 20 == 0:
            say(f"{len(drawn)} clips, {(time.time() - begun) / len(drawn):.1f} s each")
    save_file({"frames": torch.from_numpy(np.stack(drawn))}, args.work / "clips.safetensors", {"captions_json": json.dumps(captions)})
    sheet(drawn[:24], args.work / "clips.png")
