"""Calling tools: the right one, with the right arguments, once or twice, or not at all."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, small, user
from . import common, composed, generic, kinds, results, themed

Call = tuple[str, dict[str, Any]]


@dataclass
class Scene:
    """Some tools, and one request with the call that answers it."""

    tools: list[dict[str, Any]]
    request: str
    calls: list[Call]
    chinese: bool = False
    again: Any = None
    meta: dict[str, Any] = field(default_factory=dict)


def _wanted(rng: random.Random) -> tuple[composed.Tool, Any, bool]:
    """A tool and a way to draw requests for it."""
    roll = rng.random()
    if roll < 0.42:
        tool = composed.make_tool(rng)
        return tool, lambda: composed.request_for(rng, tool), False
    chinese = roll > 0.91
    kind = rng.choice(kinds.written("zh" if chinese else "en"))
    tool, kind, renamed = kinds.make(rng, kind)
    return tool, lambda: kinds.request_for(rng, tool, kind, renamed), chinese


def _decoy(rng: random.Random, tool: composed.Tool) -> composed.Tool:
    roll = rng.random()
    if tool.actions and roll < 0.3:
        return composed.make_tool(rng, actions=tool.actions)
    if tool.objects and roll < 0.6:
        return composed.make_tool(rng, objects=tool.objects)
    if roll < 0.8:
        return composed.make_tool(rng)
    return kinds.make(rng, rng.choice(kinds.written("en")))[0]


def scene(rng: random.Random, decoys: int | None = None) -> Scene:
    tool, draw, chinese = _wanted(rng)
    request, arguments = draw()
    tools = [tool]
    taken = {tool.name}
    clashes = (set(tool.actions), set(tool.objects))
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 3]) if decoys is None else decoys):
        other = _decoy(rng, tool)
        same = clashes[0] & set(other.actions) and clashes[1] & set(other.objects)
        if other.name not in taken and not same:
            tools.append(other)
            taken.add(other.name)
    rng.shuffle(tools)
    return Scene([t.schema() for t in tools], request, [(tool.name, arguments)], chinese, draw)


def calls_text(calls: list[Call]) -> str:
    return "\n".join(chat.tool_call_text(*call) for call in calls)


LINKS = lines("""
[Also|And|And then|Then|After that|And also|Next|Second|Plus|Apart from that|On top|Another thing|Once finished|After this|And one more|Secondly|As well|Later|Moreover|Additionally|At the same time|Meanwhile|Likewise|Finally|Lastly|One more thing|Oh and|By the way|And while you are at it|While you're at it|As a second step|As the next step|Step two|Another request|Another one|My second wish|My other question|Too|Afterwards|Following that|Following this|Subsequently|In parallel|Simultaneously|Together with that|Along with that|Not only that|If you have time|What's more|On top of that|In the same go|At once|Then there's this|The other thing|Number two|Part two|Second task|Second question|Second request|Next up|Next one|Immediately after|Right after|Right after that|When done|Once done|When you're finished|With that done|Having done that|And secondly|And finally|And lastly|And in addition to this|Equally important|Just as important|Not to forget|Don't forget|Last but not least|Oh, and another|P.S.|PS|Btw|+|&|-|/|>|=>|*|...][,|:| -|]
""")
ZH_LINKS = lines("""
[另外|还有|然后|再|接着|同时|顺便|此外|最后|其次|第二|以及|并且|之后|然后再|对了|还要|另一件事|第二件事|下一个|再帮我|还想|并|与此同时|完成后|做完以后][，|：|]
""")
LISTS = [
    ("1. ", "2. "),
    ("1) ", "2) "),
    ("- ", "- "),
    ("* ", "* "),
    ("a) ", "b) "),
    ("(1) ", "(2) "),
    ("First: ", "Second: "),
    ("First, ", "Second, "),
    ("One: ", "Two: "),
    ("Task 1: ", "Task 2: "),
    ("A: ", "B: "),
    ("Firstly, ", "secondly, "),
    ("first ", "then "),
    ("", ""),
]
LIST_LEADS = [
    "",
    "",
    "Do two things: ",
    "Two things: ",
    "I have two wishes. ",
    "Two requests:\n",
    "Please do both:\n",
    "Both of these, please:\n",
    "Two questions. ",
    "My list:\n",
    "To do:\n",
    "Can you do these two? ",
    "I need two things from you: ",
]


def _loose(rng: random.Random) -> Scene:
    tools, text, call = (generic.loose_scene if rng.random() < 0.5 else themed.scene)(rng)
    return Scene(tools, text, [call])


def _joined(rng: random.Random, first: str, second: str, chinese: bool, values: Any) -> str:
    """Two wishes in one message."""
    if rng.random() < 0.2:
        a, b = rng.choice(LISTS)
        return rng.choice(LIST_LEADS) + a + first + rng.choice(["\n", "\n", " "]) + b + second
    head = first.rstrip()
    if head[-1] not in ".!?。？！":
        head += rng.choice(["。", "，"] if chinese else [".", ".", ",", ";", ""])
    elif rng.random() < 0.15:
        head = head[:-1]
    if rng.random() < 0.12:
        return head + rng.choice(["" if chinese else " ", "\n", "\n\n"]) + second
    link = choose(rng, rng.choice(ZH_LINKS if chinese else LINKS)).strip()
    if not chinese:
        if rng.random() < 0.12:
            link = f"{lx.word(rng)} {link}" if rng.random() < 0.5 else lx.words(rng, 1, 4) + ":"
        if head[-1] not in ".!?\n":
            link = link[0].lower() + link[1:]
        if head[-1] not in ".!?,;" and rng.random() < 0.6:
            link = rng.choice(
                ["and", "and then", "then", "plus", "and also", "and please", "as well as"]
            )
        link = " " + link + " "
        if rng.random() < 0.65 and not second.startswith("I "):
            second = small(second, values)
    return head + link + second


def two_calls(rng: random.Random) -> Scene:
    first = scene(rng, rng.choice([0, 1, 2]))
    if rng.random() < 0.2:
        first = _loose(rng)
    if rng.random() < 0.35 and first.again:
        request, arguments = first.again()
        calls = [*first.calls, (first.calls[0][0], arguments)]
        tools = first.tools
        if calls[0] == calls[1]:
            return two_calls(rng)
    else:
        second = scene(rng, 0) if rng.random() < 0.75 else _loose(rng)
        names = {t["function"]["name"] for t in first.tools}
        if names & {t["function"]["name"] for t in second.tools}:
            return two_calls(rng)
        tools = first.tools + second.tools
        rng.shuffle(tools)
        request, calls = second.request, first.calls + second.calls
    text = _joined(rng, first.request, request, first.chinese, calls[-1][1])
    if rng.random() < 0.08 and first.again:
        third, arguments = first.again()
        call = (first.calls[0][0], arguments)
        if call not in calls:
            text = _joined(rng, text, third, first.chinese, arguments)
            calls = [*calls, call]
    return Scene(tools, text, calls, first.chinese)


AGAIN = lines("""
The same for {v}.
[And|Then] the same [for|with] {v}[, please|].
[Also|And] for {v}.
{v} too[, please|].
{v} as well.
[What about|How about|And] {v}?
[Do|Repeat|Try] [that|it|this] [for|with] {v} [as well|too|again].
[Then|Afterwards|After that|Next|Finally] {v}.
[And|Plus|Also] {v}[, please|].
Likewise {v}.
Same [thing|again|question|request] for {v}.
[Once|One] more [time|] [for|with] {v}.
I [also |]need [it|that|this] for {v}[ too| as well|].
[Don't forget|Not to forget|Not only that, also] {v}.
""")
ZH_AGAIN = lines("""
{v}也一样。
{v}也要。
再[加上|来]{v}。
[还有|以及|然后]{v}。
{v}呢？
[对|给]{v}也做同样的事。
""")


def shared_slot(rng: random.Random) -> Scene | None:
    """The same of two or three things: the weather in Rome and Oslo; 5 to Ann and 7 to Ben."""
    for _ in range(20):
        chinese = rng.random() < 0.12
        kind = rng.choice(kinds.written("zh" if chinese else "en"))
        tool, kind, renamed = kinds.make(rng, kind)
        template = choose(rng, rng.choice(kind.requests))
        slots = kinds.slots_of(template)
        if not slots or len(set(slots)) != len(slots):
            continue
        by_name = {p.name: p for p in tool.params}
        count = 3 if rng.random() < 0.15 else 2
        varied = slots if 1 < len(slots) < 4 and rng.random() < 0.4 else [rng.choice(slots)]
        if any(by_name[renamed[s]].schema.get("type") in ("array", "boolean") for s in varied):
            continue
        shown, arguments = {}, [{} for _ in range(count)]
        for slot in slots:
            draw = by_name[renamed[slot]].draw
            drawn = [draw(rng) for _ in range(count)] if slot in varied else [draw(rng)] * count
            for made, (value, _) in zip(arguments, drawn, strict=True):
                made[renamed[slot]] = value
            shown[slot] = [d[1] for d in drawn]
        if any(a == b for i, a in enumerate(arguments) for b in arguments[:i]):
            continue
        # "And 13." has to be clear without its name.
        sorts = {s: _sort(by_name[renamed[s]].schema, shown[s][0]) for s in slots}
        clear = len(varied) == 1 and list(sorts.values()).count(sorts[varied[0]]) == 1
        text = _listed(rng, template, slots, varied, shown, chinese, clear)
        for p in tool.params:
            p.required = p.required and p.name in arguments[0]
        tools = [tool]
        for _ in range(rng.randint(0, 2)):
            other = composed.make_tool(rng)
            if all(other.name != t.name for t in tools):
                tools.append(other)
        rng.shuffle(tools)
        order = [p.name for p in tool.params]
        calls = [
            (tool.name, dict(sorted(made.items(), key=lambda i: order.index(i[0]))))
            for made in arguments
        ]
        if rng.random() < 0.2 and not chinese and count == 2:
            text += "" if text[-1] in ".?!" else "."
            text += rng.choice(
                [" Both, please.", " I need both.", " Please check both.", " One after the other."]
            )
        return Scene([t.schema() for t in tools], text, calls, chinese)
    return None


def _sort(schema: dict[str, Any], shown: str) -> str:
    if "enum" in schema:
        return "enum"
    return "number" if shown.replace(".", "").isdigit() else "text"


def _listed(
    rng: random.Random,
    template: str,
    slots: list[str],
    varied: list[str],
    shown: dict[str, list[str]],
    chinese: bool,
    clear: bool,
) -> str:
    """The template once, with a list where values differ; or whole, and then what differs."""
    count = len(next(iter(shown.values())))
    rounds = [{s: shown[s][i] for s in slots} for i in range(count)]
    if clear and rng.random() < 0.4:
        text = fill(template, rounds[0])
        if text[-1] not in ".?!。？！":
            text += "。" if chinese else "."
        for one in rounds[1:]:
            more = " ".join(choose(rng, rng.choice(ZH_AGAIN if chinese else AGAIN)).split())
            text += ("" if chinese else " ") + fill(more, {"v": one[varied[0]]})
        return text
    first = min(template.index("{" + s + "}") for s in varied)
    last = max(template.index("{" + s + "}") + len(s) + 2 for s in varied)
    segment = template[first:last]
    near = template[:first].split()
    words = [" and ", " and ", " and also ", " as well as ", " plus ", ", and "]
    if near and near[-1] in ("in", "for", "of", "to", "on", "from", "at", "with", "about"):
        words += [f" and {near[-1]} ", f" and {near[-1]} ", f" and also {near[-1]} "]
    if len(varied) > 1:
        words += [", then ", "; ", ", ", " and then "]
    links = ["和", "以及", "、", "还有"] if chinese else words
    pieces = [fill(segment, one) for one in rounds]
    joined = ("、" if chinese else ", ").join(pieces[:-1]) + rng.choice(links) + pieces[-1]
    return fill(template[:first], rounds[0]) + joined + fill(template[last:], rounds[0])


NUDGES = [
    "",
    "",
    "",
    "",
    " Use the tool.",
    " Use a tool.",
    " Use the {t} tool.",
    " Call {t}.",
    " (with {t})",
    " You have tools for this.",
]


def make(rng: random.Random) -> Example:
    """A request that one call answers."""
    made = scene(rng)
    messages = common.maybe_system(rng)
    if rng.random() < 0.2:
        messages += common.filler_turns(rng, rng.randint(1, 2))
    if rng.random() < 0.12:
        messages += finished_loop(rng, made)
    nudge = "" if made.chinese else rng.choice(NUDGES).replace("{t}", made.calls[0][0])
    messages.append(user(made.request + nudge))
    return Example("call", messages, calls_text(made.calls), made.tools, {"calls": made.calls})


def finished_loop(rng: random.Random, made: Scene) -> list[dict[str, Any]]:
    """An earlier round with one of the tools at hand, so that history does not confuse."""
    request, arguments = made.again()
    content, report = results.result(rng)
    return [
        user(request),
        chat.tool_call_message([(made.calls[0][0], arguments)]),
        {"role": "tool", "content": content},
        assistant(report),
    ]


def make_two(rng: random.Random) -> Example:
    made = (shared_slot(rng) if rng.random() < 0.4 else None) or two_calls(rng)
    messages = common.maybe_system(rng, 0.35)
    messages.append(user(made.request))
    return Example("two_calls", messages, calls_text(made.calls), made.tools, {"calls": made.calls})


def with_tools(rng: random.Random, draw: Callable[[random.Random], Example]) -> Example:
    """Talk that needs no tool, while tools are at hand."""
    made = scene(rng, rng.choice([0, 0, 1, 2, 3]))
    tools = made.tools if rng.random() < 0.8 else _loose(rng).tools
    known = set(
        re.findall(r"[a-z]{4,}|[\u4e00-\u9fff]{2}", json.dumps(tools, ensure_ascii=False).lower())
    )
    while True:
        other = draw(rng)
        text = str(other.messages[-1]["content"]).lower()
        shared = known & set(re.findall(r"[a-z]{4,}|[\u4e00-\u9fff]{2}", text))
        if other.skill not in ("talk", "unknown") or not shared - WEAK:
            break
    other.tools = tools
    if rng.random() < 0.15 and made.again and tools is made.tools:
        start = 1 if other.messages[0]["role"] == "system" else 0
        other.messages[start:start] = finished_loop(rng, made)
    return other


# Words that say nothing about what a tool is for.
WEAK = set(
    "with from that this what your have some name time about into they them will does the".split()
)
