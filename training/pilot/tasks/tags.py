"""Three to seven tags for a short document, as JSON, in its language."""

import json
import random
import re
from functools import cache
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, choose, lines, say, user
from . import common, passage, prose

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
ASKS += lines("""
[Please |][give|return|provide|create|assign|pick|name|produce] [me |][{n}|{n} or so|at most 7|a handful of|several|relevant|fitting|short] [tags|keywords|topic tags|labels|index terms|subject words|hashtags without #] [for it|for this|for the text below|for the article below|for the note|for this file|that sum it up|that describe it][.|, as JSON.|, JSON array only.|, as a list in JSON.| in JSON format.]
[What|Which] [words|terms|keywords] [sum up|describe|characterize|stand for] [this|the following] [text|page|file|message]? [JSON array|JSON list|Answer as JSON|As a JSON array of strings][.|, please.|, {n} entries.]
[You tag|Task: tag|We index|I sort|I file] [documents|my notes|articles|files]. [Return|Output|Write|Reply with] [a JSON array of|a JSON list with|JSON with] [{n}|3 to 7|three to seven|3-7|at least 3] [tags|keywords].
[Tags|Keywords|Labels|Topics] [please|as JSON|(JSON)|in JSON|- JSON array]:
[Choose|Select|Take|Pick] [{n}|the most important|the main|three to seven] [words|terms|nouns|things] [of|from] the [text|document|article] as [tags|keywords] [and print them|and answer|, written|, given] [as JSON|as a JSON array|as a JSON list][.|, nothing else.|, no other text.]
[Do not use generic tags.|Use words from the text.|Tags must be in the language of the text.|Between 3 and 7 tags.] [Tag|Label|Index] [this|the document|the text] [and return JSON|as JSON][.|:]
""")
ZH_ASKS = [
    "[请|]为[这篇|下面的|以下][文章|文字|文档|内容][生成|写出|提取|给出][3到7个|几个|五个|][标签|关键词][，用JSON回答|，输出JSON|，JSON数组|]。",
    "用JSON[列出|给出][文章|这段文字]的[标签|关键词]。",
    "[请|帮我|][选出|挑出|列出|写出|想出|总结出][{n}个|三到七个|几个|最重要的][关键词|标签|主题词]，[以|用]JSON[数组|列表|格式][返回|回答|输出][。|，不要其他内容。]",
    "[这篇|这段|下面][文字|文章|文档|内容]的[标签|关键词|主题]是什么？[用JSON数组回答|返回JSON|只输出JSON数组]。",
    "[标签|关键词]（JSON）：",
    "[给|为][它|文件|笔记]加上[{n}个|3-7个|合适的]标签，[返回|输出][字符串数组|JSON数组|JSON]。",
]
OBJECTS = [
    ' Use the format {"tags": LIST}.',
    ' Return the format {"tags": LIST}.',
    ' Return a JSON object with the key "tags".',
    ' Schema: {"tags": LIST}',
    ' Example: {"tags": LIST}',
    " The JSON has one key, tags, with a list of strings.",
]


def _topic(rng: random.Random) -> str:
    """What a document may be about: a thing, a field, a made-up word, two words together."""
    roll = rng.random()
    if roll < 0.5:
        return lx.noun(rng)
    if roll < 0.62:
        return rng.choice(lx.english("topic"))
    if roll < 0.72:
        return rng.choice(lx.all_words()).lower()
    if roll < 0.84:
        return f"{rng.choice([lx.noun(rng), rng.choice(lx.english('adjective'))])} {lx.noun(rng)}"
    if roll < 0.93:
        return lx.pseudo_word(rng)
    return rng.choice([lx.city, lx.company, lx.last_name])(rng)


def _zh_topic(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.6:
        return rng.choice(lx.chinese("noun") + lx.chinese("topic"))
    if roll < 0.85:
        return lx.zh_chars(rng, 2, 3)
    return rng.choice(lx.chinese("noun")) + rng.choice(lx.chinese("noun") + lx.chinese("topic"))


@cache
def _lines(name: str) -> list[str]:
    return lines((lx.DATA / f"{name}.txt").read_text(encoding="utf-8"))


def _written(rng: random.Random, template: str, topics: list[str], chinese: bool) -> str:
    """A template of prose with the topics in its slots a to e."""
    template = choose(rng, template)
    named = dict(zip("abcde", topics, strict=False))
    for slot, topic in named.items():
        template = template.replace(f"{{{slot}}}", topic)
        template = template.replace(f"{{{slot.upper()}}}", topic[0].upper() + topic[1:])
    text = prose.fill(rng, template, chinese)
    return text[0].upper() + text[1:]


@cache
def _known(chinese: bool) -> re.Pattern[str]:
    if chinese:
        words = sorted(set(lx.chinese("noun") + lx.chinese("topic")), key=len, reverse=True)
        return re.compile("|".join(words))
    words = sorted(set(lx.nouns() + lx.english("topic")), key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(words) + r")\b", re.I)


def _anything(rng: random.Random, chinese: bool) -> tuple[str, list[str]]:
    """A text in whatever manner; its tags are the things that it names, the first ones first."""
    parts = []
    for _ in range(rng.randint(2, 5)):
        if chinese:
            makers = [prose.chinese, prose.zh_ornate, common.zh_filler]
        else:
            makers = [
                prose.english,
                prose.ornate,
                prose.punctuated,
                prose.spoken,
                common.filler,
                lambda r: passage._facts(r, 1, "en")[0][2],
            ]
        parts.append(rng.choice(makers)(rng))
    text = rng.choice(["", "", "\n"] if chinese else [" ", " ", "\n", "\n\n"]).join(parts)
    found: list[str] = []
    for match in _known(chinese).finditer(text):
        if match[0].lower() not in [f.lower() for f in found]:
            found.append(match[0])
    return text, found


def document(rng: random.Random, chinese: bool) -> tuple[str, list[str]]:
    """A text and the things that it is about, in order of appearance."""
    if rng.random() < 0.25:
        return _anything(rng, chinese)
    draw = _zh_topic if chinese else _topic
    topics: list[str] = []
    count = rng.randint(3, 7)
    while len(topics) < count:
        topic = draw(rng)
        if not any(topic.lower() in t.lower() or t.lower() in topic.lower() for t in topics):
            topics.append(topic)
    roll = rng.random()
    if roll < 0.45:
        if len(topics) < 5:
            topics += [draw(rng) for _ in range(5 - len(topics))]
        template = rng.choice(_lines("about_zh" if chinese else "about_en"))
        text = _written(rng, template, topics, chinese)
        if rng.random() < 0.3:
            text = rng.choice(["Title: ", "# ", "", ""]) + topics[0] + "\n\n" + text
    else:
        sentences = []
        for i in range(rng.randint(3, 8)):
            first = topics[i % len(topics)]
            x = [first, *rng.sample([t for t in topics if t != first], 2)]
            if chinese:
                sentences.append(
                    say(
                        rng,
                        ZH_ABOUT,
                        x=x[0],
                        y=x[1],
                        z=x[2],
                        f=lx.zh_name(rng),
                        c=rng.choice(lx.chinese("city")),
                    )
                )
            elif rng.random() < 0.7:
                sentences.append(_written(rng, rng.choice(_lines("about_lines_en")), x, False))
            else:
                sentences.append(_about(rng, x))
        text = ("" if chinese else " ").join(sentences)
    for _ in range(rng.choice([0, 0, 1, 2])):
        extra = prose.chinese(rng) if chinese else prose.english(rng)
        text = rng.choice([f"{text} {extra}", f"{extra} {text}", f"{text}\n{extra}"])
    low = text.lower()
    found = {t: low.find(t.lower()) for t in topics if t.lower() in low}
    return text, sorted(found, key=lambda t: found[t])


def _about(rng: random.Random, x: list[str]) -> str:
    text = say(
        rng,
        ABOUT,
        x=x[0],
        y=x[1],
        z=x[2],
        f=lx.first_name(rng),
        c=lx.city(rng),
        m=rng.choice(lx.MONTHS),
        a=rng.choice(lx.english("adjective")),
    )
    return text[0].upper() + text[1:]


def make(rng: random.Random) -> Example:
    chinese = rng.random() < 0.25
    text, tags = document(rng, chinese)
    if len(tags) < 3:
        return make(rng)
    tags = tags[: rng.choice([5, 5, 5, 4, 7])] if len(tags) > 5 else tags
    if rng.random() < 0.6:
        tags = [t if t[0].isupper() and t in text else t.lower() for t in tags]
    ask = choose(rng, rng.choice(ZH_ASKS if chinese else ASKS)).replace("{n}", str(len(tags[:7])))
    wrapped = rng.random() < 0.4
    answer: Any = {"tags": tags} if wrapped else tags
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
