"""Answering from a given passage: who, when, where, how much, which code; or that it does not say."""

import random
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, choose, fill, lines, slots_of, system, user
from . import common, prose


@dataclass
class Frame:
    """A sentence with slots, and the questions that each slot answers."""

    sentence: str
    questions: dict[str, list[str]] = field(default_factory=dict)


@cache
def frames(language: str) -> list[Frame]:
    return parse((lx.DATA / f"frames_{language}.txt").read_text(encoding="utf-8"))


def parse(text: str) -> list[Frame]:
    found: list[Frame] = []
    for line in text.splitlines():
        if line.startswith("F "):
            found.append(Frame(line[2:].strip()))
        elif line.strip():
            slot, _, questions = line.partition(":")
            found[-1].questions[slot.strip()] = [q.strip() for q in questions.split(" ; ")]
    return found


def _who(rng: random.Random) -> str:
    return lx.full_name(rng) if rng.random() < 0.6 else lx.first_name(rng)


def _number(rng: random.Random) -> str:
    number = rng.choice([rng.randint(2, 99), rng.randint(100, 9999), rng.randint(2, 20)])
    return f"{number:,}" if number > 999 and rng.random() < 0.5 else str(number)


def _money(rng: random.Random) -> str:
    value = lx.amount(rng)
    return rng.choice(
        [
            f"{value} euros",
            f"{value} dollars",
            f"${value}",
            f"€{value}",
            f"{value} EUR",
            f"{rng.randint(2, 90)} million dollars",
            f"{rng.randint(2, 900)} thousand euros",
        ]
    )


def _object(rng: random.Random) -> str:
    name = rng.choice(lx.english("object"))
    return f"{rng.choice(lx.english('adjective'))} {name}" if rng.random() < 0.3 else name


def _name(rng: random.Random) -> str:
    return rng.choice(
        [
            lx.pseudo_word(rng).capitalize(),
            " ".join(lx.word(rng).capitalize() for _ in range(rng.randint(1, 2))),
        ]
    )


DRAWS: dict[str, Any] = {
    "who": _who,
    "who2": _who,
    "place": lx.city,
    "place2": lx.city,
    "org": lx.company,
    "num": _number,
    "num2": _number,
    "money": _money,
    "money2": _money,
    "thing": _object,
    "thing2": _object,
    "date": lx.date,
    "date2": lx.date,
    "time": lx.clock,
    "time2": lx.clock,
    "org2": lx.company,
    "month": lambda r: r.choice(lx.MONTHS),
    "food": lambda r: r.choice(lx.english("food")),
    "food2": lambda r: r.choice(lx.english("food")),
    "code": lx.code,
    "phone": lx.phone,
    "email": lx.email,
    "title": _name,
    "year": lambda r: str(r.randint(1850, 2026)),
    "job": lambda r: r.choice(lx.english("job")),
    "room": lambda r: r.choice(lx.english("place")),
    "topic": lambda r: r.choice(lx.english("topic")),
    "animal": lambda r: r.choice(lx.english("animal")),
    "country": lambda r: r.choice(lx.english("country")),
    "length": lambda r: f"{lx.amount(r)} {r.choice(['meters', 'km', 'cm', 'miles', 'feet'])}",
    "weight": lambda r: f"{lx.amount(r)} {r.choice(['kg', 'grams', 'tons', 'pounds'])}",
    "degrees": lambda r: f"{r.randint(-20, 42)} {r.choice(['degrees', 'degrees Celsius', '°C'])}",
    "score": lambda r: f"{r.randint(0, 9)}{r.choice([':', '-', ' to '])}{r.randint(0, 9)}",
    "version": lambda r: (
        f"{r.randint(0, 9)}.{r.randint(0, 20)}" + r.choice(["", f".{r.randint(0, 9)}"])
    ),
    "adj": lambda r: r.choice(lx.english("adjective")),
    "lang": lambda r: r.choice(["English", "German", "French", "Spanish"]),
    "lang2": lambda r: r.choice(["Chinese", "Italian", "Japanese", "Russian"]),
}
ZH_DRAWS: dict[str, Any] = {
    "who": lx.zh_name,
    "who2": lx.zh_name,
    "place": lambda r: r.choice(lx.chinese("city")),
    "org": lambda r: lx.zh_chars(r, 2, 3),
    "place2": lambda r: r.choice(lx.chinese("city")),
    "job": lambda r: r.choice("老师,医生,司机,工程师,学生,厨师,律师,记者,画家,农民".split(",")),
    "num": lambda r: str(r.randint(2, 900)),
    "num2": lambda r: str(r.randint(2, 900)),
    "money": lambda r: str(r.randint(2, 9999)),
    "thing": lambda r: r.choice(lx.chinese("noun")),
    "date": lambda r: f"{r.randint(1, 12)}月{r.randint(1, 28)}日",
    "code": lx.code,
    "phone": lx.phone,
    "time": lambda r: r.choice(["上午", "下午"]) + f"{r.randint(1, 12)}点",
    "year": lambda r: str(r.randint(1950, 2025)),
}

LONGEST = 1700  # characters of a passage
UNKNOWN = "The passage does not say."
ZH_UNKNOWN = "文中没有提到。"
LEADS = [
    "[Study|Look at|Consider|See|Check|Take] [this|the following|the] [note|letter|report|message|email|page|paragraph|excerpt|story][.|:| and answer.| carefully.]",
    "[Text|Note|Letter|Report|Message|Source|Excerpt|Article|Background|Information|Input|Content|Paragraph|Page {}]:".replace(
        "{}", "1"
    ),
    "[Use|From|With] [the|this] [information|facts|details|note] [below|given|here]:",
    "[I have|There is|We got] a [question|text|message][ for you|]:",
    "[Answer|Reply] from the [passage|text].",
    "[Read|Use] the [passage|text|document] and answer[ the question|].",
    "Based on the [text|passage|document|context], answer[ the question|].",
    "[Context|Passage|Text|Document]:",
    "Here is a [text|passage|document|note].",
    "According to the following [text|passage]:",
    "",
]
SYSTEMS = lines("""
Answer [questions |the question |][only |]from the given [context|text|documents|passage].
Use only the [context|passage|text] to answer. [If it is not there, say so.|Be brief.|]
You answer questions about documents. [Answer shortly.|Be exact.|]
""")
TAILS = [
    "",
    "",
    "",
    " Give only the answer.",
    " One phrase is enough.",
    " No sentence, only the answer.",
    " As short as possible.",
    " Quote the text.",
    " Use words of the text.",
    "",
    "",
    " Answer briefly.",
    " Short answer, please.",
    " Answer in a few words.",
    " Only the answer.",
    " Answer with the exact words of the text.",
]


QUOTE = lines("""
{q} [Quote|Copy|Give|Write|Repeat|Cite|Return] the [whole |full |entire |] sentence [that says it|that answers it|that answers this|with the answer|where it says so][.| of the text.| from the text.]
[Quote|Copy|Give me|Find|Cite] the sentence [that answers|with the answer to|where one reads] this[:| question:] {q}
[Which|What] sentence [answers this|tells it|says it]? {q}
{q} [Answer|Reply] with the [whole |full |complete ] sentence [of|from] the text.
{q} [Prove it|Show where it says so|Give the place] by [quoting|citing] one sentence.
""")
ZH_QUOTE = [
    "{q}请引用原文中回答这个问题的整句话。",
    "[请|]找出回答这个问题的那句话：{q}",
    "{q}请用原文的整句回答。",
    "哪一句话回答了这个问题？{q}",
]


def _facts(
    rng: random.Random, count: int, language: str
) -> list[tuple[Frame, dict[str, str], str]]:
    pool = frames(language)
    draws = ZH_DRAWS if language == "zh" else DRAWS
    out = []
    picked = rng.sample(pool, min(count, len(pool)))
    if count > 2 and rng.random() < 0.3:  # several of one kind, told apart by what they name
        few = rng.sample(picked, max(1, count // rng.choice([2, 3, 4])))
        picked = few + [rng.choice(few) for _ in range(count - len(few))]
        rng.shuffle(picked)
    for frame in picked:
        template = choose(rng, frame.sentence)
        needed = set(slots_of(frame.sentence)) | {
            s for q in frame.questions.values() for t in q for s in slots_of(t)
        }
        values = {slot: draws[slot](rng) for slot in sorted(needed)}
        text = fill(template, values)
        out.append((frame, values, text[0].upper() + text[1:]))
    return out


EMPTY = set(
    "the and for with from that this what which who whom whose when where why how many much did does was were are "
    "has have had can should must may you one its his her their into onto about after before there".split()
)


def _content(text: str) -> set[str]:
    """What a text is about: words without their endings, pairs of Chinese characters, numbers."""
    low = text.lower()
    found = {re.sub(r"(ies|ing|ed|es|s|e|y)$", "", w) for w in re.findall(r"[a-z]{3,}", low)}
    pairs = {low[i : i + 2] for i in range(len(low) - 1) if "\u4e00" <= low[i] <= "\u9fff"}
    return (found | pairs | set(re.findall(r"\w*\d[\w.,-]*\w|\d", low))) - EMPTY


def pointed(question: str, own: str, others: list[str]) -> bool:
    """Whether a question has more in common with its sentence than with any other."""
    asked = _content(question)
    near = len(asked & _content(own))
    return not others or near > max(len(asked & _content(other)) for other in others)


def make(rng: random.Random) -> Example:
    language = "zh" if rng.random() < 0.18 else "en"
    facts = _facts(rng, rng.choice([1, 2, 3, 4, 6, 8, 11, 15, 20]), language)
    sentences = [f[2] for f in facts]
    for _ in range(rng.choice([0, 0, 1, 2, 4, 7])):
        if language == "zh":
            extra = rng.choice([common.zh_filler, prose.chinese])(rng)
        else:
            extra = rng.choice([common.filler, prose.english])(rng)
        sentences.insert(rng.randint(0, len(sentences)), extra)
    text = "" if language == "zh" else " "
    passage = text.join(sentences)
    passage = passage if len(passage) <= LONGEST else passage[:LONGEST].rpartition(text)[0]
    frame, values, sentence = facts[rng.randrange(len(facts))]
    there = sentence in passage
    if rng.random() < 0.2 and language == "en":
        passage = re.sub(r"\. ", lambda m: rng.choice([". ", ".\n", ".\n\n"]), passage)
    told = [s for s in frame.questions if there and values[s] in sentence]
    others = [s for s in sentences if s != sentence]
    answer = ""
    for slot in rng.sample(told, len(told)):
        question = fill(choose(rng, rng.choice(frame.questions[slot])), values)
        if pointed(question, sentence, others):
            answer = values[slot]
            break
    if not answer or rng.random() < 0.04:
        stranger, values, _ = _facts(rng, 1, language)[0]
        template = rng.choice(stranger.questions[rng.choice(list(stranger.questions))])
        named = [values[s] for s in slots_of(template)]
        if any(name not in passage for name in named) and rng.random() < 0.4:
            question = fill(choose(rng, template), values)
            answer = ZH_UNKNOWN if language == "zh" else UNKNOWN
    if not answer:
        return make(rng)
    known = answer not in (UNKNOWN, ZH_UNKNOWN)
    quoted = known and sentence in passage and rng.random() < 0.22
    if quoted:  # finding the sentence is the harder half of the answer
        quote = choose(rng, rng.choice(ZH_QUOTE if language == "zh" else QUOTE))
        answer, question = sentence, fill(quote, {"q": question}).replace("  ", " ")
    meta = {"language": language, "question": question, "sentence": sentence if known else ""}
    return Example("passage", _ask(rng, passage, question, language, quoted), answer, meta=meta)


def _ask(
    rng: random.Random, passage: str, question: str, language: str, quoted: bool = False
) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if rng.random() < 0.3:
        messages.append(
            system(
                choose(rng, rng.choice(SYSTEMS)) if rng.random() < 0.6 else common.system_text(rng)
            )
        )
    if language == "zh":
        asked = rng.choice(
            [
                f"{passage}\n{question}",
                f"请根据下文回答：{question}\n{passage}",
                f"文章：{passage}\n问题：{question}",
                f"{passage}{question}",
            ]
        )
        return [*messages, user(asked)]
    question += "" if quoted else rng.choice(TAILS)
    lead = choose(rng, rng.choice(LEADS))
    mark = rng.choice(
        [
            "Question: ",
            "Q: ",
            "",
            "",
            "\n",
            "Query: ",
            "My question: ",
            "Tell me: ",
            "So: ",
            "Please answer: ",
        ]
    )
    roll = rng.random()
    if roll < 0.6:
        asked = (
            f"{lead}\n\n{passage}\n\n{mark}{question}" if lead else f"{passage}\n\n{mark}{question}"
        )
    elif roll < 0.75:
        asked = f"{question}\n\n{passage}"
    elif roll < 0.85:
        asked = f'{lead} "{passage}" {question}'.strip()
    elif roll < 0.93:
        asked = f"<context>\n{passage}\n</context>\n{question}"
    else:
        return [system(f"{lead or 'Context:'}\n{passage}"), user(question)]
    return [*messages, user(asked)]
