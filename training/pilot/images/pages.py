"""Printed pages: lines of random content in a random face, and where each character stands."""

import math
import random
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .. import lexicon as lx
from ..phrase import choose, loosen
from ..tasks import common, params
from . import fonts

LOOKALIKES = set("0OoQ1lI|5S8B2Z'`,.;:")
CLEAR = "ACDEFGHJKLMNPRTUVWXY34679"


@dataclass
class Page:
    """Ink from 0 to 255, the lines, and the middle of every printed character."""

    ink: Image.Image
    lines: list[str]
    glyphs: list[tuple[str, float, float]] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True)
class Look:
    """What a page may look like: bounds for the measurements, the whole range in training."""

    folder: str
    held: bool = False
    chinese: float = 0.3
    sizes: tuple[int, int] = (11, 48)
    max_lines: int = 14
    max_characters: int = 400
    plain: bool = False  # no look-alike glyphs, no rotation
    rotate: float = 0.35


@lru_cache(maxsize=1500)
def _advances(path: Path, size: int) -> dict[str, float]:
    return {}


def _width(font: ImageFont.FreeTypeFont, known: dict[str, float], text: str) -> float:
    total = 0.0
    for c in text:
        if c not in known:
            known[c] = font.getlength(c)
        total += known[c]
    return total


def _clear_code(rng: random.Random) -> str:
    return "".join(rng.choices(CLEAR, k=rng.randint(4, 10)))


def chunk(rng: random.Random, plain: bool) -> str:
    """A word, a number, a code or the like: what lines are made of."""
    roll = rng.random()
    if roll < 0.42:
        return choose(rng, lx.word(rng)) if rng.random() < 0.7 else lx.word(rng).capitalize()
    if roll < 0.52:
        return lx.pseudo_word(rng) if rng.random() < 0.5 else lx.pseudo_word(rng).capitalize()
    if roll < 0.58:
        return lx.word(rng).upper()
    if roll < 0.66:
        return str(lx.amount(rng)) + rng.choice(["", "", "%", " EUR", "€", " kg"])
    if roll < 0.76:
        return _clear_code(rng) if plain or rng.random() < 0.5 else lx.code(rng, 3, 10)
    if roll < 0.81:
        return rng.choice([lx.iso_date(rng), lx.clock(rng), lx.date(rng), f"${lx.amount(rng)}"])
    if roll < 0.84:
        return rng.choice([lx.email(rng), lx.phone(rng), lx.file_path(rng)])
    if roll < 0.9:
        return rng.choice(
            [
                lx.word(rng) + rng.choice(",.;:!?"),
                f"({lx.word(rng)})",
                f'"{lx.word(rng)}"',
                f"{lx.word(rng)}-{lx.word(rng)}",
                f"{lx.word(rng)}/{lx.word(rng)}",
                "&",
                "+",
                "=",
                f"#{rng.randint(1, 999)}",
                f"{lx.word(rng)}_{lx.word(rng)}",
                f"[{lx.word(rng)}]",
            ]
        )
    if plain:
        return lx.word(rng)
    return "".join(rng.choices(fonts.LATIN[1:95], k=rng.randint(2, 8)))


def _latin_line(rng: random.Random, plain: bool) -> str:
    roll = rng.random()
    if roll < 0.12:
        return f"{lx.word(rng).capitalize()}: {chunk(rng, plain)}"
    if roll < 0.24:
        return common.filler(rng)
    if roll < 0.3:
        return params.sentence(rng) + rng.choice(["", ".", "!"])
    return " ".join(chunk(rng, plain) for _ in range(rng.choice([1, 2, 3, 4, 6, 9])))


def _chinese_line(rng: random.Random, allowed: frozenset[str]) -> str:
    roll = rng.random()
    if roll < 0.5:
        text = lx.zh_chars(rng, 1, 18)
    elif roll < 0.8:
        text = "".join(
            rng.choice([lx.zh_phrase(rng), common.zh_filler(rng), lx.zh_name(rng)])
            for _ in range(rng.randint(1, 3))
        )
    elif roll < 0.9:
        text = f"{rng.choice(lx.chinese('noun'))}：{rng.choice([lx.zh_chars(rng, 2, 6), str(lx.amount(rng))])}"
    else:
        text = (
            lx.zh_chars(rng, 2, 6)
            + rng.choice([lx.code(rng, 3, 8), str(rng.randint(1, 9999))])
            + lx.zh_chars(rng, 1, 4)
        )
    return "".join(c for c in text if c in allowed)


def _cut(text: str, font: ImageFont.FreeTypeFont, known: dict[str, float], room: float) -> str:
    """As much of a line as fits: whole words where there are any."""
    if _width(font, known, text) <= room:
        return text
    words = text.split(" ")
    while len(words) > 1 and _width(font, known, " ".join(words)) > room:
        words.pop()
    text = " ".join(words)
    while text and _width(font, known, text) > room:
        text = text[:-1]
    return text.strip()


def _size(rng: random.Random, look: Look, height: int) -> int:
    low, high = look.sizes
    high = max(low, min(high, int(height * 0.75)))
    return int(round(math.exp(rng.uniform(math.log(low), math.log(high + 0.49)))))


def page(rng: random.Random, look: Look, width: int, height: int) -> Page:
    chinese = rng.random() < look.chinese
    face = rng.choice(fonts.faces(look.folder, look.held, chinese))
    stretch = rng.random() < 0.35 and not look.plain
    wide, high = (
        (round(width * rng.uniform(0.9, 1.1)), round(height * rng.uniform(0.9, 1.1)))
        if stretch
        else (width, height)
    )
    size = _size(rng, look, high)
    if chinese:
        size = max(size, 13)
    font, known = fonts.load(face.path, size), _advances(face.path, size)
    allowed = fonts.coverage(face.path)
    ascent, descent = font.getmetrics()
    step = (ascent + descent) * rng.uniform(1.0, 1.5)
    left = rng.uniform(2, max(3, min(size * 1.2, wide * 0.15)))
    fits = max(1, int((high - 2) // step))
    count = (
        1
        if fits == 1
        else rng.randint(max(1, fits // 2), fits)
        if rng.random() < 0.6
        else rng.randint(1, fits)
    )
    count = min(count, look.max_lines)
    top = rng.uniform(0, max(0.0, high - count * step))
    canvas = Image.new("L", (wide, high), 0)
    pen = ImageDraw.Draw(canvas)
    made = Page(canvas, [], [], size)
    align = rng.choice(["left"] * 6 + ["center", "right"])
    budget = look.max_characters
    for row in range(count):
        raw = (
            _chinese_line(rng, allowed)
            if chinese and rng.random() < 0.85
            else _latin_line(rng, look.plain)
        )
        raw = "".join(c for c in raw if c == " " or c in allowed)  # no boxes for what it lacks
        if look.plain:
            raw = "".join(c for c in raw if c not in "0O1lI|")
        text = _cut(" ".join(raw.split()), font, known, wide - 2 * left)[:budget].strip()
        if not text:
            continue
        span = _width(font, known, text)
        x = (
            left
            if align == "left"
            else (wide - span) / 2
            if align == "center"
            else wide - left - span
        )
        y = top + row * step
        pen.text((x, y), text, fill=255, font=font)
        made.lines.append(text)
        at = x
        for c in text:
            if c != " ":
                made.glyphs.append((c, at + known[c] / 2, y + ascent * 0.6))
            at += known[c]
        budget -= len(text) + 1
        if budget < 2:
            break
    if not made.lines:
        return page(rng, look, width, height)
    _turn(rng, made, look)
    if stretch:
        made.ink = made.ink.resize((width, height), Image.Resampling.BICUBIC)
        made.glyphs = [(c, x * width / wide, y * height / high) for c, x, y in made.glyphs]
    if not look.plain and rng.random() < 0.3:
        _decorate(rng, made)
    return made


def _decorate(rng: random.Random, made: Page) -> None:
    """A frame, rules or the screws of a plate around the print: none of it is to be read."""
    box = made.ink.getbbox()
    wide, high = made.ink.size
    if box is None:
        return
    left, top, right, bottom = box
    pen = ImageDraw.Draw(made.ink)
    line = rng.choice([1, 1, 2, 2, 3, 4])
    room = min(left, top, wide - right, high - bottom) - line - 3
    kind = rng.choice(["frame", "frame", "round", "double", "screws", "rules"])
    if kind == "rules" or room < 1:
        x = rng.uniform(0, wide * 0.1)
        if top > line + 4:
            y = rng.uniform(line, top - 4)
            pen.line((x, y, wide - x, y), fill=255, width=line)
        if high - bottom > line + 4:
            y = rng.uniform(bottom + 3, high - line)
            pen.line((x, y, wide - x, y), fill=255, width=line)
        return
    gap = rng.uniform(1, room)
    edge = (left - gap - line, top - gap - line, right + gap + line, bottom + gap + line)
    if kind == "round":
        pen.rounded_rectangle(edge, radius=rng.uniform(2, 14), outline=255, width=line)
    else:
        pen.rectangle(edge, outline=255, width=line)
    inner = 2 * line + 2
    if kind == "double" and gap > inner + 1:
        x0, y0, x1, y1 = edge
        pen.rectangle((x0 + inner, y0 + inner, x1 - inner, y1 - inner), outline=255, width=1)
    if kind == "screws":
        r = rng.uniform(1.5, 4)
        x0, y0, x1, y1 = edge
        if gap > 2 * r + line + 3:
            for x in (x0 + r + line + 1, x1 - r - line - 1):
                for y in (y0 + r + line + 1, y1 - r - line - 1):
                    pen.ellipse((x - r, y - r, x + r, y + r), outline=255, width=1)


def _turn(rng: random.Random, made: Page, look: Look) -> None:
    if rng.random() >= look.rotate:
        return
    angle = rng.uniform(-2.2, 2.2)
    wide, high = made.ink.size
    radians = math.radians(angle)
    cos, sin = math.cos(radians), math.sin(radians)
    turned = [
        (
            c,
            (x - wide / 2) * cos + (y - high / 2) * sin + wide / 2,
            -(x - wide / 2) * sin + (y - high / 2) * cos + high / 2,
        )
        for c, x, y in made.glyphs
    ]
    if any(not (2 < x < wide - 2 and 5 < y < high - 5) for _, x, y in turned):
        return
    edge = max(5, made.size * 0.45)
    if any(
        not (edge * 0.6 < x < wide - edge * 0.6 and edge < y < high - edge) for _, x, y in turned
    ):
        return
    made.ink = made.ink.rotate(angle, Image.Resampling.BICUBIC, fillcolor=0)
    made.glyphs = turned


READ = [
    line
    for line in """
[Read|Transcribe|Copy|Write down|Type out|Extract|Print|Output] [the|all|all the] [text|words|writing|lines][ in| of| from| on] [the|this] [image|picture|photo|page|scan|document][.|]
What [does the [image|picture|sign|page] say|is written [here|in the image|in this picture|on it]|text is in the [image|picture]|do you read|is the text]?
[Read|Transcribe] [this|it|the image|the picture][.||, please.| for me.]
[OCR|OCR this|OCR please|Text?|Transcription:|Please OCR this image.|Do OCR on this picture.]
[Give me|Return|I need|Show me] the [text|content|words|writing] [of|in|from] [the|this] [image|picture|scan][.|, nothing else.| only.]
[Can|Could] you [read|transcribe] [this|the text|the image|what is written][?| for me?| please?]
[Reply|Answer] with [only |exactly |][the text|what is written|the words] [in|on] the [image|picture][.|]
[图中|图片里|图上|这张图片][写了|的文字是|写着|的内容是][什么|什么文字|哪些字|什么字]？
[请|][读出|识别|转写|提取|抄写|输出][图中|图片中|图片里|这张图片]的[文字|所有文字|内容|字]。
[图里|上面]写的是什么？
What [is|was|stands|has been] [printed|written|typed|set|to be read|spelled out|shown as text|noted] [on it|on this page|in the [image|picture|scan]|on the [sign|note|card|sheet|page]|there][?|, exactly?|, word for word?]
[Which|What] [words|lines|letters|text|writing|characters] [are|is|can be read|do I see|do you find|did I photograph|stand] [there|on it|in the [image|picture]|on the [page|sheet|sign]|on this]?
[Tell me|Say|Spell out|Let me know|I want to know|Write out|Note down|Put down|Recite|Type up|Type in|Report] [what is [printed|written] [there|on it|in it]|what it says|what stands there|the words on it|the text on it|what you [read|can read]|the whole text|every line|all that is written].
[Turn|Convert|Change] [the|this] [image|picture|scan|page|screenshot] [in|]to text[.|, please.|, line by line.]
[I can't read [it|this|that]|My eyes are bad|I have no glasses|I need this as text|For my notes|For the archive]: [what does it say?|what is the text?|please read it to me.|read it aloud.|type it out.]
[Text|Words|Writing|Lines|Contents|Wording|Inscription|Caption] [of|on|in] [this|the] [image|picture|page|sign|scan|label][?|, please.|:|.]
[Read|Transcribe|Write down|Type] [everything|all of it|all lines|line by line|the whole page|from top to bottom|it word for word|it exactly][.| and nothing else.|, keep the lines.]
[And|So|Well|Now|Hello], [what does it say|what do you read|what is written|what's the text|what's on it|what's there to read][?| here?| in the picture?]
[What's|What is] [on|in] [this|the] [page|sheet|label|note|sign|screenshot|scan|paper][?|, as text?|, in words?]
[逐字|逐行|完整地|准确地|][读|念|抄|打|写][出|下][来|][图里|这张图|画面上|纸上][的字|的每一行|所有的字|的全部文字]。
[这上面|纸上|画面里|这一页|截图里|牌子上]印[着|了|的是][什么|哪些字|什么内容]？
[我看不清|帮我看看|请看]，[上面|图里|这里]是什么字？
[把|将][图里|图片中|这一页]的[字|内容|文字][打|写|念|转成文字发]给我。
""".strip().splitlines()
]


def ask(rng: random.Random, made: Page) -> tuple[str, str]:
    """A question about a page, and its answer."""
    roll = rng.random()
    text = "\n".join(made.lines)
    if roll < 0.06 and len(made.lines) > 1:
        which = rng.choice([("first", 0), ("last", -1), ("second", 1), ("first", 0)])
        asked = choose(
            rng,
            f"[What is|Read|Give me|Write] the {which[0]} line[| of the text| in the image][.|]",
        )
        return asked, made.lines[which[1]]
    if roll < 0.09 and len(made.lines) > 1:
        n = rng.randint(1, min(len(made.lines), 6))
        return choose(rng, f"[Read|What is in|Write] line {n}[.|]"), made.lines[n - 1]
    keyed = [line.split(": ", 1) for line in made.lines if line.count(": ") == 1]
    if roll < 0.14 and keyed and keyed[0][1]:
        key, value = rng.choice(keyed)
        return choose(
            rng,
            f"[What is the {key.lower()}?|What does it say after {key}?|What is the value of {key}?|{key}?]",
        ), value
    asked = choose(rng, rng.choice(READ))
    return (loosen(rng, asked, lx.all_words(), 0.15) if rng.random() < 0.2 else asked), text
