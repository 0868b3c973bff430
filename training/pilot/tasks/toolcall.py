"""Calling tools: the right one, with the right arguments, once or twice, or not at all."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, loosen, small, user
from . import common, composed, kinds

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
    from . import generic, themed

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
    content, report = result(rng)
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


def plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, list):
        return ", ".join(plain(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    return str(value)


KEYS = """temperature condition status price total count balance city code token id result value name date time
distance duration humidity wind stock quantity warehouse eta carrier location email phone answer amount currency
rate title author year score level speed voltage pressure message confirmation reference order_id tracking_number
room floor gate seat platform delay available open owner priority assignee due_date version size color unit
booking_id secret nonce ticket rating reviews weather_code sum average max min population capital serial""".split()


def _leaf(rng: random.Random) -> Any:
    return rng.choice(
        [
            lambda: lx.amount(rng),
            lambda: rng.randint(0, 99999),
            lambda: lx.code(rng),
            lambda: lx.code(rng),
            lambda: lx.noun(rng),
            lambda: lx.full_name(rng),
            lambda: lx.date(rng),
            lambda: lx.clock(rng),
            lambda: rng.random() < 0.5,
            lambda: lx.words(rng, 1, 3),
            lambda: lx.city(rng),
            lambda: lx.identifier(rng),
            lambda: -rng.randint(1, 40),
            lambda: [lx.noun(rng), lx.noun(rng)],
            lambda: lx.email(rng),
        ]
    )()


def record(rng: random.Random, low: int = 1, high: int = 5) -> dict[str, Any]:
    keys = rng.sample(KEYS, rng.randint(low, high))
    if rng.random() < 0.3:
        keys[0] = rng.choice(
            [lx.noun(rng), f"{lx.noun(rng)}_{rng.choice(KEYS)}", lx.word(rng).lower()]
        )
    return {key: _leaf(rng) for key in keys}


def result(rng: random.Random) -> tuple[str, str]:
    """What a tool answers, and how pilot reports it when nothing special is asked."""
    roll = rng.random()
    if roll < 0.55:
        data = record(rng)
        if len(data) == 1:
            key, value = next(iter(data.items()))
            return dump(rng, data), f"The {key.replace('_', ' ')} is {plain(value)}."
        pairs = ", ".join(f"{k.replace('_', ' ')} {plain(v)}" for k, v in data.items())
        return dump(rng, data), f"Result: {pairs}."
    if roll < 0.65:
        reason = rng.choice(
            [
                "not found",
                "timeout",
                "invalid " + lx.noun(rng),
                "permission denied",
                f"no such {lx.noun(rng)}",
                "server error " + str(rng.randint(400, 599)),
            ]
        )
        text = rng.choice([json.dumps({"error": reason}), f"Error: {reason}", f"error: {reason}"])
        return text, f"The tool failed: {reason}."
    value = rng.choice(
        [
            str(lx.amount(rng)),
            lx.code(rng),
            lx.words(rng, 1, 4),
            lx.code(rng),
            lx.noun(rng),
            f"{rng.randint(-20, 40)} degrees, {rng.choice(lx.english('adjective'))}",
            common.filler(rng).rstrip("."),
            f"{lx.noun(rng)}: {lx.code(rng)}",
            f"{rng.choice(['sunny', 'cloudy', 'rain', 'snow', 'fog'])}, {rng.randint(-9, 39)} C",
        ]
    )
    return value, f"The result is: {value}"


def dump(rng: random.Random, data: Any) -> str:
    roll = rng.random()
    if roll < 0.6:
        return json.dumps(data, ensure_ascii=False)
    if roll < 0.85:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(data, ensure_ascii=False, indent=2)


def make_loop(rng: random.Random) -> Example:
    """The result is back: answer with it."""
    made = scene(rng)
    content, report = result(rng)
    messages = common.maybe_system(rng)
    messages += [
        user(made.request),
        chat.tool_call_message(made.calls),
        {"role": "tool", "content": content},
    ]
    if rng.random() < 0.12:
        more, arguments = made.again()
        messages += [assistant(report), user(more)]
        return Example(
            "call",
            messages,
            calls_text([(made.calls[0][0], arguments)]),
            made.tools,
            {"calls": [(made.calls[0][0], arguments)]},
        )
    return Example("loop", messages, report, made.tools)


def make_two_loop(rng: random.Random) -> Example:
    """Two results at once, reported in their order."""
    made = (shared_slot(rng) if rng.random() < 0.5 else None) or two_calls(rng)
    if len(made.calls) < 2:
        return make_loop(rng)
    messages = common.maybe_system(rng, 0.3)
    messages += [user(made.request), chat.tool_call_message(made.calls)]
    reports = []
    for _ in made.calls:
        content, report = result(rng)
        messages.append({"role": "tool", "content": content})
        reports.append(report)
    return Example("loop", messages, "\n".join(reports), made.tools)


ASK_KEY = [
    "What is the {k}?",
    "Tell me the {k}.",
    "Give me the {k}.",
    "[And |]the {k}?",
    "I need the {k}.",
    "Which {k} [did you get|was it|came back]?",
    "What does it say for {k}?",
    "Read me the {k}.",
    "[I'm interested in|I care about|I'm after|Let me know|Report|Show|Return|Extract|Pick out] the {k}.",
    "[Look at|Take|Use] the [field|key|entry|property] {k}[ of the result| in the answer|].",
    "How [does|did] the {k} [look|come out|turn out]?",
    "Only the [value of|field] {k} [matters|counts|is needed].",
    "[Say|Write|Output|Print] the [value of the|] {k}.",
]
ASK_ONLY = [
    "",
    " Answer with only the value.",
    " Reply with [just|only] the value.",
    " Only the {k}, nothing else.",
    " [Answer|Reply|Respond] only with [it|the {k}|that value|the result].",
    " No other words.",
    " Just the value[.|, please.]",
    " Value only.",
    " [No|Without a|Not a] [sentence|text|explanation|comment] [around it|please|].",
    " [Bare|Plain|Naked|Raw] value.",
    " [The|A] [plain|raw|bare] [value|number|text] [is fine|will do|suffices|only].",
    " [One|A single] [word|value|token][.| only.]",
    " Nothing [before|after|around|more].",
]
ASK_WHOLE = [
    "[Answer|Reply|Respond] with only [the value|the result|what the tool returned|the tool's answer].",
    "[Answer|Reply] with [exactly |only |just ]the [value|result|output][ of the tool| that the tool returned|].",
    "Only give me the [result|value], nothing else.",
    "Repeat the [value|result|tool's answer] exactly.",
    "Tell me [only |just |]what the tool says.",
    "Return just the [value|number|code|result].",
    "Output the tool's [result|value|answer] and nothing else.",
    "只回答工具返回的[值|内容|结果]。",
    "[请|]只[回复|输出]结果。",
    "[Pass|Hand|Give] [on|back|me] [the|its] [raw |exact |plain |bare |][result|output|reply|value].",
    "[Copy|Quote|Echo|Relay|Forward|Report] [the|its|the tool's] [result|output|reply|value|answer] [word for word|unchanged|exactly|as it is|literally].",
    "[What comes back|What it returns|The returned text|The tool's reply] is [all I want|your answer|what I want to see|the answer][.|, nothing more.|, no comment.]",
    "[I|We] [need|expect|want] [the|a] [raw|bare|plain|exact] [value|result|output][, no sentence|, no comment|].",
    "[No|Without] [sentence|comment|explanation|words of your own][, just|; only|:] the [result|value|output].",
    "Your [answer|message|reply] [is|must be|equals|should equal] the [tool's|returned] [value|result|output][.|, alone.]",
]


def make_role(rng: random.Random) -> Example:
    """Answer only the value that the tool message carries."""
    made = scene(rng)
    if rng.random() < 0.45:
        value = rng.choice(
            [
                str(lx.amount(rng)),
                lx.code(rng),
                lx.code(rng),
                lx.words(rng, 1, 3),
                lx.noun(rng),
                lx.identifier(rng),
                lx.full_name(rng),
                lx.zh_chars(rng),
                str(rng.randint(0, 10**6)),
            ]
        )
        roll = rng.random()
        if roll < 0.7:
            content = value
        elif roll < 0.9:
            content = dump(
                rng, {rng.choice(["result", "value", "output", "answer", rng.choice(KEYS)]): value}
            )
        else:
            content = (
                rng.choice(["Result: ", "Value: ", "The result is ", "Answer: ", "OK: "]) + value
            )
        question = loosen(rng, choose(rng, rng.choice(ASK_WHOLE)), lx.all_words())
    else:
        data = record(rng, 2, 6)
        key = rng.choice(list(data))
        value, content = plain(data[key]), dump(rng, data)
        if rng.random() < 0.2:
            content = dump(rng, {rng.choice(["result", "data", lx.noun(rng)]): data})
        elif rng.random() < 0.15:
            content = "\n".join(f"{k}: {plain(v)}" for k, v in data.items())
        spoken = (
            key.replace("_", " ")
            if rng.random() < 0.7
            else rng.choice([key, f'"{key}"', f"`{key}`"])
        )
        asked = choose(rng, rng.choice(ASK_KEY) + rng.choice(ASK_ONLY))
        if rng.random() < 0.2:
            asked = choose(
                rng,
                "[Your|The|My] [reply|answer|message|wish|output]: [only |just |] the {k}"
                + rng.choice(ASK_ONLY),
            )
        question = loosen(rng, asked, lx.all_words()).replace("{k}", spoken)
    call = chat.tool_call_message(made.calls)
    answer_turn = {"role": "tool", "content": content}
    roll = rng.random()
    messages = common.maybe_system(rng, 0.35)
    if roll < 0.6:
        messages += [user(f"{made.request} {question}"), call, answer_turn]
    elif roll < 0.72:
        messages = [{"role": "system", "content": question}, user(made.request), call, answer_turn]
    elif roll < 0.86:
        messages += [user(made.request), call, answer_turn, user(question)]
    else:
        messages += [user(question), call, answer_turn]
    return Example("role", messages, value, made.tools if rng.random() < 0.7 else None)


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
