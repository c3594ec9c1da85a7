#!/usr/bin/env python3
"""Makes the goldens that hold tensors, from the real classes at tiny configurations, and the prompts: tests/golden/<case>.

    make.py [CASE ...]      all of them, or those named

Each case is one safetensors file, or the files of a checkpoint and of its runs, or prompts, or pictures, and a case.toml that says what
it is. The case `suspicion` is no golden but what the reference answers about strings: models/src/text/suspicion.tsv. Needs torch,
diffusers, transformers, safetensors and ftfy; nothing here is needed to run the tests. The prompts need a file, the tokenizer.json that
umT5 is published with, in KINORA_UMT5_TOKENIZER.
"""

import copy
import functools
import hashlib
import importlib.metadata
import itertools
import json
import math
import os
import platform
import shutil
import sys
import unicodedata
from pathlib import Path
from random import Random

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


def wan_vae(case, seed, size, tile, counts=(3, 17, 2), **config):
    """A decode of 3 latent frames, an encode of 17 frames, and a decode of 2 latent frames in tiles, or of other `counts`.

    A shorter clip is the beginning of a longer one, which is asserted here and used by the tests.
    """
    from diffusers import AutoencoderKLWan

    vae = fill(AutoencoderKLWan(attn_scales=[], **config), seed)
    z, scale = config["z_dim"], vae.config.scale_factor_spatial
    latents = 1.5 * random(seed + 1, 1, z, counts[0], *size)
    decoded = vae.decode(latents).sample
    frames = random(seed + 2, 1, 3, counts[1], size[0] * scale, size[1] * scale).clamp(-1, 1)
    encoded = vae.encode(frames).latent_dist.mode()
    for count in range(1, counts[0]):
        part = vae.decode(latents[:, :, :count]).sample
        assert (part - decoded[:, :, : part.shape[2]]).abs().max() < 1e-6
    for count in range(1, counts[1], 4):
        part = vae.encode(frames[:, :, :count]).latent_dist.mode()
        assert (part - encoded[:, :, : part.shape[2]]).abs().max() < 1e-6
    # More than one tile each way, the last ones smaller.
    tiled = 1.5 * random(seed + 3, 1, z, counts[2], size[0] + 1, size[1] + 1)
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


WORDS = "a the of in on cat dog walks runs grass sea sun snow train blurry low quality static realistic wide shot".split()


def tokenizer():
    """A Unigram tokenizer of the published shape: Metaspace, an end token, and pieces for words and letters."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "</s>", "<s>", "<unk>"]
    pieces = [(piece, 0.0) for piece in specials] + [("▁", -4.0)]
    pieces += [(chr(c), -9.0 - 0.01 * i) for i, c in enumerate(range(33, 127))]
    pieces += [("▁" + word, -5.0 - 0.001 * i) for i, word in enumerate(WORDS)]
    tok = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tok.normalizer = normalizers.Sequence([normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tok.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tok.add_special_tokens(specials)
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                                   model_max_length=512), len(pieces)


class Run:
    """What one run of a pipeline computes, under the names that `kinora generate --trace` gives it."""

    def __init__(self, pipe):
        self.tensors, self.step, self.call, self.texts = {}, 0, 0, 0
        pipe.text_encoder.register_forward_hook(self.text, with_kwargs=True)
        pipe.transformer.register_forward_pre_hook(self.before, with_kwargs=True)
        pipe.transformer.register_forward_hook(self.after, with_kwargs=True)
        self.scheduler(pipe.scheduler)
        self.vae(pipe.vae)

    def put(self, name, value):
        self.tensors[name] = value.detach().clone()

    def text(self, _module, args, kwargs, out):
        true = int(args[1].sum())
        self.put(f"text.{self.texts}.input_ids", args[0])
        self.put(f"text.{self.texts}.mask", args[1])
        self.put(f"text.{self.texts}.out", out.last_hidden_state[:, :true])
        self.texts += 1

    def before(self, _module, _args, kwargs):
        key = f"step.{self.step}.call.{self.call}"
        self.put(f"{key}.hidden_states", kwargs["hidden_states"])
        self.put(f"{key}.timestep", kwargs["timestep"])
        if self.step == 0:  # the rows of true tokens; the rest is zero
            prompt, true = kwargs["encoder_hidden_states"], self.tensors[f"text.{self.call}.out"].shape[1]
            assert prompt.shape[1] == 512 and not prompt[:, true:].any()
            self.put(f"{key}.encoder_hidden_states", prompt[:, :true])

    def after(self, _module, _args, _kwargs, out):
        self.put(f"step.{self.step}.call.{self.call}.out", out[0])
        self.call += 1

    def scheduler(self, scheduler):
        step, set_timesteps = scheduler.step, scheduler.set_timesteps

        @functools.wraps(step)
        def stepped(model_output, timestep, sample, *args, **kwargs):
            if self.step == 0:
                self.put("noise", sample)
            self.put(f"step.{self.step}.model_output", model_output)
            out = step(model_output, timestep, sample, *args, **kwargs)
            self.put(f"step.{self.step}.latents", out[0])
            self.step, self.call = self.step + 1, 0
            return out

        @functools.wraps(set_timesteps)
        def scheduled(*args, **kwargs):
            set_timesteps(*args, **kwargs)
            self.put("timesteps", scheduler.timesteps)
            self.put("sigmas", scheduler.sigmas)

        scheduler.step, scheduler.set_timesteps = stepped, scheduled

    def vae(self, vae):
        encode, decode = vae.encode, vae.decode

        def encoded(x, *args, **kwargs):
            out = encode(x, *args, **kwargs)
            self.put("vae.encode.0.in", x)
            self.put("vae.encode.0.mean", out.latent_dist.mode())
            return out

        def decoded(z, *args, **kwargs):
            out = decode(z, *args, **kwargs)
            self.put("vae.decode.in", z)
            self.put("vae.decode.out", out[0])
            return out

        vae.encode, vae.decode = encoded, decoded


def picture(width, height):
    """A smooth, colourful picture."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:height, 0:width]
    u, v = x / width, y / height
    rgb = np.stack([np.sin(6.3 * u), np.cos(9 * v), np.sin(11 * u * v + 1)], -1)
    return Image.fromarray(((0.5 + 0.5 * rgb) * 255).round().astype(np.uint8))


def loras(folder, transformer, seed):
    """Two changes in the two namings: of rank 2 with alpha folded or 1.0, and of rank 3 with alpha 2, an integer."""
    original = [(".attn1.", ".self_attn."), (".attn2.", ".cross_attn."), ("_attn.to_out.0", "_attn.o"),
                ("_attn.to_", "_attn."), (".ffn.net.0.proj", ".ffn.0"), (".ffn.net.2", ".ffn.2")]
    files = {"first-peft": {}, "first-comfyui": {}, "second-comfyui": {}}
    for name, module in transformer.named_modules():
        if not isinstance(module, torch.nn.Linear) or not name.startswith("blocks."):
            continue
        renamed = name
        for ours, theirs in original:
            renamed = renamed.replace(ours, theirs)
        for which, rank, alpha in (("first", 2, torch.tensor(1.0)), ("second", 3, torch.tensor(2))):
            if which == "second" and ".attn2." in name:
                continue
            seed += 1
            down = random(seed, rank, module.in_features) / 4
            up = random(-seed, module.out_features, rank) / 4
            files[f"{which}-comfyui"] |= {
                f"diffusion_model.{renamed}.lora_down.weight": down, f"diffusion_model.{renamed}.lora_up.weight": up,
                f"diffusion_model.{renamed}.alpha": alpha.clone()}
            if which == "first":
                files["first-peft"] |= {f"transformer.{name}.lora_A.weight": down,
                                        f"transformer.{name}.lora_B.weight": up * (alpha / rank)}
    for name, tensors in files.items():
        # The second is stored in f32: the reference multiplies by 2/3 in the type of the file.
        save_file(tensors if "second" in name else narrow(tensors), folder / f"{name}.safetensors")


def pipeline(case, seed, size, steps, prompt, negative, guidance):
    """A whole checkpoint in the diffusers layout, two LoRAs for it, and runs of the real pipelines on them."""
    import diffusers as D
    from transformers import UMT5Config, UMT5EncoderModel

    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    words, vocabulary = tokenizer()
    text = dict(vocab_size=vocabulary + 5, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, num_decoder_layers=0,
                relative_attention_num_buckets=32, relative_attention_max_distance=128, feed_forward_proj="gated-gelu",
                dropout_rate=0.0, tie_word_embeddings=False)
    parts = dict(
        tokenizer=words,
        text_encoder=fill(UMT5EncoderModel(UMT5Config(**text)), seed),
        transformer=fill(D.WanTransformer3DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, text_dim=32, freq_dim=32,
            ffn_dim=48, num_layers=2), seed + 1),
        vae=fill(D.AutoencoderKLWan(
            base_dim=3, z_dim=4, dim_mult=[1, 2, 4, 4], num_res_blocks=1, attn_scales=[],
            temperal_downsample=[False, True, True], latents_mean=[0.5, -0.25, 0.0, 1.0],
            latents_std=[1.5, 2.0, 0.75, 1.0]), seed + 2))
    unipc = dict(prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0)
    halves = {name: copy.deepcopy(part) for name, part in parts.items()}  # buffers do not survive it, weights do
    for name in ("text_encoder", "transformer", "vae"):
        halves[name].bfloat16()
    D.WanPipeline(**halves, scheduler=D.UniPCMultistepScheduler(**unipc)).save_pretrained(folder / "model")
    index = folder / "model" / "model_index.json"  # the class of the published checkpoints
    index.write_text(index.read_text().replace("TokenizersBackend", "T5TokenizerFast"))
    loras(folder, parts["transformer"], 1000 * seed)
    width, height, frames = size
    picture(width, height).save(folder / "first.png")
    latents = torch.randn((1, 4, (frames - 1) // 4 + 1, height // 8, width // 8), generator=torch.Generator().manual_seed(seed))

    twins = {}

    def run(name, scheduler, keep="", image=None, adapters=(), **call):
        cls = D.WanImageToVideoPipeline if image else D.WanPipeline
        pipe = cls(**copy.deepcopy(parts), scheduler=scheduler, **(dict(expand_timesteps=True) if image else {}))
        for i, (file, _) in enumerate(adapters):
            pipe.load_lora_weights(folder / f"{file}.safetensors", adapter_name=f"adapter{i}")
        if adapters:
            pipe.set_adapters([f"adapter{i}" for i in range(len(adapters))], [scale for _, scale in adapters])
        pipe.set_progress_bar_config(disable=True)
        recorded = Run(pipe)
        out = pipe(prompt=prompt, width=width, height=height, num_frames=frames, num_inference_steps=steps,
                   latents=latents.clone(), output_type="pt", **({"image": image} if image else {}), **call).frames[0]
        tensors = recorded.tensors
        assert torch.equal(out, (tensors["vae.decode.out"][0] / 2 + 0.5).clamp(0, 1).transpose(0, 1))
        clamped = ((out == 0) | (out == 1)).float().mean().item()
        assert clamped < 0.5, f"{clamped} of the values are clamped"
        tensors = {name: value for name, value in tensors.items() if name.startswith(keep)}
        stored, same = {}, {}
        for key, value in tensors.items():  # what is equal is stored once
            twin = next((name for name, other in stored.items()
                         if value.dtype == other.dtype and torch.equal(value, other)), None)
            if twin:
                same[key] = twin
            else:
                stored[key] = value.contiguous()
        save_file(stored, folder / f"{name}.safetensors")
        twins[name] = same
        print(name, len(tensors), f"clamped {clamped:.3f}", (folder / f"{name}.safetensors").stat().st_size)
        return tensors

    guided = dict(negative_prompt=negative, guidance_scale=guidance)
    plain = run("unipc", D.UniPCMultistepScheduler(**unipc), **guided)
    run("euler", D.FlowMatchEulerDiscreteScheduler(shift=5.0), guidance_scale=1.0)
    run("image", D.UniPCMultistepScheduler(**unipc), image=picture(width, height), **guided)
    adapted = run("lora", D.UniPCMultistepScheduler(**unipc), keep="step.",
                  adapters=[("first-comfyui", 0.75), ("second-comfyui", -0.5)], **guided)
    moved = relative_l2(adapted["step.0.call.0.out"], plain["step.0.call.0.out"])
    assert moved > 0.05, moved
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "case.toml")
    assert max(path.stat().st_size for path in files) <= MOST_BYTES
    lines = {"repo": "huggingface/diffusers", "version": D.__version__, "class": "WanPipeline, WanImageToVideoPipeline",
             "seed": seed, "width": width, "height": height, "frames": frames, "steps": steps, "prompt": prompt,
             "negative": negative, "guidance": guidance}
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())
    sums = "".join(f"{json.dumps(str(path.relative_to(folder)))} = {json.dumps(hashlib.sha256(path.read_bytes()).hexdigest())}\n"
                   for path in files)
    same = "".join(f"\n[same.{name}]\n" + "".join(f"{json.dumps(a)} = {json.dumps(b)}\n" for a, b in pairs.items())
                   for name, pairs in twins.items())
    (folder / "case.toml").write_text(f"{text}\n[sha256]\n{sums}{same}")
    print(f"{case}: {sum(path.stat().st_size for path in files)} bytes")


class Suspicion:
    """Learns which strings ftfy calls bad, as an automaton, from its answers alone.

    Strings belong to one state while no ending that was tried tells them apart; characters belong to one class while no ending does
    so behind any state. Strings at random, mojibake among them, are then asked about. Where the automaton is wrong, the endings of
    that string are tried too. It is done when it has been right about a million strings, and about many that are near its states.
    """

    MAPPINGS = "latin-1 cp1252 cp1251 cp1250 cp1253 cp1254 cp1257 iso8859-2 mac-roman cp437".split()

    def __init__(self, seed):
        from ftfy.badness import is_bad

        self.ask, self.random = is_bad, Random(seed)
        upper = {self.read(bytes([byte]), mapping) for byte in range(0x80, 0x100) for mapping in self.MAPPINGS}
        more = [*range(0x80), *range(0x370, 0x460), *range(0x2010, 0x203b), 0x2028, 0xfffd]
        self.classes, self.endings = [sorted(upper | set(map(chr, more)) | set("☃猫"))], {""}
        self.scripts = [[c for c in map(chr, range(*ends)) if c.isprintable()] for ends in (
            (0x20, 0x7f), (0xa0, 0x180), (0x370, 0x460), (0x5d0, 0x640), (0x900, 0x980), (0x1e00, 0x1f00), (0x2010, 0x2050),
            (0x20a0, 0x2200), (0x2500, 0x2600), (0x3040, 0x3100), (0x4e00, 0x9fff), (0xac00, 0xd700), (0x1f300, 0x1f650))]

    @staticmethod
    def read(data, mapping):
        """Decodes as ftfy does: a byte without a character is a control character."""
        return "".join(bytes([b]).decode(mapping, "ignore") or chr(b) for b in data)

    def signature(self, text):
        return tuple(self.ask(text + ending) for ending in self.tried)

    def explore(self):
        self.tried = sorted(self.endings | {c[0] for c in self.classes})
        numbers, self.reached, self.next = {self.signature(""): 0}, [""], []
        for text in self.reached:
            row = []
            # The snowman, with which nothing is wrong, first: so its state has number 1.
            for chars in [self.classes[self.class_of("☃")]] + self.classes:
                longer = text + chars[0]
                signature = self.signature(longer)
                if not self.ask(longer) and signature not in numbers:
                    numbers[signature] = len(self.reached)
                    self.reached.append(longer)
                row.append(numbers.get(signature) if not self.ask(longer) else None)
            self.next.append(row[1:])

    def class_of(self, char):
        return next(i for i, chars in enumerate(self.classes) if char in chars)

    def split(self):
        """Whether some characters turned out to differ from the others of their class."""
        classes = []
        for chars in self.classes:
            alike = {}
            for c in chars:
                alike.setdefault(tuple(self.signature(text + c) for text in self.reached), []).append(c)
            classes += alike.values()
        self.classes, before = classes, len(self.classes)
        return len(classes) > before

    def strings(self, number):
        pick = self.random.choice
        for text in self.reached:
            for first in self.classes:
                for second in self.classes:
                    yield text + pick(first) + pick(second) + pick(pick(self.classes)) + pick(pick(self.classes))
        for _ in range(number):
            text = "".join(pick(pick(self.scripts)) if pick((0, 1)) else pick(self.scripts[0]) for _ in range(6))
            for _ in range(pick((0, 1, 1, 2))):
                text = self.read(text.encode(), pick(self.MAPPINGS))
            at = self.random.randrange(len(text))
            yield text[at:at + pick(range(2, 10))]

    def errs(self, text):
        state = 0
        for c in text:
            state = self.next[state][self.known.get(c, self.known["☃"])]
            if state is None:
                break
        text = "".join(c if c in self.known else "☃" for c in text)
        return (state is None) != self.ask(text)

    def learn(self, number=1_000_000):
        while True:
            self.explore()
            if self.split():
                continue
            self.known = {c: i for i, chars in enumerate(self.classes) for c in chars}
            wrong = list(itertools.islice(filter(self.errs, self.strings(number)), 30))
            print(f"{len(self.classes)} classes, {len(self.next)} states, wrong about {wrong[:3]}")
            if not wrong:
                return
            for text in wrong:
                for at in reversed(range(len(text))):  # what does not matter is left out
                    shorter = text[:at] + text[at + 1:]
                    text = shorter if self.errs(shorter) else text
                text = "".join(c if c in self.known else "☃" for c in text)
                self.endings |= {text[at:] for at in range(len(text))}

    def table(self):
        """The lines of models/src/text/suspicion.tsv, which `suspicion.rs` explains."""
        def ranges(numbers, form):
            numbers = sorted(numbers)
            starts = [n for n in numbers if n - 1 not in numbers]
            ends = [n for n in numbers if n + 1 not in numbers]
            return " ".join(form % a if a == b else f"{form % a}-{form % b}" for a, b in zip(starts, ends, strict=True))

        unlisted = [self.class_of(c) for c in "☃猫\u2028"]
        order = unlisted + [i for i in range(len(self.classes)) if i not in unlisted]
        for number, i in enumerate(order):
            usual = [c for c in self.classes[i] if ord(c) > 0x7f and number == (2 if c.isspace() else 1 if c.isalnum() else 0)]
            yield f"class\t{ranges([ord(c) for c in self.classes[i] if c not in usual], '%x')}"
        neutral = self.next[1]
        for state, row in enumerate(self.next):
            bad = ranges([number for number, i in enumerate(order) if row[i] is None], "%d")
            led = [f"{number}:{row[i]}" for number, i in enumerate(order) if row[i] is not None and (state == 1 or row[i] != neutral[i])]
            yield f"state\t{bad}\t{' '.join(led)}".rstrip()


def suspicion(seed):
    learnt = Suspicion(seed)
    learnt.learn()
    assert learnt.next[0][learnt.class_of("☃")] == 1 and learnt.next[1][learnt.class_of("☃")] == 1
    path = HERE.parents[1] / "models/src/text/suspicion.tsv"
    path.write_text("".join(line + "\n" for line in learnt.table()))
    print(f"{path.name}: {len(learnt.classes)} classes, {len(learnt.next)} states")


def quoted(text):
    """A JSON string in which marks, controls and spaces other than the usual one are escaped, so that the file can be read."""
    def unit(c):
        if c in '"\\':
            return "\\" + c
        if c == " " or unicodedata.category(c)[0] not in "MCZ":
            return c
        return json.dumps(c)[1:-1] if ord(c) > 0xffff else f"\\u{ord(c):04x}"
    return '"' + "".join(map(unit, text)) + '"'


def damaged(sentences, number, seed):
    """Sentences whose UTF-8 was read in a wrong mapping, once or twice, most of them damaged once more; and strings of such letters."""
    pick, kinds = Random(seed).choice, range(10)
    read = Suspicion.read

    def utf16_first(text):
        units = text.encode("utf-16-le")
        return b"".join(chr(u).encode("utf-8", "surrogatepass") for u in memoryview(units).cast("H")).replace(b"\0", b"\xc0\x80")

    def lose(text, *instead):
        return "".join(pick(instead) if c > "\x7f" and not pick(range(6)) else c for c in text)

    for i in range(number):
        text, mapping = pick(sentences), Suspicion.MAPPINGS[i % len(Suspicion.MAPPINGS)]
        wrong = read(text.encode(), mapping)
        yield (
            wrong,
            read(wrong.encode(), pick(Suspicion.MAPPINGS)),
            wrong.replace("\xa0", " "),
            "".join(bytes([b]).decode(mapping, "replace") for b in text.encode()),
            lose(wrong, "\ufffd"),
            lose(wrong, "?", "\ufffd", " ", ""),
            f"{wrong} {pick(sentences)}",
            " ".join(read(word.encode(), mapping) if pick((0, 1)) else word for word in text.split(" ")),
            read(utf16_first(pick(("🎬 ", "\0", "😀😀 ")) + text), mapping),
            "".join(pick([read(bytes([pick(range(0x80, 0x100))]), mapping), pick("aeE .,’”")]) for _ in range(12)),
        )[pick(kinds)]


def prompts(case, number, seed):
    """Cleans and cuts the prompts that the case has, and the damaged ones, of which it makes more until there are enough."""
    import ftfy
    import tokenizers
    import transformers
    from diffusers.pipelines.wan.pipeline_wan import prompt_clean

    folder = HERE / case
    if "KINORA_UMT5_TOKENIZER" not in os.environ:
        sys.exit(f"{case}: KINORA_UMT5_TOKENIZER names the tokenizer.json that umT5 is published with")
    published = Path(os.environ["KINORA_UMT5_TOKENIZER"])
    mini = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    umt5 = transformers.PreTrainedTokenizerFast(tokenizer_file=str(published), pad_token="<pad>", eos_token="</s>")

    def ids(tokenizer, text):
        cut = tokenizer(text, padding="max_length", max_length=512, truncation=True)
        numbers = cut["input_ids"] + [sum(cut["attention_mask"])]
        return hashlib.sha256(b"".join(n.to_bytes(4, "little") for n in numbers)).hexdigest()[:10]

    def row(prompt):
        cleaned = prompt_clean(prompt)
        return ",".join((quoted(prompt), "null" if cleaned == prompt else quoted(cleaned),
                         *(f'"{ids(tokenizer, cleaned)}"' for tokenizer in (mini, umt5))))

    def write(name, prompts):
        (folder / name).write_text("[\n" + ",\n".join(f"[{row(prompt)}]" for prompt in prompts) + "\n]\n")

    had, hurt = ([prompt for prompt, *_ in json.loads((folder / name).read_text())] for name in ("prompts.json", "damaged.json"))
    sentences = [text for text in had[:220] if 3 < len(text) < 40 and not text.isascii() and prompt_clean(text) == text]
    more = dict.fromkeys(text for text in damaged(sentences, 2 * number, seed) if prompt_clean(text) != text or len(text) < 14)
    hurt += [text for text in more if text not in hurt][:max(0, number - len(hurt))]
    write("prompts.json", had)
    write("damaged.json", hurt)

    def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    (folder / "case.toml").write_text(f"""\
# Prompts cleaned and cut into tokens. A row of prompts.json is: prompt; the cleaned one, or null where nothing changes; a hash of
# its ids with the small tokenizer of this folder and with umT5's. The hash is the start of the SHA-256 of 512 padded ids and the
# number of true ones, 32 bits each, little-endian. The first 220 prompts are written by hand, the others drawn from Unicode's blocks.
# damaged.json has the same rows, of text that was decoded in a wrong mapping. make.py adds to it and makes the other columns.
repo = "huggingface/diffusers"
version = "{importlib.metadata.version("diffusers")}"
function = "pipelines/wan/pipeline_wan.py: prompt_clean"
ftfy = "{ftfy.__version__}"
python = "{platform.python_version()}, Unicode {unicodedata.unidata_version[:-2]}"
transformers = "{transformers.__version__}, PreTrainedTokenizerFast"
tokenizers = "{tokenizers.__version__}"
length = 512
rows = [{len(had)}, {len(hurt)}]
seed = {seed}
umt5_sha256 = "{sha256(published)}"

[sha256]
prompts = "{sha256(folder / "prompts.json")}"
damaged = "{sha256(folder / "damaged.json")}"
tokenizer = "{sha256(folder / "tokenizer.json")}"
""")
    print(f"{case}: {len(had)} prompts and {len(hurt)} damaged ones")


def cartoons(case, seed, size, scenes, at):
    """Scenes of the cartoon world that the embedded model is trained on, and frames of them in one picture, a scene a row."""
    import random as randomness

    import numpy as np
    from PIL import Image

    world_file = HERE.parents[1] / "models/mini/train/world.py"
    sys.path.insert(0, str(world_file.parent))
    sys.dont_write_bytecode = True  # nothing is left beside it
    import world

    folder = HERE / case
    folder.mkdir(exist_ok=True)
    rng = randomness.Random(seed)
    rows, strips = [], []
    for i in range(scenes):
        scene = world.sample_scene(rng)
        # Every value comes up, Momo's too, and in different company.
        scene.char = (*world.CHARS, "momo")[i % 7]
        scene.colour = tuple(world.COLOURS)[(i + i // 7) % 7]
        scene.bg = world.BACKGROUNDS[i % 5]
        scene.action = world.ACTIONS[(i + 2 * (i // 7)) % 7]
        times = np.asarray(at[i % len(at)], np.float32)
        rows.append({**vars(scene), "caption": world.caption(scene, rng, plain=True), "times": at[i % len(at)]})
        strips.append(np.concatenate(world.render_at(scene, times, *size), 1))
    Image.fromarray(np.concatenate(strips)).save(folder / "frames.png", optimize=True)
    (folder / "scenes.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    assert (folder / "frames.png").stat().st_size <= MOST_BYTES
    sums = {"frames": folder / "frames.png", "scenes": folder / "scenes.json", "world": world_file}
    sums = "".join(f'{name} = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n' for name, path in sums.items())
    (folder / "case.toml").write_text(f"""\
# Scenes of the cartoon world as its own renderer draws them. A row of frames.png is a scene of scenes.json at its times.
source = "models/mini/train/world.py"
function = "render_at, caption"
numpy = "{np.__version__}"
seed = {seed}
width = {size[0]}
height = {size[1]}

[sha256]
{sums}""")
    print(f"{case}: {(folder / 'frames.png').stat().st_size} bytes")

def embedded(case, clips, at):
    """Clips that the reference's pipelines make with the embedded model in f32: some frames of each in one picture, a clip a row."""
    import diffusers
    import numpy as np
    from PIL import Image

    mini = HERE.parents[1] / "models/mini"
    folder = HERE / case
    folder.mkdir(exist_ok=True)
    pipeline = diffusers.WanPipeline.from_pretrained(mini / "checkpoint", torch_dtype=torch.float32)
    parts = {**pipeline.components, "image_encoder": None, "image_processor": None, "transformer_2": None}
    continued = diffusers.WanImageToVideoPipeline(**parts, expand_timesteps=True)
    rows, notes = [], ""
    for prompt, seed, has_image in clips:
        sizes = dict(height=64, width=96, num_frames=17, num_inference_steps=24, guidance_scale=4.0, output_type="np")
        image = dict(image=Image.open(mini / "picture.png")) if has_image else {}
        chosen = continued if has_image else pipeline
        chosen.set_progress_bar_config(disable=True)
        generator = torch.Generator("cpu").manual_seed(seed)
        clip = chosen(prompt=prompt, negative_prompt="", generator=generator, **sizes, **image).frames[0]
        rows.append(np.concatenate([(np.clip(clip[t], 0, 1) * 255).round().astype(np.uint8) for t in at], 1))
        notes += f'\n[[clips]]\nprompt = "{prompt}"\nseed = {seed}\nimage = {str(has_image).lower()}\n'
    Image.fromarray(np.concatenate(rows)).save(folder / "frames.png", optimize=True)
    (folder / "case.toml").write_text(f"""\
# Clips of the embedded model by WanPipeline and WanImageToVideoPipeline; a row of frames.png is a clip at the frames `at`.
repo = "huggingface/diffusers"
version = "{diffusers.__version__}"
at = {at}
sha256 = "{hashlib.sha256((folder / 'frames.png').read_bytes()).hexdigest()}"
# What kinora-mini says of the weights.
digest = "{(mini / 'digest.txt').read_text().strip()}"
{notes}""")
    print(f"{case}: {(folder / 'frames.png').stat().st_size} bytes")


PATCHED = dict(is_residual=True, patch_size=2, in_channels=12, out_channels=12)

CASES = {
    "wan-vae-published-levels": lambda: wan_vae(
        "wan-vae-published-levels", 11, (2, 2), (16, 16, 8, 8), base_dim=3, z_dim=4, dim_mult=[1, 2, 4, 4],
        num_res_blocks=1, temperal_downsample=[False, True, True], latents_mean=[0.5, -0.25, 0.0, 1.0],
        latents_std=[1.5, 2.0, 0.75, 1.0]),
    "wan-vae-three-levels": lambda: wan_vae(
        "wan-vae-three-levels", 23, (4, 3), (16, 16, 12, 12), base_dim=4, z_dim=4, dim_mult=[1, 2, 2], num_res_blocks=2,
        temperal_downsample=[True, False], scale_factor_temporal=2, scale_factor_spatial=4,
        latents_mean=[0.5, -0.25, 0.0, 1.0], latents_std=[1.5, 2.0, 0.75, 1.0]),
    "wan-vae-residual": lambda: wan_vae(
        "wan-vae-residual", 29, (1, 2), (32, 32, 16, 16), counts=(3, 17, 1), base_dim=2, decoder_base_dim=3, z_dim=3,
        dim_mult=[1, 2, 4, 4], num_res_blocks=1, temperal_downsample=[False, True, True], latents_mean=[0.5, -0.25, 0.0],
        latents_std=[1.5, 2.0, 0.75], **PATCHED, scale_factor_spatial=16),
    "wan-vae-residual-three-levels": lambda: wan_vae(
        "wan-vae-residual-three-levels", 53, (2, 3), (16, 16, 8, 8), counts=(4, 33, 2), base_dim=4, z_dim=4, dim_mult=[1, 2, 2],
        num_res_blocks=1, temperal_downsample=[True, True], latents_mean=[0.5, -0.25, 0.0, 1.0],
        latents_std=[1.5, 2.0, 0.75, 1.0], **PATCHED, scale_factor_spatial=8),
    "wan-vae-residual-unpatched": lambda: wan_vae(
        "wan-vae-residual-unpatched", 59, (4, 3), (16, 16, 12, 12), base_dim=4, decoder_base_dim=3, z_dim=3, dim_mult=[2, 4, 2],
        num_res_blocks=2, temperal_downsample=[False, True], scale_factor_temporal=2, scale_factor_spatial=4,
        latents_mean=[0.5, -0.25, 0.0], latents_std=[1.5, 2.0, 0.75], is_residual=True),
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
    "pipeline": lambda: pipeline(
        "pipeline", 61, (48, 32, 5), 3, "A  cat walks on the “grass” &amp; sea, realistic", "blurry, low quality, static", 5.0),
    "sampling-prompts": lambda: prompts("sampling-prompts", 280, 71),
    "suspicion": lambda: suspicion(5),
    "mini-clips": lambda: embedded(
        "mini-clips",
        [
            ("a red cat jumps in a snowy field", 3, False),
            ("at night, a yellow fish moves left", 4, False),
            ("an orange fish moves right over the sea", 5, True),
        ],
        [0, 6, 11, 16],
    ),
    "mini-world": lambda: cartoons("mini-world", 83, (96, 64), 35, [[0.0, 0.55], [0.2, 0.9], [0.4, 1.0]]),
}

if __name__ == "__main__":
    with torch.no_grad():
        for case in sys.argv[1:] or CASES:
            CASES[case]()
