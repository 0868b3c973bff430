"""Embeddings: texts or token ids down, vectors up."""

import asyncio
import base64
import math
import struct

import msgspec

from mlxd import wire
from mlxd.gateway.errors import bad

from . import schema
from .completions import prompts

_FLOAT_BYTES = 4
# Vectors that are written without a break: a few milliseconds.
_AT_A_TIME = 16


def inputs(request: schema.EmbeddingRequest) -> list[wire.Text | wire.Tokens]:
    made = prompts(request.input, "input", schema.MAX_INPUTS)
    for i, one in enumerate(made):
        if isinstance(one, wire.Text) and not one.text:
            param = "input" if isinstance(request.input, str) else f"input[{i}]"
            raise bad(f"{param} is empty; there is nothing to embed.", param)
    return made


async def answer(
    request: schema.EmbeddingRequest, model: str, embedded: wire.Embedded
) -> schema.EmbeddingList:
    """To be written as JSON. Vectors are written already, and between them others have their turn:
    two thousand long ones take half a second."""
    plain = request.encoding_format != "base64"
    data: list[msgspec.Raw] = []
    for i, vector in enumerate(embedded.vectors):
        one = _shortened(vector, request.dimensions)
        made = schema.Embedding(i, _floats(one) if plain else base64.b64encode(one).decode())
        data.append(msgspec.Raw(msgspec.json.encode(made)))
        if i % _AT_A_TIME == _AT_A_TIME - 1:
            await asyncio.sleep(0)
    tokens = embedded.prompt_tokens
    # The list is of what is written already, and is written as if it were of embeddings.
    return schema.EmbeddingList(data, model, schema.EmbeddingUsage(tokens, tokens))  # type: ignore[arg-type]


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
