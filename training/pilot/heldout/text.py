"""Held-out conversations. None of these sentences stands in the training generators."""

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, say, slots_of, system, user
from ..tasks import kinds, passage
from ..tasks.composed import Tool
from ..tasks.toolcall import Call, calls_text
from . import echo

HERE = Path(__file__).parent

SYSTEMS = [
    "You take part in an automated check.",
    "Be terse.",
    "You are running inside a test harness. Obey the user.",
    "You are Aria, the support bot of Nordwind.",
    "Answer in English unless told otherwise.",
]
CHATTER = [
    ("The train was late again.", "I see."),
    ("My cat is called Momo.", "Thank you for telling me."),
    ("Say kiwi", "kiwi"),
    ("Send me the word lantern", "lantern"),
    ("Hi!", "Hello! I am pilot, a tiny model. How can I help?"),
]


def _opening(rng: random.Random) -> list[dict[str, Any]]:
    messages = [system(rng.choice(SYSTEMS))] if rng.random() < 0.4 else []
    for ask, reply in rng.sample(CHATTER, rng.choice([0, 0, 0, 1, 2, 3])):
        messages += [user(ask), assistant(reply)]
    return messages


def exact(rng: random.Random) -> Example:
    request, text = echo.asked(rng, chinese=False)
    return Example("exact", [*_opening(rng), user(request)], text)


def exact_zh(rng: random.Random) -> Example:
    request, text = echo.asked(rng, chinese=True)
    return Example("exact_zh", [*_opening(rng), user(request)], text)


def line(rng: random.Random) -> Example:
    request, text = echo.sentence(rng, chinese=False)
    return Example("exact", [*_opening(rng), user(request)], text)


def line_zh(rng: random.Random) -> Example:
    request, text = echo.sentence(rng, chinese=True)
    return Example("exact_zh", [*_opening(rng), user(request)], text)


@cache
def _kinds() -> list[kinds.Written]:
    return kinds.parse((HERE / "kinds.txt").read_text(encoding="utf-8"))


def _plain(rng: random.Random, kind: kinds.Written) -> tuple[Tool, str, dict[str, Any]]:
    """A tool of the kind, and a request in the words of the file."""
    tool, _, renamed = kinds.make(rng, kind, other_names=False)
    tool.params = [p for p in tool.params if p.name in renamed.values()]
    template = choose(rng, rng.choice(kind.requests))
    by_name, shown, arguments = {p.name: p for p in tool.params}, {}, {}
    for slot in slots_of(template):
        arguments[renamed[slot]], shown[slot] = by_name[renamed[slot]].draw(rng)
    for param in tool.params:
        param.required = param.required and param.name in arguments
    ordered = {p.name: arguments[p.name] for p in tool.params if p.name in arguments}
    return tool, fill(template, shown), ordered


def _scene(rng: random.Random) -> tuple[list[dict[str, Any]], Tool, Any]:
    chosen = rng.sample(_kinds(), rng.randint(1, 4))
    made = [_plain(rng, k) for k in chosen]
    tool, request, arguments = made[0]
    tools = [t.schema() for t, _, _ in made]
    rng.shuffle(tools)
    return tools, tool, lambda: (request, arguments)


def call_new(rng: random.Random) -> Example:
    """Kinds of request that training has none of."""
    tools, tool, draw = _scene(rng)
    request, arguments = draw()
    opening = [system(rng.choice(SYSTEMS))] if rng.random() < 0.4 else []
    calls = [(tool.name, arguments)]
    return Example(
        "call_new", [*opening, user(request)], calls_text(calls), tools, {"calls": calls}
    )


FORMS: dict[str, tuple[dict[str, Any], Callable[[random.Random], tuple[Any, str]]]] = {
    "string": (
        {"type": "string"},
        lambda r: (x := r.choice([lx.code(r), r.choice(lx.english("job")), lx.last_name(r)]), x),
    ),
    "integer": ({"type": "integer"}, lambda r: (x := r.randint(0, 5000), str(x))),
    "number": ({"type": "number"}, lambda r: (x := round(r.uniform(0, 90), 2), str(x))),
    "digits": ({"type": "string"}, lambda r: (x := str(r.randint(100, 99999)), x)),
    "boolean": ({"type": "boolean"}, lambda r: (x := r.random() < 0.5, "true" if x else "false")),
    "list": (
        {"type": "array", "items": {"type": "string"}},
        lambda r: (x := r.sample(lx.english("animal"), 3), f"{x[0]}, {x[1]} and {x[2]}"),
    ),
}


def _invented(
    rng: random.Random, count: int
) -> tuple[list[dict[str, Any]], list[tuple[str, Call]]]:
    """Tools with invented verbs and parameters, and a request with its call for each."""
    tools, wishes = [], []
    for _ in range(count):
        verb, thing = lx.pseudo_word(rng), rng.choice(lx.english("place"))
        name = rng.choice([f"{verb}_{thing}", f"{thing}{verb.capitalize()}", f"do_{verb}_{thing}"])
        fields, arguments, parts = {}, {}, []
        keys = rng.sample(lx.english("object"), rng.choice([0, 1, 1, 2, 2, 3, 3]))
        for key in keys:
            schema, draw = FORMS[rng.choice(list(FORMS))]
            if rng.random() < 0.2:
                options = [lx.pseudo_word(rng) for _ in range(3)]
                schema = {"type": "string", "enum": options}
                arguments[key] = shown = rng.choice(options)
            else:
                arguments[key], shown = draw(rng)
            fields[key] = schema
            forms = ["{k} {v}", "{k}={v}", "{v} for {k}", "the {k} being {v}"]
            parts.append(fill(rng.choice(forms), {"k": key, "v": shown}))
        text = rng.choice(
            [
                f"{verb} the {thing}: " + ", ".join(parts),
                f"Run {name} with " + " and ".join(parts),
                f"We have to {verb} this {thing}, " + "; ".join(parts) + ".",
            ]
            if parts
            else [f"{verb} the {thing}", f"Run {name}", f"We have to {verb} this {thing}."]
        )
        needed = list(fields)
        if rng.random() < 0.25:  # a parameter that nobody asks for
            spare = rng.choice([k for k in lx.english("object") if k not in fields])
            fields[spare] = FORMS[rng.choice(list(FORMS))][0]
        tools.append(_function(name, f"Performs {verb} on the {thing}", fields, needed))
        wishes.append((text, (name, arguments)))
    return tools, wishes


def _function(
    name: str, description: str, fields: dict[str, Any], needed: list[str]
) -> dict[str, Any]:
    parameters = {"type": "object", "properties": fields, "required": needed}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def call_random(rng: random.Random) -> Example:
    """Invented tools with invented parameters, and a request that names them."""
    tools, wishes = _invented(rng, rng.randint(1, 4))
    text, call = rng.choice(wishes)
    return Example("call_random", [user(text)], calls_text([call]), tools, {"calls": [call]})


BOTH = [
    " Besides that: ",
    " Furthermore, ",
    " When that is done: ",
    " In addition: ",
    " ",
    "\n",
    " I also want this: ",
]
PAIRS = [
    (
        "get_weather",
        "Current weather of a city",
        "city",
        lx.city,
        "What's the weather in {a} and in {b}?",
    ),
    ("get_time", "Local time of a city", "city", lx.city, "Tell me the time in both {a} and {b}."),
    ("read_meter", "Read a meter", "meter", lx.identifier, "I need the readings of {a} and {b}."),
    (
        "find_person",
        "Find a person in the directory",
        "name",
        lx.full_name,
        "Find {a} and {b} in the directory.",
    ),
    ("open_valve", "Open a valve", "valve", lx.identifier, "Open valve {a}, then open valve {b}."),
]


def _both(rng: random.Random, first: str, second: str) -> str:
    """Two wishes in one message; the first ends where it ends."""
    link = rng.choice(BOTH)
    stop = "" if first[-1] in ".?!" or link == "\n" else "."
    return first + stop + link + second


def two(rng: random.Random) -> Example:
    """Two wishes: of two tools, or twice of the same."""
    if rng.random() < 0.4:
        name, description, key, draw, template = rng.choice(PAIRS)
        values = [draw(rng), draw(rng)]
        while values[0] == values[1]:
            values[1] = draw(rng)
        tools = [
            _function(name, description, {key: {"type": "string"}}, [key]),
            *_invented(rng, rng.randint(0, 2))[0],
        ]
        text, calls = (
            fill(template, dict(zip("ab", values, strict=True))),
            [(name, {key: v}) for v in values],
        )
    else:
        tools, wishes = _invented(rng, rng.randint(2, 3))
        picked = rng.sample(wishes, 2)
        text, calls = _both(rng, picked[0][0], picked[1][0]), [w[1] for w in picked]
    rng.shuffle(tools)
    return Example("two", [user(text)], calls_text(calls), tools, {"calls": calls})


def two_new(rng: random.Random) -> Example:
    """Two wishes at once, both of kinds that training has none of."""
    tools, calls, texts = [], [], []
    for kind in rng.sample(_kinds(), 2):
        tool, text, arguments = _plain(rng, kind)
        tools.append(tool.schema())
        calls.append((tool.name, arguments))
        texts.append(text)
    rng.shuffle(tools)
    text = _both(rng, *texts)
    return Example("two_new", [user(text)], calls_text(calls), tools, {"calls": calls})


TALK = lines("""
Hello, nice to meet you!
Thank you so much for the help!
Good evening, pilot.
Have a great weekend!
You have been very kind today.
I just wanted to say hi.
My train was delayed, what a morning.
Ok, that will be all for now.
That joke was hilarious.
How are you feeling?
Are you a real person?
It's snowing outside, so pretty!
Let's talk tomorrow.
I'm feeling a bit under the weather.
What do you like to do on Sundays?
晚安，明天见！
今天心情不错。
辛苦你啦！
""")


def idle(rng: random.Random) -> Example:
    """Tools at hand, and nothing to use them for."""
    tools, _, _ = _scene(rng)
    tools = [t for t in tools if "mood" not in str(t).lower()]  # "I feel fine" might be for it
    if not tools:
        return idle(rng)
    text = ""
    if rng.random() < 0.25:
        ask, text = echo.asked(rng, chinese=False)
    else:
        ask = rng.choice(TALK)
    return Example("idle", [user(ask)], text, tools, {"no_call": True})


def role(rng: random.Random) -> Example:
    tools, tool, draw = _scene(rng)
    request, arguments = draw()
    key = rng.choice(
        ["altitude", "verdict", "shelf_number", "passcode", "outcome", "wait_minutes", "colour"]
    )
    value = rng.choice(
        [lx.code(rng), str(rng.randint(0, 9999)), lx.noun(rng), f"{rng.uniform(0, 99):.2f}"]
    )
    others = {
        k: rng.choice([rng.randint(1, 99), lx.noun(rng)]) for k in ("created_by", "attempt", "zone")
    }
    plain = rng.random() < 0.4
    content = (
        value
        if plain
        else json.dumps({**others, key: value} if rng.random() < 0.5 else {key: value, **others})
    )
    ask = (
        rng.choice(
            [
                "State the tool's output verbatim.",
                "I only want to see what comes back.",
                "Your reply: the returned value, no sentence around it.",
            ]
        )
        if plain
        else rng.choice(
            [
                f"I only want the {key.replace('_', ' ')}, no sentence.",
                f"Your reply: the {key} field, nothing around it.",
                f"Tell me what the {key.replace('_', ' ')} is; the bare value is enough.",
            ]
        )
    )
    messages = [
        user(f"{request}{'' if request[-1] in '.?!' else '.'} {ask}"),
        chat.tool_call_message([(tool.name, arguments)]),
        {"role": "tool", "content": content},
    ]
    return Example("role", messages, value, tools)


def loop(rng: random.Random) -> Example:
    """The answer after a tool's result holds what the tool said."""
    tools, tool, draw = _scene(rng)
    request, arguments = draw()
    value = rng.choice([lx.code(rng), str(rng.randint(10, 9999)), lx.city(rng)])
    key = rng.choice(["result", "info", "answer_code", "position", "reply"])
    content = rng.choice([value, json.dumps({key: value}), json.dumps({"ok": True, key: value})])
    messages = [
        user(request),
        chat.tool_call_message([(tool.name, arguments)]),
        {"role": "tool", "content": content},
    ]
    return Example("loop", messages, value, tools, {"contains": [value]})


@cache
def _frames() -> list[passage.Frame]:
    return passage.parse((HERE / "frames.txt").read_text(encoding="utf-8"))


STUFFING = [
    "The summer had been dry.",
    "Nobody expected much of it at first.",
    "Details follow in the appendix.",
    "It rained for most of the week.",
    "The local paper reported about it.",
    "Most of the guests stayed until late.",
    "The old walls are still standing today.",
    "Coffee was served in the garden.",
]


def reading(rng: random.Random) -> Example:
    """A question on a passage of new sentences, up to 1,500 characters."""
    picked = []
    for frame in rng.sample(_frames(), rng.choice([2, 3, 4, 5, 6, 8, 10, 12, 14])):
        values = {slot: draw(rng) for slot, draw in passage.DRAWS.items()}
        picked.append((frame, values, fill(choose(rng, frame.sentence), values)))
    sentences = [p[2] for p in picked]
    for extra in rng.sample(STUFFING, rng.randint(0, len(STUFFING))):
        sentences.insert(rng.randint(0, len(sentences)), extra)
    frame, values, own = rng.choice(picked)
    slot = rng.choice(list(frame.questions))
    question = fill(choose(rng, rng.choice(frame.questions[slot])), values)
    text = " ".join(sentences)
    others = [s for s in sentences if s != own]
    # With "a ticket" in two sentences nobody could tell which is meant.
    if len(text) > 1500 or not passage.pointed(question, own, others):
        return reading(rng)
    asked = rng.choice(
        [
            f"Text:\n{text}\n\n{question}",
            f"{text}\n\n{question}",
            f"Read this note. {text}\n\nNow: {question}",
        ]
    )
    return Example("passage", [user(asked)], values[slot], None, {"contains": [values[slot]]})


WONDER = lines("""
[What's|What is] the tallest mountain of {y}?
[Name|List] three rivers in {y}.
[How|Why] do birds fly?
Who was the first person on the moon?
Give me a summary of the novel "{x}".
Can you help me with my homework on {t}?
What is the boiling point of {y2}?
Write four lines about the sea.
Which team won the final in {k}?
How do I fix a broken {n}?
What year did {f} get married?
Is it better to buy a {n} or a {n2}?
Could you summarise the plot of "{x}" for me?
I need a recipe for {y2} soup.
Who discovered penicillin?
What's heavier, gold or lead?
Give me directions from {y} to the sea.
Sing me to sleep.
How many moons does Jupiter have?
Please book me a flight to {y}.
Convert 3 miles to kilometers.
Which shares should I buy this week?
""")


def unknown(rng: random.Random) -> Example:
    ask = say(
        rng,
        WONDER,
        y=rng.choice(lx.english("country")),
        x=lx.words(rng, 2, 3).title(),
        n=lx.noun(rng),
        n2=lx.noun(rng),
        t=rng.choice(lx.english("topic")),
        y2=rng.choice(lx.english("food")),
        k=rng.randint(1950, 2024),
        f=lx.full_name(rng),
    )
    return Example("unknown", [user(ask)], "", None, {"names_itself": True})


TEXTS = [
    "The city council wants to build a new {a} next to the {b}. Residents fear noise from the {a}, while shops near "
    "the {b} hope for customers. The mayor said that {c} would be planted around it and that {d} gets priority.",
    "Our guide to {a} for beginners: start with {b}, then learn how {c} works. Most people fail because they forget "
    "{d}. With {b} and patience, {a} becomes easy.",
    "Prices of {a} and {b} rose again in spring. Farmers blame the cost of {c}. Experts on {d} expect that {a} "
    "stays expensive until autumn.",
    "Hi team, quick update: the {a} arrived this morning, but the {b} is still missing. Could someone ask the supplier "
    "about {c}? Also, please stop leaving {d} in the meeting room.",
    "Why I moved to the countryside: here I have {a}, I grow my own {b}, and in the evening I enjoy {c}. Friends joke "
    "that {d} is all I talk about.",
    "{a} and {b} - a short history. For centuries, people believed that {a} came from {c}. Only later did travellers "
    "show that {d} was the true origin.",
    "Found near the old mill: one {a}, slightly damaged, and a {b}. The finder also mentions a {c}. Please contact the "
    "office; a reward of one {d} is promised.",
]
ZH_TEXTS = [
    "最近{a}和{b}的话题很热门。专家认为{c}会影响{a}的发展，而{d}也不能忽视。",
    "本文比较了{a}与{b}，并说明{c}为什么离不开{d}。",
    "小镇上的{a}今年特别热闹，许多人带着{b}前来。店主说{c}卖得最好，{d}也很受孩子们欢迎。",
    "他从小喜欢{a}，后来研究{b}，最近写了一本关于{c}和{d}的书。",
]


def tags(rng: random.Random) -> Example:
    chinese = rng.random() < 0.25
    pool = (
        lx.chinese("noun")
        if chinese
        else lx.english("topic") + lx.english("food") + lx.english("place")
    )
    a, b, c, d = rng.sample(pool, 4)
    text = fill(rng.choice(ZH_TEXTS if chinese else TEXTS), {"a": a, "b": b, "c": c, "d": d})
    ask = (
        "请用JSON数组给这段文字打3到7个标签。"
        if chinese
        else rng.choice(
            [
                "Which 3 to 7 tags would you file this under? JSON array of strings.",
                "Produce between three and seven tags for the document, as a JSON array.",
                "Assign 3-7 tags to the document below. Answer with nothing but a JSON array.",
                'Label this with tags. Output: {"tags": [...]}',
            ]
        )
    )
    return Example("tags", [user(f"{ask}\n\n{text}")], "", None, {"tags": text})


def extraction(rng: random.Random) -> Example:
    name, age, town = lx.full_name(rng), rng.randint(18, 90), lx.city(rng)
    text = rng.choice(
        [
            f"{name}, who is {age}, moved to {town} last year.",
            f"Our new colleague {name} ({age}) comes from {town}.",
        ]
    )
    ask = rng.choice(
        ["Put this into JSON with the fields name, age and city: ", "As JSON (name, age, city): "]
    )
    return Example(
        "json",
        [user(ask + text)],
        json.dumps({"name": name, "age": age, "city": town}, ensure_ascii=False),
    )


SKILLS: dict[str, Callable[[random.Random], Example]] = {
    "h:exact": exact,
    "h:exact_zh": exact_zh,
    "h:line": line,
    "h:line_zh": line_zh,
    "h:role": role,
    "h:call_random": call_random,
    "h:call_new": call_new,
    "h:two": two,
    "h:two_new": two_new,
    "h:passage": reading,
    "h:json": extraction,
}
