"""Batches as plain arrays: packed rows of text, and pictures of one size with their questions."""

import math
import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import chat
from . import lexicon as lx
from .images import fonts, pages, scenes
from .phrase import Example
from .tasks import common, mixture
from .tokenizer import Tokenizer

PROMPT_WEIGHT = 0.03
ROW = 4096
ROWS = 14
PATCHES = 28_672  # patches of a picture batch
PICTURE_TOKENS = 14_000  # and its tokens, cells included

# Cells (16x16 pixels) of a picture: width and height in cells, room for text, share of batches.
# One entry is one compiled shape: only the number of cells matters to it, so it may hold many forms.
GRIDS: list[tuple[list[tuple[int, int]], int, float]] = [
    ([(16, 2), (8, 4)], 96, 0.10),
    ([(20, 6), (30, 4), (12, 10), (15, 8), (40, 3), (10, 12)], 144, 0.24),
    ([(40, 10), (20, 20), (25, 16), (50, 8), (16, 25), (10, 40)], 288, 0.36),
    ([(40, 24), (32, 30), (60, 16), (24, 40), (48, 20)], 448, 0.24),
    ([(64, 32), (32, 64)], 640, 0.06),
]
GLYPHS = fonts.LATIN[1:95] + fonts.CJK_MARKS + "€£°×–—’“”…é" + lx.hanzi()
GLYPH_IDS = {c: i for i, c in enumerate(dict.fromkeys(GLYPHS))}


def spelled_words(rng: random.Random, tokenizer: Tokenizer, text: str) -> frozenset[str]:
    """For one example in seven, some words are unknown, so that unknown words are nothing special."""
    if rng.random() > 0.15:
        return frozenset()
    share = rng.choice([0.1, 0.2, 0.5])
    words = {p for p in tokenizer.pattern.findall(text) if len(p) > 1 and p.isalpha()}
    return frozenset(w for w in sorted(words) if rng.random() < share)


def encode_answer(tokenizer: Tokenizer, answer: str, spelled: frozenset[str]) -> list[int]:
    out: list[int] = []
    for i, part in enumerate(answer.replace(scenes.CLOSE, scenes.OPEN).split(scenes.OPEN)):
        out += tokenizer.spell(part) if i % 2 else tokenizer.encode(part, spelled)
    return [*out, tokenizer.end]


def encode(
    rng: random.Random, tokenizer: Tokenizer, example: Example
) -> tuple[list[int], list[float]]:
    """Tokens of a conversation, and how much each one counts as a target."""
    prompt = chat.prompt(example.messages, example.tools)
    spelled = spelled_words(rng, tokenizer, prompt + example.answer)
    head = tokenizer.encode(prompt, spelled)
    tail = encode_answer(tokenizer, example.answer, spelled)
    weight = math.sqrt(12 / max(12, len(tail)))
    return head + tail, [PROMPT_WEIGHT] * len(head) + [weight] * len(tail)


def text_batch(
    tokenizer: Tokenizer, seed: str, rows: int = ROWS, size: int = ROW
) -> dict[str, np.ndarray]:
    """Rows packed full of conversations that do not see each other."""
    rng = random.Random(seed)
    ids = np.zeros((rows, size + 1), np.int32)
    weights = np.zeros((rows, size + 1), np.float32)
    owner = np.full((rows, size + 1), -1, np.int32)
    positions = np.zeros((rows, size + 1), np.int32)
    waiting: list[tuple[list[int], list[float]]] = []
    for row in range(rows):
        at, number = 0, 0
        while at < size - 40:
            room = size + 1 - at
            fit = next((i for i, w in enumerate(waiting) if len(w[0]) <= room), None)
            if fit is not None:
                tokens, counts = waiting.pop(fit)
            else:
                tokens, counts = encode(rng, tokenizer, mixture.draw(rng))
                if len(tokens) > room:
                    if len(tokens) <= size and len(waiting) < 24:
                        waiting.append((tokens, counts))
                    if room < 400:
                        break
                    continue
            end = at + len(tokens)
            ids[row, at:end], weights[row, at:end] = tokens, counts
            weights[row, at] = 0
            owner[row, at:end], positions[row, at:end] = number, np.arange(end - at)
            at = end
            number += 1
        owner[row, at:] = number + 1
    return {
        "ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "weights": weights[:, 1:],
        "owner": owner[:, :-1],
        "positions": positions[:, :-1],
    }


@dataclass
class Shown:
    """One picture, what is asked about it, and the answer."""

    pixels: np.ndarray
    messages: list[dict[str, Any]]
    answer: str
    glyphs: list[tuple[str, float, float]]


def _turns(rng: random.Random, question: str) -> list[dict[str, Any]]:
    picture, text = {"type": "image"}, {"type": "text", "text": question}
    turn = {"role": "user", "content": [picture, text] if rng.random() < 0.8 else [text, picture]}
    return [*common.maybe_system(rng, 0.2), turn]


def show_page(rng: random.Random, look: pages.Look, wide: int, high: int) -> Shown:
    made = pages.page(rng, look, wide * 16, high * 16)
    question, answer = pages.ask(rng, made)
    return Shown(
        np.asarray(made.ink)[None], _turns(rng, question), scenes.spelled(answer), made.glyphs
    )


def show_scene(rng: random.Random, folder: str, wide: int, high: int, held: bool = False) -> Shown:
    if rng.random() < 0.3 and min(wide, high) >= 8:
        image, title, bars = scenes.chart(rng, folder, wide * 16, high * 16, held)
        question, answer = scenes.ask_chart(rng, title, bars)
    else:
        image, items, ground = scenes.scene(rng, wide * 16, high * 16)
        question, answer = scenes.ask_scene(rng, items, ground)
    return Shown(np.asarray(image).transpose(2, 0, 1), _turns(rng, question), answer, [])


def picture_positions(ids: np.ndarray, image_token: int, wide: int, high: int) -> np.ndarray:
    """Time, height and width of each token; after a picture, time goes on from its longer side."""
    seen = np.flatnonzero(ids == image_token)
    first, count = int(seen[0]), len(seen)
    out = np.broadcast_to(np.arange(len(ids)), (3, len(ids))).copy()
    out[0, seen] = first
    out[1, seen] = first + np.repeat(np.arange(high), wide)
    out[2, seen] = first + np.tile(np.arange(wide), high)
    out[:, first + count :] += max(wide, high) - count
    return out


def encode_shown(tokenizer: Tokenizer, shown: Shown, cells: int) -> tuple[list[int], int]:
    """Tokens of a picture's conversation, the picture's cells in place; and where the answer starts."""
    head = tokenizer.encode(chat.prompt(shown.messages))
    at = head.index(tokenizer.image)
    head = head[:at] + [tokenizer.image] * cells + head[at + 1 :]
    return head + encode_answer(tokenizer, shown.answer, frozenset()), len(head)


def picture_batch(
    tokenizer: Tokenizer,
    seed: str,
    folder: str,
    scenes_share: float,
    chinese: float,
    patches: int = PATCHES,
) -> dict[str, np.ndarray]:
    rng = random.Random(seed)
    forms, room, _ = rng.choices(GRIDS, [g[2] for g in GRIDS])[0]
    drawn = rng.random() < scenes_share
    if drawn:
        forms, room, _ = GRIDS[rng.choice([1, 2, 2])]
        forms = [f for f in forms if min(f) >= 6]
    wide, high = rng.choice(forms)
    cells = wide * high
    total = cells + room
    tokens = PICTURE_TOKENS * patches // PATCHES
    count = max(1, min(patches // (4 * cells), tokens // total))
    ids = np.zeros((count, total + 1), np.int32)
    weights = np.zeros((count, total + 1), np.float32)
    positions = np.zeros((3, count, total + 1), np.int32)
    pixels = np.zeros((count, 3 if drawn else 1, high * 16, wide * 16), np.uint8)
    pairs: list[tuple[int, int]] = []
    look = pages.Look(folder, chinese=chinese, max_characters=room - 60)
    for b in range(count):
        while True:
            shown = (
                show_scene(rng, folder, wide, high) if drawn else show_page(rng, look, wide, high)
            )
            tokens, start = encode_shown(tokenizer, shown, cells)
            if len(tokens) <= total + 1:
                break
        ids[b, : len(tokens)] = tokens
        weights[b, start : len(tokens)] = 1.0
        positions[:, b] = picture_positions(ids[b], tokenizer.image, wide, high)
        pixels[b] = shown.pixels
        for character, x, y in shown.glyphs:
            column, row = int(x // 16), int(y // 16)
            if 0 <= column < wide and 0 <= row < high and character in GLYPH_IDS:
                pairs.append((b * cells + row * wide + column, GLYPH_IDS[character]))
    return {
        "ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "weights": weights[:, 1:],
        "positions": positions[:, :, :-1],
        "pixels": pixels,
        "pairs": np.array(pairs or [(0, 0)], np.int32),
        "glyphs": np.array([len(pairs)], np.int32),
    }
