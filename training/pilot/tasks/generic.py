"""The same skills without set phrases: who did what, attributes of anything, tools and fields matched by their words."""

import json
import random
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, capital, choose, fill, user
from . import common, composed, passage, prose

UNITS = ["minutes", "hours", "days", "weeks", "months", "years"]


def _thing(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.5:
        return "the " + lx.noun(rng)
    if roll < 0.8:
        return f"the {rng.choice(lx.english('adjective'))} {lx.noun(rng)}"
    if roll < 0.9:
        return lx.company(rng)
    return "the " + rng.choice(
        [lx.pseudo_word(rng), rng.choice(lx.english("topic")) + " " + lx.noun(rng)]
    )


Fact = tuple[str, list[tuple[list[str], str]]]


def deed(rng: random.Random) -> Fact:
    """Somebody did something, somewhere, some time, at some price."""
    past, base = rng.choice(lx.VERBS)
    who, obj = passage._who(rng), _thing(rng)
    if rng.random() < 0.1:
        who = rng.choice(
            [lx.company(rng), "the " + rng.choice(lx.english("job")), "our team", "the group"]
        )
    parts: dict[str, tuple[str, str]] = {
        "place": ("in", lx.city(rng)),
        "date": ("on", lx.date(rng)),
        "money": ("for", passage._money(rng)),
        "who2": ("with", passage._who(rng)),
        "why": ("because of", _thing(rng)),
        "long": ("in", f"{rng.randint(2, 90)} {rng.choice(UNITS)}"),
        "room": ("in", "the " + rng.choice(lx.english("place"))),
    }
    if rng.random() < 0.3:
        parts["date"] = (rng.choice(["in", "back in"]), str(rng.randint(1850, 2026)))
    if rng.random() < 0.5:
        parts["who2"] = (rng.choice(["together with", "for", "from"]), passage._who(rng))
    told = rng.sample(list(parts), rng.choice([0, 1, 1, 2, 2, 3]))
    if "place" in told and "room" in told:
        told.remove("room")
    tail = [f"{parts[t][0]} {parts[t][1]}" for t in told]
    roll = rng.random()
    if tail and roll < 0.3:
        text = f"{tail[0]}, {who} {past} {obj} {' '.join(tail[1:])}"
    elif roll < 0.5 and base not in ("leave", "join", "meet", "spend"):
        text = f"{obj} was {past} by {who} {' '.join(tail)}"
    elif roll < 0.58:
        text = f"it was {who} who {past} {obj} {' '.join(tail)}"
    else:
        text = f"{who} {past} {obj} {' '.join(tail)}"
    asks = [
        (
            [
                f"Who {past} {obj}?",
                f"[By whom was|Do you know who] {past} {obj}?".replace(
                    "[By whom was|Do you know who]", "Do you know who"
                ),
                f"Which person {past} {obj}?",
                f"Who was it that {past} {obj}?",
                f"Who {past} {obj[4:] if obj.startswith('the ') else obj}?",
            ],
            who,
        ),
        (
            [
                f"What did {who} {base}?",
                f"What was {past} by {who}?",
                f"What exactly did {who} {base}?",
            ],
            obj,
        ),
    ]
    for t in told:
        word, value = parts[t]
        unit = value.split()[-1]
        asks.append(
            (
                {
                    "place": [
                        f"Where did {who} {base} {obj}?",
                        f"In which [city|town|place] did {who} {base} {obj}?",
                        f"Where was {obj} {past}?",
                        f"Where did it happen that {who} {past} {obj}?",
                    ],
                    "room": [
                        f"Where did {who} {base} {obj}?",
                        f"Where was {obj} {past}?",
                        f"In which [place|room] did {who} {base} {obj}?",
                    ],
                    "date": [
                        f"When did {who} {base} {obj}?",
                        f"When was {obj} {past}?",
                        f"[On which day|What date|At what time|In which year] did {who} {base} {obj}?".replace(
                            "On which day|What date|At what time|In which year",
                            "On which date|On what day"
                            if word == "on"
                            else "In which year|What year",
                        ),
                    ],
                    "money": [
                        f"How much did {who} {base} {obj} for?",
                        f"For how much [money |]did {who} {base} {obj}?",
                        f"What was the price when {who} {past} {obj}?",
                        f"How much money was it for {obj}?",
                        f"How much did {obj} cost?",
                        f"How much was {obj}?",
                    ],
                    "who2": [
                        f"{'With whom' if 'with' in word else 'For whom' if word == 'for' else 'From whom'} did {who} {base} {obj}?",
                        f"Who did {who} {base} {obj} {word.split()[-1]}?",
                    ],
                    "why": [
                        f"Why did {who} {base} {obj}?",
                        f"What was the reason that {who} {past} {obj}?",
                        f"Because of what did {who} {base} {obj}?",
                    ],
                    "long": [
                        f"How long did {who} need to {base} {obj}?",
                        f"In how many {unit} did {who} {base} {obj}?",
                        f"How long did it take {who} to {base} {obj}?",
                        f"How many {unit} did it take?",
                    ],
                }[t],
                value,
            )
        )
    return " ".join(text.split()), asks


def attribute(rng: random.Random) -> Fact:
    """Something has something."""
    name = rng.choice(
        [
            lx.noun(rng),
            rng.choice(lx.all_words()),
            rng.choice(
                "price,weight,code,colour,age,number,owner,length,address,phone number,password,status,rank,speed,size,title,"
                "serial number,salary,height,model,version,brand,id,nickname,destination,deadline,capacity,duration,size".split(
                    ","
                )
            ),
        ]
    )
    thing = rng.choice([_thing(rng), passage._who(rng), lx.city(rng)])
    value = rng.choice(
        [
            lx.code(rng),
            str(lx.amount(rng)),
            lx.noun(rng),
            passage._money(rng),
            passage._who(rng),
            lx.date(rng),
            lx.city(rng),
            lx.words(rng, 1, 2),
            lx.clock(rng),
            lx.phone(rng),
            lx.email(rng),
        ]
    )
    own = thing + ("'" if thing.endswith("s") else "'s")
    text = rng.choice(
        [
            f"the {name} of {thing} is {value}",
            f"{own} {name} is {value}",
            f"{thing} has the {name} {value}",
            f"the {name} of {thing} was {value}",
            f"as for {thing}, the {name} is {value}",
            f"{name} of {thing}: {value}",
            f"{value} is the {name} of {thing}",
            f"{thing} - {name}: {value}",
            f"for {thing}, we noted {value} as the {name}",
            f"the {name} on {thing} reads {value}",
        ]
    )
    return text, [
        (
            [
                f"What is the {name} of {thing}?",
                f"What is {own} {name}?",
                f"Which {name} does {thing} have?",
                f"{name} of {thing}?",
                f"What {name} has {thing}?",
                f"Tell me the {name} of {thing}.",
                f"What was the {name} of {thing}?",
                f"Do you know {own} {name}?",
            ],
            value,
        )
    ]


def amount_of(rng: random.Random) -> Fact:
    past, base = rng.choice(
        [*lx.VERBS, ["had", "have"], ["needed", "need"], ["owned", "own"], ["saw", "see"]]
    )
    who, number = passage._who(rng), passage._number(rng)
    noun = rng.choice([lx.noun(rng), f"{rng.choice(lx.english('adjective'))} {lx.noun(rng)}"])
    tail = rng.choice(
        ["", "", f" in {lx.city(rng)}", f" on {lx.date(rng)}", " last year", " in total"]
    )
    return f"{who} {past} {number} {noun}s{tail}", [
        (
            [
                f"How many {noun}s did {who} {base}?",
                f"How many {noun.split()[-1]}s did {who} {base}?",
                f"What number of {noun}s did {who} {base}?",
                f"How many {noun}s were {past} by {who}?",
            ],
            number,
        ),
        ([f"Who {past} {number} {noun}s?", f"Who {past} the {noun}s?"], who),
    ]


def facts(rng: random.Random, count: int) -> list[Fact]:
    return [
        rng.choice([deed, deed, deed, attribute, attribute, amount_of])(rng) for _ in range(count)
    ]


def _framed(rng: random.Random, count: int) -> list[Fact]:
    """Facts of the set frames, so that both kinds stand in one text."""
    return [
        (
            text.rstrip("."),
            [
                ([fill(q, values) for q in asks], values[slot])
                for slot, asks in frame.questions.items()
                if values[slot] in text
            ],
        )
        for frame, values, text in passage._facts(rng, count, "en")
    ]


def questions(rng: random.Random) -> Example:
    made = facts(rng, rng.choice([1, 2, 3, 4, 6, 8, 11, 16, 22]))
    if rng.random() < 0.45:
        made = made[: rng.randint(1, 8)] + _framed(rng, rng.choice([1, 2, 3, 5, 8]))
        made = [m for m in made if m[1]]
        rng.shuffle(made)
    sentences = [m[0] for m in made]
    values = [answer for _, asks in made for _, answer in asks if not answer.startswith("the ")]
    joined: list[str] = []
    while sentences:
        one = sentences.pop(0)
        if sentences and rng.random() < 0.2:
            one += rng.choice([", and ", ", while ", "; ", ", but "]) + sentences.pop(0)
        joined.append(capital(one, values) + rng.choice([".", ".", ".", ".", "!"]))
    for _ in range(rng.choice([0, 0, 1, 2, 3, 5])):
        joined.insert(rng.randint(0, len(joined)), rng.choice([common.filler, prose.english])(rng))
    text = " ".join(joined)
    told, facts_of_it = rng.choice(made)
    asks, answer = rng.choice(facts_of_it)
    question = choose(rng, rng.choice(asks))
    if not passage.pointed(question, told, [m[0] for m in made if m[0] != told]):
        return questions(rng)
    if rng.random() < 0.05:
        other = rng.choice(rng.choice(facts(rng, 1))[1])
        question, answer = choose(rng, rng.choice(other[0])), passage.UNKNOWN
    question = question[0].upper() + question[1:]
    if rng.random() < 0.1:
        question = rng.choice(
            [question.rstrip("?."), question.lower(), "Tell me: " + question, "Now: " + question]
        )
    return Example("passage", passage._ask(rng, text, question, "en"), answer)


CUES = [
    "{p} {v}",
    "{p}: {v}",
    "{v}",
    "{v}",
    "{v} {p}",
    "{p} is {v}",
    "{v} as {p}",
    "{p}={v}",
    "the {p} {v}",
    "{p} of {v}",
]
SELF_EVIDENT = {"email", "phone", "date", "iso", "stamp", "url", "path", "time"}


def _salad(rng: random.Random, words: list[str], low: int = 2, high: int = 5) -> list[str]:
    return [
        rng.choice(words) if rng.random() < 0.6 else rng.choice(lx.all_words())
        for _ in range(rng.randint(low, high))
    ]


def loose_scene(rng: random.Random) -> tuple[list[dict[str, Any]], str, tuple[str, dict[str, Any]]]:
    """Tools that only their words tell apart, and a request that shares a few of these words."""
    tools, sets = [], []
    pool = rng.sample(lx.all_words(), 40)
    for _ in range(rng.choice([1, 2, 2, 3, 3, 4])):
        words = [pool.pop().lower() for _ in range(5)]
        params: list[composed.Param] = []
        for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
            param = composed.make_param(rng)
            if rng.random() < 0.3:
                param.name = rng.choice([pool[0].lower(), param.name])
            if all(param.name != p.name for p in params):
                params.append(param)
        name = composed.join_name(rng, words[: rng.choice([1, 2, 2, 3])])
        told = choose(
            rng,
            "[{0} {1} for the {2}|Tool that does {0} with {3}|{3} of a {2} by {4}|{1} and {3} in the {2}|"
            "Gets {3} from {2}|{2} {4} {1}|Change the {3} of {2}|Makes the {4} {3}]",
        )
        for i, word in enumerate(words):
            told = told.replace("{" + str(i) + "}", word)
        tools.append(
            composed.Tool(
                name, told[0].upper() + told[1:] if rng.random() < 0.85 else "", params, [], []
            )
        )
        sets.append(
            [
                w
                for w in words
                if w in f"{name} {told}".lower() and (tools[-1].description or w in name.lower())
            ]
            or words[:1]
        )
    which = rng.randrange(len(tools))
    tool, words = tools[which], sets[which]
    arguments: dict[str, Any] = {}
    parts: list[str] = []
    for param in tool.params:
        if not param.required and rng.random() < 0.5:
            continue
        value, shown = param.draw(rng)
        arguments[param.name] = value
        spoken = param.name.replace("_", " ")
        frag = rng.choice(param.frags) if rng.random() < 0.4 else rng.choice(CUES)
        if param.schema["type"] == "boolean":
            frag = rng.choice(["{p} {b}", "{v}", "{p}: {b}"]).replace("{b}", json.dumps(value))
        elif len(tool.params) > 1 and frag == "{v}" and "{p}" not in frag and rng.random() < 0.7:
            frag = "{p} {v}"
        parts.append(frag.replace("{p}", spoken).replace("{v}", shown))
    hints = rng.sample(words, rng.randint(1, len(words)))
    lead = choose(
        rng,
        "[I want|We need|Is there|What about|How is|Please|My|The|Can I have|Could you|When does|It's about|"
        "I think of|Somebody asked for|Time for|Where is|Who does|Tell me about|]",
    ).split()
    body = lead + _weave(rng, hints)
    chunks = [" ".join(body), *parts]
    if rng.random() < 0.35:
        rng.shuffle(chunks)
    text = rng.choice([" ", " ", ", "]).join(chunks) + rng.choice(["", ".", "?", "!"])
    return [t.schema() for t in tools], capital(text, arguments), (tool.name, arguments)


def _weave(rng: random.Random, hints: list[str]) -> list[str]:
    out: list[str] = []
    for hint in hints:
        out += rng.choices(
            ["the", "a", "my", "to", "for", "with", "of", "in", "this"], k=rng.randint(0, 2)
        )
        out.append(hint)
        if rng.random() < 0.25:
            out.append(rng.choice(["now", "again", "today", "please", "more", "here", "too"]))
    return out


def loose_call(rng: random.Random) -> Example:
    tools, text, call = loose_scene(rng)
    return Example(
        "call",
        [*common.maybe_system(rng, 0.35), user(text)],
        chat.tool_call_text(*call),
        tools,
        {"calls": [call]},
    )


FIELD_ASKS = [
    "[Put|Turn|Convert|Bring|Write] [this|the text|it] [in|into|as] JSON [with|using] [the fields|the keys|fields|keys|] {k}: ",
    "[As|In] JSON ({k}): ",
    "JSON with {k}, please: ",
    "[Give|Return|Produce] {k} as [a |]JSON [object|]: ",
    "[Extract|Find|Read off|Get|Pull out] {k} and [answer|reply|respond] [in|with|as] JSON: ",
    "[Fields|Keys|Columns]: {k}. [JSON only.|Answer in JSON.|Reply with a JSON object.] ",
    "[I need|We need] [a |]JSON [object|record|] [of|with|holding] {k} [from|for] [this|the following]: ",
]
SENTENCES = [
    "{t} {f}",
    "{f}, {t}",
    "This is about {t}, {f}.",
    "{t}: {f}",
    "Note on {t}. {f}.",
    "We got {t} {f}.",
    "Our new {t} ({f}) is here.",
    "{t}, {f}, arrived last week.",
]
TOLD = [
    "{p} {v}",
    "the {p} is {v}",
    "with {p} {v}",
    "{p}: {v}",
    "{v} as {p}",
    "its {p} was {v}",
    "whose {p} is {v}",
]


def fields(rng: random.Random) -> Example:
    """A JSON object of any named fields from a line of text."""
    params: list[composed.Param] = []
    for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5])):
        param = composed.make_param(rng)
        if all(param.name != p.name for p in params):
            params.append(param)
    wanted: dict[str, Any] = {}
    parts = []
    for param in params:
        value, shown = param.draw(rng)
        if "enum" in param.schema:  # no schema is shown that could tell how it is written
            value = shown
        wanted[param.name] = value
        spoken = param.name.replace("_", " ")
        frag = rng.choice(TOLD + param.frags)
        if param.schema["type"] == "boolean":
            frag = rng.choice(["{v}", f"{{p}} is {json.dumps(value)}"])
        parts.append(frag.replace("{p}", spoken).replace("{v}", shown))
    rng.shuffle(parts)
    text = rng.choice(SENTENCES).replace("{t}", rng.choice([lx.noun(rng), _thing(rng), "it"]))
    text = text.replace("{f}", rng.choice([", ", " and ", ", ", "; "]).join(parts))
    text = capital(text, wanted)
    if rng.random() < 0.3:
        text = rng.choice([text + " " + common.filler(rng), common.filler(rng) + " " + text])
    names = list(wanted)
    if rng.random() < 0.3:
        rng.shuffle(names)
    listed = (
        ", ".join(names)
        if rng.random() < 0.5
        else ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
    )
    if rng.random() < 0.2:
        listed = json.dumps({p.name: p.schema["type"] for p in params})
    ask = choose(rng, rng.choice(FIELD_ASKS)).replace("{k}", listed)
    answer = json.dumps(
        {n: wanted[n] for n in (names if "{" not in listed else wanted)}, ensure_ascii=False
    )
    asked = (
        ask + text
        if rng.random() < 0.6
        else ask.rstrip() + "\n" + text
        if rng.random() < 0.5
        else text + "\n" + ask.rstrip(": ")
    )
    return Example("json", [*common.maybe_system(rng, 0.25), user(asked)], answer)


def people(rng: random.Random) -> Example:
    """Name, age and place, told in ever other ways."""
    name, age, town, job = (
        lx.full_name(rng),
        rng.randint(3, 95),
        lx.city(rng),
        rng.choice(lx.english("job")),
    )
    text = rng.choice(
        [
            f"{name}, {age}, from {town}",
            f"{name} ({age}) works in {town} as a {job}",
            f"The {job} {name} turned {age} in {town}",
            f"In {town} lives {name}, a {job} aged {age}",
            f"{town}: the {job} {name} is {age} now",
            f"At {age}, {name} went to {town} and became a {job}",
            f"Aged {age}, the {job} {name} left {town}",
            f"{name} is our {job}; age {age}, home {town}",
            f"{age} years old, {name} is a {job} near {town}",
            f"A {job} called {name}, {age} years of age, was seen in {town}",
            f"{name} - {job} - {age} - {town}",
        ]
    )
    keys = {rng.choice(["name", "full_name", "person"]): name, "age": age}
    if town in text:
        keys[rng.choice(["city", "town", "place", "location"])] = town
    if job in text and rng.random() < 0.6:
        keys[rng.choice(["job", "profession", "occupation"])] = job
    order = rng.sample(list(keys), rng.randint(1, len(keys)))
    ask = choose(rng, rng.choice(FIELD_ASKS)).replace("{k}", ", ".join(order))
    if rng.random() < 0.3:  # no fields are named: always the same ones
        ask = choose(rng, "[Extract|Return] the person[ as JSON|, JSON only|]: ")
        keys = {"name": name, "age": age} | ({"city": town} if town in text else {})
        order = list(keys)
    text += rng.choice(["", ".", "!", " last year.", " since spring."])
    return Example(
        "json",
        [*common.maybe_system(rng, 0.2), user(ask + text)],
        json.dumps({k: keys[k] for k in order}, ensure_ascii=False),
    )
