"""Probabilities of the tokens that the answer is made of."""

import math
from typing import Any

from ..answer import json_object, loads, read_whole
from ..check import CHAT, Probe, Suite, echo, skip_if_lacking
from ..faults import Fault, Skip
from ..stream import DONE, events, read_stream

suite = Suite("logprobs", ("Token probabilities", "词元概率"))

GIVEN = "logprobs are given"
ALTERNATIVES = 2
# Rounding may put the logarithm of a probability a little above that of 1.
ROUNDING = 1e-4
# Of a sum of probabilities, and between two places that tell the same one.
CLOSE = 0.01


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
    probe.notes[GIVEN] = 1
    return _adds_up(listed, answer.text)


@suite.contract(
    "stream",
    ("So they do in a stream", "流式输出中同样如此"),
    ("the same of every token of the stream", "流中每个词元同样如此"),
)
async def stream(probe: Probe) -> str:
    if GIVEN not in probe.notes:
        raise Skip("the server gives no logprobs, though it was asked for them")
    body = probe.body(
        echo(probe.nonces.code()), logprobs=True, top_logprobs=ALTERNATIVES, stream=True
    )
    reply = await probe.send("POST", CHAT, body)
    skip_if_lacking(reply, "logprobs in streams")
    text = read_stream(reply).said()
    chunks = [loads(data) for _, data in events(reply)[0] if data != DONE]
    told = [one.get("logprobs") for chunk in chunks for one in chunk.get("choices") or ()]
    return _adds_up([one for each in told if each for one in each.get("content") or ()], text)


def _adds_up(listed: list[Any], text: str) -> str:
    made = b"".join(_bytes(one) for one in listed).decode(errors="replace")
    if not made.startswith(text):
        raise Fault("wire_format", "the tokens do not add up to the answer", got=made)
    return f"{len(listed)} tokens"


def _bytes(one: Any) -> bytes:
    try:
        top = {}
        for other in one.get("top_logprobs") or ():
            top[other["token"], str(other.get("bytes"))] = float(other["logprob"])
        best = list(top.values())
        values = [own := float(one["logprob"]), *best]
        among = top.get((one["token"], str(one.get("bytes"))), own)
        found = bytes(one["bytes"]) if one.get("bytes") is not None else one["token"].encode()
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Fault(
            "wire_format", "an entry of logprobs lacks token or logprob", got=str(one)
        ) from None
    if any(not value <= ROUNDING for value in values):
        raise Fault("wire_format", "a logprob is above 0", got=str(one))
    if abs(among - own) > CLOSE:
        told = "a token has another logprob among the best than by itself"
        raise Fault("wire_format", told, got=str(one))
    if sum(math.exp(value) for value in best) > 1 + CLOSE:
        told = "the probabilities of one place add up to more than 1"
        raise Fault("wire_format", told, got=str(one))
    if len(best) > ALTERNATIVES or best != sorted(best, reverse=True):
        raise Fault("wire_format", "top_logprobs are too many, or not the best first", got=str(one))
    return found
