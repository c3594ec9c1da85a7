"""The words: tokenizer, text encoder, and what a caption says, on which the encoder is trained before the denoiser needs it."""
from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

import optim
import wandit
import world
from setting import TEXT, autocast, cosine, say

# What can be asked for, with the words that ask for it.
ATTRIBUTES = {
    "colour": {k: set(v) for k, v in world.SYN_COLOUR.items()},
    "char": {k: set(v) for k, v in world.SYN_CHAR.items() if k != "momo"},
    "bg": {k: set(v) for k, v in world.SYN_BG.items()},
    "action": {k: {form for pair in v for form in pair} for k, v in world.SYN_ACTION.items()},
}


def phrases():
    return {phrase for values in ATTRIBUTES.values() for forms in values.values() for phrase in forms} | {"momo"}


def new_tokenizer():
    """Unigram; its pieces are the words of the grammar, with letters to fall back on."""
    known = {word for phrase in phrases() for word in phrase.split()} | set(world.ADJ)
    known |= set("a an the cartoon of high quality video clip and with is its to very".split())
    endings = ("s", "ing", "ed", ",", ".", "!", "?", "'", "-", ":", ";", '"', "(", ")")
    letters = "abcdefghijklmnopqrtuvwxyz0123456789"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("▁" + word, -5.0) for word in sorted(known)]
    pieces += [(ending, -8.0 - 0.01 * i) for i, ending in enumerate(endings)]
    pieces += [("▁", -9.0)]
    pieces += [(letter, -14.0 - 0.01 * i) for i, letter in enumerate(letters)]
    t = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=t, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512)


def load_tokenizer(args):
    path = args.work / "tokenizer"
    if not path.exists():
        start = PreTrainedTokenizerFast.from_pretrained(args.init / "tokenizer") if args.init else new_tokenizer()
        start.save_pretrained(path)
    return PreTrainedTokenizerFast.from_pretrained(path)


def new_encoder(vocabulary):
    return UMT5EncoderModel(UMT5Config(
        vocab_size=vocabulary, **TEXT, num_decoder_layers=0, dropout_rate=0.0, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=32, relative_attention_max_distance=128, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, is_encoder_decoder=True, use_cache=False, tie_word_embeddings=False))


def tokenize(tokenizer, captions):
    """Ids [b, n] and lengths [b]; n is a multiple of 8."""
    ids = tokenizer(captions)["input_ids"]
    n = (max(len(row) for row in ids) + 7) // 8 * 8
    table = torch.zeros(len(ids), n, dtype=torch.long)
    for row, found in zip(table, ids):
        row[:len(found)] = torch.tensor(found)
    return table, torch.tensor([len(row) for row in ids])


def context(encoder, ids, lengths, total):
    """Output of the encoder, zero after the end of each prompt, and one more for the padding up to `total`; and the bias of its
    attention."""
    n = ids.shape[1]
    mask = torch.arange(n, device=ids.device)[None] < lengths[:, None]
    h = encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    h = torch.where(mask[..., None], h.float(), 0.0)
    return torch.cat([h, torch.zeros_like(h[:, :1])], 1), wandit.pad_bias(lengths, n + 1, total)


def said(scene, caption):
    """The number of each attribute that a caption names; one past the last where it names none."""
    numbers = []
    for name, values in ATTRIBUTES.items():
        value = getattr(scene, name)
        named = any(phrase in caption for phrase in values.get(value, ()))
        numbers.append(list(values).index(value) if named else len(values))
    return numbers


def pretrain(args, preset, tokenizer, encoder, steps):
    """Teaches the encoder to say, at every token, what the whole caption asks for. It costs two minutes, and the denoiser then finds
    in any token what it would have to learn to look for."""
    device, rng = args.device, random.Random(11)
    heads = torch.nn.ModuleList([torch.nn.Linear(TEXT["d_model"], len(v) + 1) for v in ATTRIBUTES.values()]).to(device)
    parameters = [*encoder.named_parameters(), *((f"heads.{n}", p) for n, p in heads.named_parameters())]
    unique = {id(p): (n, p) for n, p in parameters}
    is_matrix = lambda n, p: p.ndim == 2 and ".block." in n and "relative" not in n
    optimizer = optim.Muon(list(unique.values()), is_matrix, lr=2e-3, adam_lr=2e-3, wd=0.01)
    right = []
    for step in range(steps):
        scenes = [world.sample_scene(rng) for _ in range(preset["words_batch"])]
        captions = [world.caption(scene, rng) for scene in scenes]
        labels = torch.tensor([said(s, c) for s, c in zip(scenes, captions)], device=device)
        ids, lengths = (t.to(device) for t in tokenize(tokenizer, captions))
        mask = torch.arange(ids.shape[1], device=device)[None] < lengths[:, None]
        with autocast(device):
            h = encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]
            logits = [head(h).float() for head in heads]
        wanted = labels.repeat_interleave(lengths, 0)
        loss = sum(F.cross_entropy(l, wanted[:, i]) for i, l in enumerate(logits))
        right.append(torch.stack([l.argmax(1) == wanted[:, i] for i, l in enumerate(logits)]).float().mean().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(min(1, (step + 1) / 40) * cosine(step / steps, 0.02))
        if (step + 1) % 200 == 0:
            say(f"words {step + 1} loss {loss.item():.4f} right {sum(right[-200:]) / 200:.4f}")
