"""Everyday kinds of tool, written out: names, parameters, and what people say when they need one."""

import random
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .. import lexicon as lx
from ..phrase import choose, fill, loosen, slots_of, small
from . import params as pm
from .composed import Param, Tool, aside, make_param


def _expression(rng: random.Random) -> pm.Value:
    sign = rng.choice(["+", "-", "*", "/", " + ", " - ", " * ", " / "])
    text = f"{rng.randint(1, 999)}{sign}{rng.randint(1, 99)}"
    if rng.random() < 0.3:
        text = f"({text}){rng.choice('+-*/')}{rng.randint(2, 9)}"
    return text, text


def _address(rng: random.Random) -> pm.Value:
    text = ".".join(str(rng.randint(1, 254)) for _ in range(4))
    return text, text


def _zh_quoted(rng: random.Random) -> pm.Value:
    text = rng.choice(
        [
            lx.zh_phrase(rng) + rng.choice(["到了", "准备好了", "不见了"]),
            rng.choice(lx.chinese("verb")) + rng.choice(lx.chinese("noun")),
            lx.zh_chars(rng, 3, 8),
        ]
    )
    return text, rng.choice([text, f"“{text}”", f"“{text}”"])


EXTRA = {
    "expr": ("string", _expression),
    "ip": ("string", _address),
    "numeral": ("string", pm.numeral),
    "quoted": ("string", pm.quoted),
    "zhcity": ("string", pm._same(lambda r: r.choice(lx.chinese("city")))),
    "zhname": ("string", pm._same(lx.zh_name)),
    "zhquoted": ("string", _zh_quoted),
    "zhnoun": (
        "string",
        pm._same(lambda r: r.choice(lx.chinese("noun")) if r.random() < 0.5 else lx.zh_phrase(r)),
    ),
}


@dataclass
class Written:
    """A kind as it stands in the data file."""

    names: list[str]
    descriptions: list[str]
    fields: list[tuple[str, str, bool]]
    requests: list[str] = field(default_factory=list)


@cache
def written(language: str) -> list[Written]:
    return parse((lx.DATA / f"kinds_{language}.txt").read_text(encoding="utf-8"))


def parse(text: str) -> list[Written]:
    found: list[Written] = []
    fields_next = False
    for line in text.splitlines():
        if line.startswith("@ "):
            names, _, descriptions = line[2:].partition(": ")
            current = Written(names.split(","), [d.strip() for d in descriptions.split(";")], [])
            found.append(current)
            fields_next = True
        elif fields_next:  # a dash where there are none
            pairs = re.findall(r"(\w+)=(enum:.*?|[\w:-]+?)(!?)(?=\s+\w+=|$)", line)
            current.fields = [(name, kind, bool(needed)) for name, kind, needed in pairs]
            fields_next = False
        elif line.strip():
            current.requests.append(line.strip())
    return found


def _field(rng: random.Random, name: str, kind: str, needed: bool, alone: bool) -> Param:
    frags = ["with {p} {v}"]
    if kind.startswith("enum:"):
        options = kind[5:].split(",")
        if len(options) > 3 and rng.random() < 0.5:
            options = rng.sample(options, rng.randint(3, len(options)))

        def pick(r: random.Random) -> pm.Value:
            value = r.choice(options)
            return value, value

        return Param(name, {"type": "string", "enum": options}, needed, pick, frags)
    if kind.startswith(("int:", "zhint:")):
        low, high = map(int, kind.split(":")[1].split("-"))
        draw = pm.whole(low, high)
        if kind.startswith("zh"):

            def draw(r: random.Random) -> pm.Value:
                number = r.randint(low, high)
                return number, str(number)

        return Param(
            name, {"type": rng.choice(["integer", "integer", "number"])}, needed, draw, frags
        )
    if kind == "switch":

        def flip(r: random.Random) -> pm.Value:
            return True, "yes"

        return Param(name, {"type": "boolean"}, needed, flip, frags)
    if kind in EXTRA:
        type_, draw = EXTRA[kind]
        return Param(name, {"type": type_}, needed, draw, frags)
    base = pm.KINDS[kind]
    schema: dict[str, Any] = {"type": base.type}
    if base.items:
        schema["items"] = {"type": base.items}
    if rng.random() < 0.45:
        schema["description"] = choose(rng, base.descs).replace("{p}", name.replace("_", " "))
    if alone and rng.random() < 0.15:  # of two alike, only the name tells which is which
        name = rng.choice(base.names.split("|"))
    return Param(name, schema, needed, base.value, frags)


def make(
    rng: random.Random, kind: Written, other_names: bool = True
) -> tuple[Tool, Written, dict[str, str]]:
    """A tool of this kind; the map says which parameter each slot of its requests became."""
    params: list[Param] = []
    renamed: dict[str, str] = {}
    originals = {name for name, _, _ in kind.fields}
    for name, spec, needed in kind.fields:
        alone = other_names and [f[1] for f in kind.fields].count(spec) == 1
        param = _field(rng, name, spec, needed, alone)
        if param.name in originals or any(param.name == other.name for other in params):
            param.name = name
        renamed[name] = param.name
        params.append(param)
        if rng.random() < 0.15 and "description" not in param.schema:
            param.schema["description"] = choose(rng, "[The |]" + param.name.replace("_", " "))
    if rng.random() < 0.3:
        extra = make_param(rng)
        extra.required = False
        if all(extra.name != p.name for p in params):
            params.append(extra)
    name = rng.choice(kind.names)
    if rng.random() < 0.15:
        first, *rest = name.split("_")
        name = first + "".join(x.capitalize() for x in rest)
    description = choose(rng, rng.choice(kind.descriptions)) if rng.random() < 0.9 else ""
    if rng.random() < 0.25 and description:
        description = description.rstrip(".") + "."
    return Tool(name, description, params, [], []), kind, renamed


def request_for(
    rng: random.Random, tool: Tool, kind: Written, renamed: dict[str, str]
) -> tuple[str, dict[str, Any]]:
    template = choose(
        rng, rng.choice([r for r in kind.requests if all(s in renamed for s in slots_of(r))])
    )
    template = loosen(rng, template, lx.all_words(), 0.12)
    by_name = {p.name: p for p in tool.params}
    arguments: dict[str, Any] = {}
    shown: dict[str, str] = {}
    spoken = set(slots_of(template))
    for slot, target in renamed.items():
        if slot in spoken:
            arguments[target], shown[slot] = by_name[target].draw(rng)
            while any(shown[slot] == v for k, v in shown.items() if k != slot):
                arguments[target], shown[slot] = by_name[target].draw(rng)
    for param in tool.params:
        param.required = param.required and param.name in arguments
    text = fill(template, shown)
    extra = [p for p in tool.params if p.name not in renamed.values()]
    if extra and rng.random() < 0.4:
        value, surface = extra[0].draw(rng)
        arguments[extra[0].name] = value
        frag = rng.choice(extra[0].frags).replace("{p}", extra[0].name.replace("_", " "))
        text = text.rstrip("?.! ") + ", " + frag.replace("{v}", surface)
    arguments = {p.name: arguments[p.name] for p in tool.params if p.name in arguments}
    return dress(rng, text, arguments), arguments


def dress(rng: random.Random, text: str, arguments: dict[str, Any]) -> str:
    """What people put around a request."""
    if not text.isascii() and any(c in lx.hanzi() for c in text):
        return (
            rng.choice(["", "", "", "你好，", "麻烦你，", "请问，"])
            + text
            + rng.choice(["", "", "谢谢！"])
        )
    roll = rng.random()
    if roll < 0.15:
        text = aside(rng) + text
    elif roll < 0.22:
        text = rng.choice(["Hey, ", "Hi! ", "Hello, ", "Quick question: ", "Please: "]) + text
    if rng.random() < 0.1:
        text += rng.choice([" Thanks!", " please", " Thank you.", " It's urgent."])
    if rng.random() < 0.08:
        text = small(text, arguments)
    return text
