"""JSON on request: objects from a text, with fields named in the prompt or in a schema."""

import json
import random
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, choose, system, user
from . import common

Fact = tuple[str, dict[str, Any], Any, str]  # key, schema, value, sentence about it


def _facts(rng: random.Random) -> tuple[str, list[Fact]]:
    """A thing and what is said of it; {s} is the thing."""
    theme = rng.choice(list(THEMES))
    name, rows = THEMES[theme](rng)
    return theme, [
        ("name" if name[0] is None else name[0], {"type": "string"}, name[1], name[2]),
        *rows,
    ]


def _text(key: str, value: str, sentence: str) -> Fact:
    return key, {"type": "string"}, value, sentence


def _number(key: str, value: float, sentence: str) -> Fact:
    return key, {"type": "integer" if isinstance(value, int) else "number"}, value, sentence


def _person(rng: random.Random) -> tuple[Any, list[Fact]]:
    name, age, place = lx.full_name(rng), rng.randint(1, 95), lx.city(rng)
    job, mail, phone = rng.choice(lx.english("job")), lx.email(rng), lx.phone(rng)
    likes = rng.sample(lx.english("topic"), rng.randint(1, 3))
    return (
        "name",
        name,
        choose(rng, f"[{name}|This is {name}.|My name is {name}.|Meet {name}.|Name: {name}.]"),
    ), [
        _number("age", age, choose(rng, f"[is {age} years old|is {age}|age {age}|turned {age}]")),
        _text(
            "city", place, choose(rng, f"[lives in {place}|comes from {place}|is based in {place}]")
        ),
        _text("job", job, choose(rng, f"[works as a {job}|is a {job}|has a job as {job}]")),
        _text("email", mail, choose(rng, f"[can be reached at {mail}|uses {mail}|email {mail}]")),
        _text("phone", phone, choose(rng, f"[has the number {phone}|phone {phone}]")),
        (
            "hobbies",
            {"type": "array", "items": {"type": "string"}},
            likes,
            choose(rng, "[likes|enjoys|is interested in] ") + " and ".join(likes),
        ),
        (
            "married",
            {"type": "boolean"},
            (m := rng.random() < 0.5),
            "is married" if m else "is not married",
        ),
    ]


def _order(rng: random.Random) -> tuple[Any, list[Fact]]:
    number, item, count = lx.identifier(rng), lx.noun(rng), rng.randint(1, 40)
    price, who, when = lx.amount(rng), lx.full_name(rng), lx.date(rng)
    return (
        "order_id",
        number,
        choose(rng, f"[Order {number}|Order no. {number}|The order {number}]"),
    ), [
        _text("customer", who, choose(rng, f"[was placed by {who}|is for {who}|customer {who}]")),
        _text(
            "product",
            item,
            choose(rng, f"[is about the product {item}|contains {item}|product {item}]"),
        ),
        _number(
            "quantity", count, choose(rng, f"[has {count} pieces|quantity {count}|{count} units]")
        ),
        _number(
            "price",
            price,
            choose(rng, f"[costs {price} euros|at a price of {price}|price {price}]"),
        ),
        _text("date", when, choose(rng, f"[ships on {when}|dated {when}|was made on {when}]")),
        (
            "paid",
            {"type": "boolean"},
            (p := rng.random() < 0.5),
            "is paid" if p else "is not paid yet",
        ),
    ]


def _event(rng: random.Random) -> tuple[Any, list[Fact]]:
    title = " ".join(lx.word(rng).capitalize() for _ in range(rng.randint(1, 3)))
    when, start, place = lx.date(rng), lx.clock(rng), lx.city(rng)
    people = [lx.first_name(rng) for _ in range(rng.randint(1, 3))]
    seats = rng.randint(5, 900)
    return ("title", title, choose(rng, f"[The event {title}|{title}|The meeting {title}]")), [
        _text("date", when, choose(rng, f"[is on {when}|takes place on {when}|date {when}]")),
        _text("time", start, choose(rng, f"[starts at {start}|begins at {start}]")),
        _text(
            "location",
            place,
            choose(rng, f"[is held in {place}|happens in {place}|location {place}]"),
        ),
        _number("seats", seats, f"has {seats} seats"),
        (
            "participants",
            {"type": "array", "items": {"type": "string"}},
            people,
            choose(rng, "[is attended by|comes with|brings together] ") + " and ".join(people),
        ),
    ]


def _thing(rng: random.Random) -> tuple[Any, list[Fact]]:
    name = rng.choice([lx.noun(rng), f"{rng.choice(lx.english('adjective'))} {lx.noun(rng)}"])
    color = rng.choice("red,blue,green,yellow,black,white,brown,pink,silver".split(","))
    price, weight, stock = lx.amount(rng), lx.amount(rng), rng.randint(0, 500)
    maker, sku = lx.company(rng), lx.code(rng)
    options = rng.sample(["new", "used", "broken", "refurbished"], 3)
    return ("name", name, choose(rng, f"[The {name}|A {name}|This {name}|Product: {name}.]")), [
        _text("color", color, choose(rng, f"[is {color}|comes in {color}|color {color}]")),
        _number(
            "price",
            price,
            choose(rng, f"[costs {price}|is sold for {price} dollars|price {price}]"),
        ),
        _number("weight", weight, choose(rng, f"[weighs {weight} kg|weight {weight}]")),
        _number("stock", stock, choose(rng, f"[has {stock} units in stock|stock {stock}]")),
        _text(
            "brand", maker, choose(rng, f"[is made by {maker}|brand {maker}|comes from {maker}]")
        ),
        _text("sku", sku, choose(rng, f"[has the code {sku}|sku {sku}]")),
        ("condition", {"type": "string", "enum": options}, (c := rng.choice(options)), f"is {c}"),
        (
            "available",
            {"type": "boolean"},
            (a := rng.random() < 0.5),
            "is available" if a else "is not available",
        ),
    ]


def _zh(rng: random.Random) -> tuple[Any, list[Fact]]:
    name, age, place = lx.zh_name(rng), rng.randint(3, 90), rng.choice(lx.chinese("city"))
    item, price = rng.choice(lx.chinese("noun")), rng.randint(1, 999)
    return ("name", name, name), [
        _number("age", age, f"今年{age}岁"),
        _text("city", place, f"住在{place}"),
        _text("item", item, f"买了{item}"),
        _number("price", price, f"花了{price}元"),
    ]


THEMES = {"person": _person, "order": _order, "event": _event, "product": _thing, "人": _zh}

ASKS = [
    "[Extract|Give me|Return|Write|Output] [the |]{t} [information |details |data ||][as|in] JSON{f}.",
    "[Turn|Convert] this [text |]into [a |]JSON [object|]{f}.",
    "[Answer|Reply|Respond] [only |]with [a |]JSON [object|]{f}.",
    "JSON please{f}.",
    "[Read|Parse] the [following |]text and [answer|reply|respond] in JSON{f}.",
    "[Fill|Complete] [this|the] JSON{f}.",
    "[Describe|Summarize] the {t} as JSON{f}.",
    "Output JSON only{f}.",
    "[请|]用JSON[回答|输出|表示]{f}。",
    "[Extract|Find] the {t}{f}.",
]


def _field_hint(rng: random.Random, rows: list[Fact]) -> str:
    keys = [r[0] for r in rows]
    roll = rng.random()
    if roll < 0.25:
        return rng.choice(
            [" with the keys ", " with keys ", " with the fields ", " using the keys "]
        ) + ", ".join(keys)
    if roll < 0.4:
        return " with " + " and ".join(filter(None, [", ".join(keys[:-1]), keys[-1]]))
    if roll < 0.55:
        return " with " + ", ".join(f"{r[0]} ({r[1]['type']})" for r in rows)
    if roll < 0.65:
        return " like " + json.dumps({r[0]: r[1]["type"] for r in rows})
    if roll < 0.75:
        return ", keys: " + json.dumps(keys)
    return ""


def make(rng: random.Random) -> Example:
    theme, rows = _facts(rng)
    opening, rest = rows[0], rows[1:]
    told = rng.sample(rest, rng.randint(1, min(5, len(rest))))
    text = opening[3]
    if theme == "人":
        text += "，".join(["", *[r[3] for r in told]]) + "。"
    elif rng.random() < 0.5:
        text = (
            text.rstrip(".")
            + " "
            + ", ".join(r[3] for r in told[:-1])
            + (" and " if len(told) > 1 else "")
            + told[-1][3]
            + "."
        )
    else:
        text = text.rstrip(".") + " " + ". It ".join(r[3] for r in told) + "."
    if rng.random() < 0.2:
        text = rng.choice([common.filler(rng) + " " + text, text + " " + common.filler(rng)])
    wanted = [r for r in [opening, *told] if r is not opening or rng.random() < 0.85]
    if rng.random() < 0.3:
        rng.shuffle(wanted)
    hint = _field_hint(rng, wanted)
    if not hint:
        wanted = [opening, *[r for r in rest if r in told]]
    ask = choose(rng, rng.choice(ASKS)).replace("{t}", theme).replace("{f}", hint)
    answer = json.dumps({r[0]: r[2] for r in wanted}, ensure_ascii=False)
    messages = common.maybe_system(rng, 0.25)
    roll = rng.random()
    if roll < 0.2:
        schema = {
            "type": "object",
            "properties": {r[0]: r[1] for r in wanted},
            "required": [r[0] for r in wanted],
        }
        lead = choose(
            rng,
            "[Answer with|Respond with|Reply only with|Output] JSON [that matches|for|following] this schema: ",
        )
        messages = [system(lead + json.dumps(schema))]
        return Example("json", [*messages, user(text)], answer)
    asked = f"{ask}\n{text}" if roll < 0.6 else f"{text}\n{ask}" if roll < 0.85 else f"{ask} {text}"
    return Example("json", [*messages, user(asked)], answer)


def make_literal(rng: random.Random) -> Example:
    """An object or a list whose content is given outright."""
    if rng.random() < 0.5:
        pairs = {
            lx.word(rng).lower(): rng.choice(
                [rng.randint(0, 999), lx.code(rng, 3, 8), lx.noun(rng), rng.random() < 0.5]
            )
            for _ in range(rng.randint(1, 4))
        }
        told = rng.choice([", ", " and ", "; "]).join(
            choose(rng, f"{k}[ = | is | set to |: |=]{json.dumps(v) if isinstance(v, bool) else v}")
            for k, v in pairs.items()
        )
        ask = choose(
            rng,
            "[Return|Write|Give me|Output|Reply with|Make] [a |the |]JSON [object |][with|where|in which] ",
        )
        return Example(
            "json", common.maybe_system(rng, 0.2) + [user(ask + told)], json.dumps(pairs)
        )
    items = [
        rng.choice([lx.noun(rng), lx.first_name(rng), lx.code(rng, 3, 6)])
        for _ in range(rng.randint(2, 6))
    ]
    key = lx.noun(rng) + "s"
    told = ", ".join(items[:-1]) + rng.choice([", ", " and "]) + items[-1]
    if rng.random() < 0.5:
        ask = choose(
            rng, "[Return|Write|Output|Give me] [this|these] as a JSON [list|array][ of strings|]: "
        )
        return Example("json", [user(ask + told)], json.dumps(items))
    ask = choose(rng, f"[Return|Write|Output] [a |]JSON [object |]with the key {key} and the list ")
    return Example("json", [user(ask + told)], json.dumps({key: items}))
