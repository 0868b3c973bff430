"""LLaVA-NeXT's pictures, which mlx-vlm puts into the prompt tile by tile, whatever places it has.

The model was trained on each picture as a whole, and then on its tiles as one larger picture: side
by side, without the bars that filled them up, and with a mark at the end of each line.
"""

from typing import Any

import mlx.core as mx
import numpy as np

# Which sizes pictures are brought to, where a checkpoint does not say.
_USUAL = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def packed(
    tiles: mx.array, newline: mx.array, rows: int, columns: int, size: tuple[int, int]
) -> mx.array:
    """One picture's features, [places, width], of its tiles', [1 + rows · columns, side², width].
    `size`: the picture's own height and width."""
    whole, width = tiles[0], tiles.shape[-1]
    side = round(tiles.shape[1] ** 0.5)
    joined = tiles[1:].reshape(rows, columns, side, side, width).transpose(0, 2, 1, 3, 4)
    joined = joined.reshape(rows * side, columns * side, width)
    top, left = _bars(rows * side, columns * side, *size)
    joined = joined[top : rows * side - top, left : columns * side - left]
    ends = mx.broadcast_to(newline.astype(joined.dtype), (joined.shape[0], 1, width))
    return mx.concatenate([whole, mx.concatenate([joined, ends], axis=1).reshape(-1, width)])


def _bars(lines: int, places: int, height: int, width: int) -> tuple[int, int]:
    """How many lines at the top and places at the left have nothing of the picture."""
    if width / height > places / lines:
        return (lines - int(round(height * (places / width), 7))) // 2, 0
    return 0, (places - int(round(width * (lines / height), 7))) // 2


def mend(model: Any, config: dict[str, Any]) -> None:
    from transformers.image_processing_utils import select_best_resolution

    side = model.config.vision_config.image_size
    sizes = config.get("image_grid_pinpoints") or _USUAL

    def look(pixels: mx.array, size: tuple[int, int]) -> mx.array:
        height, width = select_best_resolution(size, sizes)
        rows, columns = height // side, width // side
        seen = pixels[: 1 + rows * columns].transpose(0, 2, 3, 1)
        *_, states = model.vision_tower(seen, output_hidden_states=True)
        chosen = states[model.vision_feature_layer]
        if model.vision_feature_select_strategy == "default":
            chosen = chosen[:, 1:]
        tiles = model.multi_modal_projector(chosen)
        return packed(tiles, model.image_newline, rows, columns, size)

    def embeddings(
        ids: mx.array, pixels: mx.array | None, *, image_sizes: Any = None, **_: Any
    ) -> Any:
        from mlx_vlm.models.base import InputEmbeddingsFeatures

        embedded = model.language_model.model.embed_tokens(ids)
        if pixels is not None:
            own = [(int(height), int(width)) for height, width in np.array(image_sizes)]
            features = mx.concatenate([look(p, s) for p, s in zip(pixels, own, strict=True)])
            places = np.flatnonzero(np.array(ids[0]) == model.config.image_token_index)
            if len(places) != len(features):
                raise ValueError(f"{len(features)} features of pictures for {len(places)} places")
            embedded[0, mx.array(places)] = features.astype(embedded.dtype)
        return InputEmbeddingsFeatures(inputs_embeds=embedded)

    model.get_input_embeddings = embeddings
