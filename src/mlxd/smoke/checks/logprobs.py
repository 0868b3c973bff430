"""Probabilities of the tokens that the answer is made of."""

from typing import Any

from ..answer import json_object, read_whole
from ..check import CHAT, Probe, Suite, echo, skip_if_lacking
from ..faults import Fault, Skip

suite = Suite("logprobs", ("Token probabilities", "词元概率"))

ALTERNATIVES = 2
# Rounding may put the logarithm of a probability a little above that of 1.
ROUNDING = 1e-4


@suite.contract(
    "tokens",
    ("The tokens add up to the answer", "词元拼接等于回答"),
    ("logprobs of every token, none above 0, best first", "每个词元的对数概率，不大于 0，从高到低"),
)
async def tokens(probe: Probe) -> str:
    body = probe.body(echo(probe.nonces.code()), logprobs=True, top_logprobs=ALTERNATIVES)
    reply = await probe.send("POST", CHAT, body)
    skip_if_lacking(reply, "logprobs")
    answer = read_whole(reply)
    told = json_object(reply)["choices"][0].get("logprobs") or {}
    listed = told.get("content") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise Skip("the server gives no logprobs, though it was asked for them")
    answer.said()
    made = b"".join(_bytes(one) for one in listed).decode(errors="replace")
    if not made.startswith(answer.text):
        raise Fault("wire_format", "the tokens do not add up to the answer", got=made)
    return f"{len(listed)} tokens"


def _bytes(one: Any) -> bytes:
    try:
        best = [float(other["logprob"]) for other in one.get("top_logprobs") or ()]
        values = [float(one["logprob"]), *best]
        found = bytes(one["bytes"]) if one.get("bytes") is not None else one["token"].encode()
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Fault(
            "wire_format", "an entry of logprobs lacks token or logprob", got=str(one)
        ) from None
    if any(not value <= ROUNDING for value in values):
        raise Fault("wire_format", "a logprob is above 0", got=str(one))
    if len(best) > ALTERNATIVES or best != sorted(best, reverse=True):
        raise Fault("wire_format", "top_logprobs are too many, or not the best first", got=str(one))
    return found
