"""A picture through the Qwen 3 VL tower, piece by piece.

The library's own way is one computation of a quarter of a second and more, and nobody else is
served meanwhile. Here a layer is cut into rows of patches, and each piece is computed before the
next is begun. How it is cut depends on the sizes alone, never on the clock: the same picture gives
the same numbers however often others came between.
"""

from collections.abc import Generator
from itertools import pairwise
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from mlxd.machine import backend as device_kind

# Work of a piece, in multiplications and additions: a few milliseconds of a core, or of a GPU.
CPU_WORK, ACCELERATOR_WORK = 0.12e9, 50e9
# What the exponential of one attention score costs, in the same unit: on a CPU it is most of all.
CPU_SCORE, ACCELERATOR_SCORE = 400, 10
LEAST_ROWS = 32

Pieces = Generator[None, None, None]
Rows = Generator[None, None, mx.array]


class Tower:
    """One run: after the last piece, `features` and `deep` are what the library would return."""

    def __init__(self, tower: Any, model_pixels: mx.array, grids: mx.array) -> None:
        self._tower = tower
        self._pixels = model_pixels
        self._grids = [tuple(int(n) for n in one) for one in np.array(grids)]
        on_cpu = device_kind() == "cpu"
        self._work = CPU_WORK if on_cpu else ACCELERATOR_WORK
        self._score = CPU_SCORE if on_cpu else ACCELERATOR_SCORE
        self._features: list[mx.array] = []
        self._deep: list[list[mx.array]] = [[] for _ in tower.deepstack_visual_indexes]

    @property
    def features(self) -> mx.array:
        return mx.concatenate(self._features)

    @property
    def deep(self) -> list[mx.array]:
        return [mx.concatenate(one) for one in self._deep]

    def pieces(self) -> Pieces:
        """Pictures don't see each other, nor do the frames of a film: one after the other."""
        start = 0
        for frames, high, wide in self._grids:
            for _ in range(frames):
                end = start + high * wide
                yield from self._picture(self._pixels[start:end], high, wide)
                start = end

    def _picture(self, pixels: mx.array, high: int, wide: int) -> Pieces:
        tower = self._tower
        grid = mx.array([[1, high, wide]])
        x = tower.patch_embed(pixels) + tower.fast_pos_embed_interpolate(grid)
        turns = tower.rot_pos_emb(grid).reshape(x.shape[0], -1)
        mx.eval(x, turns)
        yield
        indexes = list(tower.deepstack_visual_indexes)
        for number, block in enumerate(tower.blocks):
            x = yield from self._layer(block, x, turns)
            if number in indexes:
                place = indexes.index(number)
                merged = yield from self._merged(tower.deepstack_merger_list[place], x)
                self._deep[place].append(merged)
        self._features.append((yield from self._merged(tower.merger, x)))

    def _layer(self, block: Any, x: mx.array, turns: mx.array) -> Rows:
        from mlx_vlm.models.base import ensure_fused_sdpa
        from mlx_vlm.models.qwen3_vl.vision import apply_rotary_pos_emb_vision

        attention = block.attn
        count, size = x.shape
        heads = attention.num_heads
        inner = _outputs(block.mlp.linear_fc1)
        parts = []
        for start, end in self._cut(count, 3 * size * size):
            rows = attention.qkv(block.norm1(x[start:end]))
            q, k, v = rows.reshape(1, end - start, 3, heads, -1).transpose(2, 0, 1, 3, 4)
            q = apply_rotary_pos_emb_vision(q, turns[start:end]).transpose(0, 2, 1, 3)
            k = apply_rotary_pos_emb_vision(k, turns[start:end]).transpose(0, 2, 1, 3)
            part = [q, k, v.transpose(0, 2, 1, 3)]
            mx.eval(part)
            parts.append(part)
            yield
        q, k, v = (mx.concatenate(list(one), axis=2) for one in zip(*parts, strict=True))
        seen = count * (heads * self._score + 2 * size)
        made = []
        for start, end in self._cut(count, seen + size * size + 2 * size * inner):
            out = ensure_fused_sdpa(q[:, :, start:end], k, v, attention.scale)
            out = out.transpose(0, 2, 1, 3).reshape(end - start, -1)
            rows = x[start:end] + attention.proj(out)
            rows = rows + block.mlp(block.norm2(rows))
            mx.eval(rows)
            made.append(rows)
            yield
        return mx.concatenate(made)

    def _merged(self, merger: Any, x: mx.array) -> Rows:
        """Neighbours become one, so they stay in one piece."""
        together = self._tower.spatial_merge_size**2
        size = merger.hidden_size
        made = []
        for start, end in self._cut(x.shape[0] // together, 2 * size * size):
            rows = merger(x[start * together : end * together])
            mx.eval(rows)
            made.append(rows)
            yield
        return mx.concatenate(made)

    def _cut(self, rows: int, work: float) -> list[tuple[int, int]]:
        each = max(LEAST_ROWS, int(self._work / work))
        parts = max(1, -(-rows // each))
        edges = [rows * i // parts for i in range(parts + 1)]
        return list(pairwise(edges))


def _outputs(linear: Any) -> int:
    return int(dict(tree_flatten(linear.parameters()))["bias"].size)


def takes(model: Any) -> bool:
    """Whether the model is of the kind whose tower is known here in its parts."""
    kind = type(model)
    return kind.__module__ == "mlx_vlm.models.qwen3_vl.qwen3_vl" and model.vision_tower is not None
