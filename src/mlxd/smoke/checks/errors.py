"""What a client got wrong is said to be so, and hurts nobody else."""

import json
from typing import Any

from ..answer import error_message
from ..check import CHAT, Probe, Suite, echo
from ..faults import Fault, Skip
from ..server import Reply

suite = Suite("errors", ("Bad requests are refused", "拒绝错误请求"))

REFUSED = ("HTTP 4xx with an error message", "HTTP 4xx 及错误信息")


def _refused(reply: Reply, what: str) -> str:
    if reply.status < 400:
        raise Fault("wire_format", f"{what} is answered with HTTP {reply.status}")
    if reply.status >= 500:
        told = f"{what} is the client's mistake, yet answered with HTTP {reply.status}"
        raise Fault("wire_format", told, got=reply.exchange.response[:500])
    told = error_message(reply) or ""
    if not told:
        text = f"{what}: HTTP {reply.status} without the API's error object"
        raise Fault("wire_format", text, got=reply.exchange.response[:500])
    return f"HTTP {reply.status}: {told[:120]}"


async def _send(probe: Probe, what: str, change: dict[str, Any], without: str = "") -> str:
    body = probe.body("Hello") | change
    body.pop(without, None)
    return _refused(await probe.send("POST", CHAT, body), what)


@suite.contract("broken-json", ("A body that is no JSON", "请求体不是 JSON"), REFUSED)
async def broken_json(probe: Probe) -> str:
    raw = json.dumps(probe.body("Hello")).encode()[:-1]
    return _refused(await probe.send("POST", CHAT, raw=raw), "broken JSON")


@suite.contract("no-messages", ("No messages", "缺少 messages"), REFUSED)
async def no_messages(probe: Probe) -> str:
    return await _send(probe, "a request without messages", {}, without="messages")


@suite.contract("wrong-type", ("messages is a number", "messages 是数字"), REFUSED)
async def wrong_type(probe: Probe) -> str:
    return await _send(probe, "messages: 7", {"messages": 7})


@suite.contract("wrong-limit", ("max_tokens is a word", "max_tokens 是单词"), REFUSED)
async def wrong_limit(probe: Probe) -> str:
    return await _send(probe, 'max_tokens: "many"', {"max_tokens": "many"})


@suite.contract("empty-messages", ("messages is empty", "messages 为空列表"), REFUSED)
async def empty_messages(probe: Probe) -> str:
    return await _send(probe, "messages: []", {"messages": []})


@suite.contract("wrong-temperature", ("temperature is a word", "temperature 是单词"), REFUSED)
async def wrong_temperature(probe: Probe) -> str:
    return await _send(probe, 'temperature: "hot"', {"temperature": "hot"})


@suite.contract("streamed", ("A bad request for a stream", "流式的错误请求"), REFUSED)
async def streamed(probe: Probe) -> str:
    """Before a stream begins, there is still a status to say it with."""
    change = {"messages": 7, "stream": True}
    return await _send(probe, "messages: 7 in a request for a stream", change)


@suite.contract(
    "unknown-path", ("A path that is not there", "不存在的路径"), ("HTTP 4xx", "HTTP 4xx")
)
async def unknown_path(probe: Probe) -> str:
    reply = await probe.send("POST", f"/v1/{probe.nonces.word()}", probe.body("Hello"))
    if not 400 <= reply.status < 500:
        told = f"a path that is not there is answered with HTTP {reply.status}"
        raise Fault("wire_format", told, got=reply.exchange.response[:500])
    return f"HTTP {reply.status}"


@suite.contract("unknown-model", ("A model that is not there", "不存在的模型"), REFUSED)
async def unknown_model(probe: Probe) -> str:
    name = f"no-such-model-{probe.nonces.word()}"
    reply = await probe.send("POST", CHAT, probe.body("Hello", model=name, max_tokens=4))
    if reply.status == 200:
        raise Skip("this server answers under any model name; a typo would go unnoticed")
    return _refused(reply, "a model that is not there")


@suite.contract(
    "alive",
    ("After all that, the next request is answered", "之后的请求仍得到回答"),
    ("an answer", "有回答"),
)
async def alive(probe: Probe) -> str:
    found = await probe.chat(echo(probe.nonces.code()))
    return found.said().strip()
