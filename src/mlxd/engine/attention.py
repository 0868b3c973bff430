"""Attention on a CPU, in the operations that are fast there.

MLX's own falls back to a softmax whose exponential takes most of the time of a long context. The
same in powers of two, with the mask added rather than chosen, takes about half (docs/how/cpu.md).
"""

from typing import Any

import mlx.core as mx

_LOG2_E = 1.4426950408889634
_HIDDEN = -1e30
# Scores of a block: 2 MB of float32, which stay in the caches of a core. Smaller blocks cost more
# in calls than they gain (measured at 512 queries on 512 and 2,000 keys).
BLOCK_SCORES = 512 * 1024
LEAST_BLOCK = 32

_library_attention = mx.fast.scaled_dot_product_attention


def install() -> None:
    """Make every model in this process use it. For the CPU alone."""
    mx.fast.scaled_dot_product_attention = attention


class _Bias:
    """A mask as numbers to add. The layers of a step share one mask, so the last one is kept."""

    def __init__(self) -> None:
        self._of: Any = None
        self._bias: mx.array = mx.array(0.0)

    def causal(self, queries: int, keys: int) -> mx.array:
        if self._of != (queries, keys):
            rows = mx.arange(keys - queries, keys)[:, None]
            visible = rows >= mx.arange(keys)[None]
            self._of, self._bias = (queries, keys), mx.where(visible, 0.0, _HIDDEN)
        return self._bias

    def of(self, mask: mx.array) -> mx.array:
        if mask.dtype != mx.bool_:
            # A mask of the least numbers that there are must not become one of infinities: where
            # a row is hidden as a whole, the difference of two of them is no number.
            return mx.maximum(mask * _LOG2_E, _HIDDEN)
        if self._of is not mask:
            self._of, self._bias = mask, mx.where(mask, 0.0, _HIDDEN)
        return self._bias


_bias = _Bias()


def attention(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    *,
    scale: float,
    mask: str | mx.array | None = None,
    **more: Any,
) -> mx.array:
    """`mx.fast.scaled_dot_product_attention`, for float32 and without sinks."""
    plain = q.dtype == k.dtype == mx.float32 and more.get("sinks") is None
    if not (plain and q.size and k.size):
        return _library_attention(q, k, v, scale=scale, mask=mask, **more)
    size = _block(q.shape, k.shape[2])
    if size >= q.shape[2]:
        return _attend(q, k, v, scale, mask)
    blocks = []
    before = k.shape[2] - q.shape[2]
    for start in range(0, q.shape[2], size):
        end = min(start + size, q.shape[2])
        part = q[:, :, start:end]
        if isinstance(mask, str):  # causal: what comes later need not be looked at
            seen = before + end
            blocks.append(_attend(part, k[:, :, :seen], v[:, :, :seen], scale, mask))
        else:
            piece = mask if mask is None or mask.shape[-2] == 1 else mask[..., start:end, :]
            blocks.append(_attend(part, k, v, scale, piece))
    return mx.concatenate(blocks, axis=2)


def _block(shape: tuple[int, ...], keys: int) -> int:
    """How many queries at a time keep the scores in the processor's cache."""
    batch, heads, _, _ = shape
    return max(LEAST_BLOCK, BLOCK_SCORES // (batch * heads * keys))


def _attend(
    q: mx.array, k: mx.array, v: mx.array, scale: float, mask: str | mx.array | None
) -> mx.array:
    batch, heads, length, _ = q.shape
    groups, keys = k.shape[1], k.shape[2]
    shared = heads // groups
    scaled = (q * (scale * _LOG2_E)).reshape(batch, groups, shared * length, -1)
    scores = scaled @ k.swapaxes(-1, -2)
    if mask is not None:
        bias = _bias.causal(length, keys) if isinstance(mask, str) else _bias.of(mask)
        scores = _masked(scores.reshape(batch, groups, shared, length, keys), bias)
        scores = scores.reshape(batch, groups, shared * length, keys)
    weights = mx.power(2.0, scores - mx.max(scores, axis=-1, keepdims=True))
    out = (weights @ v) / mx.sum(weights, axis=-1, keepdims=True)
    return out.reshape(batch, heads, length, v.shape[-1])


def _masked(scores: mx.array, bias: mx.array) -> mx.array:
    """`scores` has the query heads as [groups, shared]; a mask has one axis for both, or none."""
    if bias.ndim < 3:
        return scores + bias
    _, groups, shared, _, _ = scores.shape
    if bias.ndim == 3:
        bias = bias[None]
    heads = bias.shape[1]
    split = (groups, shared) if heads == groups * shared else (1, 1)
    return scores + bias.reshape(bias.shape[0], *split, *bias.shape[2:])
