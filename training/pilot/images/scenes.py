"""Drawn scenes and bar charts, with questions whose answers are known."""

import colorsys
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .. import lexicon as lx
from ..phrase import choose
from . import fonts

COLORS = {
    "red": (0.0, 0.85, 0.85),
    "green": (0.34, 0.8, 0.62),
    "blue": (0.62, 0.82, 0.85),
    "yellow": (0.15, 0.85, 0.95),
    "orange": (0.085, 0.9, 0.95),
    "purple": (0.78, 0.7, 0.6),
    "pink": (0.93, 0.38, 0.97),
    "brown": (0.07, 0.7, 0.45),
    "black": (0.0, 0.0, 0.06),
    "white": (0.0, 0.0, 1.0),
    "gray": (0.0, 0.0, 0.55),
    "cyan": (0.5, 0.75, 0.9),
}
SHAPES = [
    "circle",
    "square",
    "triangle",
    "rectangle",
    "star",
    "diamond",
    "pentagon",
    "hexagon",
    "ellipse",
    "cross",
    "ring",
    "heart",
    "arrow",
]
PLACES = [
    ["at the top left", "at the top", "at the top right"],
    ["on the left", "in the center", "on the right"],
    ["at the bottom left", "at the bottom", "at the bottom right"],
]
ZH_SHAPES = {
    "circle": "圆形",
    "square": "正方形",
    "triangle": "三角形",
    "rectangle": "长方形",
    "star": "星形",
}
ZH_COLORS = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "black": "黑色",
    "white": "白色",
}
OPEN, CLOSE = "\x01", "\x02"  # around text that is read off the picture, and so spelled
FINE = 2  # drawn this much larger, then reduced, for smooth edges


@dataclass(frozen=True)
class Item:
    color: str
    shape: str
    row: int
    column: int

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"

    @property
    def place(self) -> str:
        return PLACES[self.row][self.column]


def rgb(rng: random.Random, color: str) -> tuple[int, int, int]:
    h, s, v = COLORS[color]
    h = (h + rng.uniform(-0.018, 0.018)) % 1
    s = min(1.0, max(0.0, s + (rng.uniform(-0.15, 0.15) if s else 0)))
    v = min(
        1.0,
        max(
            0.0,
            v + rng.uniform(-0.08, 0.15 if color in ("red", "blue", "green", "purple") else 0.05),
        ),
    )
    r, g, b = colorsys.hsv_to_rgb(h, s, v)
    return round(r * 255), round(g * 255), round(b * 255)


def a(name: str) -> str:
    return ("an " if name[0] in "aeio" else "a ") + name


def many(count: int, name: str) -> str:
    if count == 1:
        return a(name)
    tail = "es" if name.endswith("cross") else "s"
    return f"{count} {name}{tail}"


def _polygon(
    cx: float, cy: float, r: float, corners: int, turn: float
) -> list[tuple[float, float]]:
    return [
        (
            cx + r * math.cos(turn + 2 * math.pi * i / corners),
            cy + r * math.sin(turn + 2 * math.pi * i / corners),
        )
        for i in range(corners)
    ]


def draw_shape(
    pen: ImageDraw.ImageDraw, shape: str, cx: float, cy: float, r: float, fill: tuple[int, int, int]
) -> None:
    up = -math.pi / 2
    box = (cx - r, cy - r, cx + r, cy + r)
    if shape == "circle":
        pen.ellipse(box, fill=fill)
    elif shape == "ring":
        pen.ellipse(box, outline=fill, width=max(3, int(r * 0.32)))
    elif shape == "ellipse":
        pen.ellipse((cx - r, cy - r * 0.55, cx + r, cy + r * 0.55), fill=fill)
    elif shape == "square":
        pen.rectangle((cx - r * 0.86, cy - r * 0.86, cx + r * 0.86, cy + r * 0.86), fill=fill)
    elif shape == "rectangle":
        pen.rectangle((cx - r, cy - r * 0.5, cx + r, cy + r * 0.5), fill=fill)
    elif shape == "cross":
        pen.rectangle((cx - r, cy - r * 0.32, cx + r, cy + r * 0.32), fill=fill)
        pen.rectangle((cx - r * 0.32, cy - r, cx + r * 0.32, cy + r), fill=fill)
    elif shape == "heart":
        pen.ellipse((cx - r, cy - r * 0.9, cx + r * 0.06, cy + r * 0.15), fill=fill)
        pen.ellipse((cx - r * 0.06, cy - r * 0.9, cx + r, cy + r * 0.15), fill=fill)
        pen.polygon(
            [(cx - r * 0.94, cy - r * 0.15), (cx + r * 0.94, cy - r * 0.15), (cx, cy + r)],
            fill=fill,
        )
    elif shape == "arrow":
        pen.rectangle((cx - r, cy - r * 0.25, cx + r * 0.2, cy + r * 0.25), fill=fill)
        pen.polygon(
            [(cx + r * 0.1, cy - r * 0.7), (cx + r, cy), (cx + r * 0.1, cy + r * 0.7)], fill=fill
        )
    elif shape == "star":
        outer, inner = _polygon(cx, cy, r, 5, up), _polygon(cx, cy, r * 0.42, 5, up + math.pi / 5)
        pen.polygon([p for pair in zip(outer, inner, strict=True) for p in pair], fill=fill)
    else:
        corners = {"triangle": 3, "diamond": 4, "pentagon": 5, "hexagon": 6}[shape]
        points = _polygon(cx, cy, r, corners, up)
        if shape == "diamond":
            points = [(cx + (x - cx) * 0.75, y) for x, y in points]
        pen.polygon(points, fill=fill)


def scene(rng: random.Random, width: int, height: int) -> tuple[Image.Image, list[Item], str]:
    ground = rng.choice(["white"] * 5 + ["black", "gray", "yellow", "cyan"])
    canvas = Image.new("RGB", (width * FINE, height * FINE), rgb(rng, ground))
    pen = ImageDraw.Draw(canvas)
    palette = [
        c for c in COLORS if c != ground and not (ground == "gray" and c in ("brown", "purple"))
    ]
    cells = [(r, c) for r in range(3) for c in range(3)]
    items: list[Item] = []
    cw, ch = width * FINE / 3, height * FINE / 3
    same = rng.random() < 0.3
    shapes, colors = rng.sample(SHAPES, 2), rng.sample(palette, 2)
    count = rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9])
    for row, column in rng.sample(cells, count):
        shape = (
            rng.choice(shapes) if same else rng.choice(SHAPES[:5] if rng.random() < 0.5 else SHAPES)
        )
        color = rng.choice(colors if same else palette)
        r = min(cw, ch) * rng.uniform(0.25, 0.46)
        slack_x, slack_y = max(0.0, (cw / 2 - r) * 0.8), max(0.0, (ch / 2 - r) * 0.8)
        cx = (column + 0.5) * cw + rng.uniform(-slack_x, slack_x)
        cy = (row + 0.5) * ch + rng.uniform(-slack_y, slack_y)
        draw_shape(pen, shape, cx, cy, r, rgb(rng, color))
        items.append(Item(color, shape, row, column))
    items.sort(key=lambda i: (i.row, i.column))
    return canvas.resize((width, height), Image.Resampling.BOX), items, ground


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def describe(items: list[Item]) -> str:
    shown = _listed([f"{a(i.name)} {i.place}" for i in items])
    return f"The image shows {len(items)} shape{'s' if len(items) > 1 else ''}: {shown}."


def _tally(names: list[str]) -> list[str]:
    order = list(dict.fromkeys(names))
    return [many(names.count(n), n) for n in order]


ONE_OF = (
    "[[Reply|Answer|Respond] with one [word |][of these|of|out of]|[Choose|Pick] [one |][from|of|among]|"
    "[One|Any] of|Options|[Possible|Allowed] answers|The [answer|word] is one of|Only|Use [one of|only]]"
)
ONE_WORD = (
    "[[Reply|Answer|Respond] [with|in] [only |just |][one|a single] word|[One|A single] word|"
    "[Only|Just] the [word|answer]][.|, please.| only.| is enough.]"
)


def _among(rng: random.Random, asked: str, answer: str, others: list[str]) -> str:
    """The same question with the answers among which to choose: they are not to be repeated."""
    roll = rng.random()
    if roll < 0.35:
        return asked
    if roll < 0.55:
        return f"{asked} {choose(rng, ONE_WORD)}"
    offered = [one for one in others if one != answer]
    offered = [*rng.sample(offered, min(len(offered), rng.randint(1, 5))), answer]
    rng.shuffle(offered)
    last = rng.choice([" or ", " or ", ", ", ", or ", " / "])
    shown = ", ".join(offered[:-1]) + last + offered[-1]
    if roll < 0.8:
        head = choose(rng, ONE_OF)
        return f"{asked} {head}: {shown}{rng.choice(['', '.', '.'])}"
    if roll < 0.92:
        return f"{asked.rstrip('?')}{rng.choice([':', ',', ' -'])} {shown}?"
    return f"{rng.choice(['Is it ', 'What is it: ', ''])}{shown}? {asked}"


def ask_scene(rng: random.Random, items: list[Item], ground: str) -> tuple[str, str]:
    if len(items) == 1 and rng.random() < 0.4:
        kind = rng.choice(["color", "color", "shape"])
        if kind == "shape":
            asked = choose(rng, "[What|Which] [shape|figure|form] is [this|it|drawn here|shown]?")
            return _among(rng, asked, items[0].shape, list(SHAPES)), items[0].shape
        asked = choose(
            rng,
            "[What|Which] [color|colour] [is|has] [the [shape|figure|object|thing]|it|this]"
            "[| in the [picture|image]]?",
        )
        return _among(rng, asked, items[0].color, list(COLORS)), items[0].color
    asked, answer = _ask_scene(rng, items, ground)
    if answer in COLORS:
        asked = _among(rng, asked, answer, list(COLORS))
    elif answer in ("yes", "no"):
        asked = _among(rng, asked, answer, ["yes", "no"])
    return asked, answer


def _ask_scene(rng: random.Random, items: list[Item], ground: str) -> tuple[str, str]:
    names = [i.name for i in items]
    single = [i for i in items if names.count(i.name) == 1]
    by_shape = [i for i in items if [x.shape for x in items].count(i.shape) == 1]
    roll = rng.random()
    if roll < 0.29:
        return choose(
            rng,
            "[Describe|Explain] [the|this] [image|picture|scene|drawing][.|, please.| in a sentence.]|"
            "",
        ).split("|")[0] if rng.random() < 0.5 else choose(
            rng,
            "[What [do you see|is] [in|on] [the|this] [image|picture]?|What does the [image|picture] show?|"
            "[List|Name] [all |]the shapes [in the image |]and where they are.|What can you see?|"
            "What is drawn [here|in this picture]?|What's in this [image|picture]?|Say what [you see|is there|there is].|"
            "[Put|Express] [the image|the picture|this] in words.|Which [things|shapes|figures] [are drawn|did I draw|are to be seen]?|"
            "[I can't see it: what|What] [did I draw|was drawn|is to be seen]?|Your description of the [image|picture|drawing], please.]",
        ), describe(items)
    if roll < 0.45:
        return choose(
            rng,
            "[How many [shapes|objects|figures|things] are [there|in the image|shown|in the picture]?|"
            "[What is the|Tell me the|Give me the|I need the] number of [shapes|objects|figures|things]"
            "[ here| shown| in the picture| that you see|][.|, please.|?]|"
            "[Say|Work out|Find out] how many [shapes|objects|figures] [I drew|were drawn|you can see|it has].|"
            "How many [shapes|objects|figures|forms] [can you count|do you find|did I draw|does it show]?]",
        ), str(len(items))
    if roll < 0.56:
        target = (
            rng.choice(items)
            if rng.random() < 0.85
            else Item(rng.choice(list(COLORS)), rng.choice(SHAPES), 0, 0)
        )
        kind = rng.choice(["name", "shape", "color"])
        if kind == "name":
            return f"How many {many(2, target.name)[2:]} are there?", str(names.count(target.name))
        if kind == "shape":
            n = sum(i.shape == target.shape for i in items)
            return f"How many {many(2, target.shape)[2:]} [are there|do you see]?".replace(
                "[are there|do you see]", rng.choice(["are there", "do you see"])
            ), str(n)
        n = sum(i.color == target.color for i in items)
        return choose(
            rng, f"How many {target.color} [shapes|objects] are [there|in the image]?"
        ), str(n)
    if roll < 0.68 and by_shape:
        item = rng.choice(by_shape)
        return choose(rng, f"[What|Which] [color|colour] [is|has] the {item.shape}?"), item.color
    if roll < 0.80 and single:
        item = rng.choice(single)
        return choose(
            rng,
            f"[Where is the {item.name}?|Where do you see the {item.name}?|"
            f"In which [part|corner|position] [of the image |]is the {item.name}?]",
        ), item.place
    if roll < 0.88:
        item = rng.choice(items)
        return choose(
            rng, f"[What is|What shape is|Which shape is|What do you see] {item.place}?"
        ), a(item.name)
    if roll < 0.92:
        return choose(rng, "[What|Which] [color|colour] is the background?"), ground
    if roll < 0.96:
        known = rng.random() < 0.5
        target = (
            rng.choice(items).name if known else f"{rng.choice(list(COLORS))} {rng.choice(SHAPES)}"
        )
        return f"Is there {a(target)}?", "yes" if target in names else "no"
    return choose(rng, "[Which|What] shapes [are there|do you see|are in the image]?"), _listed(
        _tally(names)
    )


def _labels(rng: random.Random, count: int) -> list[str]:
    kind = rng.randint(0, 5)
    if kind == 0:
        return list("ABCDEFGH"[:count])
    if kind == 1:
        start = rng.randint(0, 12 - count)
        return [m[:3] for m in lx.MONTHS[start : start + count]]
    if kind == 2:
        start = rng.randint(1990, 2024)
        return [str(start + i) for i in range(count)]
    if kind == 3:
        return [f"Q{i + 1}" for i in range(count)] if count <= 4 else list("PQRSTUVW"[:count])
    pool = [
        w
        for w in (lx.english("city") if kind == 4 else lx.english("food") + lx.english("animal"))
        if len(w) <= 7
    ]
    picked = rng.sample(pool, count)
    return [w.capitalize() for w in picked] if rng.random() < 0.7 else picked


def chart(
    rng: random.Random, folder: str, width: int, height: int, held: bool = False
) -> tuple[Image.Image, str, list[tuple[str, int]]]:
    """A bar chart with its title (or none) and its labelled values."""
    count = rng.randint(2, 6)
    labels = _labels(rng, count)
    top = rng.choice([10, 20, 50, 100, 100, 500])
    values = rng.sample(range(max(1, top // 10), top + 1), min(count, top - top // 10))
    labels, count = labels[: len(values)], len(values)
    title = (
        ""
        if rng.random() < 0.25
        else " ".join(lx.word(rng).capitalize() for _ in range(rng.randint(1, 3)))
    )
    image = Image.new(
        "RGB", (width, height), rng.choice([(255, 255, 255), (250, 250, 245), (240, 244, 250)])
    )
    pen = ImageDraw.Draw(image)
    face = rng.choice(fonts.faces(folder, held, False))
    size = max(11, min(18, int(min(width / (count * 4.2), height / 14))))
    font, big = fonts.load(face.path, size), fonts.load(face.path, min(22, size + 3))
    ink = rng.choice([(0, 0, 0), (40, 40, 40), (20, 20, 80)])
    if title:
        pen.text(((width - big.getlength(title)) / 2, 3), title, fill=ink, font=big)
    head = (size + 12 if title else 4) + size + 6
    base = height - size - 12
    slot = (width - 16) / count
    one = rgb(rng, rng.choice([c for c in COLORS if c not in ("white", "black")]))
    colors = [c for c in COLORS if c != "white"]
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        x = 8 + slot * (i + 0.5)
        bar = (base - head) * value / max(values)
        half = slot * 0.33
        fill = (
            one
            if rng.random() < 0.01 or title and len(title) % 2
            else rgb(rng, colors[(i * 5 + len(title)) % len(colors)])
        )
        pen.rectangle((x - half, base - bar, x + half, base), fill=fill)
        pen.text((x - font.getlength(label) / 2, base + 3), label, fill=ink, font=font)
        number = str(value)
        pen.text(
            (x - font.getlength(number) / 2, base - bar - size - 4), number, fill=ink, font=font
        )
    pen.line((6, base, width - 6, base), fill=ink, width=1)
    return image, title, list(zip(labels, values, strict=True))


def spelled(text: object) -> str:
    return f"{OPEN}{text}{CLOSE}"


def ask_chart(rng: random.Random, title: str, bars: list[tuple[str, int]]) -> tuple[str, str]:
    highest, lowest = max(bars, key=lambda b: b[1]), min(bars, key=lambda b: b[1])
    roll = rng.random()
    if roll < 0.34:
        named = f" titled {spelled(title)}" if title else ""
        listed = spelled(", ".join(f"{label} {value}" for label, value in bars))
        asked = choose(
            rng,
            "[Describe|Explain|Summarize|Read] [the|this] [chart|image|diagram|picture|bar chart].",
        )
        if rng.random() < 0.5:
            asked = choose(
                rng,
                "[What does [this|the] [chart|image|picture] show?|What [do you see|is shown] [here|in the image]?|"
                "List the values [in|of] the chart.]",
            )
        return asked, (
            f"A bar chart{named} with {len(bars)} bars: {listed}. The highest is {spelled(highest[0])}, "
            f"the lowest is {spelled(lowest[0])}."
        )
    if roll < 0.62:
        label, value = rng.choice(bars)
        return choose(
            rng,
            f"[What is the value of {label}?|How [high|much|large] is {label}?|What value [does {label} have|has {label}]?|"
            f"Which number [stands above|belongs to] {label}?|[And |]{label}?|What [amount|figure|number] [is given|is shown|stands|is there] for {label}?|"
            f"[The|Its] [number|figure|value|amount|height] [of|for|at|above] {label}[, please.|?|.]|How many are there for {label}?|"
            f"[Read|Look up|Find|Tell me|Give me] the [number|value|figure] [of|for|above] {label}.|What did {label} [reach|get|score]?|"
            f"I [need|want] the [number|value|figure] [of|for] {label}.|{label} [has|is at|comes to|shows] [which|what] [number|value]?]",
        ), spelled(value)
    if roll < 0.74:
        return choose(
            rng, "[Which|What] [bar |label |category |]is the [highest|largest|tallest|biggest]?"
        ), spelled(highest[0])
    if roll < 0.84:
        return choose(
            rng, "[Which|What] [bar |label |category |]is the [lowest|smallest|shortest]?"
        ), spelled(lowest[0])
    if roll < 0.92 or not title:
        return choose(
            rng, "How many bars [are there|does the chart have|do you see|are shown]?"
        ), str(len(bars))
    return choose(rng, "What is the title[ of the chart|]?"), spelled(title)
