"""The server is there, lists the model, and its answers have the form that clients rely on."""

import contextlib
import math
from time import perf_counter
from urllib.parse import quote

from ..answer import json_object, read_whole, refuse_errors
from ..check import BROKEN, CHAT, PACE, USAGE_WRONG, Probe, Suite, echo
from ..faults import Fault, Skip

suite = Suite("health", ("The server answers", "服务可用"))

REQUESTS = 3
# Of the text that is counted as an answer and as a part of a prompt: so long, at least so many
# characters, and so many times, so that nothing else weighs in. Tokens that were generated may be
# fewer than those of the same text when it is read, but not by half.
SPOKEN_TOKENS = 32
LEAST_SPOKEN = 16
TIMES = 8
MOST_MORE = 1.5


@suite.contract(
    "models",
    ("GET /v1/models lists the model", "GET /v1/models 列出该模型"),
    ("a list that names the model", "列表中有该模型"),
)
async def models(probe: Probe) -> str:
    reply = await probe.send("GET", "/v1/models")
    refuse_errors(reply, "GET /v1/models")
    body = json_object(reply)
    data = body.get("data")
    if body.get("object") != "list" or not isinstance(data, list):
        raise Fault("wire_format", "/v1/models is no list object with data")
    names: list[str] = []
    ids: set[str] = set()
    for one in data:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            raise Fault("wire_format", f"an entry of /v1/models without an id: {one}")
        if one.get("object") != "model":
            raise Fault("wire_format", f"an entry's object is {one.get('object')!r}, not 'model'")
        if one["id"] in ids:
            raise Fault("wire_format", f"{one['id']!r} is listed twice")
        ids.add(one["id"])
        names += [one["id"], *(one.get("aliases") or ()), str(one.get("path") or "")]
    probe.expect(probe.model)
    if not probe.model:
        raise Fault("wire_format", "/v1/models names no model")
    if probe.model not in names:
        listed = ", ".join(name for name in names if name) or "nothing"
        raise Fault("wire_format", f"{probe.model!r} is served but not listed", got=listed)
    return f"{len(data)} listed"


@suite.contract(
    "model",
    ("GET /v1/models/NAME shows the model", "GET /v1/models/名称 返回该模型"),
    ("an object that names the model", "含该模型名称的对象"),
)
async def model(probe: Probe) -> str:
    path = f"/v1/models/{quote(probe.expect(probe.model), safe='')}"
    reply = await probe.send("GET", path)
    if reply.status in (404, 405, 501):
        raise Skip(f"the server shows no single model: HTTP {reply.status}")
    refuse_errors(reply, "GET /v1/models/NAME")
    found = json_object(reply).get("id")
    if not isinstance(found, str) or found not in probe.names():
        raise Fault("wire_format", f"{probe.model!r} was asked for, {found!r} is shown")
    return found


@suite.contract(
    "answer",
    ("An answer has every field of the API", "回答包含 API 规定的全部字段"),
    ("a well-formed chat.completion", "格式正确的 chat.completion"),
)
async def answer(probe: Probe) -> str:
    began = perf_counter()
    found = await probe.chat(echo(probe.nonces.code()))
    _note_pace(probe, began)
    began = perf_counter()
    again = await probe.chat(echo(probe.nonces.code()))
    _note_pace(probe, began)
    wrong = [*found.complaints, *probe.not_its_model(found)]
    if found.id and found.id == again.id:
        wrong.append(f"two answers have the same id, {found.id!r}")
    if wrong:
        raise Fault("wire_format", "; ".join(wrong))
    if found.content is None and not found.calls:
        raise found.empty()
    return f"finish_reason {found.finish}, usage {found.usage.get('total_tokens')}"


def _note_pace(probe: Probe, began: float) -> None:
    """The quickest short answer of the beginning."""
    probe.notes[PACE] = min(probe.notes.get(PACE, math.inf), perf_counter() - began)


@suite.contract(
    "keep-alive",
    ("One connection carries several requests", "同一连接可发送多个请求"),
    ("every answer whole, or the end of the connection announced", "回答完整，或声明关闭连接"),
)
async def keep_alive(probe: Probe) -> str:
    async with contextlib.aclosing(probe.server.with_one_connection()) as alone:
        for number in range(1, REQUESTS + 1):
            body = probe.body(echo(probe.nonces.code()))
            began = perf_counter()
            reply = await probe.send("POST", CHAT, body, by=alone)
            _note_pace(probe, began)
            read_whole(reply)
            if reply.kept and alone.connections >= number > 1:
                told = "the server closes the connection after an answer without saying so"
                raise Fault("wire_format", told)
    return f"{REQUESTS} requests"


@suite.contract(
    "usage",
    ("Usage counts what was sent and said", "用量统计与内容相符"),
    ("more tokens for a longer prompt", "更长的提示计入更多词元"),
)
async def usage(probe: Probe) -> str:
    try:
        return await _counted(probe)
    except Fault:
        probe.notes[USAGE_WRONG] = 1
        raise


async def _counted(probe: Probe) -> str:
    short = await probe.chat(echo(probe.nonces.code()))
    codes = " ".join(probe.nonces.code() for _ in range(6))
    long = await probe.chat(echo(f"{codes} {codes}"))
    one, other = short.usage.get("prompt_tokens"), long.usage.get("prompt_tokens")
    if not isinstance(one, int) or not isinstance(other, int):
        raise Fault("wire_format", "usage has no count of the prompt's tokens")
    if other <= one:
        raise Fault(
            "wire_format", f"usage: {one} tokens for a short prompt, {other} for a long one"
        )
    for found in (short, long):
        if found.text and not found.completion_tokens:
            raise Fault("wire_format", "usage: an answer of no tokens, though there is text")
    await _counts_alike(probe)
    return f"{one} and {other} tokens"


async def _counts_alike(probe: Probe) -> None:
    """What the model has just said, it is asked to read: a text has as many tokens there as here,
    but for how its ends join with what is beside them."""
    asked = f"Write one line of random words about a {probe.nonces.word()}."
    said = await probe.chat(asked, max_tokens=SPOKEN_TOKENS)
    spoken = said.completion_tokens
    if said.calls or not spoken or len(said.text) < LEAST_SPOKEN or BROKEN in said.text:
        return
    read = []
    for times in (1, TIMES):
        text = "\n".join([probe.nonces.code(), *[said.text] * times])
        found = await probe.chat(text, max_tokens=1)
        read.append(int(found.usage.get("prompt_tokens") or 0))
    each = (read[1] - read[0]) / (TIMES - 1)
    if each > MOST_MORE * spoken + 1:
        told = f"usage: a text of {spoken} tokens counts {each:.0f} where it stands in a prompt"
        raise Fault("wire_format", told, got=said.text)
