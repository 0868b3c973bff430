"""Ways to ask for a text word for word, put together from parts, so that no single phrase matters."""

import random
from functools import cache

from .. import lexicon as lx
from ..phrase import loosen
from . import params, prose


@cache
def _parts(language: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (lx.DATA / f"echo_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            current = found.setdefault(line[3:], [])
        elif line:
            current.append(line)
    return found


QUOTES = (
    [('"', '"')] * 5 + [("'", "'")] * 2 + [("`", "`")] * 2 + [("“", "”"), ("‘", "’"), ("«", "»")]
)
ZH_QUOTES = (
    [("“", "”")] * 4
    + [('"', '"')] * 2
    + [("「", "」"), ("『", "』"), ("《", "》"), ("'", "'"), ("`", "`")]
)
FENCES = [
    ("```\n", "\n```"),
    ("```text\n", "\n```"),
    ('"""\n', '\n"""'),
    ("<text>", "</text>"),
    ("<text>\n", "\n</text>"),
    ("<message>", "</message>"),
    ("<input>\n", "\n</input>"),
    ("---\n", "\n---"),
    ("###\n", "\n###"),
]
BEFORE = "the word,the text,the code,the string,the phrase,the sentence,the token,the line,the message,this:,the words".split(
    ","
)


def shape(text: str) -> str:
    """A token, a phrase without marks at its end, a line, or a block: what it can stand beside."""
    if "\n" in text:
        return "block"
    if text[-1] in ".,;:!?…。！？，、：；" or text[0] in "\"'`“‘" or ": " in text:
        return "line"
    if " " not in text and (text.isascii() or len(text) < 9):
        return "token"
    plain = all(c.isalnum() or c in " -'" for c in text)
    return "phrase" if plain and (text.count(" ") < 5 and len(text) < 40) else "line"


def _quoted(rng: random.Random, text: str, chinese: bool) -> str | None:
    for _ in range(6):
        left, right = rng.choice(ZH_QUOTES if chinese else QUOTES)
        if left not in text and right not in text:
            return left + text + right
    return None


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _pre(rng: random.Random, parts: dict[str, list[str]]) -> str:
    roll = rng.random()
    if roll < 0.45:
        return ""
    if roll < 0.9:
        return rng.choice(parts["pre"]).replace("{n}", str(rng.randint(1, 99)))
    return prose.english(rng)


def _order(rng: random.Random, parts: dict[str, list[str]]) -> str:
    """Everything before the colon."""
    roll = rng.random()
    if roll < 0.42:
        out = rng.choice(parts["verb"])
        if rng.random() < 0.8:
            adverb = rng.choice(parts["adverb"])
            thing = rng.choice(parts["object"])
            out += rng.choice(
                [f" {thing}", f" {thing} {adverb}", f" {adverb} {thing}", f" {adverb}"]
            )
    elif roll < 0.72:
        out = rng.choice(parts["with"])
        out += rng.choice(
            [
                "",
                " exactly",
                " only",
                " just",
                " exactly this",
                " the following",
                " " + rng.choice(parts["object"]),
            ]
        )
    else:
        out = rng.choice(parts["is"])
    if rng.random() < 0.28:
        out += rng.choice([" ", ", "]) + rng.choice(parts["tail"])
    return out


def _salted(rng: random.Random, text: str) -> str:
    return loosen(rng, text, lx.all_words(), 0.25)


BEGS = "Could you,Can you,Would you,Will you,Might you,Won't you,Could I have you,Can I ask you to,Would you please,Could you please,Is it possible to,May I ask you to".split(
    ","
)
ANSWERS = "your answer,your reply,your response,your next turn,your next line,the whole answer,your output,the next thing you say,your message,what you send,the reply".split(
    ","
)
READS = "be,read,say,contain,consist of,be only,be just,simply be,simply say,only read,show,hold,be nothing but,state,equal".split(
    ","
)


def _question(rng: random.Random, parts: dict[str, list[str]], shown: str) -> str:
    """A question that wants the text: its mark belongs to the question, not to the text."""
    adverb = rng.choice(["", "", rng.choice(parts["adverb"]) + " "])
    if rng.random() < 0.5:
        out = f"{rng.choice(BEGS)} {adverb}{rng.choice(parts['verb'])} {shown}"
    else:
        word = rng.choice(["Could", "Can", "Would", "Will", "May", "Might", "Should", "Must"])
        out = f"{word} {rng.choice(ANSWERS)} {adverb}{rng.choice(READS)} {shown}"
    end = rng.choice(["", "", "", f" {rng.choice(parts['end'])}", f", {rng.choice(parts['tail'])}"])
    return out + end.replace(" ,", ",").replace(" ?", "").rstrip("?") + "?"


def english(rng: random.Random, text: str) -> str:
    parts, kind = _parts("en"), shape(text)
    pre = _pre(rng, parts)
    lead = (pre + " ") if pre else ""
    quoted = _quoted(rng, text, False) if rng.random() < 0.4 else None
    free = quoted is not None or kind in ("token", "phrase")
    if free and kind != "block" and text[-1] != "?" and rng.random() < 0.07:
        return lead + _salted(rng, _question(rng, parts, "\0")).replace("\0", quoted or text)
    roll = rng.random()
    tail = _cap(rng.choice(parts["tail"])) + "."
    if kind == "block" or roll < 0.07:
        left, right = rng.choice(FENCES)
        if left.strip() and left.strip() in text:
            left = right = ""
        body = f"{left}{text}{right}" if rng.random() < 0.75 else text
        if rng.random() < 0.25:
            after = _cap(rng.choice(parts["after"]).lstrip(" ,.?-<("))
            return f"{body}\n\n{after}"
        return (
            _cap(_salted(rng, lead + _order(rng, parts)))
            + rng.choice([":\n", ":\n\n", "\n\n", ":\n"])
            + body
        )
    shown = quoted or text
    if roll < 0.40:
        order = _cap(_salted(rng, lead + _order(rng, parts)))
        if rng.random() < 0.15:
            order = f"{tail} {order}"
        out = (
            order
            + rng.choice(
                [": ", ": ", ": ", ":\n", ":", " - ", ":\n\n"]
                if kind != "line" or quoted
                else [": ", ": ", ":\n", ":\n\n"]
            )
            + shown
        )
        return (
            out + rng.choice(["", "", ".", f". {tail}", f"\n{tail}", f" ({tail.lower()[:-1]})"])
            if free
            else out
        )
    if roll < 0.68 and free:
        head = rng.choice(parts["with"] if rng.random() < 0.5 else parts["verb"])
        head += rng.choice(
            [
                "",
                "",
                " " + rng.choice(parts["adverb"][:8]),
                " " + rng.choice(BEFORE),
                " only",
                " just",
                " exactly",
            ]
        )
        end = rng.choice(
            [
                "",
                "",
                " " + rng.choice(parts["end"]),
                rng.choice([", ", " "]) + rng.choice(parts["tail"]),
            ]
        )
        end = end.replace(" ,", ",").replace(" ?", "?")
        return (
            _cap(_salted(rng, lead + head))
            + " "
            + shown
            + end
            + rng.choice(["", ".", ".", "!", "?"] if end else ["", ".", ""])
        )
    if roll < 0.82 and (free or rng.random() < 0.5):
        order = rng.choice(parts["is"])
        joint = rng.choice([" ", ": ", ": ", ":\n"]) if free else rng.choice([": ", ":\n"])
        end = rng.choice(["", "", ".", f". {tail}", ", " + tail.lower()]) if free else ""
        return _cap(_salted(rng, lead + order)) + joint + shown + end
    if roll < 0.92:
        after = rng.choice(parts["after"])
        if not free:
            after = _cap(after.lstrip(" ,.?-<("))
            return f"{text}{rng.choice([chr(10), chr(10) * 2])}{after}"
        return shown + ("" if after[0] in ",.?" else " ") + after
    parrot = (
        rng.choice(parts["parrot"])
        if rng.random() < 0.7
        else f"{rng.choice(parts['parrot'])} {_cap(_order(rng, parts))}:"
    )
    joint = (
        rng.choice(["\n", " ", " "])
        if parrot[-1] == ":"
        else rng.choice([": ", "\n", " I say: ", " Line {}: ".format(rng.randint(1, 9))])
    )
    return (
        lead
        + (parrot if parrot[-1] == ":" or joint[0] != ":" else parrot.rstrip("."))
        + joint
        + shown
    )


def chinese(rng: random.Random, text: str) -> str:
    parts, kind = _parts("zh"), shape(text)
    pre = ""
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
        pre += rng.choice(parts["pre"]).replace("{n}", str(rng.randint(1, 99)))
    quoted = _quoted(rng, text, True) if rng.random() < 0.35 else None
    shown = quoted or text
    free = quoted is not None or kind in ("token", "phrase")
    roll = rng.random()
    only = rng.choice(parts["only"]) if rng.random() < 0.6 else ""
    verb, thing = rng.choice(parts["verb"]), rng.choice(parts["object"])
    tail = rng.choice(parts["tail"]) if rng.random() < 0.35 else ""
    if roll < 0.36 or kind == "block":
        form = rng.choice(
            [
                "{o}{v}{t}",
                "{o}{v}{t}{x}",
                "{o}{v}{x}{t}",
                "把{x}{o}{v}{t}",
                "将{x}{o}{v}{t}",
                "{v}{t}",
                "{x}，{o}{v}",
            ]
        )
        form = (
            form.replace("{o}", only)
            .replace("{v}", verb)
            .replace("{t}", tail)
            .replace("{x}", thing)
        )
        body = shown
        if kind == "block" or rng.random() < 0.06:
            left, right = rng.choice(FENCES[:7])
            body = f"{left}{text}{right}"
        return (
            _thin(rng, pre + form)
            + rng.choice(["：", "：", "：", ":", ": ", "：\n", "：\n\n"])
            + body
        )
    if roll < 0.62:
        end = tail if free else ""
        return (
            _thin(rng, pre + only + verb)
            + ("" if free and rng.random() < 0.75 else "：")
            + shown
            + end
            + rng.choice(["", "", "。"] if free else [""])
        )
    if roll < 0.78:
        order = rng.choice(parts["is"])
        return (
            _thin(rng, pre + order)
            + ("" if free and rng.random() < 0.5 and order[-1] != "：" else "：").replace(
                "：：", "："
            )
            + shown
            + (tail if free else "")
        )
    if roll < 0.9:
        after = rng.choice(parts["after"])
        if not free:
            return f"{text}{rng.choice(['', chr(10)])}{after.lstrip('，。')}"
        return shown + after
    parrot = rng.choice(parts["parrot"])
    joint = (
        ""
        if parrot[-1] == "："
        else rng.choice(["", f"{rng.choice(['我说', '我念', '内容', '来'])}：", "\n"])
    )
    return pre + parrot + joint + shown


def _thin(rng: random.Random, text: str) -> str:
    """Now and then a character is missing or another: what stays has to be enough."""
    if rng.random() < 0.85:
        return text
    return "".join(
        rng.choice([c, c, "", rng.choice(lx.hanzi())]) if rng.random() < 0.12 else c for c in text
    )


def sentence(rng: random.Random) -> str:
    return (
        prose.english(rng)
        if rng.random() < 0.8
        else params.sentence(rng) + rng.choice([".", "!", ""])
    )
