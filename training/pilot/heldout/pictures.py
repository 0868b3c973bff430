"""Held-out pictures: faces that training never sees, and scenes drawn in another way."""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ..images import pages, scenes

PURE = {
    "red": (220, 20, 30),
    "green": (20, 150, 40),
    "blue": (30, 60, 220),
    "yellow": (250, 220, 20),
    "orange": (255, 140, 0),
    "purple": (130, 30, 150),
    "black": (0, 0, 0),
    "pink": (255, 130, 180),
}
ASKS = [
    "What is printed here?",
    "Please type out the text you see.",
    "Read this to me.",
    "图片上有什么文字？",
]


@dataclass
class Picture:
    image: Image.Image
    question: str
    text: str = ""
    facts: list[str] = field(default_factory=list)


def worn(rng: random.Random, ink: Image.Image) -> Image.Image:
    """Colours, inversion, blur, noise and JPEG, made with other means than in training."""
    dark, light = rng.choice(
        [
            ((0, 0, 0), (255, 255, 255)),
            ((20, 30, 90), (250, 245, 230)),
            ((60, 0, 0), (230, 240, 255)),
            ((255, 255, 255), (0, 0, 0)),
            ((240, 240, 200), (30, 60, 40)),
        ]
    )
    image = Image.composite(
        Image.new("RGB", ink.size, dark), Image.new("RGB", ink.size, light), ink
    )
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    if rng.random() < 0.3:
        noise = np.random.default_rng(rng.randint(0, 10**9)).normal(
            0, rng.uniform(2, 12), (*ink.size[::-1], 3)
        )
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        held = io.BytesIO()
        image.save(held, "JPEG", quality=rng.randint(55, 92))
        image = Image.open(held).convert("RGB")
    return image


def _page(rng: random.Random, fonts: str, chinese: float, sizes: tuple[int, int]) -> Picture:
    look = pages.Look(
        fonts,
        held=True,
        chinese=chinese,
        sizes=sizes,
        max_lines=12,
        plain=True,
        rotate=0.4,
        max_characters=300,
    )
    wide, high = rng.choice([(640, 160), (400, 240), (512, 320), (320, 96), (610, 250)])
    made = pages.page(rng, look, wide, high)
    return Picture(worn(rng, made.ink), rng.choice(ASKS), "\n".join(made.lines))


def latin(rng: random.Random, fonts: str) -> Picture:
    return _page(rng, fonts, 0, (16, 48))


def small(rng: random.Random, fonts: str) -> Picture:
    return _page(rng, fonts, 0, (12, 15))


def chinese(rng: random.Random, fonts: str) -> Picture:
    return _page(rng, fonts, 1, (16, 48))


def scene(rng: random.Random, fonts: str) -> Picture:
    """One to four shapes anywhere; every colour with its shape is a fact."""
    if rng.random() < 0.3:
        image, title, bars = scenes.chart(rng, fonts, 320, 240, held=True)
        label, value = rng.choice(bars)
        if rng.random() < 0.5:
            return Picture(image, f"Which number does {label} have?", facts=[str(value)])
        return Picture(
            image,
            "What can you tell me about this chart?",
            facts=[f"{n} {v}".lower() for n, v in bars],
        )
    wide, high = rng.choice([(320, 240), (256, 256), (400, 200)])
    image = Image.new("RGB", (wide, high), "white")
    pen = ImageDraw.Draw(image)
    count = rng.randint(1, 4)
    spots = rng.sample([(c, r) for c in range(3) for r in range(2)], count)
    drawn = []
    for column, row in spots:
        color, shape = (
            rng.choice(list(PURE)),
            rng.choice(["circle", "square", "triangle", "star", "rectangle"]),
        )
        r = min(wide / 3, high / 2) * rng.uniform(0.28, 0.42)
        scenes.draw_shape(
            pen, shape, (column + 0.5) * wide / 3, (row + 0.5) * high / 2, r, PURE[color]
        )
        drawn.append(f"{color} {shape}")
    if rng.random() < 0.3:
        return Picture(image, "Count the shapes: how many are in the image?", facts=[f" {count}"])
    return Picture(
        image, rng.choice(["Tell me what is drawn here.", "Describe what you see."]), facts=drawn
    )


SKILLS: list[tuple[str, str, Callable[[random.Random, str], Picture], float]] = [
    ("printed text 16-48 px: character error", "latin", latin, 0.8),
    ("printed text 12-15 px: character error", "small", small, 2),
    ("Chinese characters: character error", "chinese", chinese, 2),
    ("scenes and charts: facts right", "scene", scene, 95),
]
