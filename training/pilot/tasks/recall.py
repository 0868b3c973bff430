"""Remembering what was said: across turns, and across thousands of tokens."""

import random
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, user
from . import common

# fact | question | what stands for the value; the subject makes two facts of a kind distinct
FACTS = [
    line.split(" | ")
    for line in lines("""
My name is {v}[.|] | [What's|What is] my name? | name
I am called {v}. | [Who am I?|What am I called?|Do you know my name?] | name
My [favourite|favorite] {n} is {v}. | What is my [favourite|favorite] {n}? | word
The [secret |access |door |launch |]code [of|for] the {n} is {v}. | What is the code [of|for] the {n}? | code
The [code|password|key|token] is {v}[.| - remember it.|, keep it.] | [What was the [code|password|key|token]?|Which code did I give you?|Tell me the [code|password|key|token].] | code
[Remember|Note|Keep in mind|Please remember] this [code|word|number]: {v} | [What did I ask you to remember?|Which [code|word|number] should you remember?|What was it that I told you to keep?] | code
The {n} is in the {p} of {v}. | Where is the {n}? | city
I live in {v}. | Where do I live? | city
{f} lives in {v}. | Where does {f} live? | city
The {n} costs {v} euros. | How [much|many euros] does the {n} cost? | number
There are {v} {n}s in the {p}. | How many {n}s are in the {p}? | number
My {x} is called {v}. | What is my {x} called? | name
The meeting with {f} is on {v}. | When is the meeting with {f}? | date
{f}'s [phone number|number] is {v}. | What is {f}'s number? | phone
{f} works as a {v}. | What does {f} do? | job
The [serial number|id] of the {n} is {v}. | What is the [serial number|id] of the {n}? | code
[The|My] [order|ticket|booking] number [for the {n} |]is {v}. | What is [the|my] [order|ticket|booking] number? | code
The colour of {f}'s {n} is {v}. | What colour is {f}'s {n}? | color
Special note: the magic number [for {f} |]is {v}. | What is the magic number? | number
The [marker|needle|nonce|keyword] [in this text |]is {v}. | What is the [marker|needle|nonce|keyword]? | code
""")
]
ZH_FACTS = [
    line.split(" | ")
    for line in lines("""
我叫{v}。 | 我叫什么[名字|]？ | zhname
我住在{v}。 | 我住在哪里？ | zhcity
[密码|口令|暗号|代码]是{v}。 | [密码|口令|暗号|代码]是什么？ | code
我最喜欢的东西是{v}。 | 我最喜欢什么？ | zhnoun
[请|]记住这个[词|代码]：{v} | 我让你记住了什么？ | code
""")
]
ONLY = [
    "",
    "",
    " Answer with the value only.",
    " Reply with only that.",
    " Just the answer.",
    " Only the value, nothing else.",
    " One word only.",
    " Answer briefly.",
    " Be exact.",
]
ACKS = ["I will remember that.", "I will remember that.", "Thank you, I will remember it."]


def value_of(rng: random.Random, kind: str) -> str:
    draws = {
        "name": lx.first_name,
        "word": lx.noun,
        "code": lx.code,
        "city": lx.city,
        "date": lx.date,
        "phone": lx.phone,
        "zhname": lx.zh_name,
    }
    if kind in draws:
        return draws[kind](rng)
    if kind == "number":
        return str(lx.amount(rng))
    if kind == "job":
        return rng.choice(lx.english("job"))
    if kind == "color":
        return rng.choice(
            "red,blue,green,yellow,black,white,purple,orange,pink,brown,gray".split(",")
        )
    if kind == "zhcity":
        return rng.choice(lx.chinese("city"))
    return rng.choice(lx.chinese("noun"))


def fact(rng: random.Random, chinese: bool = False) -> tuple[str, str, str]:
    """A statement, a question about it, and the value."""
    statement, question, kind = rng.choice(ZH_FACTS if chinese else FACTS)
    value = value_of(rng, kind)
    shared = {
        "v": value,
        "n": lx.noun(rng),
        "p": rng.choice(lx.english("place")),
        "f": lx.first_name(rng),
        "x": rng.choice(lx.english("animal")),
    }
    return fill(choose(rng, statement), shared), fill(choose(rng, question), shared), value


def _conversation(rng: random.Random) -> Example:
    chinese = rng.random() < 0.2
    statement, question, value = fact(rng, chinese)
    messages: list[dict[str, Any]] = common.maybe_system(rng, 0.3)
    if rng.random() < 0.4:
        messages += common.filler_turns(rng, rng.randint(1, 2))
    told = statement
    if rng.random() < 0.4 and not chinese:
        told = common.filler(rng) + " " + statement + " " + common.filler(rng)
    ack = "好的，我会记住。" if chinese else rng.choice(ACKS)
    messages += [user(told), assistant(ack)]
    messages += common.filler_turns(rng, rng.randint(0, 3))
    messages.append(user(question + ("" if chinese else rng.choice(ONLY))))
    return Example("recall", messages, value)


def _long_text(rng: random.Random, sentences: int) -> Example:
    """One or more facts hidden in filler, a question at the end or at the start."""
    hidden = [fact(rng) for _ in range(rng.randint(1, 3))]
    questions = {h[1] for h in hidden}
    if len(questions) < len(hidden):
        hidden = hidden[:1]
    body = [common.filler(rng) for _ in range(sentences)]
    for statement, _, _ in hidden:
        body.insert(rng.randint(0, len(body)), statement)
    text = ""
    for piece in body:
        text += piece + rng.choice([" ", " ", " ", "\n", "\n\n"])
    _, question, value = hidden[0]
    question += rng.choice(ONLY)
    asked = (
        f"{question}\n\n{text}"
        if rng.random() < 0.2
        else f"{text.strip()}\n\n{rng.choice(['', 'Question: ', 'Now tell me: ', ''])}{question}"
    )
    if rng.random() < 0.15:
        return Example(
            "long", [user(text.strip()), assistant("I have read it."), user(question)], value
        )
    return Example("long", common.maybe_system(rng, 0.3) + [user(asked)], value)


def make(rng: random.Random) -> Example:
    return _conversation(rng)


def make_long(rng: random.Random) -> Example:
    return _long_text(rng, rng.choice([5, 10, 20, 40, 60, 90, 130, 170]))
