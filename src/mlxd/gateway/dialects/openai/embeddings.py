"""Embeddings: texts or token ids down, vectors up."""

import base64
import math
import struct

from mlxd import wire
from mlxd.gateway.errors import bad

from . import schema
from .completions import prompts

_FLOAT_BYTES = 4


def inputs(request: schema.EmbeddingRequest) -> list[wire.Text | wire.Tokens]:
    made = prompts(request.input, "input")
    for i, one in enumerate(made):
        if isinstance(one, wire.Text) and not one.text:
            param = "input" if isinstance(request.input, str) else f"input[{i}]"
            raise bad(f"{param} is empty; there is nothing to embed.", param)
    return made


def answer(
    request: schema.EmbeddingRequest, model: str, embedded: wire.Embedded
) -> schema.EmbeddingList:
    plain = request.encoding_format != "base64"
    vectors = [_shortened(vector, request.dimensions) for vector in embedded.vectors]
    data = [
        schema.Embedding(i, _floats(one) if plain else base64.b64encode(one).decode())
        for i, one in enumerate(vectors)
    ]
    tokens = embedded.prompt_tokens
    return schema.EmbeddingList(data, model, schema.EmbeddingUsage(tokens, tokens))


def _floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // _FLOAT_BYTES}f", vector))


def _shortened(vector: bytes, dimensions: int | None) -> bytes:
    """The first dimensions, at unit length again."""
    there = len(vector) // _FLOAT_BYTES
    if dimensions is None or dimensions == there:
        return vector
    if dimensions > there:
        told = f"dimensions: the model's vectors have {there}, so {dimensions} can't be had."
        raise bad(told, "dimensions")
    values = _floats(vector[: dimensions * _FLOAT_BYTES])
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return struct.pack(f"<{dimensions}f", *(value / norm for value in values))
