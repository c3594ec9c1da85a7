"""Muon for matrices (convolutions flattened), AdamW for the rest, and an EMA. One file, no dependencies."""
import torch


def newton_schulz(g, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    t = x.shape[-2] > x.shape[-1]
    if t:
        x = x.mT
    for _ in range(steps):
        m = x @ x.mT
        x = a * x + (b * m + c * (m @ m)) @ x
    return (x.mT if t else x).float()


class Muon:
    """params: list of (name, tensor); `is_matrix(name, p)` picks what Muon updates."""

    def __init__(self, params, is_matrix, lr=2e-3, adam_lr=2e-3, momentum=0.95, betas=(0.9, 0.98), wd=0.0):
        groups = {}
        adam = []
        for n, p in params:
            if not p.requires_grad:
                continue
            if is_matrix(n, p):
                groups.setdefault((p.shape[0], p[0].numel()), []).append(p)
            else:
                adam.append(p)
        self.groups, self.lr, self.momentum, self.wd = groups, lr, momentum, wd
        self.buf = {k: torch.zeros(len(v), *k, device=v[0].device) for k, v in groups.items()}
        self.adam = torch.optim.AdamW(adam, lr=adam_lr, betas=betas, weight_decay=0.0, foreach=True)
        self.adam_lr = adam_lr
        self.all = adam + [p for v in groups.values() for p in v]

    def zero_grad(self):
        for p in self.all:
            p.grad = None

    @torch.no_grad()
    def step(self, scale=1.0, clip=1.0):
        norm = torch.nn.utils.clip_grad_norm_(self.all, clip)
        for g in self.adam.param_groups:
            g["lr"] = self.adam_lr * scale
        self.adam.step()
        for k, ps in self.groups.items():
            g = torch.stack([p.grad.reshape(k) if p.grad is not None else torch.zeros(k, device=p.device) for p in ps]).float()
            buf = self.buf[k]
            buf.lerp_(g, 1 - self.momentum)
            u = newton_schulz(g.lerp(buf, self.momentum))
            s = 0.2 * max(k) ** 0.5 * self.lr * scale
            for p, d in zip(ps, u):
                if self.wd:
                    p.mul_(1 - self.lr * scale * self.wd)
                p.sub_(d.reshape(p.shape) * s)
        return norm

    def state(self):
        return dict(buf=self.buf, adam=self.adam.state_dict())

    def load(self, state):
        self.buf = state["buf"]
        self.adam.load_state_dict(state["adam"])


class EMA:
    def __init__(self, params, decay=0.999):
        self.params, self.decay = list(params), decay
        self.avg = [p.detach().clone() for p in self.params]
        self.n = 0

    @torch.no_grad()
    def update(self):
        self.n += 1
        d = min(self.decay, (1 + self.n) / (10 + self.n))
        torch._foreach_lerp_(self.avg, [p.detach() for p in self.params], 1 - d)

    @torch.no_grad()
    def swap(self):
        for a, p in zip(self.avg, self.params):
            t = p.detach().clone()
            p.copy_(a)
            a.copy_(t)

    def state(self):
        return dict(avg=[a.detach().cpu() for a in self.avg], n=self.n)

    @torch.no_grad()
    def load(self, state):
        self.n = state["n"]
        for a, value in zip(self.avg, state["avg"], strict=True):
            a.copy_(value)
