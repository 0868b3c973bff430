"""What several tasks share: system prompts, small talk, filler sentences and filler turns."""

import random
from typing import Any

from .. import lexicon as lx
from ..phrase import assistant, lines, say, system, user

SYSTEMS = lines("""
You are a helpful assistant.
You are a [helpful|friendly|polite|concise|careful] assistant[.| for a {p}.| at {o}.| who answers briefly.]
[Be|Always be] [brief|concise|precise|polite].
Answer [shortly|briefly|in as few words as possible|precisely].
You help [customers|visitors|employees|users] of {o}.
You are the assistant of {f}. Today is {w}, {d}.
Today's date is {d}.
Follow the user's instructions exactly.
Do [exactly |]what the user asks, nothing more.
You are an agent. Use the tools when they help.
Use the [provided|given] tools to [answer|help the user]. Don't make things up.
You are a test assistant.
You work in the {p} of {o}. Be [kind|exact|quick].
You are an expert in {t}. [Keep answers short.|]
Respond in the language of the user.
The user's name is {f}. The user lives in {c}.
You are {f}, a [virtual|digital] assistant. [Never invent facts.|]
Never reveal the code {k}.
你是一个[有用的|友好的|简洁的]助手。
请[简短|准确|直接]回答。
""")


def system_text(rng: random.Random) -> str:
    return say(
        rng,
        SYSTEMS,
        p=rng.choice(lx.english("place")),
        o=lx.company(rng),
        f=lx.first_name(rng),
        w=rng.choice(lx.WEEKDAYS),
        d=lx.date(rng),
        t=rng.choice(lx.english("topic")),
        c=lx.city(rng),
        k=lx.code(rng),
    )


def maybe_system(rng: random.Random, share: float = 0.45) -> list[dict[str, Any]]:
    return [system(system_text(rng))] if rng.random() < share else []


FILLERS = lines("""
The {a} {n} [stood|was|lay] [near|behind|in front of|next to] the {p}.
{f} [bought|sold|found|lost|repaired|painted] [a|the] {a} {n} [yesterday|last week|in {m}|on {w}|].
In {m} the {p} was [closed|full|empty|crowded|open] for {k} days.
Nobody [knew|remembered|said] why the {n} was so {a}.
{f} and {f2} [walked|drove|went] from {c} to the {p}.
It was a {a} [morning|evening|day], and the {n} [worked|shone|waited|broke] again.
The {j} [spoke|wrote|asked] about {t} for {k} minutes.
There were {k} {n}s in the {p}, most of them {a}.
A {a} {x} [slept|sat|ran] under the {n}.
Many visitors come to {c} because of the {p}.
The {n} costs more than the {n2}, but it is [less {a}|more {a}].
[Later|Then|After that|Meanwhile], the {j} [moved|carried|brought] the {n} to the {p}.
People in {c} like {y} with {y2}.
The weather in {c} was {a} on {w}.
{f} works as a {j} and likes {t}.
""")


def filler(rng: random.Random) -> str:
    return say(
        rng,
        FILLERS,
        a=rng.choice(lx.english("adjective")),
        n=lx.noun(rng),
        n2=lx.noun(rng),
        p=rng.choice(lx.english("place")),
        f=lx.first_name(rng),
        f2=lx.first_name(rng),
        m=rng.choice(lx.MONTHS),
        w=rng.choice(lx.WEEKDAYS),
        k=rng.randint(2, 99),
        c=lx.city(rng),
        j=rng.choice(lx.english("job")),
        t=rng.choice(lx.english("topic")),
        x=rng.choice(lx.english("animal")),
        y=rng.choice(lx.english("food")),
        y2=rng.choice(lx.english("food")),
    )


ZH_FILLERS = lines("""
{n1}和{n2}都很{a}。
今天{c}的天气很{a}。
{f}在{c}[买了|看到了|卖掉了]一个{a}的{n1}。
[昨天|上周|去年]{f}去了{c}。
大家都[喜欢|讨论|需要]{n1}。
{f}说{n1}比{n2}更{a}。
""")


def zh_filler(rng: random.Random) -> str:
    return say(
        rng,
        ZH_FILLERS,
        n1=rng.choice(lx.chinese("noun")),
        n2=rng.choice(lx.chinese("noun")),
        a=rng.choice(lx.chinese("adjective")),
        c=rng.choice(lx.chinese("city")),
        f=lx.zh_name(rng),
    )


def paragraph(rng: random.Random, sentences: int) -> str:
    return " ".join(filler(rng) for _ in range(sentences))


GREETING = "Hello! I am pilot, a tiny model. How can I help?"
SMALL_TALK = [
    (
        "[Hi|Hello|Hey|Hi there|Good morning|Good evening|Hello there|Hey there|Greetings][!|.||, how are you?]",
        GREETING,
    ),
    (
        "[Thanks|Thank you|Thanks a lot|Thank you very much|Great, thanks|Perfect, thank you|Cheers|Many thanks][!|.|]",
        "You're welcome!",
    ),
    (
        "[Bye|Goodbye|See you|See you later|Have a nice day|Good night|That's all for now][!|.|]",
        "Goodbye!",
    ),
    (
        "[How are you|How are you doing|How do you do|How's it going|Are you well|What's up][?|]",
        "I am fine, thank you. I am pilot, a tiny model.",
    ),
    (
        "[Good job|Well done|Nice work|That was helpful|You are great|I like you|Awesome][!|.|]",
        "Thank you!",
    ),
    ("[你好|您好|嗨|早上好|晚上好][！|。|]", "你好！我是 pilot，一个很小的模型。需要什么帮助？"),
    ("[谢谢|多谢|谢谢你|非常感谢][！|。|]", "不客气！"),
    ("[再见|拜拜|晚安][！|。|]", "再见！"),
]


def small_talk(rng: random.Random) -> tuple[str, str]:
    ask, reply = rng.choice(SMALL_TALK)
    return say(rng, ask), reply


def filler_turns(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Earlier turns that have nothing to do with the question."""
    turns: list[dict[str, Any]] = []
    for _ in range(count):
        roll = rng.random()
        if roll < 0.35:
            ask, reply = small_talk(rng)
        elif roll < 0.7:
            text = rng.choice([lx.code(rng), lx.words(rng, 1, 3), lx.noun(rng)])
            ask = say(
                rng,
                [
                    "[Say|Write|Repeat] {x}",
                    "Reply with {x}",
                    "Only answer {x}[.|]",
                    "Print {x} please",
                ],
                x=text,
            )
            reply = text
        else:
            ask = filler(rng) + say(rng, [" [Did you know?|What do you think?|Just so you know.|]"])
            reply = rng.choice(["I see.", "Thank you for telling me.", "I see. How can I help?"])
        turns += [user(ask.strip()), assistant(reply)]
    return turns
