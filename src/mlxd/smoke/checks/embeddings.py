"""Vectors that depend on the text, and on nothing else."""

import base64
import math
import struct
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
NUMBER_BYTES = 4


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


@suite.contract(
    "form",
    ("The answer has every field of the API", "回答包含 API 规定的全部字段"),
    ("numbered vectors and usage; base64 is the same", "向量带编号与用量；base64 与之相同"),
)
async def form(probe: Probe) -> str:
    texts = [f"A {probe.nonces.word()}", f"The {probe.nonces.choice(ITEMS)}"]
    body = await _ask(probe, texts)
    numbers = [one.get("index") for one in body["data"]]
    if numbers != list(range(len(texts))):
        raise Fault("wire_format", f"the vectors are numbered {numbers}")
    if body.get("object") != "list":
        raise Fault("wire_format", f"object is {body.get('object')!r}, not 'list'")
    usage = body.get("usage") or {}
    count = usage.get("prompt_tokens")
    if not isinstance(count, int) or count < 1 or usage.get("total_tokens") != count:
        raise Fault("wire_format", f"usage has no whole counts: {usage}")
    packed = await _ask(probe, texts, encoding_format="base64")
    for one, other in zip(body["data"], packed["data"], strict=True):
        if _cosine(_numbers(one["embedding"]), _numbers(other["embedding"])) < SAME:
            raise Fault("wrong_answer", "a vector is another one in base64")
    return f"{count} tokens"


@suite.contract(
    "ends",
    ("The end of a long text counts too", "长文本的结尾同样起作用"),
    ("two vectors for two ends", "结尾不同则向量不同"),
)
async def ends(probe: Probe) -> str:
    text = " ".join(f"The {item} is here." for item in ITEMS * 2)
    made = await _embed(probe, [f"{text} {probe.nonces.code()}", f"{text} {probe.nonces.word()}"])
    if len(made) == 2 and made[0] == made[1]:
        told = "two texts that differ at their ends have the same vector"
        raise Fault("wrong_answer", told)
    return f"{len(text)} characters"


async def _embed(probe: Probe, given: str | list[str]) -> list[list[float]]:
    data = (await _ask(probe, given))["data"]
    try:
        return [_numbers(one["embedding"]) for one in sorted(data, key=lambda one: one["index"])]
    except (TypeError, KeyError, ValueError):
        raise Fault("wire_format", "the answer is no list of embeddings") from None


async def _ask(probe: Probe, given: str | list[str], **more: Any) -> dict[str, Any]:
    body = {"model": probe.model or None, "input": given} | more
    reply = await probe.send("POST", "/v1/embeddings", body)
    if reply.status in (404, 405, 501):
        raise Skip(f"the server has no embeddings: HTTP {reply.status} at /v1/embeddings")
    skip_if_lacking(reply, "this model for embeddings")
    refuse_errors(reply)
    found = json_object(reply)
    data = found.get("data")
    if not isinstance(data, list) or not all(
        isinstance(one, dict) and "embedding" in one for one in data
    ):
        raise Fault("wire_format", "the answer is no list of embeddings")
    return found


def _numbers(given: Any) -> list[float]:
    """Also of a server that knows no base64 and sends numbers all the same."""
    if isinstance(given, str):
        raw = base64.b64decode(given)
        return list(struct.unpack(f"<{len(raw) // NUMBER_BYTES}f", raw))
    return [float(number) for number in given]


def _cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    if not lengths or not math.isfinite(lengths):
        raise Fault("wrong_answer", "a vector is zero or not finite")
    return product / lengths
