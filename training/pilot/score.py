"""Quick scores while training: the share of answers that greedy decoding would give exactly."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import batches, chat
from .images import pages
from .model import Pilot
from .phrase import Example
from .tokenizer import Tokenizer

Skills = dict[str, Callable[[random.Random], Example]]


def _exact(
    model: Pilot, tokenizer: Tokenizer, examples: list[Example], device: torch.device
) -> list[bool]:
    """An answer is given exactly when every token of it is the likeliest after those before it."""
    rows = []
    for e in examples:
        head = tokenizer.encode(chat.prompt(e.messages, e.tools))
        rows.append((head + batches.encode_answer(tokenizer, e.answer, frozenset()), len(head)))
    rows.sort(key=lambda r: len(r[0]))
    right: list[bool] = []
    for at in range(0, len(rows), 32):
        part = rows[at : at + 32]
        width = max(len(r[0]) for r in part)
        ids = torch.zeros(len(part), width, dtype=torch.long)
        for i, (tokens, _) in enumerate(part):
            ids[i, : len(tokens)] = torch.tensor(tokens)
        ids = ids.to(device)
        positions = torch.arange(width, device=device)[None].expand(len(part), -1)
        best = model.logits(model.text(ids, positions)).argmax(-1)
        for i, (tokens, start) in enumerate(part):
            right.append(
                bool((best[i, start - 1 : len(tokens) - 1] == ids[i, start : len(tokens)]).all())
            )
    return right


def _reading(
    model: Pilot,
    tokenizer: Tokenizer,
    folder: str,
    look: pages.Look,
    grid: tuple[int, int],
    count: int,
    seed: str,
    device: torch.device,
    render: Callable[[Tensor], Tensor],
) -> tuple[float, float]:
    """Share of wrong characters (given those before) and of pages read without a mistake."""
    rng = random.Random(seed)
    wide, high = grid
    wrong = total = whole = 0
    for _ in range(count // 8):
        rows, pixels = [], []
        for _ in range(8):
            made = pages.page(rng, look, wide * 16, high * 16)
            shown = batches.Shown(
                np.asarray(made.ink)[None],
                batches._turns(rng, "Read the text in the image."),
                "\x01" + "\n".join(made.lines) + "\x02",
                [],
            )
            rows.append(batches.encode_shown(tokenizer, shown, wide * high))
            pixels.append(shown.pixels)
        width = max(len(r[0]) for r in rows)
        ids = np.zeros((8, width), np.int64)
        positions = np.zeros((3, 8, width), np.int64)
        for i, (tokens, _) in enumerate(rows):
            ids[i, : len(tokens)] = tokens
            positions[:, i] = batches.picture_positions(ids[i], tokenizer.image, wide, high)
        given = torch.from_numpy(ids).to(device)
        image = render(torch.from_numpy(np.stack(pixels)).to(device))
        hidden, _ = model.picture(
            given, torch.from_numpy(positions).to(device), image, tokenizer.image
        )
        best = model.logits(hidden).argmax(-1)
        for i, (tokens, start) in enumerate(rows):
            good = best[i, start - 1 : len(tokens) - 1] == given[i, start : len(tokens)]
            wrong += int((~good).sum())
            total += len(good)
            whole += bool(good.all())
    return 100 * wrong / max(1, total), 100 * whole / max(1, count // 8 * 8)


@torch.no_grad()
def report(
    model: Pilot,
    tokenizer: Tokenizer,
    skills: Skills,
    folder: str,
    device: torch.device,
    render: Callable[[Tensor], Tensor],
    count: int = 192,
    reading: int = 48,
) -> dict[str, float]:
    model.eval()
    out: dict[str, float] = {}
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        for name, make in skills.items():
            examples = [make(random.Random(f"score/{name}/{i}")) for i in range(count)]
            right = _exact(model, tokenizer, examples, device)
            out[name] = round(100 * sum(right) / len(right), 1)
        looks: dict[str, Any] = {
            "latin": (
                pages.Look(folder, held=True, chinese=0, sizes=(16, 44), plain=True),
                (30, 16),
            ),
            "small": (
                pages.Look(folder, held=True, chinese=0, sizes=(12, 15), plain=True),
                (24, 10),
            ),
            "chinese": (pages.Look(folder, held=True, chinese=1, sizes=(16, 44)), (24, 12)),
            "known": (pages.Look(folder, held=False, chinese=0, sizes=(12, 40)), (24, 12)),
        }
        for name, (look, grid) in looks.items():
            error, whole = _reading(
                model, tokenizer, folder, look, grid, reading, f"score/{name}", device, render
            )
            out[f"read {name} err"], out[f"read {name} whole"] = round(error, 2), round(whole, 1)
    model.train()
    return out


def show(scores: dict[str, float]) -> str:
    return "  ".join(f"{k} {v}" for k, v in scores.items())
