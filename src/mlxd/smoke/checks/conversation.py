"""It reads the whole conversation, not just its last line."""

from collections.abc import Callable
from typing import Any

from ..check import Probe, Suite, containing
from ..nonce import ITEMS
from ..scenes import TRACKING, scene

suite = Suite("conversation", ("Reads the whole conversation", "读取整段对话"))

Turns = list[dict[str, Any]]
# Of an item and its code.
Tell = Callable[[str, str], Turns]


def _question(item: str) -> str:
    return f"What is the code of the {item}? Reply with only the code."


def _fact(
    name: str, title: tuple[str, str], expected: tuple[str, str], *, tools: bool = False
) -> Callable[[Tell], Tell]:
    """A check that asks for the code that stands somewhere in these turns, and nowhere else."""

    def add(tell: Tell) -> Tell:
        @suite.behaviour(name, title, expected, rounds=3, mark=0.6)
        async def ask(probe: Probe) -> str:
            code = probe.expect(probe.nonces.code())
            # The question comes again with another answer, so that one kept from before is wrong.
            turns = tell(ITEMS[probe.number % 2], code)
            if not tools:
                return containing(await probe.chat(turns), code)
            # Of another matter than the question.
            tool = scene(probe.nonces, TRACKING).tool
            return containing(await probe.chat(turns, optional="tools", tools=[tool]), code)

        return tell

    return add


# Templates have a branch of their own for tools, and servers a path.
@_fact(
    "tools",
    ("The system prompt counts beside tools too", "带工具时系统提示同样有效"),
    ("the fresh code that only the system prompt has", "仅出现在系统提示中的新代码"),
    tools=True,
)
@_fact(
    "system",
    ("A fact from the system prompt", "系统提示中的事实"),
    ("the fresh code that only the system prompt has", "仅出现在系统提示中的新代码"),
)
def system(item: str, code: str) -> Turns:
    return [
        {"role": "system", "content": f"The code of the {item} is {code}."},
        {"role": "user", "content": _question(item)},
    ]


@_fact(
    "history",
    ("A fact from an earlier turn", "先前轮次中的事实"),
    ("the fresh code that only the first message has", "仅出现在首条消息中的新代码"),
)
def history(item: str, code: str) -> Turns:
    return [
        {"role": "user", "content": f"The code of the {item} is {code}."},
        {"role": "assistant", "content": "OK"},
        {"role": "user", "content": _question(item)},
    ]


@_fact(
    "own-words",
    ("What it said itself", "自己说过的话"),
    ("the fresh code that only its own turn has", "仅出现在自身回答中的新代码"),
)
def own_words(item: str, code: str) -> Turns:
    return [
        {"role": "user", "content": f"What is the code of the {item}?"},
        {"role": "assistant", "content": f"The code of the {item} is {code}."},
        {"role": "user", "content": _question(item)},
    ]


@_fact(
    "parts",
    ("A message in several parts", "由多个部分组成的消息"),
    ("the fresh code that only the first part has", "仅出现在第一部分中的新代码"),
)
def parts(item: str, code: str) -> Turns:
    told = {"type": "text", "text": f"The code of the {item} is {code}. "}
    asked = {"type": "text", "text": _question(item)}
    return [{"role": "user", "content": [told, asked]}]
