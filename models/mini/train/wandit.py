"""Training-time forward of WanTransformer3DModel: identical numbers to the stock one, cheaper.

* per-frame timesteps (Wan 2.2 TI2V: first latent frame clean at t = 0) cost two embeddings, not one per token;
* WanPipeline zero-pads prompts to `max_sequence_length` (512) and attends to the padding. All padded keys are equal,
  so n of them equal one key with log(n) added to its logit: that is what `bias` holds.
"""
import math

import torch
import torch.nn.functional as F


def rope(x, turn):
    """x: b, heads, n, d in float; rotates interleaved pairs by complex numbers [n, d / 2]"""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)


def rms(x, w, eps):
    return F.rms_norm(x.float(), (x.shape[-1],), w, eps)


def lo(x):
    """Cast once to the autocast type, instead of once per linear layer."""
    d = x.device.type
    return x.to(torch.get_autocast_dtype(d)) if torch.is_autocast_enabled(d) else x


def sdpa(q, k, v, bias):
    """Attention written out. On a CPU the backward pass of the fused one takes twice the time of all else together."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias[:, None, None].to(q.dtype))
    s = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if bias is not None:
        s = s + bias[:, None, None].to(s.dtype)
    return s.softmax(-1) @ v


def attend(a, x, ctx, cs=None, bias=None):
    h = a.heads
    q, k, v = a.to_q(x), a.to_k(ctx), a.to_v(ctx)
    q, k = rms(q, a.norm_q.weight, a.norm_q.eps), rms(k, a.norm_k.weight, a.norm_k.eps)
    q, k, v = (t.unflatten(2, (h, -1)).transpose(1, 2) for t in (q, k, v))
    if cs is not None:
        q, k = rope(q, cs), rope(k, cs)
    q, k, v = lo(q), lo(k), lo(v)
    o = sdpa(q, k, v, bias)
    return a.to_out[0](o.transpose(1, 2).flatten(2))


def block(b, x, ctx, mod, cs, bias):
    """x: [b, t, s, d]; mod: [b, t, 6, d]"""
    B, T, S, D = x.shape
    m = (b.scale_shift_table[None] + mod).unsqueeze(2)  # b t 1 6 d
    sa, ca, ga, sf, cf, gf = m.unbind(3)
    n = F.layer_norm(x.float(), (D,), eps=b.norm1.eps) * (1 + ca) + sa
    n = lo(n.flatten(1, 2))
    x = x + attend(b.attn1, n, n, cs).view(B, T, S, D) * ga
    n = lo(b.norm2(x.float()).flatten(1, 2))
    x = x + attend(b.attn2, n, ctx, None, bias).view(B, T, S, D)
    n = F.layer_norm(x.float(), (D,), eps=b.norm3.eps) * (1 + cf) + sf
    return x + b.ffn(lo(n.flatten(1, 2))).view(B, T, S, D) * gf


def forward(m, x, t, first_clean, ctx, bias, blk=block, tap=None):
    """x [b, c, T, h, w]; t [b] in 0..1000; first_clean [b] bool; ctx [b, L, text_dim] whose last token is the zero pad.
    Returns the velocity and, where `tap` numbers a block, what comes out of that block, [b, T, tokens, dim]."""
    B, C, T, H, Wd = x.shape
    h = m.patch_embedding(x)
    hh, ww = h.shape[-2:]
    h = h.flatten(3).permute(0, 2, 3, 1).float()  # b t s d
    ce = m.condition_embedder
    tt = torch.cat([t, torch.zeros_like(t)])
    temb = ce.time_embedder(ce.timesteps_proj(tt)).float()
    proj = ce.time_proj(F.silu(temb)).float().unflatten(1, (6, -1))
    fc = first_clean[:, None]
    e_t, e_0 = temb.chunk(2)
    p_t, p_0 = proj.chunk(2)
    sel = torch.zeros(B, T, 1, dtype=torch.bool, device=x.device)
    sel[:, 0] = fc
    temb = torch.where(sel, e_0[:, None], e_t[:, None])
    mod = torch.where(sel[..., None], p_0[:, None], p_t[:, None])
    ctx = lo(ce.text_embedder(ctx))
    cos, sin = m.rope(x)
    cs = torch.complex(cos[0, :, 0, 0::2].float(), sin[0, :, 0, 1::2].float())
    tapped = None
    for i, b in enumerate(m.blocks):
        h = blk(b, h, ctx, mod, cs, bias)
        if i == tap:
            tapped = h
    so = (m.scale_shift_table[None] + temb.unsqueeze(2))  # b t 2 d
    h = F.layer_norm(h, (h.shape[-1],), eps=m.norm_out.eps) * (1 + so[:, :, 1:2]) + so[:, :, 0:1]
    o = m.proj_out(h)
    o = o.view(B, T, hh, ww, 2, 2, -1).permute(0, 6, 1, 2, 4, 3, 5)
    return o.reshape(B, -1, T, H, Wd), tapped


def pad_bias(lengths, L, total):
    """Context of L slots (L - 1 for text, the last is the pad): -inf on unused text slots, log(pads) on the pad."""
    i = torch.arange(L, device=lengths.device)[None]
    b = torch.where(i < lengths[:, None], 0.0, -1e9)
    b[:, -1] = (total - lengths).clamp_min(1).float().log()
    return b
