"""Vectors that depend on the text, and on nothing else."""

import math
from typing import Any

from ..answer import json_object, refuse_errors
from ..check import Probe, Suite, skip_if_lacking
from ..faults import Fault, Skip

suite = Suite("embeddings", ("Embeddings", "向量嵌入"))

# Cosine. A batch may round otherwise than a text alone.
SAME = 0.99


@suite.contract(
    "vectors",
    ("The same text has the same vector, another text another", "相同文本向量相同，不同则不同"),
    ("vectors of one length, in order", "向量等长且顺序正确"),
)
async def vectors(probe: Probe) -> str:
    one, other = f"A {probe.nonces.word()} in the garden", f"验证码 {probe.nonces.code()}"
    alone = (await _embed(probe, one))[0]
    both = await _embed(probe, [other, one])
    if len(both) != 2:
        raise Fault("wire_format", f"{len(both)} vectors for two texts")
    if {len(alone), len(both[0]), len(both[1])} != {len(alone)} or not alone:
        raise Fault("wire_format", "the vectors have different lengths, or none")
    if _cosine(alone, both[1]) < SAME:
        told = "the same text has another vector in a batch; is their order right?"
        raise Fault("wrong_answer", told)
    if _cosine(both[0], both[1]) > 0.9999:
        raise Fault("wrong_answer", "two different texts have the same vector")
    return f"{len(alone)} numbers"


async def _embed(probe: Probe, given: str | list[str]) -> list[list[float]]:
    body = {"model": probe.model or None, "input": given}
    reply = await probe.send("POST", "/v1/embeddings", body)
    if reply.status in (404, 405, 501):
        raise Skip(f"the server has no embeddings: HTTP {reply.status} at /v1/embeddings")
    skip_if_lacking(reply, "this model for embeddings")
    refuse_errors(reply)
    data: Any = json_object(reply).get("data")
    try:
        vectors = [one["embedding"] for one in sorted(data, key=lambda one: one["index"])]
        return [[float(number) for number in vector] for vector in vectors]
    except (TypeError, KeyError, ValueError):
        raise Fault("wire_format", "the answer is no list of embeddings") from None


def _cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    if not lengths or not math.isfinite(lengths):
        raise Fault("wrong_answer", "a vector is zero or not finite")
    return product / lengths
