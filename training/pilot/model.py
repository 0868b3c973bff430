"""The Qwen3-VL architecture, small and lean, with Hugging Face's parameter names."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes. Few layers: on a CPU the time of a token is weights read and kernels launched."""

    vocabulary: int = 5120
    layers: int = 8
    hidden: int = 384
    feed_forward: int = 1024
    heads: int = 6
    kv_heads: int = 2
    head_size: int = 64
    rope_theta: float = 10_000.0
    sections: tuple[int, int, int] = (12, 10, 10)
    context: int = 8192
    vision_layers: int = 8
    vision_hidden: int = 192
    vision_heads: int = 3
    vision_feed_forward: int = 768
    patch: int = 8
    merge: int = 2
    positions: int = 1024
    deepstack: tuple[int, ...] = (1, 3)
    eps: float = 1e-6


class Norm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Any) -> Tensor:
    """Causal attention; a block mask (packed rows) or a boolean mask says what else is hidden."""
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if isinstance(mask, Tensor):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(q, k, v, block_mask=mask)


class SelfAttention(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = s.heads, s.kv_heads, s.head_size
        self.q_proj = nn.Linear(s.hidden, s.heads * s.head_size, bias=False)
        self.k_proj = nn.Linear(s.hidden, s.kv_heads * s.head_size, bias=False)
        self.v_proj = nn.Linear(s.hidden, s.kv_heads * s.head_size, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head_size, s.hidden, bias=False)
        self.q_norm = Norm(s.head_size, s.eps)
        self.k_norm = Norm(s.head_size, s.eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Any) -> Tensor:
        b, t, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(b, t, self.heads, self.size)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(b, t, self.kv_heads, self.size)).transpose(1, 2)
        v = self.v_proj(x).view(b, t, self.kv_heads, self.size).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        shared = self.heads // self.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        out = attend(q, k, v, mask)
        return self.o_proj(out.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(s.hidden, s.feed_forward, bias=False)
        self.up_proj = nn.Linear(s.hidden, s.feed_forward, bias=False)
        self.down_proj = nn.Linear(s.feed_forward, s.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.self_attn = SelfAttention(s)
        self.mlp = Mlp(s)
        self.input_layernorm = Norm(s.hidden, s.eps)
        self.post_attention_layernorm = Norm(s.hidden, s.eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Any) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Language(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.shape = s
        self.embed_tokens = nn.Embedding(s.vocabulary, s.hidden)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = Norm(s.hidden, s.eps)
        half = s.head_size // 2
        speeds = 1.0 / s.rope_theta ** (torch.arange(half, dtype=torch.float32) / half)
        axis = torch.zeros(half, dtype=torch.long)
        for which in (1, 2):
            axis[which : s.sections[which] * 3 : 3] = which
        self.register_buffer("speeds", speeds, persistent=False)
        self.register_buffer("axis", axis, persistent=False)

    def angles(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Rotations for positions (3, batch, time): interleaved time, height and width."""
        angle = positions.float()[..., None] * self.speeds
        angle = torch.gather(angle, 0, self.axis.expand(1, *angle.shape[1:]))[0]
        angle = torch.cat((angle, angle), dim=-1)[:, None]
        return angle.cos().to(dtype), angle.sin().to(dtype)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        mask: Any = None,
        seen: Tensor | None = None,
        deep: list[Tensor] | None = None,
    ) -> Tensor:
        cos, sin = self.angles(positions, x.dtype)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask)
            if deep is not None and i < len(deep):
                x = x + deep[i].to(x.dtype) if seen is None else scatter(x, seen, deep[i], add=True)
        return self.norm(x)


def scatter(x: Tensor, seen: Tensor, features: Tensor, add: bool = False) -> Tensor:
    """Features (batch, cells, hidden) at the marked places of each row, in order."""
    order = (seen.long().cumsum(1) - 1).clamp_min(0)
    spread = features.gather(1, order[..., None].expand(-1, -1, features.shape[-1])).to(x.dtype)
    return torch.where(seen[..., None], x + spread if add else spread, x)


class VisionAttention(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads = s.vision_heads
        self.qkv = nn.Linear(s.vision_hidden, 3 * s.vision_hidden)
        self.proj = nn.Linear(s.vision_hidden, s.vision_hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
        return self.proj(out.transpose(1, 2).reshape(b, n, d))


class VisionMlp(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.linear_fc1 = nn.Linear(s.vision_hidden, s.vision_feed_forward)
        self.linear_fc2 = nn.Linear(s.vision_feed_forward, s.vision_hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(s.vision_hidden, eps=s.eps)
        self.norm2 = nn.LayerNorm(s.vision_hidden, eps=s.eps)
        self.attn = VisionAttention(s)
        self.mlp = VisionMlp(s)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    def __init__(self, s: Shape, after: bool) -> None:
        super().__init__()
        self.size = s.vision_hidden * s.merge**2
        self.after = after
        self.norm = nn.LayerNorm(self.size if after else s.vision_hidden, eps=s.eps)
        self.linear_fc1 = nn.Linear(self.size, self.size)
        self.linear_fc2 = nn.Linear(self.size, s.hidden)

    def forward(self, x: Tensor) -> Tensor:
        b = x.shape[0]
        x = (
            self.norm(x.reshape(b, -1, self.size))
            if self.after
            else self.norm(x).reshape(b, -1, self.size)
        )
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class PatchEmbed(nn.Module):
    """A 3D convolution in name; both frames of a still are equal, so its two halves are summed."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, s.vision_hidden, (2, s.patch, s.patch), (2, s.patch, s.patch))

    def forward(self, patches: Tensor) -> Tensor:
        weight = self.proj.weight.sum(2).flatten(1)
        return F.linear(patches, weight.to(patches.dtype), self.proj.bias.to(patches.dtype))


class Vision(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.shape = s
        self.patch_embed = PatchEmbed(s)
        self.pos_embed = nn.Embedding(s.positions, s.vision_hidden)
        self.blocks = nn.ModuleList(VisionBlock(s) for _ in range(s.vision_layers))
        self.merger = Merger(s, after=False)
        self.deepstack_merger_list = nn.ModuleList(Merger(s, after=True) for _ in s.deepstack)
        self.tables: dict[tuple[int, int], tuple[Tensor, ...]] = {}

    def cells(self, pixels: Tensor) -> Tensor:
        """Images (batch, 3, height, width) as patches, four of a cell beside each other."""
        p, m = self.shape.patch, self.shape.merge
        b, c, h, w = pixels.shape
        x = pixels.view(b, c, h // (p * m), m, p, w // (p * m), m, p)
        return x.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(b, (h // p) * (w // p), c * p * p)

    def table(self, h: int, w: int, device: torch.device) -> tuple[Tensor, ...]:
        """For a grid of patches: corners and weights of its position embedding, and rotations."""
        if (h, w) not in self.tables:
            side, m = int(self.shape.positions**0.5), self.shape.merge
            ys, xs = torch.linspace(0, side - 1, h), torch.linspace(0, side - 1, w)
            y0, x0 = ys.long(), xs.long()
            y1, x1 = (y0 + 1).clamp_max(side - 1), (x0 + 1).clamp_max(side - 1)
            dy, dx = (ys - y0)[:, None], (xs - x0)[None]
            corners = [
                (y[:, None] * side + x[None]) for y, x in ((y0, x0), (y0, x1), (y1, x0), (y1, x1))
            ]
            weights = [(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx]
            rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")

            def ordered(x: Tensor) -> Tensor:
                return x.view(h // m, m, w // m, m).permute(0, 2, 1, 3).reshape(-1)

            quarter = self.shape.vision_hidden // self.shape.vision_heads // 4
            speeds = 1.0 / 10_000.0 ** (torch.arange(quarter, dtype=torch.float32) / quarter)
            angle = torch.cat(
                (
                    ordered(rows).float()[:, None] * speeds,
                    ordered(columns).float()[:, None] * speeds,
                ),
                -1,
            )
            angle = torch.cat((angle, angle), -1)
            self.tables[h, w] = tuple(
                t.to(device)
                for t in (
                    torch.stack([ordered(c) for c in corners]),
                    torch.stack([ordered(c) for c in weights]),
                    angle.cos(),
                    angle.sin(),
                )
            )
        return self.tables[h, w]

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        h, w = pixels.shape[2] // self.shape.patch, pixels.shape[3] // self.shape.patch
        corners, weights, cos, sin = self.table(h, w, pixels.device)
        x = self.patch_embed(self.cells(pixels))
        x = x + (self.pos_embed(corners) * weights[..., None]).sum(0).to(x.dtype)
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        deep = []
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin)
            if i in self.shape.deepstack:
                deep.append(self.deepstack_merger_list[self.shape.deepstack.index(i)](x))
        return self.merger(x), deep


class Inner(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.language_model = Language(s)
        self.visual = Vision(s)


class Pilot(nn.Module):
    def __init__(self, s: Shape, glyphs: int = 0) -> None:
        super().__init__()
        self.shape = s
        self.model = Inner(s)
        self.glyphs = nn.Linear(s.hidden, glyphs) if glyphs else None  # training only
        self.apply(self._start)
        if self.glyphs is not None:
            nn.init.constant_(self.glyphs.bias, -7.0)  # most characters are in no cell

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def text(self, ids: Tensor, positions: Tensor, mask: Any = None) -> Tensor:
        """Hidden states of rows of text; positions (batch, time)."""
        language = self.model.language_model
        return language(language.embed_tokens(ids), positions.expand(3, *positions.shape), mask)

    def picture(
        self, ids: Tensor, positions: Tensor, pixels: Tensor, image_token: int
    ) -> tuple[Tensor, Tensor]:
        """Hidden states of rows with one picture each, and the features of its cells."""
        language = self.model.language_model
        features, deep = self.model.visual(pixels)
        seen = ids == image_token
        x = scatter(language.embed_tokens(ids), seen, features)
        return language(x, positions, None, seen, deep), features

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.model.language_model.embed_tokens.weight.to(hidden.dtype))
