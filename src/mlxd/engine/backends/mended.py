"""Where a model of the zoo does not take what a batch gives it."""

import sys
from typing import Any

import mlx.core as mx


def mend(kind: str) -> None:
    """Called once the model's module is loaded, before it computes anything."""
    if kind == "gemma2":
        _gemma2(sys.modules["mlx_lm.models.gemma2"])


def _gemma2(zoo: Any) -> None:
    """It computes attention with the query heads in groups, an axis that the mask of a batch
    lacks; a mask of one row has none of the leading axes and fits."""
    made_by = zoo.create_attention_mask

    def mask(*args: Any, **more: Any) -> Any:
        made = made_by(*args, **more)
        wide = isinstance(made, mx.array) and made.ndim == 4
        return mx.expand_dims(made, 2) if wide else made

    zoo.create_attention_mask = mask
