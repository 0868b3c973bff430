"""Three to seven tags for a short document, as JSON, in its language."""

import json
import random
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, choose, lines, say, user
from . import common, passage

ABOUT = lines("""
[The|This|Our] {a} {x} [needs|uses|has|requires|offers|contains] {y} and {z}.
{f} [wrote|spoke|asked|learned|reported] about {x} [in|during] {m}.
[Without|With] {y}, {x} [is|becomes|stays] [difficult|possible|cheap|popular|important].
Many [people|experts|companies|teams] [discuss|study|prefer|use] {x} [today|now|in {c}|].
{x} and {y} [belong together|work well together|are closely linked|changed a lot].
The [report|article|study|guide] [compares|explains|describes] {x} with {y}.
[A good|The best|Every] {x} [starts|begins|works] with {z}.
In {c}, {x} [grows|improves|costs more] every [year|month].
[New|Better|Cheaper] {y} [helps|supports|changes] {x}.
""")
ZH_ABOUT = lines("""
{x}和{y}[关系密切|都很重要|越来越受欢迎]。
{f}在{c}[学习|讨论|研究]{x}。
[很多人|专家|公司]都[喜欢|关注|使用]{x}。
{x}需要{y}和{z}。
这篇[文章|报告]介绍了{x}与{y}。
""")
ASKS = lines("""
[Give|Suggest|Find|Write|List|Generate|Propose|Choose] [3 to 7|three to seven|five|some|a few|suitable|good|3-7|up to 7] [tags|keywords|labels|topics] for [this|the following] [document|text|article|note][ as JSON| as a JSON array| as a JSON list|, JSON only|].
[Tag|Label] [this|the following] [text|document|note][ with 3 to 7 words|]. [Answer in JSON.|Return a JSON array.|Output JSON only.|Reply as JSON.]
[Which|What] [tags|keywords] [fit|describe|suit] this [document|text]? [Answer in JSON|As JSON array|JSON list], [3 to 7|at most 7].
[Extract|Return] the [keywords|tags|key topics] [of|from] [this|the] [text|document] as [a |]JSON [array|list][ of strings|].
""")
ZH_ASKS = [
    "[请|]为[这篇|下面的|以下][文章|文字|文档|内容][生成|写出|提取|给出][3到7个|几个|五个|][标签|关键词][，用JSON回答|，输出JSON|，JSON数组|]。",
    "用JSON[列出|给出][文章|这段文字]的[标签|关键词]。",
]
OBJECTS = [
    ' Use the format {"tags": LIST}.',
    ' Return the format {"tags": LIST}.',
    ' Return a JSON object with the key "tags".',
    ' Schema: {"tags": LIST}',
    ' Example: {"tags": LIST}',
    " The JSON has one key, tags, with a list of strings.",
]


def document(rng: random.Random, chinese: bool) -> tuple[str, list[str]]:
    """A text and the things that it is about, in order of appearance."""
    if chinese:
        pool = lx.chinese("noun") + lx.chinese("topic")
    else:
        pool = lx.nouns() + lx.english("topic") * 3
    topics = list(dict.fromkeys(rng.sample(pool, rng.randint(3, 6))))
    sentences = []
    for i in range(rng.randint(3, 8)):
        x, y, z = topics[i % len(topics)], *rng.choices(topics, k=2)
        if chinese:
            sentences.append(
                say(
                    rng,
                    ZH_ABOUT,
                    x=x,
                    y=y,
                    z=z,
                    f=lx.zh_name(rng),
                    c=rng.choice(lx.chinese("city")),
                )
            )
        else:
            text = say(
                rng,
                ABOUT,
                x=x,
                y=y,
                z=z,
                f=lx.first_name(rng),
                c=lx.city(rng),
                m=rng.choice(lx.MONTHS),
                a=rng.choice(lx.english("adjective")),
            )
            sentences.append(text[0].upper() + text[1:])
    if rng.random() < 0.4:
        extra = (
            common.zh_filler(rng)
            if chinese
            else rng.choice([common.filler(rng), passage._facts(rng, 1, "en")[0][2]])
        )
        sentences.insert(rng.randint(0, len(sentences)), extra)
    text = ("" if chinese else " ").join(sentences)
    low = text.lower()
    return text, sorted((t for t in topics if t in low), key=low.find)


def make(rng: random.Random) -> Example:
    chinese = rng.random() < 0.25
    text, tags = document(rng, chinese)
    if len(tags) < 3:
        return make(rng)
    ask = choose(rng, rng.choice(ZH_ASKS if chinese else ASKS))
    wrapped = rng.random() < 0.4
    answer: Any = {"tags": tags[:7]} if wrapped else tags[:7]
    if wrapped:
        form = rng.choice(['格式：{"tags": LIST}', "键名为tags。"] if chinese else OBJECTS)
        ask += form.replace("LIST", rng.choice(["[...]", '["...", "..."]', "[]"]))
    roll = rng.random()
    asked = f"{ask}\n\n{text}" if roll < 0.65 else f"{text}\n\n{ask}"
    messages = common.maybe_system(rng, 0.3)
    if roll > 0.9:
        messages = [{"role": "system", "content": ask}]
        asked = text
    return Example("tags", [*messages, user(asked)], json.dumps(answer, ensure_ascii=False))
