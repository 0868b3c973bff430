"""Vectors that depend on the text, and on nothing else."""

import math
from typing import Any

from ..answer import json_object, refuse_errors
from ..check import Probe, Suite, skip_if_lacking
from ..faults import Fault, Skip
from ..nonce import ITEMS

suite = Suite("embeddings", ("Embeddings", "向量嵌入"))

# Cosine. A batch may round otherwise than a text alone.
SAME = 0.99
# Vectors are of length 1, as with OpenAI, so that a product is a cosine; half precision rounds.
ROUNDING = 0.02


@suite.contract(
    "vectors",
    ("The same text has the same vector, another text another", "相同文本向量相同，不同则不同"),
    ("vectors of one length, in order", "向量等长且顺序正确"),
)
async def vectors(probe: Probe) -> str:
    one, other = f"A {probe.nonces.word()} in the garden", f"验证码 {probe.nonces.code()}"
    last = f"{probe.nonces.choice(ITEMS)} {probe.nonces.number()}"
    alone, end = (await _embed(probe, one))[0], (await _embed(probe, last))[0]
    both = await _embed(probe, [other, one, f"The {probe.nonces.word()}", last])
    if len(both) != 4:
        raise Fault("wire_format", f"{len(both)} vectors for 4 texts")
    if {len(end), *map(len, both)} != {len(alone)} or not alone:
        raise Fault("wire_format", "the vectors have different lengths, or none")
    if _cosine(alone, both[1]) < SAME or _cosine(end, both[3]) < SAME:
        told = "the same text has another vector in a batch; is their order right?"
        raise Fault("wrong_answer", told)
    if _cosine(both[0], both[1]) > 0.9999:
        raise Fault("wrong_answer", "two different texts have the same vector")
    long = (await _embed(probe, " ".join([one] * 20)))[0]
    if len(long) != len(alone):
        told = f"a short text has {len(alone)} numbers, a long one {len(long)}"
        raise Fault("wire_format", told)
    for vector in (alone, *both, long):
        if abs((length := math.hypot(*vector)) - 1) > ROUNDING:
            raise Fault("wrong_answer", f"a vector's length is {length:.2f}, not 1")
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
