"""Tools put together at random: an action, an object and parameters, and a request that uses them."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

from .. import lexicon as lx
from ..phrase import choose
from . import params as pm

ACTIONS = lx.groups("actions.txt")

OBJECTS = lx.groups("objects.txt")

OPENERS = [
    "",
    "",
    "",
    "Please ",
    "please ",
    "Can you ",
    "Could you ",
    "Could you please ",
    "I need you to ",
    "I want to ",
    "I'd like to ",
    "Would you ",
    "Now ",
    "Hey, ",
    "Hi! ",
    "Help me ",
    "I have to ",
    "Go ahead and ",
    "Next, ",
    "We need to ",
    "Let's ",
    "Hello, could you ",
    "Kindly ",
    "I must ",
]
CLOSERS = [
    "",
    "",
    "",
    ".",
    ".",
    "!",
    " please",
    ", please.",
    ". Thanks!",
    ". Thank you.",
    "?",
    " now.",
    " right away.",
    " for me",
    " for me, please.",
    " if you can.",
    " asap",
    ". It matters to me.",
]
ASIDES = [
    "",
    "",
    "",
    "",
    "",
    "",
    "I'm in a hurry. ",
    "My friend {n} lives in {c}. ",
    "It's a busy day. ",
    "I just came back from {c}. ",
    "We talked about {o} before. ",
    "My boss {n} asked for it. ",
    "The {o} is on the desk. ",
    "Sorry for the trouble. ",
    "It is {k} o'clock here. ",
    "Good morning! ",
    "One more thing: ",
    "I have {k} minutes. ",
    "As discussed: ",
]


def aside(rng: random.Random) -> str:
    text = rng.choice(ASIDES)
    return (
        text.replace("{n}", lx.first_name(rng))
        .replace("{c}", lx.city(rng))
        .replace("{o}", lx.noun(rng))
        .replace("{k}", str(rng.randint(2, 12)))
    )


EXPLICIT = [
    "{p} of {v}",
    "{v} being the {p}",
    "{p} -> {v}",
    "{p} equal to {v}",
    "put {v} as {p}",
    "let {p} be {v}",
    "{p} must be {v}",
    "{v} goes to {p}",
    "a {p} of {v}",
    "with {p} {v}",
    "{p}: {v}",
    "{p} {v}",
    "the {p} is {v}",
    "the {p} should be {v}",
    "{p}={v}",
    "{p} = {v}",
    "{v} for {p}",
    "{v} as the {p}",
    "the {p} being {v}",
    "whose {p} is {v}",
    "{v} as {p}",
    "{p} set to {v}",
    "({p}: {v})",
    "{v} ({p})",
    "using {v} for the {p}",
    "where {p} equals {v}",
]
CALLS = [
    "Call {t}",
    "Run {t}",
    "Use {t}",
    "Execute {t}",
    "Invoke {t}",
    "Please run {t}",
    "{t}:",
    "Start the tool {t}",
    "I want {t} to run",
    "Make a call to {t}",
]


@dataclass
class Param:
    name: str
    schema: dict[str, Any]
    required: bool
    draw: Any
    frags: list[str]
    surface: dict[str, str] = field(default_factory=dict)


@dataclass
class Tool:
    name: str
    description: str
    params: list[Param]
    actions: list[str]
    objects: list[str]

    def schema(self) -> dict[str, Any]:
        rng = random.Random(self.name + self.description)
        fields = {p.name: _dressed(rng, p.schema) for p in self.params}
        parameters: dict[str, Any] = {"type": "object", "properties": fields}
        if rng.random() < 0.15:
            parameters["additionalProperties"] = False
        needed = [p.name for p in self.params if p.required]
        if needed:
            parameters["required"] = needed
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        if not self.description:
            del function["description"]
        if not fields and rng.random() < 0.4:  # the ways in which clients say "no parameters"
            bare = rng.choice([{}, {"type": "object"}, None])
            function["parameters"] = bare
            if bare is None:
                del function["parameters"]
        return {"type": "function", "function": function}


def join_name(rng: random.Random, parts: list[str]) -> str:
    flat = [
        "".join(c for c in piece if c.isalnum())
        for part in parts
        for piece in part.replace("-", " ").split()
    ]
    style = rng.random()
    if style < 0.65:
        return "_".join(flat).lower()
    if style < 0.85:
        return flat[0].lower() + "".join(x.capitalize() for x in flat[1:])
    if style < 0.93:
        return "-".join(flat).lower()
    return "".join(x.capitalize() for x in flat)


def _choice_param(rng: random.Random) -> Param:
    names = rng.choice(list(pm.CHOICES))
    options = list(pm.CHOICES[names])
    if rng.random() < 0.35:
        options = [lx.word(rng).lower() for _ in range(rng.randint(2, 5))]
    options = rng.sample(options, rng.randint(2, len(options)))
    if rng.random() < 0.2:
        options = [x.upper() for x in options]
    name = rng.choice(names.split("|"))

    def draw(r: random.Random) -> pm.Value:
        pick = r.choice(options)
        return pick, pick.lower() if r.random() < 0.5 else pick

    schema: dict[str, Any] = {"type": "string", "enum": options}
    return Param(name, schema, True, draw, pm.CHOICE_FRAGS.split("|"))


def _switch_param(rng: random.Random) -> Param:
    names = rng.choice(list(pm.SWITCHES))
    yes, no = pm.SWITCHES[names]

    def draw(r: random.Random) -> pm.Value:
        state = r.random() < 0.55
        return state, r.choice((yes if state else no).split("|"))

    return Param(rng.choice(names.split("|")), {"type": "boolean"}, True, draw, ["{v}"])


def _noun_param(rng: random.Random) -> Param:
    name = lx.noun(rng)
    kind = rng.choice(["string", "integer", "string", "number"])
    if kind == "integer":
        draw = pm.whole(0, 500)
    elif kind == "number":
        draw = pm.decimal
    else:
        draw = rng.choice([pm.numeral, pm.phrase, pm.title, lambda r: (x := lx.code(r), x)])
    return Param(
        name,
        {"type": kind},
        True,
        draw,
        [
            "{p} {v}",
            "with {p} {v}",
            "{p}: {v}",
            "{p} = {v}",
            "set the {p} to {v}",
            "and {v} as the {p}",
        ],
    )


def _scalar(rng: random.Random) -> tuple[str, dict[str, Any], Any]:
    kind = pm.KINDS[
        rng.choice([k for k, v in pm.KINDS.items() if v.type != "array" and k != "text"])
    ]
    return rng.choice(kind.names.split("|")), {"type": kind.type}, kind.value


def _object_param(rng: random.Random) -> Param:
    """An object with fields of its own, such as an address."""
    name = rng.choice(
        "address|location|filter|options|customer|settings|range|position|contact|config|details|dimensions|meta|owner|target".split(
            "|"
        )
    )
    inner: dict[str, tuple[dict[str, Any], Any]] = {}
    for _ in range(rng.choice([1, 2, 2, 3])):
        key, schema, value = _scalar(rng)
        inner[key] = (schema, value)

    def draw(r: random.Random) -> pm.Value:
        drawn = {k: v(r) for k, (_, v) in inner.items()}
        style = r.choice(["{k} {v}", "{k}: {v}", "{k}={v}", "{k} {v}", "the {k} is {v}"])
        parts = [
            style.replace("{k}", k.replace("_", " ")).replace("{v}", d[1]) for k, d in drawn.items()
        ]
        return {k: d[0] for k, d in drawn.items()}, r.choice([", ", " and ", ", "]).join(parts)

    schema = {
        "type": "object",
        "properties": {k: s for k, (s, _) in inner.items()},
        "required": list(inner),
    }
    return Param(
        name,
        schema,
        True,
        draw,
        ["{p} {v}", "with {p} {v}", "{p} ({v})", "{p}: {v}", "where the {p} has {v}", "{v}"],
    )


def _rows_param(rng: random.Random) -> Param:
    """A list of objects, such as the lines of an order."""
    thing, thing_draw = rng.choice(
        [
            ("name", lx.noun),
            ("item", lx.noun),
            ("sku", lx.code),
            ("product", lx.noun),
            ("title", lambda r: lx.words(r, 1, 2)),
        ]
    )
    count = rng.choice(["quantity", "count", "amount", "price", "qty", "pieces"])

    def draw(r: random.Random) -> pm.Value:
        rows = [
            {thing: thing_draw(r), count: r.randint(1, 90)} for _ in range(r.choice([1, 2, 2, 3]))
        ]
        style = r.choice(
            [
                "{c} {n}",
                "{n} ({c})",
                "{c} x {n}",
                "{n}: {c}",
                f"{thing} {{n}} {count} {{c}}",
                "{n} x{c}",
                f"{{n}} with {count} {{c}}",
            ]
        )
        parts = [
            style.replace("{c}", str(row[count])).replace("{n}", str(row[thing])) for row in rows
        ]
        text = (
            ", ".join(parts[:-1])
            + (r.choice([" and ", ", "]) if len(parts) > 1 else "")
            + parts[-1]
        )
        return rows, text

    inner = {
        "type": "object",
        "properties": {thing: {"type": "string"}, count: {"type": "integer"}},
        "required": [thing, count],
    }
    name = rng.choice(
        "items|products|lines|positions|order_items|entries|articles|parts".split("|")
    )
    return Param(
        name,
        {"type": "array", "items": inner},
        True,
        draw,
        ["{v}", "{p}: {v}", "with {p} {v}", "containing {v}", "{p} {v}"],
    )


def _dressed(rng: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """What else schemas carry: bounds, formats, defaults, null as a second type."""
    roll = rng.random()
    kind = schema.get("type")
    if kind in ("integer", "number") and roll < 0.12:
        return {**schema, "minimum": 0}
    if kind == "string" and "enum" not in schema and roll < 0.06:
        return {**schema, "minLength": 1}
    if kind in ("string", "integer", "number") and "enum" not in schema and 0.2 < roll < 0.26:
        rest = {k: v for k, v in schema.items() if k != "type"}
        return (
            {"anyOf": [{"type": kind}, {"type": "null"}], **rest}
            if roll < 0.23
            else {**rest, "type": [kind, "null"]}
        )
    return schema


def make_param(rng: random.Random) -> Param:
    roll = rng.random()
    if rng.random() < 0.07:
        param = (_object_param if rng.random() < 0.55 else _rows_param)(rng)
    elif roll < 0.13:
        param = _choice_param(rng)
    elif roll < 0.21:
        param = _switch_param(rng)
    elif roll < 0.33:
        param = _noun_param(rng)
    elif roll < 0.40:
        param = _noun_param(rng)
        inner = rng.choice([pm.KINDS["tags"], pm.KINDS["people"], pm.KINDS["numbers"]])
        param.schema, param.draw = {"type": "array", "items": {"type": inner.items}}, inner.value
    else:
        kind = pm.KINDS[rng.choice(list(pm.KINDS))]
        schema: dict[str, Any] = {"type": kind.type}
        if kind.items:
            schema["items"] = {"type": kind.items}
        name = rng.choice(kind.names.split("|"))
        if rng.random() < 0.6:
            schema["description"] = choose(rng, kind.descs)
        param = Param(name, schema, True, kind.value, kind.frags.split("|"))
    if param.schema["type"] in ("integer", "number") and rng.random() < 0.12:
        _as_text(param)
    spoken = param.name.replace("_", " ")
    if "description" in param.schema:
        param.schema["description"] = param.schema["description"].replace("{p}", spoken)
    elif rng.random() < 0.25:
        param.schema["description"] = choose(
            rng, "[The|Which|] " + spoken + "[| to use| of it]"
        ).strip()
    param.required = rng.random() < 0.62
    return param


def _as_text(param: Param) -> None:
    """The same number, for a parameter that wants a string."""
    draw = param.draw

    def text(r: random.Random) -> pm.Value:
        value, _ = draw(r)
        return str(value), str(value)

    param.schema["type"] = "string"
    param.draw = text


def make_tool(
    rng: random.Random, actions: list[str] | None = None, objects: list[str] | None = None
) -> Tool:
    actions = actions or rng.choice(ACTIONS)
    objects = objects or (rng.choice(OBJECTS) if rng.random() < 0.7 else [lx.noun(rng)])
    if rng.random() < 0.25:  # a verb or a thing that nobody knows: then the spelling has to do
        actions = [lx.pseudo_word(rng)]
    if rng.random() < 0.1:
        objects = [lx.pseudo_word(rng)]
    params: list[Param] = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])):
        param = make_param(rng)
        if all(param.name != other.name for other in params):
            params.append(param)
    verb, thing = rng.choice(actions[:2]), objects[0]
    name = join_name(rng, [verb, thing] if rng.random() < 0.8 else [thing, verb])
    if rng.random() < 0.12:
        name = rng.choice(["do_", "tool_", "my_", "api_", "run_", "x_", lx.noun(rng) + "_"]) + name
    description = choose(
        rng,
        rng.choice(
            [
                "[Does|Performs|Carries out|Executes] {v} [on|for|with] [a|the] {o}",
                "{V} [a|an|the] {o}.",
                "{V} {o}s",
                "{V} [a|the] {o}",
                "Use this to {v} a {o}.",
                "{V} {o}s in the system.",
                "Lets you {v} a {o}.",
                "[Tool|Function] to {v} {o}s.",
                "This will {v} the {o}.",
                "{V} one {o}[ by its data|].",
            ]
        ),
    )
    shown = rng.choice(actions)
    description = (
        description.replace("{V}", shown.capitalize())
        .replace("{v}", shown)
        .replace("{o}", rng.choice(objects))
    )
    roll = rng.random()
    if roll < 0.12:
        name = rng.choice(
            [f"tool_{rng.randint(1, 99)}", lx.pseudo_word(rng), f"fn_{lx.code(rng, 2, 4)}"]
        )
        name = name.replace(".", "_").replace(":", "_").replace("-", "_")
    elif roll < 0.24:
        description = ""
    return Tool(name, description, params, actions, objects)


def request_for(rng: random.Random, tool: Tool) -> tuple[str, dict[str, Any]]:
    """A request that wants this tool, and the arguments it names."""
    arguments: dict[str, Any] = {}
    parts: list[str] = []
    for param in tool.params:
        if not param.required and rng.random() < 0.5:
            continue
        value, surface = param.draw(rng)
        arguments[param.name] = value
        spoken = param.name.replace("_", " ")
        frag = rng.choice(param.frags)
        if rng.random() < 0.3:
            if param.schema["type"] == "boolean":
                surface = rng.choice(
                    [json.dumps(value), "yes" if value else "no", "on" if value else "off"]
                )
            frag = rng.choice(EXPLICIT)
            if rng.random() < 0.3:
                spoken = param.name
        parts.append(frag.replace("{p}", spoken).replace("{v}", surface))
    rng.shuffle(parts)
    opaque = not tool.description and tool.objects[0].split()[0] not in tool.name.lower()
    verb = rng.choice(tool.actions[:2] if opaque else tool.actions)
    thing = rng.choice(tool.objects[:1] if rng.random() < 0.6 else tool.objects)
    article = rng.choice(["the ", "a ", "my ", "our ", "this ", "", "another "])
    head = f"{verb} {article}{thing}"
    if rng.random() < 0.08:
        head = rng.choice(CALLS).replace("{t}", tool.name)
    link = rng.choice([" ", " ", ", ", " - ", "; ", " and ", ", and "])
    first = rng.choice([" ", " ", " ", ": ", ", ", " with ", " - "])
    body = head + "".join((first if i == 0 else link) + part for i, part in enumerate(parts))
    opener = rng.choice(OPENERS)
    if opener == "":
        body = body[0].upper() + body[1:]
    closer = rng.choice(CLOSERS)
    if body.endswith(('"', "'", "”")) and closer[:1] == ".":
        closer = closer[1:]
    return (aside(rng) + opener + body + closer).strip(), arguments
