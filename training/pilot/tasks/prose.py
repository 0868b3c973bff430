"""Text of any kind: sentences that a grammar puts together, codes, lines of programs, mixed scripts."""

import json
import random
from collections.abc import Callable
from functools import cache

from .. import lexicon as lx
from ..phrase import choose, lines

WHEN = (
    "yesterday,last week,last night,this morning,in {month},on {day},two days ago,an hour ago,in {year},again,twice,"
    "in the evening,after lunch,before {day},during the {noun},,,"
).split(",")
WHERE = (
    "in {city},in the {place},at the {place},near the {place},behind the {noun},under the {noun},on the {noun},"
    "in {country},at home,outside,,,,"
).split(",")
SOON = "tomorrow,next week,on {day},in {month},soon,now,today,by {day},later,,,".split(",")


@cache
def _verbs() -> list[tuple[str, str]]:
    return [(past, base) for past, base in lx.VERBS]


@cache
def _templates(language: str) -> list[str]:
    return lines((lx.DATA / f"prose_{language}.txt").read_text(encoding="utf-8"))


def _noun_phrase(rng: random.Random) -> str:
    noun = lx.noun(rng) if rng.random() < 0.85 else lx.word(rng).lower()
    if rng.random() < 0.06:
        noun = lx.pseudo_word(rng)
    roll = rng.random()
    if roll < 0.28:
        return f"the {noun}"
    if roll < 0.5:
        return f"the {rng.choice(lx.english('adjective'))} {noun}"
    if roll < 0.58:
        return f"{rng.choice('my your our their his her this that every another'.split())} {noun}"
    if roll < 0.66:
        return f"{rng.choice(['a', 'one', 'some'])} {noun}"
    if roll < 0.72:
        return f"{rng.randint(2, 999)} {noun}s"
    if roll < 0.82:
        return f"the {noun} {rng.choice(['of', 'from', 'with', 'near', 'behind'])} {rng.choice([lx.city, lx.first_name, lx.pseudo_word])(rng)}"
    if roll < 0.94:
        return lx.first_name(rng)
    return rng.choice([lx.company, lx.full_name])(rng)


_EN: dict[str, Callable[[random.Random], str]] = {
    "np": _noun_phrase,
    "noun": lx.noun,
    "name": lx.first_name,
    "adj": lambda r: r.choice(lx.english("adjective")),
    "past": lambda r: r.choice(_verbs())[0],
    "base": lambda r: r.choice(_verbs())[1],
    "topic": lambda r: r.choice(lx.english("topic")),
    "n": lambda r: str(r.choice([r.randint(2, 20), r.randint(2, 999), r.randint(1000, 99999)])),
    "when": lambda r: _fill(r, r.choice(WHEN)),
    "when2": lambda r: _fill(r, r.choice(WHEN[:9])),
    "when3": lambda r: _fill(r, r.choice(SOON[:4])),
    "where": lambda r: _fill(r, r.choice(WHERE)),
    "soon": lambda r: _fill(r, r.choice(SOON)),
    "money": lambda r: r.choice([f"{lx.amount(r)} euros", f"${lx.amount(r)}", f"{lx.amount(r)} €"]),
    "clock": lx.clock,
    "date": lx.date,
    "month": lambda r: r.choice(lx.MONTHS),
    "day": lambda r: r.choice(lx.WEEKDAYS),
    "year": lambda r: str(r.randint(1900, 2030)),
    "city": lx.city,
    "place": lambda r: r.choice(lx.english("place")),
    "country": lambda r: r.choice(lx.english("country")),
    "job": lambda r: r.choice(lx.english("job")),
    "company": lx.company,
    "animal": lambda r: r.choice(lx.english("animal")),
    "food": lambda r: r.choice(lx.english("food")),
}


def fill(rng: random.Random, template: str, chinese: bool) -> str:
    """Words for the slots that this grammar knows."""
    out, rest = "", template
    while "{" in rest:
        before, _, rest = rest.partition("{")
        slot, _, rest = rest.partition("}")
        out += before + (_ZH if chinese else _EN)[slot](rng)
    return out + rest


def _fill(rng: random.Random, template: str) -> str:
    return fill(rng, template, False)


def english(rng: random.Random) -> str:
    """One sentence with its mark at the end."""
    text = " ".join(_fill(rng, choose(rng, rng.choice(_templates("en")))).split())
    text = text.replace(" ,", ",").replace(" ?", "?").replace(" !", "!").replace(" ;", ";")
    if text[-1] not in "?!":
        text += rng.choice(["."] * 8 + ["!", "…"])
    return text[0].upper() + text[1:]


ZH_WHEN = "今天,昨天,明天,上周,去年,早上,晚上,刚才,下午,周末,三天前,星期五,".split(",")
ZH_SUBJECT = "我,你,他,她,我们,他们,老师,妈妈,爸爸,同事,邻居,客户,大家,孩子们,小猫".split(",")


def _zh_object(rng: random.Random) -> str:
    noun = rng.choice(lx.chinese("noun"))
    roll = rng.random()
    if roll < 0.25:
        return rng.choice(lx.chinese("adjective")) + "的" + noun
    if roll < 0.32:
        return f"{rng.randint(2, 99)}个{noun}"
    if roll < 0.42:
        return lx.zh_chars(rng, 2, 3)
    return noun


_ZH: dict[str, Callable[[random.Random], str]] = {
    "who": lambda r: r.choice(ZH_SUBJECT) if r.random() < 0.5 else lx.zh_name(r),
    "when": lambda r: r.choice(ZH_WHEN),
    "place": lambda r: r.choice(
        lx.chinese("city") + "公园,学校,医院,车站,家,办公室,图书馆".split(",")
    ),
    "verb": lambda r: r.choice(lx.chinese("verb")),
    "obj": _zh_object,
    "adj": lambda r: r.choice(lx.chinese("adjective")),
    "n": lambda r: str(r.randint(2, 999)),
    "time": lambda r: (
        f"{r.choice(['', '上午', '下午', '晚上'])}{r.randint(1, 12)}点{r.choice(['', '', '半', '钟'])}"
    ),
    "date": lambda r: f"{r.randint(1, 12)}月{r.randint(1, 28)}日",
    "job": lambda r: r.choice("老师,医生,司机,工程师,学生,厨师,律师,记者".split(",")),
}


def chinese(rng: random.Random) -> str:
    text = fill(rng, choose(rng, rng.choice(_templates("zh"))), True)
    return text if text[-1] in "？！。”" else text + rng.choice(["。"] * 7 + ["！", "……"])


MARKS = list(".,;:!?-–—/\\|()[]{}<>@#$%^&*_+=~'\"`")
EMOJI = list("😀😂😊😍🤔👍🎉🚀🔥💡✅❌⭐🌍🐱🐶🍕☕📌📎🔑💻🎵🌧☀❤🙏👋🤖")
FOREIGN = (
    "Grüße,Ñandú,café,naïve,Łódź,smörgås,Zürich,façade,Ærø,über,élan,señor,çedilla,Привет,мир,спасибо,Καλημέρα,κόσμε,"
    "こんにちは,ありがとう,안녕하세요,감사합니다,שלום,مرحبا,नमस्ते,ขอบคุณ,dobrý den,jalapeño,crème brûlée,fiancée,Åse"
).split(",")


def salad(rng: random.Random, low: int = 2, high: int = 14) -> str:
    """Words in no order: nothing can be guessed, all of it has to be copied."""
    out = []
    for _ in range(rng.randint(low, high)):
        roll = rng.random()
        word = rng.choice(lx.all_words()) if roll < 0.62 else lx.pseudo_word(rng)
        if 0.78 < roll < 0.86:
            word = lx.code(rng, 2, 6)
        elif 0.86 <= roll < 0.9:
            word = str(rng.randint(0, 9999))
        elif 0.9 <= roll < 0.92:
            word = rng.choice(FOREIGN)
        out.append(rng.choice([word, word, word, word.capitalize(), word.upper()]))
        if rng.random() < 0.1 and out:
            out[-1] += rng.choice(",.;:!?")
        if rng.random() < 0.06:
            out.append(rng.choice(out))
    return " ".join(out)


def zh_salad(rng: random.Random, low: int = 3, high: int = 24) -> str:
    out = ""
    for _ in range(rng.randint(1, 4)):
        out += lx.zh_chars(rng, 2, max(2, min(9, high // 2))) + rng.choice(
            ["，", "、", "", "：", "；"]
        )
    out = out.rstrip("，、：；")[:high]
    return (out or lx.zh_chars(rng, low, high)) + rng.choice(["", "", "。", "！", "？"])


def program(rng: random.Random) -> str:
    """A line of code, a command, a query."""
    name, other, text = lx.word(rng).lower(), lx.word(rng).lower(), lx.words(rng, 1, 3)
    number = rng.randint(0, 999)
    return rng.choice(
        [
            f"print({json.dumps(text)})",
            f"{name} = {number}",
            f"{name} = {other} + {number}",
            f"if {name} > {number}: return {other}",
            f"for {name} in range({number}):",
            f"def {name}({other}): return {other} * {number}",
            f"const {name} = {json.dumps([text, number])};",
            f"let {name} = {other}.{name}();",
            f"SELECT {name} FROM {other} WHERE id = {number};",
            f'<{name} id="{other}">{text}</{name}>',
            f"git commit -m {json.dumps(text)}",
            f"curl -s {lx.url(rng)}",
            f"cd {lx.file_path(rng)} && ls -la",
            f"{name}({number}, {json.dumps(other)}, true)",
            f"import {name} as {other}",
            f"{name}.{other}[{number}] += 1;",
            f"{{{json.dumps(name)}: [{number}, null, {json.dumps(text)}]}}",
            f"--{name}={other} -v",
            f"console.log(`{name}: ${{{other}}}`);",
            f"{name}: {other}",
            f"# {text.capitalize()}",
            f"- [ ] {text}",
            f"**{text}**",
            f"$ {name} {other} > /dev/null",
            f"{name.upper()}_{other.upper()}={number}",
            f"x^{number % 9} + {number}y = {number * 2}",
        ]
    )


def again(rng: random.Random) -> str:
    """The same words several times, each time before others: a copy has to know where it is."""
    word = lx.word(rng).lower()
    a, b, c = (
        rng.choice([lx.word, lx.noun, lx.code, lx.first_name, lambda r: lx.words(r, 2, 3)])(rng)
        for _ in range(3)
    )
    number = rng.randint(0, 9999)
    short = rng.choice(SHORT)
    roll = rng.random()
    if roll < 0.35:  # a few pieces in any order
        pieces = [a, b, c, word, lx.word(rng)][: rng.randint(2, 5)]
        drawn = [rng.choice(pieces) for _ in range(rng.randint(4, 9))]
        link = rng.choice([" ", " ", ", ", ". ", " and ", "; ", "-", "/"])
        return link.join(drawn) + rng.choice(["", "", ".", "!"])
    return rng.choice(
        [
            lambda: (
                f"{short} {a}. {short} {b}.{rng.choice(['', f' {short}.', f' {c}.', f' {short} {c}.'])}"
            ),
            lambda: f"{word} the {a}, {word} the {b}, and {word} the {c}.",
            lambda: f"They {word} {a}, we {word} {b}, but you never {word} {c}.",
            lambda: f"One {a} is a {b}, two {a} are a {c}, three {a} are {number}.",
            lambda: f"while ({a} < {number}) {{ {word}({b}); }} {word}({c});",
            lambda: (
                f'try {{ {word}("{a}"); }} catch {{ {word}("{b}"); }} finally {{ {word}({number}); }}'
            ),
            lambda: f"for ({word} = 0; {word} < {number}; {word}++) {{ {word} += 1; }}",
            lambda: f"{word}({a}); {word}({b}); {word}({c});",
            lambda: f'["{a}", "{b}", "{a}", "{c}"]',
            lambda: f'{{"{word}": "{a}", "{b}": {{"{word}": "{c}"}}}}',
            lambda: f"<{word}>{a}</{word}><{word}>{b}</{word}>",
            lambda: f"{a} = {a} + {number}; {b} = {b} + {number};",
            lambda: f"{a}? {b}! {a}? {c}!",
            lambda: f"{english(rng)} {short}, {a}. {short}, {b}.",
            lambda: f"From {a} to {b}, from {b} to {c}, from {c} to {a}.",
            lambda: f"No {a}, no {b}, no {c}{rng.choice(['', ', no ' + word])}.",
        ]
    )()


MEASURES = "只个本封张条块件位辆杯朵家间座次"


def zh_again(rng: random.Random) -> str:
    nouns = [rng.choice(lx.chinese("noun")) for _ in range(3)]
    n, m = rng.choice("一两三几"), rng.choice(MEASURES)
    other = rng.choice(MEASURES)
    who, verb = _ZH["who"](rng), rng.choice(lx.chinese("verb"))
    way = rng.choice(["从{p}", "在{p}", "给{w}", "为{w}", "跟{w}", "向{w}", ""])
    way = way.replace("{p}", _ZH["place"](rng)).replace("{w}", _ZH["who"](rng))
    pair = lx.zh_chars(rng, 1, 2)
    text = rng.choice(
        [
            lambda: f"{who}{verb}{n}{m}{nouns[0]}和{n}{m}{nouns[1]}",
            lambda: f"{who}{way}{verb}来{n}{m}{nouns[0]}",
            lambda: (
                f"{who}{_ZH['when'](rng)}{way}{verb}{rng.choice(['了', '过', '来', '到', ''])}{rng.choice([n, str(rng.randint(2, 9999))])}{m}{nouns[0]}和{n}{other}{nouns[1]}"
            ),
            lambda: f"{n}{m}{nouns[0]}、{n}{m}{nouns[1]}、{n}{other}{nouns[2]}",
            lambda: f"{who}一边{verb}，一边{rng.choice(lx.chinese('verb'))}{nouns[0]}",
            lambda: f"{nouns[0]}{pair}{nouns[1]}，{nouns[0]}{lx.zh_chars(rng, 1, 2)}{nouns[2]}",
            lambda: pair + lx.zh_chars(rng, 1, 3) + pair + lx.zh_chars(rng, 1, 3) + pair,
            lambda: f"{nouns[0]}的{nouns[1]}的{nouns[2]}是{nouns[1]}的{nouns[0]}",
            lambda: f"越{pair}越{nouns[0]}，越{nouns[1]}越{pair}",
            lambda: f"{who}有{n}{m}{nouns[0]}，{_ZH['who'](rng)}也有{n}{m}{nouns[1]}",
        ]
    )()
    return text + rng.choice(["。", "。", "。", "！", "", "？"])


def record(rng: random.Random) -> str:
    """A little JSON, flat or nested."""

    def leaf(depth: int) -> object:
        roll = rng.random()
        if depth < 2 and roll < 0.15:
            return {lx.word(rng).lower(): leaf(depth + 1) for _ in range(rng.randint(1, 2))}
        if depth < 2 and roll < 0.3:
            return [leaf(depth + 1) for _ in range(rng.randint(0, 3))]
        return rng.choice(
            [
                rng.randint(-9, 999),
                lx.code(rng, 2, 6),
                lx.words(rng, 1, 2),
                True,
                False,
                None,
                lx.amount(rng),
            ]
        )

    made = {lx.word(rng).lower(): leaf(0) for _ in range(rng.randint(1, 3))}
    return json.dumps(made, ensure_ascii=False, separators=rng.choice([(", ", ": "), (",", ":")]))


def mixed(rng: random.Random) -> str:
    """Two scripts, emoji or odd marks in one line."""
    parts = []
    for _ in range(rng.randint(2, 5)):
        parts.append(
            rng.choice(
                [
                    lambda: lx.zh_chars(rng, 1, 5),
                    lambda: rng.choice(lx.chinese("noun")),
                    lambda: lx.word(rng),
                    lambda: lx.code(rng, 2, 6),
                    lambda: rng.choice(EMOJI) * rng.choice([1, 1, 1, 2, 3]),
                    lambda: rng.choice(FOREIGN),
                    lambda: str(lx.amount(rng)),
                    lambda: "".join(rng.choices(MARKS, k=rng.randint(1, 4))),
                ]
            )()
        )
    return rng.choice([" ", " ", "", "，", "-"]).join(parts)


def numbers(rng: random.Random) -> str:
    a, b = rng.randint(0, 99999), rng.randint(0, 999)
    return rng.choice(
        [
            f"{a:,}",
            f"{a}.{b}",
            f"{b}%",
            f"${a:,}.{b % 100:02d}",
            f"-{b}",
            f"{b}/{a}",
            f"{a}-{b}",
            f"1e-{b % 20}",
            f"v{b % 9}.{b % 30}.{b % 7}",
            f"{b % 256}.{a % 256}.{b % 200}.{a % 99}",
            f"{b % 24:02d}:{a % 60:02d}",
            f"+{b} {a}",
            f"{a} {b} {a + b}",
            f"0x{a:x}",
            f"{b}°C",
            f"#{a}",
            f"{b}x{b + 3}",
            "".join(rng.choices(lx.DIGITS, k=rng.randint(6, 20))),
            f"{a:08b}",
            f"{b}, {b + 1}, {b + 3}",
            f"({b}; {a})",
            f"€{b},{a % 100:02d}",
        ]
    )


SHORT = (
    "Repeat,Stop,Go,Wait,Say it,Copy that,Nothing else,Please,Thanks,Yes,No,OK,Done,That's all,Now,Again,Only this,Answer,"
    "Look,Listen,Come in,Sit down,Read it,Write it,Breathe,Be quiet,Think,Run,Try again,Not yet,One way,Good,Why not,Really"
).split(",")


def ornate(rng: random.Random) -> str:
    """A line with brackets, dashes, quotations in it, or several short sentences: all of it counts."""
    text = english(rng)
    end, body = text[-1], text[:-1]
    words = body.split()
    cut = rng.randint(1, max(1, len(words) - 1))
    left, right = " ".join(words[:cut]), " ".join(words[cut:])
    piece = rng.choice(
        [lx.words(rng, 1, 3), rng.choice(SHORT).lower(), lx.code(rng, 2, 6), lx.first_name(rng)]
    )
    said = english(rng)
    return rng.choice(
        [
            lambda: f"{body} ({piece}){end}",
            lambda: f"{left} ({piece}) {right}{end}",
            lambda: f"{body} - {piece}{end}",
            lambda: f"{left} - {right}{end}",
            lambda: f"{left}: {right}{end}",
            lambda: f"{left}; {right}{end}",
            lambda: f"{left}, {piece}, {right}{end}",
            lambda: (
                f"{body}, {rng.choice(['please', 'right', 'okay', 'thanks', 'isn' + chr(39) + 't it'])}{rng.choice('.?!')}"
            ),
            lambda: (
                f'"{said[:-1]}{rng.choice(",?!")}" {rng.choice(["said", "asked", "wrote", "shouted"])} {lx.first_name(rng)}{rng.choice([".", ", " + piece + ".", " and left."])}'
            ),
            lambda: f'"{piece}" {right or body}{end}',
            lambda: f'{left} "{piece}" {right}{end}',
            lambda: f"{left} '{piece}' {right}{end}",
            lambda: f'{lx.first_name(rng)} {rng.choice(["said", "asked", "wrote"])}: "{said}"',
            lambda: " ".join(
                rng.choice(SHORT) + rng.choice(".!?.") for _ in range(rng.randint(2, 4))
            ),
            lambda: f"{rng.choice(SHORT)}. {text} {rng.choice(SHORT)}.",
            lambda: f"{text} {rng.choice(SHORT)}{rng.choice('.!?')}",
            lambda: f"{body} / {piece}",
            lambda: f"{body} [{piece}]{end}",
            lambda: f"{body} {rng.choice(EMOJI)}{rng.choice(['', end, ' ' + piece])}",
            lambda: f"{body} & {piece} - {lx.code(rng, 2, 5)}{end}",
            lambda: f"#{rng.randint(1, 9999)} {text}",
            lambda: f"{body} @ {piece} ({rng.randint(2, 99)}%)",
        ]
    )()


PAIRED = [
    ("(", ")"),
    ("(", ")"),
    ('"', '"'),
    ('"', '"'),
    ("'", "'"),
    ("[", "]"),
    ("“", "”"),
    ("‘", "’"),
    ("<", ">"),
    ("{", "}"),
    ("*", "*"),
    ("**", "**"),
    ("`", "`"),
    ("- ", " -"),
    ("– ", " –"),
    ("«", "»"),
]


def punctuated(rng: random.Random) -> str:
    """Any words with brackets and quotation marks around any of them, also within each other."""
    text = rng.choice([english, english, several, lambda r: salad(r, 4, 12)])(rng)
    words = text.split(" ")
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        left, right = rng.choice(PAIRED)
        first = rng.randrange(len(words))
        last = min(len(words) - 1, first + rng.choice([0, 0, 1, 1, 2, 3, 5]))
        words[first] = left + words[first]
        end = words[last]
        inside = end[-1] in ".,;:!?" and rng.random() < 0.6
        words[last] = end[:-1] + right + end[-1] if inside and len(end) > 1 else end + right
    if rng.random() < 0.2:
        at = rng.randrange(len(words))
        words.insert(
            at, rng.choice(["&", "/", "=", "+", "->", "...", "|", "~", "@", "#", "%", "^"])
        )
    return " ".join(words)


def spoken(rng: random.Random) -> str:
    """Who says what, with the marks of speech in every place where they may stand."""
    said, name = english(rng), rng.choice([lx.first_name(rng), "she", "he", "the " + lx.noun(rng)])
    verb = rng.choice(
        "said,asked,replied,wrote,shouted,thought,whispered,repeated,added".split(",")
    )
    words = said[:-1].split(" ")
    cut = rng.randint(1, max(1, len(words) - 1))
    one, two = " ".join(words[:cut]), " ".join(words[cut:])
    left, right = rng.choice([('"', '"')] * 4 + [("'", "'"), ("“", "”")])
    end = said[-1]
    return rng.choice(
        [
            lambda: f"{left}{said}{right} {verb} {name}.",
            lambda: (
                f"{left}{said[:-1]},{right} {name} {verb}{rng.choice(['.', ', and ' + english(rng)])}"
            ),
            lambda: f"{left}{one},{right} {verb} {name}, {left}{two}{end}{right}",
            lambda: f"{name[0].upper()}{name[1:]} {verb}: {left}{said}{right}",
            lambda: f"{name[0].upper()}{name[1:]} {verb}, {left}{said}{right} {english(rng)}",
            lambda: (
                f"{name[0].upper()}{name[1:]} {verb} that {left}{two or one}{right} was {left}{lx.words(rng, 1, 2)}{right}{end}"
            ),
            lambda: f"{left}{said}{right} - {left}{english(rng)}{right}",
        ]
    )()


def zh_ornate(rng: random.Random) -> str:
    text = chinese(rng)
    body = text.rstrip("。！？…")
    cut = rng.randint(1, max(1, len(body) - 1))
    noun, number = rng.choice(lx.chinese("noun")), rng.randint(2, 999)
    name = lx.zh_name(rng)
    return rng.choice(
        [
            lambda: f"{body}（{noun}）。",
            lambda: f"{name}[说|问|写道]：“{text}”".replace(
                "[说|问|写道]", rng.choice(["说", "问", "写道"])
            ),
            lambda: f"“{text}”{name}说。",
            lambda: f"{body}，{chinese(rng)}",
            lambda: f"{body}和{number}[只|个|本]{noun}。".replace(
                "[只|个|本]", rng.choice("只个本")
            ),
            lambda: f"{body[:cut]}“{noun}”{body[cut:]}。",
            lambda: f"{body[:cut]}《{noun}》{body[cut:]}！",
            lambda: (
                f"{text}{rng.choice(['谢谢！', '好吗？', '请重复。', '然后停止。', '就这样。', '对吧？'])}"
            ),
            lambda: f"{text}{lx.code(rng)}",
            lambda: f"{body}——{noun}。",
            lambda: f"{body}：{number}、{noun}、{number}。",
            lambda: f"{text} {english(rng)}",
            lambda: f"{body}{rng.choice(EMOJI)}",
            lambda: f"{name}，{body}；{noun}也是。",
        ]
    )()


def address(rng: random.Random) -> str:
    """A web address with everything that may stand in one."""
    host = f"{rng.choice(['', 'www.', 'api.', 'docs.'])}{lx.pseudo_word(rng)}.{rng.choice(['com', 'org', 'io', 'dev', 'cn', 'net'])}"
    path = "/".join(
        rng.choice([lx.word(rng).lower(), lx.code(rng, 2, 5)]) for _ in range(rng.randint(0, 3))
    )
    query = "&".join(
        f"{lx.word(rng).lower()}={rng.choice([lx.code(rng, 2, 5), str(rng.randint(0, 9999)), lx.word(rng).lower()])}"
        for _ in range(rng.randint(0, 3))
    )
    return (
        f"{rng.choice(['https://', 'http://', 'https://', ''])}{host}{rng.choice(['', ':8080'])}/{path}"
        + (f"?{query}" if query else "")
        + rng.choice(["", "", f"#{lx.word(rng).lower()}"])
    )


def several(rng: random.Random) -> str:
    """Two or three sentences, or lines."""
    parts = [english(rng) for _ in range(rng.choice([2, 2, 3]))]
    return rng.choice([" ", " ", " ", "\n"]).join(parts)


def lists(rng: random.Random) -> str:
    items = [lx.words(rng, 1, 2) for _ in range(rng.randint(2, 5))]
    style = rng.random()
    if style < 0.4:
        return ", ".join(items)
    if style < 0.6:
        return "\n".join(f"- {i}" for i in items)
    if style < 0.75:
        return "\n".join(f"{k}. {i}" for k, i in enumerate(items, 1))
    return rng.choice([" | ", "; ", " / ", " -> ", "\n"]).join(items)
