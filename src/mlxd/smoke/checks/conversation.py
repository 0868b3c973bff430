"""It reads the whole conversation, not just its last line."""

from typing import Any

from ..check import Probe, Suite, containing
from ..nonce import ITEMS
from ..scenes import TRACKING, scene

suite = Suite("conversation", ("Reads the whole conversation", "读取整段对话"))


def _question(item: str) -> dict[str, Any]:
    text = f"What is the code of the {item}? Reply with only the code."
    return {"role": "user", "content": text}


def _item(probe: Probe) -> str:
    """The question comes again with another answer, so that one kept from before is wrong."""
    return ITEMS[probe.number % 2]


@suite.behaviour(
    "system",
    ("A fact from the system prompt", "系统提示中的事实"),
    ("the fresh code that only the system prompt has", "仅出现在系统提示中的新代码"),
    rounds=3,
    mark=0.6,
)
async def system(probe: Probe) -> str:
    code, item = probe.expect(probe.nonces.code()), _item(probe)
    told = {"role": "system", "content": f"The code of the {item} is {code}."}
    return containing(await probe.chat([told, _question(item)]), code)


@suite.behaviour(
    "tools",
    ("The system prompt counts beside tools too", "带工具时系统提示同样有效"),
    ("the fresh code that only the system prompt has", "仅出现在系统提示中的新代码"),
    rounds=3,
    mark=0.6,
)
async def tools(probe: Probe) -> str:
    """Templates have a branch of their own for tools, and servers a path."""
    code, item = probe.expect(probe.nonces.code()), _item(probe)
    told = {"role": "system", "content": f"The code of the {item} is {code}."}
    # Of another matter than the question.
    tool = scene(probe.nonces, TRACKING).tool
    return containing(
        await probe.chat([told, _question(item)], optional="tools", tools=[tool]), code
    )


@suite.behaviour(
    "history",
    ("A fact from an earlier turn", "先前轮次中的事实"),
    ("the fresh code that only the first message has", "仅出现在首条消息中的新代码"),
    rounds=3,
    mark=0.6,
)
async def history(probe: Probe) -> str:
    code, item = probe.expect(probe.nonces.code()), _item(probe)
    turns = [
        {"role": "user", "content": f"The code of the {item} is {code}."},
        {"role": "assistant", "content": "OK"},
        _question(item),
    ]
    return containing(await probe.chat(turns), code)


@suite.behaviour(
    "own-words",
    ("What it said itself", "自己说过的话"),
    ("the fresh code that only its own turn has", "仅出现在自身回答中的新代码"),
    rounds=3,
    mark=0.6,
)
async def own_words(probe: Probe) -> str:
    code, item = probe.expect(probe.nonces.code()), _item(probe)
    turns = [
        {"role": "user", "content": f"What is the code of the {item}?"},
        {"role": "assistant", "content": f"The code of the {item} is {code}."},
        _question(item),
    ]
    return containing(await probe.chat(turns), code)


@suite.behaviour(
    "parts",
    ("A message in several parts", "由多个部分组成的消息"),
    ("the fresh code that only the first part has", "仅出现在第一部分中的新代码"),
    rounds=3,
    mark=0.6,
)
async def parts(probe: Probe) -> str:
    code, item = probe.expect(probe.nonces.code()), _item(probe)
    told = {"type": "text", "text": f"The code of the {item} is {code}. "}
    asked = {"type": "text", "text": _question(item)["content"]}
    return containing(await probe.chat([{"role": "user", "content": [told, asked]}]), code)
