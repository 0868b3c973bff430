"""Requests that share no word with the tool: what people say about a theme, and a tool of that theme."""

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, capital, choose, user
from . import common, composed, generic, talk

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Theme:
    """Things, doings and remarks that belong together."""

    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    remarks: tuple[str, ...]
    words: frozenset[str]


def _words(text: str) -> set[str]:
    """The words that say something, without their endings."""
    found = re.findall(r"[a-z]{3,}", text.lower())
    return {re.sub(r"(ies|ing|ed|es|s|e|y)$", "", w) for w in found} - EMPTY


EMPTY = set(
    "the and for with from that this what your have has some any about into they them will does did all "
    "are was can could would should how who when where why which there here not out one two need want "
    "like get got let put tell show giv mak tak please now it its you me him her his our my too much many "
    "every everybody somebody someth noth again off still more very than then before last next my".split()
)


@cache
def themes() -> list[Theme]:
    found = []
    for line in (lx.DATA / "themes_en.txt").read_text(encoding="utf-8").splitlines():
        nouns, verbs, remarks = line.split("|")
        parts = nouns.split(","), verbs.split(","), remarks.split(";")
        kept = [tuple(p.strip() for p in part) for part in parts]
        found.append(Theme(*kept, frozenset(_words(f"{nouns} {verbs}"))))
    return found


NAMES = [
    "{v} {n}",
    "{v} {n}",
    "{v} {n}",
    "{n} {v}",
    "get {n}",
    "{n} service",
    "{n} {n2}",
    "{n}",
    "do {n}",
    "{v} {n} {n2}",
    "manage {n}",
    "request {n}",
    "{n} info",
]
TOLD = [
    "{V} [the|a|your] {n}",
    "{V} a {n}[ and its {n2}| or {n2}]",
    "{V} a {n}",
    "Use this when it is about {n}",
    "[Gives|Returns|Looks up|Reports] the {n}",
    "{V} {n} and {n2}",
    "[Everything|Information|Details] about [the |a |]{n}",
    "[Controls|Handles|Manages|Operates] the {n}",
    "[Gives|Returns|Looks up|Reports] the {n}[ of the {n2}| and the {n2}]",
    "The {n} of the [house|office|user|company|team]",
    "Use this [for|when it is about] {n}[ or {n2}]",
    "[Asks|Tells] the {n} [service|system|department]",
    "{N} and {n2}",
    "{N}",
]
PLAIN = [
    "[Please|Can you|Could you|I'd like you to|Somebody has to|Help me to|Let's|I want to|Would you|] {v} the {n}",
    "[I need|I want|We need|I'm looking for|It's about|Now to|Next:|One thing:] [a|the|my] {n}",
    "[What about|How about|How is|Where is|What's with|And|Is there] [the|a|my|our|any] {n}",
    "{n}[, please| now| please|]",
    "[The|My|Our] {n}[ again| today| as usual|]",
    "[Time to|Ready to|Please|I have to|] {v}",
    "[I|We] [have|got] [a question|a problem|trouble|news] [about|with] the {n}",
]


def _tool(rng: random.Random, theme: Theme, nouns: list[str], verb: str) -> composed.Tool:
    """A tool named after a few of the theme's words."""
    params: list[composed.Param] = []
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 2, 3])):
        param = composed.make_param(rng)
        if all(param.name != p.name for p in params) and not (
            _words(param.name.replace("_", " ")) & theme.words
        ):
            params.append(param)
    slots = {"n": nouns[0], "n2": nouns[-1], "v": verb}
    names, tolds = NAMES, TOLD
    if len(nouns) < 2:
        names, tolds = ([t for t in part if "{n2}" not in t] for part in (NAMES, TOLD))

    def put(text: str) -> str:
        for key, word in slots.items():
            text = text.replace(f"{{{key}}}", word)
            text = text.replace(f"{{{key.upper()}}}", word.capitalize())
        return text

    name = composed.join_name(rng, put(rng.choice(names)).split())
    told = put(choose(rng, rng.choice(tolds))) + rng.choice(["", "", "."])
    return composed.Tool(name, told if rng.random() < 0.85 else "", params, [], [])


def scene(rng: random.Random) -> tuple[list[dict[str, Any]], str, Call]:
    """One to four tools of different themes, and a request that belongs to the first."""
    while True:
        chosen = rng.sample(themes(), rng.choice([1, 2, 2, 3, 3, 4]))
        theme = chosen[0]
        nouns, verbs = list(theme.nouns), list(theme.verbs)
        rng.shuffle(nouns)
        rng.shuffle(verbs)
        shown = nouns[: rng.choice([1, 2])]
        tool = _tool(rng, theme, shown, verbs[0])
        others = [
            _tool(rng, t, rng.sample(t.nouns, min(2, len(t.nouns))), rng.choice(t.verbs))
            for t in chosen[1:]
        ]
        if rng.random() < 0.62:
            said = rng.choice(theme.remarks)
        else:
            left, spare = nouns[len(shown) :] or nouns, verbs[1:] or verbs
            said = choose(rng, rng.choice(PLAIN))
            said = said.replace("{n}", rng.choice(left)).replace("{v}", rng.choice(spare))
        said = " ".join(said.split())
        taken: set[str] = set().union(*(t.words for t in chosen[1:])) if others else set()
        names = {t.name for t in (tool, *others)}
        apart = not (_words(said) | theme.words) & taken  # else two tools would do
        if apart and len(names) == len(chosen):
            break
    arguments, parts = spoken(rng, tool)
    if said.split()[0] in ("the", "my", "our") or rng.random() < 0.75:
        said = said[0].upper() + said[1:]
    question = _asks(said)
    mark = rng.choice(["?", "?", "?", ""]) if question else rng.choice([".", ".", "", "!"])
    if parts and not question and rng.random() < 0.3:
        mark = ","
    chunks = [said + mark, *parts]
    if parts and rng.random() < 0.25:
        first = ", ".join(parts)
        chunks = [capital(first, arguments) + rng.choice([".", ":", " -"]), said + mark]
    lead = composed.aside(rng) if rng.random() < 0.3 else ""
    text = lead + rng.choice([" ", " ", " ", ", ", "\n"]).join(chunks)
    text = text.replace(",,", ",").replace(".,", ".").replace("!,", "!").replace("?,", "?")
    tools = [tool, *others]
    rng.shuffle(tools)
    return [t.schema() for t in tools], text.strip(), (tool.name, arguments)


def _asks(said: str) -> bool:
    return said.split()[0].lower() in (
        "do is are can could should what how who when where which why did does has was will may "
        "am what's from at".split()
    )


WISHES = set(
    "keep let get put show give tell bring make take let's send drop cheer translate save cut read start switch stop "
    "call find look don't come smile leave reserve".split()
)


def unrelated(rng: random.Random) -> Example:
    """A remark on one theme while the tools are of others: talk, and no call."""
    while True:
        theme, *rest = rng.sample(themes(), rng.choice([2, 2, 3, 4]))
        said = rng.choice(theme.remarks)
        taken: set[str] = set().union(*(t.words for t in rest))
        if not (_words(said) | theme.words) & taken and "please" not in said:
            break
    tools = [
        _tool(rng, t, rng.sample(t.nouns, min(2, len(t.nouns))), rng.choice(t.verbs)).schema()
        for t in rest
    ]
    text = said[0].upper() + said[1:] if rng.random() < 0.8 else said
    question = _asks(said)
    text += rng.choice(["?", "?", ""]) if question else rng.choice([".", ".", "", "!", "..."])
    if rng.random() < 0.2:
        text = f"{common.small_talk(rng)[0]} {text}"
    wish = said.split()[0].lower() in WISHES
    reply = talk.UNKNOWN if question else talk.CANNOT if wish else talk.HEARD
    messages = [*common.maybe_system(rng, 0.35), user(text)]
    return Example("talk", messages, reply, tools if rng.random() < 0.85 else None)


def spoken(rng: random.Random, tool: composed.Tool) -> tuple[dict[str, Any], list[str]]:
    """Values for a tool's parameters, and how each is said; with the name where it could be unclear."""
    arguments: dict[str, Any] = {}
    parts = []
    told = [p for p in tool.params if p.required or rng.random() < 0.5]
    for param in told:
        value, shown = param.draw(rng)
        arguments[param.name] = value
        clear = len(told) == 1 and len(tool.params) == 1
        frag = rng.choice(param.frags if rng.random() < 0.5 else generic.CUES)
        if param.schema["type"] == "boolean":
            frag = rng.choice(["{p}: {b}", "{v}", "{p} {b}"]).replace("{b}", json.dumps(value))
        elif not clear and "{p}" not in frag:
            frag = rng.choice(["{p} {v}", "{p}: {v}", "the {p} is {v}", "with {p} {v}"])
        name = param.name.replace("_", " ")
        parts.append(frag.replace("{p}", name).replace("{v}", shown))
    rng.shuffle(parts)
    return arguments, parts


def make(rng: random.Random) -> Example:
    tools, text, call = scene(rng)
    messages = [*common.maybe_system(rng, 0.35), user(text)]
    return Example("call", messages, chat.tool_call_text(*call), tools, {"calls": [call]})
