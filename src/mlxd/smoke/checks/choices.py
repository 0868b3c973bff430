"""Several answers to one request, each with its number."""

from typing import Any

from ..answer import json_object, loads, refuse_errors
from ..check import CHAT, Probe, Suite, echo, skip_if_lacking
from ..faults import Fault
from ..stream import DONE, events

suite = Suite("choices", ("Several choices", "多个候选回答"))

WANTED = 2
NUMBERED = ("two choices, numbered 0 and 1", "两个候选，编号 0 和 1")


@suite.contract("whole", ("n=2 gives two choices", "n=2 返回两个候选"), NUMBERED)
async def whole(probe: Probe) -> str:
    body = probe.body(echo(probe.nonces.code()), n=WANTED)
    reply = await probe.send("POST", CHAT, body)
    skip_if_lacking(reply, f"n={WANTED}")
    refuse_errors(reply)
    choices = json_object(reply).get("choices")
    if not isinstance(choices, list):
        raise Fault("wire_format", "choices is no list")
    texts: dict[Any, str] = {}
    for one in choices:
        message = one.get("message") or {}
        texts[_number(one)] = str(message.get("content") or "")
    return _both(texts, len(choices))


@suite.contract("stream", ("n=2 in a stream", "流式输出中的 n=2"), NUMBERED)
async def stream(probe: Probe) -> str:
    body = probe.body(echo(probe.nonces.code()), n=WANTED, stream=True)
    reply = await probe.send("POST", CHAT, body)
    skip_if_lacking(reply, f"n={WANTED}")
    refuse_errors(reply)
    texts: dict[Any, str] = {}
    for _, data in events(reply)[0]:
        chunk = loads(data) if data != DONE else {}
        for one in chunk.get("choices") or ():
            text = (one.get("delta") or {}).get("content") or ""
            texts[_number(one)] = texts.get(_number(one), "") + text
    return _both(texts, len(texts))


def _number(choice: dict[str, Any]) -> Any:
    return choice.get("index")


def _both(texts: dict[Any, str], count: int) -> str:
    if count != WANTED:
        raise Fault("wire_format", f"{count} choices for n={WANTED}")
    if set(texts) != set(range(WANTED)):
        numbers = ", ".join(map(str, texts))
        raise Fault("wire_format", f"the choices are numbered {numbers}, not from 0 on")
    if not all(text.strip() for text in texts.values()):
        raise Fault("empty_answer", "one of the choices is empty")
    return " | ".join(text.strip() for text in texts.values())
